"""The job and the log of a check: one strategy alone, over a log that is made up or on tapes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from pydantic import ValidationError

from tapeflow.flows.check.feature_reader import KIND as READER
from tapeflow.flows.check.run_log import desk_batches
from tapeflow.flows.check.synthetic_log import START_NS, make_up_log
from tapeflow.flows.job import declared, settings
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.messages import first_error
from tapeflow.flows.job.settings import Job
from tapeflow.flows.job.width import parse_width
from tapeflow.flows.trade import desk_settings
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.schemas.batches import DeskBatch, Page
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.needs import parse_need
from tapeflow.schemas.signals import DeclaredStrategy
from tapeflow.schemas.strategy import Strategy

NAME = "checked"  # of the strategy in its job
STEPS = 400  # of the made-up log: long enough for windows of some hundred bars
INSTRUMENTS_MAX = 6  # of a job, that the made-up log has
RICH = {"position_max": 10**9, "gross_max": 10**15, "orders_max": 10**6, "orders_window": "1s"}
KEYS: dict[str, Any] = {
    "bars": {"width": "1s"},
    "paper": {"latency": "50ms", "fee_bps": 5, "model": "touch"},
    "accounts": [{"name": "main", "capital": 10**6, **RICH}],
    "instruments": {
        name: {"tick": "0.01", "lot": "0.001"}
        for name in (
            *("BTC-USDT.BINANCE", "ETH-USDT.BINANCE"),
            *("BTC-USD.COINBASE", "ETH-USD.COINBASE"),
        )
    },
}
ROW: dict[str, Any] = {"name": NAME, "account": "main", "size": {"notional": "1000"}}


@dataclass(slots=True)
class Log:
    """A log to check over: what the desk is sent of it, made when it is first asked for."""

    name: str  # in messages
    job: Job
    declared: DeclaredStrategy
    settings: DeskSettings
    pages: Callable[[int], Iterator[Page]]  # of so many times its length; 0: with another end
    past_ns: int  # log time up to which that is the same
    made: dict[int, list[DeskBatch]] = field(default_factory=dict)

    def batches(self, times: int = 1) -> list[DeskBatch]:
        """Return what the desk is sent, of so many times its length."""
        if times not in self.made:
            table = self.settings.instruments
            pages = self.pages(times)
            self.made[times] = desk_batches(pages, self.job, table, self.settings)
        return self.made[times]


class CheckTask(Struct, frozen=True):
    """What is to be checked, and over what."""

    path: str  # of the file
    name: str  # of the class
    row: dict[str, Any] = {}  # keys of its row of [[strategies]]
    config: str | None = None  # a job file
    tapes: tuple[str, ...] = ()
    is_feature: bool = False  # the class is a Feature, and `row` holds its settings
    steps: int = STEPS  # of the made-up log

    @property
    def kind(self) -> str:
        """The kind, as a job names it."""
        return READER if self.is_feature else f"{self.path}:{self.name}"

    @property
    def row_keys(self) -> dict[str, Any]:
        """The keys of the row in the job."""
        return {} if self.is_feature else self.row

    def encode(self) -> str:
        """Return it as text."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def decode(cls, text: str) -> "CheckTask":
        """Return it of its text."""
        return msgspec.json.decode(text, type=cls)


def make_job(task: CheckTask) -> Job:
    """Return the job of a check: it trades the class alone. Raises UsageError for a wrong key."""
    if task.config is not None:
        return job_of_config(Path(task.config), Path(task.path), task.kind, task.row_keys)
    keys = {**KEYS, "strategies": [{**ROW, "kind": task.kind, **task.row_keys}]}
    try:
        return Job.model_validate(keys).in_folder(Path(task.path).parent)
    except ValidationError as error:
        raise UsageError(first_error(error, Job)) from None


def job_of_config(config: Path, file: Path, kind: str, row: Mapping[str, Any]) -> Job:
    """Return the job of a file with its row of this kind alone, or one as `checked_job` has it."""
    job = settings.load(config)
    own = [each for each in job.strategies if is_of_kind(each.kind, job.folder, file, kind)]
    keys: dict[str, Any] = own[0].model_dump(exclude_unset=True) if own else dict(ROW)
    account = job.accounts[0].name if job.accounts else "main"
    keys = {"account": account, **keys, "name": NAME, "kind": kind, **row}
    if not own and job.accounts:
        keys["account"] = account
    try:
        made = Job.model_validate({**KEYS, "strategies": [keys]})
    except ValidationError as error:
        raise UsageError(first_error(error, Job)) from None
    update: dict[str, Any] = {"strategies": made.strategies}
    if not job.accounts:
        update["accounts"] = made.accounts
    return job.model_copy(update=update).in_folder(job.folder)


def is_of_kind(written: str, folder: Path, file: Path, kind: str) -> bool:
    """Return whether the kind of a row in a folder names a class of a file."""
    where, _, name = written.rpartition(":")
    same_file = (folder / where).resolve() == file.resolve()
    return same_file and name == kind.rpartition(":")[2]


def declare(job: Job) -> tuple[InstrumentTable, DeclaredStrategy]:
    """Return the instruments of a job, and its one strategy."""
    table = instrument_table(job)
    return table, declared.strategies(job, table)[0]


def make_up(job: Job, strategy: Strategy, steps: int = STEPS) -> Log:
    """Return a made-up log of the instruments of a job, with steps as long as its bars need."""
    table, checked = declare(job)
    rows = sorted(table.rows, key=lambda row: row.id not in checked.instruments)[:INSTRUMENTS_MAX]
    widest_ns = max(job.bars.width.span_ns, *map(span_of, strategy.needs()), 10**9)
    step_ns = max(widest_ns // 4, job.bars.width.span_ns, 10**9)
    same = steps * 3 // 4

    def pages(times: int) -> Iterator[Page]:
        fork_at = -1 if times else same
        return make_up_log(rows, steps * max(times, 1), step_ns, fork_at)

    return Log(
        f"a made-up log of {steps} steps, {len(rows)} instruments",
        job,
        checked,
        desk_settings(job, table, sorted({f"{row.venue.lower()}-0" for row in rows})),
        pages,
        START_NS + (same - 1) * step_ns,
    )


def span_of(need: str) -> int:
    """Return the width (ns) of the bars of a need; 0 where time does not end them."""
    try:
        return parse_width(parse_need(need).kind.removeprefix("quote:")).span_ns
    except ValueError:
        return 0
