"""The size of the state of a strategy: it does not grow with the log."""

from collections.abc import Iterator

from tapeflow.flows.check.breach import Breach
from tapeflow.flows.check.lines import begin_of
from tapeflow.flows.check.market import Log
from tapeflow.flows.check.runs import run, subject_of
from tapeflow.flows.check.subject import Subject
from tapeflow.flows.check.user_file import UserFile

LONGER = (2, 4)  # lengths of the log, of which the states are compared
GROWTH_LEAST = 1.7  # from twice to four times, in that from once to twice: without a bound 2
SMALL_BYTES = 256  # a state that grows by less is not judged


def check_growth(file: UserFile, log: Log, plain: Subject) -> Iterator[Breach]:
    """Yield the breach of a state that grows with the log."""
    half, end = plain.sizes[len(plain.sizes) // 2], plain.sizes[-1]
    if end <= half + SMALL_BYTES // 2:
        return
    sizes = [end]
    for times in LONGER:
        longer = subject_of(file, log, keeps_states=False)
        run(longer, log, times)
        if not longer.calls or len(longer.calls) <= len(plain.calls):
            return  # a tape is not longer than it is
        sizes.append(len(longer.encode()))
    once, twice, four = sizes
    if four - twice > SMALL_BYTES and four - twice > GROWTH_LEAST * (twice - once):
        yield Breach(
            begin_of(plain.kind, "start"),
            f"its state grows with the log: {once:,} bytes, {twice:,} after twice as much, "
            f"{four:,} after four times: keep the last so many, or sums",
        )
