"""A case: a job and its log, with the meaning of every frame known by construction.

seed ──generator──▶ Case ──▶ job.toml, tapes          what the product reads
                      └────▶ rows of every record     what the model reads: it decodes nothing
"""

import gzip
import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

HEARTBEAT, MALFORMED, RECOGNISED, ROWS = "heartbeat", "malformed", "recognised", "rows"
FORMS = ("tape", "tape.gz", "tape.zst", "parquet")


Job: TypeAlias = dict[str, Any]  # TOML tables by section


class TradeRow(NamedTuple):
    """A trade as its frame says it; numbers in the venue's own text."""

    symbol: str
    trade_id: int
    aggressor: int  # 1: the buyer
    event_ns: int
    price: str
    size: str
    verdict: str  # accepted, history or off_market: as the frame itself says


class QuoteRow(NamedTuple):
    """A best bid and ask; a price of zero is none."""

    symbol: str
    bid: str
    ask: str


class Record(NamedTuple):
    """One record of the log."""

    log_ns: int
    frame: bytes
    kind: str
    channel: str = ""
    rows: tuple[TradeRow | QuoteRow, ...] = ()
    times: tuple[int, ...] = ()  # event times: integers as they are written; of text in ns


class Listed(NamedTuple):
    """An instrument of the job, and the partition that carries it."""

    id: str
    venue: str
    symbol: str
    tick: Decimal
    lot: Decimal
    multiplier: Decimal
    quote: str
    partition: str


class Case(Struct, frozen=True):
    """A job, as TOML tables, and its log."""

    seed: int
    job: Job
    log: dict[str, list[Record]]
    instruments: tuple[Listed, ...]

    @property
    def records(self) -> int:
        """How many records there are."""
        return sum(map(len, self.log.values()))


def to_toml(job: Job) -> str:
    """Return a job as the text of its file."""
    lines = []
    for name, section in job.items():
        for table in section if isinstance(section, list) else [section]:
            lines.append(f"[[{name}]]" if isinstance(section, list) else f"[{name}]")
            lines += [f"{json.dumps(key)} = {to_value(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def to_value(value: Any) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {to_value(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)


def write_tapes(case: Case, folder: Path, forms: tuple[str, ...], draw: random.Random) -> None:
    """Write the log of a case, each partition in one of these forms."""
    folder.mkdir(parents=True)
    for name, records in case.log.items():
        form = draw.choice(forms)
        path = folder / f"{name}.{form}"
        if form == "parquet":
            times = pa.array([each.log_ns for each in records], pa.int64())
            frames = pa.array([each.frame for each in records], pa.binary())
            table = pa.table({"log_ns": times, "frame": frames})
            pq.write_table(table, path, row_group_size=draw.choice([1, 10, 1000]))
            continue
        lines = b"".join(
            b"%d%s%s\n"
            % (each.log_ns, b" " if each.frame else draw.choice([b"", b" "]), each.frame)
            for each in records
        )
        if draw.random() < 0.3:
            lines = lines.removesuffix(b"\n")
        path.write_bytes(compress(lines, form))


def compress(data: bytes, form: str) -> bytes:
    """Return the bytes of a file of this form."""
    if form == "tape.gz":
        return gzip.compress(data, 1)
    if form == "tape.zst":
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            stream.write(data)
        return bytes(sink.getvalue())
    return data
