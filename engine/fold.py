"""The thin shell around a step: a Bytewax operator out of a fold.

    step(state, value) -> (state, outputs)       state is plain and versioned when it is kept

What a step says travels as one item for each value, or, `at_once`, as one tuple for all that has
arrived: the engine's costs are those of an item.

The end of input changes nothing: a stop is no end, and the end of a log is said in the log.
"""

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from bytewax.operators import StatefulBatchLogic

from tapeflow.engine.errors import capture_errors

S = TypeVar("S")  # state
V = TypeVar("V")  # value in
W = TypeVar("W")  # value out

Step = Callable[[S, V], tuple[S, Iterable[W]]]


class Fold(StatefulBatchLogic[V, Any, Any], Generic[S, V, W]):
    """One key's state, folded over its values in their order."""

    def __init__(
        self, step: Step[S, V, W], state: S, keep: Callable[[S], Any], *, emit_batches: bool
    ) -> None:
        self.step, self.state, self.keep, self.emit_batches = step, state, keep, emit_batches

    @capture_errors
    def on_batch(self, values: list[V]) -> tuple[list[Any], bool]:
        """Fold over what has arrived."""
        sent: list[W] = []
        for value in values:
            self.state, out = self.step(self.state, value)
            sent.extend(out)
        if self.emit_batches:
            return [tuple(sent)] if sent else [], StatefulBatchLogic.RETAIN
        return sent, StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[list[Any], bool]:
        """Keep the state: this is a stop."""
        return [], StatefulBatchLogic.RETAIN

    @capture_errors
    def snapshot(self) -> Any:
        """What is kept of the state: plain values, not shared with it."""
        return self.keep(self.state)


def fold(
    step: Step[S, V, W],
    start: Callable[[], S],
    keep: Callable[[S], Any],
    resume: Callable[[Any], S],
    *,
    emit_batches: bool = False,
) -> Callable[[Any], Fold[S, V, W]]:
    """Build the logic of `op.stateful_batch`: from the beginning, or from what was kept."""

    def build(kept: Any) -> Fold[S, V, W]:
        return Fold(
            step, start() if kept is None else resume(kept), keep, emit_batches=emit_batches
        )

    return build
