"""What a strategy is checked over: a job with it alone, and a log that is made up or on tapes."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tapeflow.flows.check.made_up import FORMATS, made_up_log
from tapeflow.flows.job import declared, settings
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.messages import first_error
from tapeflow.flows.job.settings import Job
from tapeflow.flows.job.width import parse_width
from tapeflow.schemas.batches import Page
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
    """A log to check over: its pages, as often as they are read."""

    name: str  # in messages
    job: Job
    table: InstrumentTable
    partitions: tuple[str, ...]
    pages: Callable[[float], Iterator[Page]]  # of so many times its length
    other_future: Callable[[], Iterator[Page]]  # as `pages(1)`, and another end
    past_ns: int  # log time up to which both are the same


def checked_job(kind: str, row: Mapping[str, Any], folder: Path) -> Job:
    """Return a job that trades this kind alone. Raises UsageError for a wrong key."""
    keys = {**KEYS, "strategies": [{**ROW, "kind": kind, **row}]}
    try:
        return Job.model_validate(keys).in_folder(folder)
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


def made_up(job: Job, strategy: Strategy, steps: int = STEPS) -> Log:
    """Return a made-up log of the instruments of a job, with steps as long as its bars need.

    Raises UsageError where it can write frames of none of their venues.
    """
    table, checked = declare(job)
    known = [row for row in table.rows if row.venue.lower() in FORMATS]
    rows = sorted(known, key=lambda row: row.id not in checked.instruments)[:INSTRUMENTS_MAX]
    if not any(row.id in checked.instruments for row in rows):
        raise UsageError(
            f"there are made-up frames of {', '.join(FORMATS)} alone, and it trades no instrument "
            "of those: check it over tapes of its own, --tape"
        )
    widest_ns = max(job.bars.width.span_ns, *map(span_of, strategy.needs()), 10**9)
    step_ns = max(widest_ns // 4, job.bars.width.span_ns, 10**9)
    same = steps * 3 // 4

    first_ns = next(made_up_log(rows, 1, step_ns)).log_ns[0]
    return Log(
        f"a made-up log of {steps} steps, {len(rows)} instruments",
        job,
        table,
        tuple(sorted({f"{row.venue.lower()}-0" for row in rows})),
        lambda times: made_up_log(rows, int(steps * times), step_ns),
        lambda: made_up_log(rows, steps, step_ns, fork_at=same),
        int(first_ns) + (same - 1) * step_ns,
    )


def span_of(need: str) -> int:
    """Return the width (ns) of the bars of a need; 0 where time does not end them."""
    try:
        return parse_width(parse_need(need).kind.removeprefix("quote:")).span_ns
    except ValueError:
        return 0


def of_tapes(paths: Iterable[Path], job: Job) -> Log:
    """Return the log of tapes."""
    from tapeflow.flows.run.log import reader_factories  # noqa: PLC0415  # slow
    from tapeflow.flows.run.tape_files import find_tapes  # noqa: PLC0415

    named = [*paths]
    log = find_tapes(named, job)
    table, _ = declare(job)

    def pages() -> Iterator[Page]:
        from tapeflow.flows.run.topics import read_pages  # noqa: PLC0415

        read = {
            name: read_pages(each)
            for name, each in reader_factories(log, job, lambda line: None).items()
        }
        yield from in_log_order(read)

    where = ", ".join(map(str, named))
    return Log(where, job, table, tuple(log), lambda times: pages(), pages, 2**63 - 1)


def in_log_order(read: dict[str, Iterator[Page]]) -> Iterator[Page]:
    """Yield the pages of all partitions, always the one that begins first."""
    waiting = {name: page for name, pages in read.items() if (page := next(pages, None))}
    while waiting:
        name = min(waiting, key=lambda each: (first_ns(waiting[each]), each))
        yield waiting.pop(name)
        page = next(read[name], None)
        if page is not None:
            waiting[name] = page


def first_ns(page: Page) -> int:
    """Return the log time at which a page begins; of one without records that of all others."""
    return int(page.log_ns[0]) if len(page.log_ns) else 2**63 - 1
