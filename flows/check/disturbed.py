"""The same answers, however a strategy is disturbed: resumed, spoilt, or with another future."""

from collections.abc import Iterator

from tapeflow.flows.check.breach import Breach
from tapeflow.flows.check.compare import answer_of, differs, place_of
from tapeflow.flows.check.market import Log
from tapeflow.flows.check.runs import OTHER_FUTURE, run, subject_of
from tapeflow.flows.check.subject import Subject
from tapeflow.flows.check.user_file import UserFile
from tapeflow.schemas.time import format_time

ANEW_FIRST, ANEW_TIMES = 20, 150  # calls before which the file is executed anew: the first, in all


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
        yield from describe_resume(file, plain, resumed, number, failure)
        return
    future = subject_of(file, log)
    run(future, log, OTHER_FUTURE)
    number = differs(plain, future, log.past_ns) or 0
    yield Breach(
        place_of(plain, number),
        f"its answers before {format_time(log.past_ns)} depend on records after it",
    )


def describe_resume(
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
    answered, before = answer_of(others), answer_of(ours)
    answers = "has another state" if answered == before else f"answers {answered}, not {before}"
    yield Breach(
        place_of(plain, number),
        f"after a resume {call.handler} {answers} (call {number + 1:,}): it keeps something "
        "outside of its state, such as a global, or an attribute of its class",
    )
