"""The laws of a strategy, over one log.

    watched     handlers touch no clock, no randomness, nothing outside; no crash; answers are requests
    disturbed   state stored and read before each call, file executed anew, context spoilt after it,
                another future: the same answers
    longer      the state does not grow with the log
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tapeflow.flows.check.breach import Breach
from tapeflow.flows.check.lines import begin_of, line_of_class
from tapeflow.flows.check.market import Log, declare
from tapeflow.flows.check.run_log import run_log
from tapeflow.flows.check.subject import Call, Subject
from tapeflow.flows.check.user_file import UserFile
from tapeflow.flows.check.watching import StoppedError, Watch
from tapeflow.schemas.accounts import Decision
from tapeflow.schemas.errors import TapeflowError

ANEW_FIRST, ANEW_TIMES = 20, 150  # calls before which the file is executed anew: the first, in all
GROWTH_TIMES = (1, 2, 4)  # lengths of the log, of which the state is compared
SMALL_BYTES = 256  # a state that grows by less is not judged


@dataclass(slots=True)
class Checked:
    """What a check over one log has found."""

    breaches: list[Breach]
    calls: list[Call]


def check_over(file: UserFile, log: Log) -> Checked:
    """Check a strategy over a log: its breaches, and the calls of an undisturbed run."""
    watch = Watch(file.path.parent, file.path)
    plain = Subject(declare(log.job)[1], watch=watch.during)
    failure, facts = run(plain, log)
    breaches = [Breach(*each) for each in watch.found]
    breaches += describe_failure(file, plain, failure)
    breaches += find_refused(plain, facts)
    if not plain.calls and not breaches:
        place = line_of_class(type(plain.strategy))
        breaches.append(Breach(place, f"nothing called it over {log.name}: nothing was checked"))
    if not breaches:
        breaches += check_disturbed(file, log, plain)
        breaches += check_growth(log, plain)
    return Checked(breaches, plain.calls)


def run(
    subject: Subject, log: Log, pages: Callable[[], Iterator[Any]] | None = None
) -> tuple[BaseException | None, list[Any]]:
    """Run a strategy over a log; return what it raised, and the facts."""
    facts: list[Any] = []
    try:
        made = log.pages(1) if pages is None else pages()
        facts = run_log(made, log.partitions, log.job, log.table, lambda _: subject.declare())
    except Exception as error:  # of the strategy, in whatever the engine makes of it
        own = [each.error for each in subject.calls[-1:] if each.error is not None]
        return (own or [error])[0], facts
    return None, facts


def describe_failure(
    file: UserFile, subject: Subject, failure: BaseException | None
) -> Iterator[Breach]:
    """Yield the breach that an error is: a crash, or an answer that is no request."""
    if failure is None or isinstance(failure, StoppedError):
        return
    handler = subject.calls[-1].handler if subject.calls else "start"
    kind = type(subject.strategy)
    place = file.line_of_error(failure)
    if place is None:
        of_state = isinstance(failure, TapeflowError)
        place = line_of_class(kind) if of_state else begin_of(kind, handler)
    text = " ".join(str(failure).split())
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


# --- the same answers, however it is disturbed ------------------------------------------------


def check_disturbed(file: UserFile, log: Log, plain: Subject) -> Iterator[Breach]:
    """Yield what a strategy does otherwise when it is resumed, spoilt, or the future is another."""
    every = max(len(plain.calls) // ANEW_TIMES, 1)
    load = file.loader(declare(log.job)[1])
    anew = {"load": load, "is_anew": lambda number: number < ANEW_FIRST or number % every == 0}
    disturbed = Subject(declare(log.job)[1], spoils=True, **anew)
    failure, _ = run(disturbed, log, log.other_future)
    if failure is None and differs(plain, disturbed, log.past_ns) is None:
        return
    spoilt = Subject(declare(log.job)[1], spoils=True)
    failure, _ = run(spoilt, log)
    call = differs(plain, spoilt, log.past_ns)
    if failure is not None or call is not None:
        place = file.line_of_error(failure) if failure is not None else None
        place = place or place_of(plain, call or spoilt.calls[-1])
        yield Breach(
            place,
            "it keeps what a context gave, which is valid during the call: copy the arrays that "
            "it keeps",
        )
        return
    resumed = Subject(declare(log.job)[1], **anew)
    failure, _ = run(resumed, log)
    call = differs(plain, resumed, log.past_ns)
    if failure is not None and not resumed.calls[-1:][0].error and call is None:
        raise failure
    if call is not None or failure is not None:
        yield from describe_resumed(file, plain, resumed, call or resumed.calls[-1], failure)
        return
    future = Subject(declare(log.job)[1])
    run(future, log, log.other_future)
    call = differs(plain, future, log.past_ns) or plain.calls[-1]
    yield Breach(place_of(plain, call), "it said otherwise of the past when the future changed")


def describe_resumed(
    file: UserFile, plain: Subject, resumed: Subject, call: Call, failure: BaseException | None
) -> Iterator[Breach]:
    """Yield the breach of a strategy that is not the same after a resume."""
    if failure is not None and (place := file.line_of_error(failure)) is not None:
        text = f"{call.handler} fails: {type(failure).__name__}: {' '.join(str(failure).split())}"
        yield Breach(place, f"after a resume {text}: what it keeps must be in its state")
        return
    number = resumed.calls.index(call)
    before = plain.calls[number] if number < len(plain.calls) else None
    yield Breach(
        place_of(plain, before or call),
        f"{call.handler} answers otherwise after a resume (call {number + 1:,}): "
        f"{answer_of(call)}, not {answer_of(before)}: it keeps something outside of its state: "
        "globals, attributes of the class and closures are not kept",
    )


def differs(plain: Subject, other: Subject, past_ns: int) -> Call | None:
    """Return the first call of `other` that is not as that of `plain`; None where all are."""
    for number, call in enumerate(other.calls):
        if call.time_ns > past_ns:
            return None
        if number >= len(plain.calls) or answer_key(call) != answer_key(plain.calls[number]):
            return call
    return None


def answer_key(call: Call) -> tuple[Any, ...]:
    """Return what must be the same of a call."""
    return call.handler, call.time_ns, call.requests, call.state


def answer_of(call: Call | None) -> str:
    """Return what a call answered, for a message."""
    if call is None:
        return "no call"
    if not call.requests:
        return "nothing"
    more = f" and {len(call.requests) - 1} more" if len(call.requests) > 1 else ""
    return call.requests[0] + more


def place_of(subject: Subject, call: Call) -> str:
    """Return the line of a call: that of its first request, or where its handler begins."""
    return (call.lines or [begin_of(type(subject.strategy), call.handler)])[0]


# --- the size of the state --------------------------------------------------------------------


def check_growth(log: Log, plain: Subject) -> Iterator[Breach]:
    """Yield the breach of a state that grows with the log."""
    half, end = plain.sizes[len(plain.sizes) // 2], plain.sizes[-1]
    if end <= half + SMALL_BYTES // 2:
        return
    sizes = [end]
    for times in GROWTH_TIMES[1:]:
        longer = Subject(declare(log.job)[1], keeps_states=False)
        with suppress(Exception):
            made = log.pages(times)
            change = longer.declare()
            run_log(made, log.partitions, log.job, log.table, lambda _, change=change: change)  # type: ignore[misc]
        if not longer.calls or len(longer.calls) <= len(plain.calls):
            return  # a tape is not longer than it is
        sizes.append(len(longer.encode()))
    once, twice, four = sizes
    if four - twice > SMALL_BYTES and four - twice > 1.5 * (twice - once):
        yield Breach(
            begin_of(type(plain.strategy), "start"),
            f"its state grows with the log: {once:,} bytes, {twice:,} after twice as much, "
            f"{four:,} after four times: keep the last so many, or sums",
        )
