"""The laws of a strategy, over one log.

watched     handlers touch no clock, no randomness, nothing outside; no crash; answers are requests
disturbed   the same answers, however it is resumed or spoilt
longer      the state does not grow with the log
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tapeflow.flows.check.breach import Breach
from tapeflow.flows.check.disturbed import check_disturbed
from tapeflow.flows.check.growth import check_growth
from tapeflow.flows.check.lines import begin_of, line_of_class
from tapeflow.flows.check.market import NAME, Log
from tapeflow.flows.check.runs import run, subject_of
from tapeflow.flows.check.subject import Subject
from tapeflow.flows.check.user_file import UserFile
from tapeflow.flows.check.watching import StoppedError, Watch
from tapeflow.schemas.accounts import Decision
from tapeflow.schemas.errors import TapeflowError


@dataclass(slots=True)
class Checked:
    """What a check over one log has found."""

    breaches: list[Breach]
    plain: Subject  # an undisturbed run


def check_over(file: UserFile, log: Log) -> Checked:
    """Check a strategy over a log: its breaches, and an undisturbed run."""
    watch = Watch(file.path.parent, file.path)
    plain = subject_of(file, log, watch=watch.during)
    failure, facts = run(plain, log)
    breaches = [Breach(*each) for each in watch.found]
    breaches += describe_failure(file, plain, failure)
    breaches += find_refused(plain, facts)
    if not plain.calls and not breaches:
        place = line_of_class(plain.kind)
        breaches.append(Breach(place, f"nothing called it over {log.name}: nothing was checked"))
    if not breaches:
        breaches += check_disturbed(file, log, plain)
        breaches += check_growth(file, log, plain)
    return Checked(breaches, plain)


def describe_failure(
    file: UserFile, subject: Subject, failure: BaseException | None
) -> Iterator[Breach]:
    """Yield the breach that an error is: a crash, or an answer that is no request."""
    if failure is None or isinstance(failure, StoppedError):
        return
    if not subject.calls and failure.__cause__ is not None:
        failure = failure.__cause__  # of `start`, in the words of a run
    handler = subject.calls[-1].handler if subject.calls else "start"
    kind = subject.kind
    place = file.line_of_error(failure)
    if place is None:
        of_state = isinstance(failure, TapeflowError)
        place = line_of_class(kind) if of_state else begin_of(kind, handler)
    text = " ".join(str(failure).split()).removeprefix(f"strategy {NAME}: ")
    if isinstance(failure, TapeflowError):
        yield Breach(place, text)
    else:
        yield Breach(place, f"{handler} fails: {type(failure).__name__}{text and f': {text}'}")


def find_refused(subject: Subject, facts: list[Any]) -> Iterator[Breach]:
    """Yield the first request for an instrument that the strategy does not trade."""
    refused = [each for each in facts if isinstance(each, Decision) and each.reason == "NOT_TRADED"]
    for decision in refused[:1]:
        name = decision.instrument
        for call in subject.calls:
            for request, line in zip(call.requests, call.lines, strict=True):
                if repr(name) in request and call.time_ns == decision.time_ns:
                    yield Breach(
                        line,
                        f"{call.handler} asks for an order in {name}, which it does not trade: "
                        "its row names `instruments`, and context.instruments are those",
                    )
                    return
