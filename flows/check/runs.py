"""One run of the strategy that is checked, over a log."""

from typing import Any

from tapeflow.flows.check.market import Log
from tapeflow.flows.check.run_log import run_desk
from tapeflow.flows.check.subject import Subject
from tapeflow.flows.check.user_file import UserFile

OTHER_FUTURE = 0  # in place of a length of the log


def subject_of(file: UserFile, log: Log, **disturbances: Any) -> Subject:
    """Return the strategy for one run, disturbed in some ways."""
    return Subject(log.declared, file.loader(log.declared), **disturbances)


def run(subject: Subject, log: Log, times: int = 1) -> tuple[BaseException | None, list[Any]]:
    """Run a strategy over a log; return what it raised, and the facts up to there."""
    facts: list[Any] = []
    try:
        facts.extend(run_desk(log.batches(times), log.settings, subject.declare()))
    except Exception as error:
        own = [each.error for each in subject.calls[-1:] if each.error is not None]
        return (own or [error])[0], facts
    return None, facts
