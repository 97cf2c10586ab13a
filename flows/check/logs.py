"""The logs of a check: the made-up one, and that of tapes."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from tapeflow.flows.check.market import CheckTask, Log, declare, make_job, make_up
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run.log import reader_factories
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.flows.run.topics import read_pages
from tapeflow.flows.trade import desk_settings
from tapeflow.schemas.batches import Page
from tapeflow.schemas.time import MAX_NS


def logs_of(task: CheckTask) -> list["Log"]:
    """Return the logs of a check: the made-up one, and that of the tapes."""
    job = make_job(task)
    logs = [make_up(job, declare(job)[1].strategy, task.steps)]
    if task.tapes:
        logs.append(of_tapes(map(Path, task.tapes), job))
    return logs


def of_tapes(paths: Iterable[Path], job: Job) -> Log:
    """Return the log of tapes."""
    named = [*paths]
    log = find_tapes(named, job)
    table, checked = declare(job)

    def pages(times: int) -> Iterator[Page]:
        readers = reader_factories(log, job, lambda line: None)
        return in_log_order({name: read_pages(each) for name, each in readers.items()})

    settings = desk_settings(job, table, tuple(log))
    return Log(", ".join(map(str, named)), job, checked, settings, pages, MAX_NS)


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
    return int(page.log_ns[0]) if len(page.log_ns) else MAX_NS
