"""The laws of a strategy, over one log.

watched     handlers touch no clock, no randomness, nothing outside; no crash; answers are requests
disturbed   state stored and read before each call, file executed anew, context spoilt after it,
another future: the same answers
longer      the state does not grow with the log
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from tapeflow.flows.check.breach import Breach
from tapeflow.flows.check.lines import begin_of, line_of_class
from tapeflow.flows.check.market import NAME, Log
from tapeflow.flows.check.run_log import run_desk
from tapeflow.flows.check.subject import Call, Subject
from tapeflow.flows.check.user_file import UserFile
from tapeflow.flows.check.watching import StoppedError, Watch
from tapeflow.schemas.accounts import Decision
from tapeflow.schemas.errors import TapeflowError

OTHER_FUTURE = 0  # in place of a length of the log
ANEW_FIRST, ANEW_TIMES = 20, 150  # calls before which the file is executed anew: the first, in all
GROWTH_TIMES = (1, 2, 4)  # lengths of the log, of which the state is compared
GROWTH_LEAST = 1.7  # from twice to four times, in that from once to twice: without a bound 2
SMALL_BYTES = 256  # a state that grows by less is not judged


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
        place = line_of_class(type(plain.strategy))
        breaches.append(Breach(place, f"nothing called it over {log.name}: nothing was checked"))
    if not breaches:
        breaches += check_disturbed(file, log, plain)
        breaches += check_growth(file, log, plain)
    return Checked(breaches, plain)


def run(subject: Subject, log: Log, times: int = 1) -> tuple[BaseException | None, list[Any]]:
    """Run a strategy over a log; return what it raised, and the facts up to there."""
    facts: list[Any] = []
    try:
        facts.extend(run_desk(log.batches(times), log.settings, subject.declare()))
    except Exception as error:
        own = [each.error for each in subject.calls[-1:] if each.error is not None]
        return (own or [error])[0], facts
    return None, facts


def describe_failure(
    file: UserFile, subject: Subject, failure: BaseException | None
) -> Iterator[Breach]:
    """Yield the breach that an error is: a crash, or an answer that is no request."""
    if failure is None or isinstance(failure, StoppedError):
        return
    if not subject.calls and failure.__cause__ is not None:
        failure = failure.__cause__  # of `start`, in the words of a run
    handler = subject.calls[-1].handler if subject.calls else "start"
    kind = type(subject.strategy)
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


# --- the same answers, however it is disturbed ------------------------------------------------


def check_disturbed(file: UserFile, log: Log, plain: Subject) -> Iterator[Breach]:
    """Yield what a strategy does otherwise when it is resumed, spoilt, or the future is another.

    One run disturbs it in all ways; where it answers otherwise, further ones say which it is.
    """
    every = max(len(plain.calls) // ANEW_TIMES, 1)

    def is_anew(number: int) -> bool:
        return number < ANEW_FIRST or number % every == 0

    disturbed = subject_of(file, log, spoils=True, is_anew=is_anew)
    failure, _ = run(disturbed, log, OTHER_FUTURE)
    if failure is None and differs(plain, disturbed, log.past_ns) is None:
        return
    spoilt = subject_of(file, log, spoils=True)
    failure, _ = run(spoilt, log)
    number = differs(plain, spoilt, log.past_ns)
    if failure is not None or number is not None:
        found = None if failure is None else file.line_of_error(failure)
        yield Breach(
            found or place_of(plain, number or 0),
            "it keeps what a context gave, which is valid during the call: copy the arrays that "
            "it keeps",
        )
        return
    resumed = subject_of(file, log, is_anew=is_anew)
    failure, _ = run(resumed, log)
    number = differs(plain, resumed, log.past_ns)
    if number is not None or failure is not None:
        number = len(resumed.calls) - 1 if number is None else number
        yield from describe_resumed(file, plain, resumed, number, failure)
        return
    future = subject_of(file, log)
    run(future, log, OTHER_FUTURE)
    number = differs(plain, future, log.past_ns) or 0
    yield Breach(place_of(plain, number), "it said otherwise of the past when the future changed")


def subject_of(file: UserFile, log: Log, **disturbances: Any) -> Subject:
    """Return the strategy for one run, disturbed in some ways."""
    return Subject(log.declared, file.loader(log.declared), **disturbances)


def describe_resumed(
    file: UserFile, plain: Subject, resumed: Subject, number: int, failure: BaseException | None
) -> Iterator[Breach]:
    """Yield the breach of a strategy that is not the same after a resume."""
    ours, others = (each.calls[number : number + 1] for each in (plain, resumed))
    call = [*others, *ours][0]
    if failure is not None and (place := file.line_of_error(failure)) is not None:
        error = f"{type(failure).__name__}: {' '.join(str(failure).split())}"
        yield Breach(
            place, f"after a resume {call.handler} fails: {error}: keep what it needs in its state"
        )
        return
    said, before = answer_of(others), answer_of(ours)
    answers = "has another state" if said == before else f"answers {said}, not {before}"
    yield Breach(
        place_of(plain, number),
        f"after a resume {call.handler} {answers} (call {number + 1:,}): it keeps something "
        "outside of its state, such as a global, or an attribute of its class",
    )


def differs(plain: Subject, other: Subject, past_ns: int) -> int | None:
    """Return the number of the first call that is not the same in both; None where all are."""
    for number, calls in enumerate(zip_longest(plain.calls, other.calls)):
        times = [each.time_ns for each in calls if each is not None]
        if max(times) > past_ns:
            return None
        if len(times) < len(calls) or answer_key(calls[0]) != answer_key(calls[1]):
            return number
    return None


def answer_key(call: Call) -> tuple[Any, ...]:
    """Return what must be the same of a call."""
    return call.handler, call.time_ns, call.requests, call.state


def answer_of(calls: list[Call]) -> str:
    """Return what a call answered, for a message; of no call if there is none."""
    if not calls:
        return "no call"
    requests = calls[0].requests
    more = f" and {len(requests) - 1} more" if len(requests) > 1 else ""
    return shorten_request(requests[0]) + more if requests else "nothing"


def shorten_request(request: str) -> str:
    """Return a request without the fields that are left out.

    >>> shorten_request("Submit(instrument='A', side=1, size=None, exit_rule='OUO')")
    "Submit(instrument='A', side=1)"
    """
    return re.sub(r", (\w+=None|exit_rule='OUO'|strength=1\.0|name='')", "", request)


def place_of(subject: Subject, number: int) -> str:
    """Return the line of a call: that of its first request, or where its handler begins."""
    call = subject.calls[min(number, len(subject.calls) - 1)]
    return (call.lines or [begin_of(type(subject.strategy), call.handler)])[0]


# --- the size of the state --------------------------------------------------------------------


def check_growth(file: UserFile, log: Log, plain: Subject) -> Iterator[Breach]:
    """Yield the breach of a state that grows with the log."""
    half, end = plain.sizes[len(plain.sizes) // 2], plain.sizes[-1]
    if end <= half + SMALL_BYTES // 2:
        return
    sizes = [end]
    for times in GROWTH_TIMES[1:]:
        longer = subject_of(file, log, keeps_states=False)
        run(longer, log, times)
        if not longer.calls or len(longer.calls) <= len(plain.calls):
            return  # a tape is not longer than it is
        sizes.append(len(longer.encode()))
    once, twice, four = sizes
    if four - twice > SMALL_BYTES and four - twice > GROWTH_LEAST * (twice - once):
        yield Breach(
            begin_of(type(plain.strategy), "start"),
            f"its state grows with the log: {once:,} bytes, {twice:,} after twice as much, "
            f"{four:,} after four times: keep the last so many, or sums",
        )
