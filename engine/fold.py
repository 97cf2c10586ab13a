"""A step is a pure fold over values; here it becomes a Bytewax operator.

    values      v1      v2    |  v3         state, out = step(state, value)
    state    s0 --> s1 --> s2 |  --> s3
    outputs     o1      o2    |  o3
                              ^ an epoch ends: snapshot(s2) is stored; after a crash,
                                restore(...) gives s2 again and v3 is folded once more

A stop changes no state; a step may then report what it holds (`report_open`). The end of a log is
a page with `end_of_log`; the end of input is not.

A snapshot that refers to rows of a table by their numbers is stored with the names of the rows: the
table may have changed when it is restored (`rows`, `renumber`).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast, runtime_checkable

import msgspec
from bytewax.dataflow import Dataflow, Operator
from bytewax.operators import StatefulBatchLogic

from tapeflow.engine.errors import capture_errors
from tapeflow.engine.renumbering import find_numbers
from tapeflow.schemas.columns import Ints
from tapeflow.schemas.errors import TapeflowError

S = TypeVar("S")  # state
V = TypeVar("V")  # value in
W = TypeVar("W")  # value out
V_contra = TypeVar("V_contra", contravariant=True)
W_co = TypeVar("W_co", covariant=True)


class Step(Protocol[S, V_contra, W_co]):
    """A step with its settings: how values of one key become outputs.

    A step reads no clock, opens nothing and never changes a value it was given; its outputs depend
    on the values and their order alone. It may change its state in place.
    """

    VERSION: ClassVar[int]  # of the snapshot's format; a snapshot of another version is refused

    def initial(self) -> S:
        """Return the state before the first value."""

    def step(self, state: S, value: V_contra) -> tuple[S, Iterable[W_co]]:
        """Fold one value into the state; return it with the outputs, in order."""

    def snapshot(self, state: S) -> Any:
        """Return the state as plain values or bytes that share nothing with it."""

    def restore(self, snapshot: Any) -> S:
        """Return the state of a snapshot."""


@runtime_checkable
class ReportsAtStop(Protocol):
    """A step whose state holds counts that a stopped run should show."""

    def report_open(self, state: Any) -> Iterable[Any]:
        """Return what the state holds and no output has said yet; the state stays as it is."""


class Numbered(Protocol):
    """A step whose snapshot refers to rows of a table by their numbers."""

    def renumber(self, snapshot: Any, numbers: Ints) -> Any:
        """Return a snapshot of another table with the numbers of the present one.

        `numbers`, by the number that a row had: that of now, or GONE. New rows are as at first.
        """


NAMES = msgspec.msgpack.Decoder(tuple[str, ...])  # made here, and not by two threads at once


class Fold(StatefulBatchLogic[V, Any, Any], Generic[S, V, W]):
    """The logic of one key: its state, and the step that folds values into it."""

    def __init__(
        self, step: Step[S, V, W], state: S, *, emit_batches: bool, names: tuple[bytes, ...] = ()
    ) -> None:
        self.step, self.state, self.emit_batches = step, state, emit_batches
        self.names = names  # of the rows of its table, where the snapshot refers to them

    @capture_errors
    def on_batch(self, values: list[V]) -> tuple[list[Any], bool]:
        """Fold the values that have arrived."""
        outputs: list[W] = []
        try:
            for value in values:
                self.state, out = self.step.step(self.state, value)
                outputs.extend(out)
        except Exception as error:
            error.add_note(f"in step {type(self.step).__name__}")
            raise
        if self.emit_batches:
            return [tuple(outputs)] if outputs else [], StatefulBatchLogic.RETAIN
        return outputs, StatefulBatchLogic.RETAIN

    @capture_errors
    def on_eof(self) -> tuple[list[Any], bool]:
        """Retain the state: this is a stop. A step may report what it has not sent yet."""
        outputs: tuple[W, ...] = ()
        if isinstance(self.step, ReportsAtStop):
            outputs = tuple(self.step.report_open(self.state))
        if self.emit_batches:
            return [outputs] if outputs else [], StatefulBatchLogic.RETAIN
        return [*outputs], StatefulBatchLogic.RETAIN

    @capture_errors
    def snapshot(self) -> tuple[Any, ...]:
        """Return version and snapshot, and the names of the rows that it refers to."""
        return self.step.VERSION, self.step.snapshot(self.state), *self.names


class FoldBuilder(Generic[S, V, W]):
    """Builds the logic of each key for `op.stateful_batch`."""

    def __init__(
        self, step: Step[S, V, W], *, emit_batches: bool, rows: tuple[str, ...] | None = None
    ) -> None:
        self.step, self.emit_batches, self.rows = step, emit_batches, rows
        self.names = () if rows is None else (msgspec.msgpack.encode(rows),)

    @capture_errors
    def __call__(self, resume_state: Any) -> Fold[S, V, W]:
        """Begin at the initial state, or at a snapshot.

        Raises TapeflowError for a snapshot of another version.
        """
        step = self.step
        state = step.initial() if resume_state is None else self.restore(*resume_state)
        return Fold(step, state, emit_batches=self.emit_batches, names=self.names)

    def restore(self, version: int, snapshot: Any, *names: bytes) -> S:
        """Return the state of a snapshot; of the table that it refers to rows may have changed."""
        step = self.step
        if version != step.VERSION:
            raise TapeflowError(
                f"the state holds {type(step).__name__} in version {version}, this is version "
                f"{step.VERSION}: start with a fresh --state"
            )
        if names != self.names:
            numbers = find_numbers(NAMES.decode(names[0]), self.rows or ())
            snapshot = cast(Numbered, step).renumber(snapshot, numbers)
        return step.restore(snapshot)


def fold(
    step: Step[S, V, W], *, emit_batches: bool = False, rows: tuple[str, ...] | None = None
) -> Callable[[Any], Fold[S, V, W]]:
    """Return the builder that makes a step the logic of `op.stateful_batch`.

    Outputs travel as one item each, or, with `emit_batches`, as one tuple for all values that have
    arrived together: the engine's cost is per item. `rows` are the names by number of a table that
    the step's snapshot refers to: the step is `Numbered` then.
    """
    return FoldBuilder(step, emit_batches=emit_batches, rows=rows)


def state_versions(flow: Dataflow) -> dict[str, int]:
    """Return the version of all state that a flow keeps, by step id.

    Sources and sinks that keep state have a VERSION too. Both ids and versions are schema: a state
    directory made with others is refused.
    """
    folded = folded_steps(flow)
    versions: dict[str, int] = {}
    for each in operators(flow):
        stateful = getattr(each, "source", None) or getattr(each, "sink", None)
        version = getattr(folded.get(each.step_id, stateful), "VERSION", None)
        if version is not None:
            versions[each.step_id] = version
    return dict(sorted(versions.items()))


def folded_steps(flow: Dataflow) -> dict[str, Step[Any, Any, Any]]:
    """Return the steps of a flow that `fold` has made logic of, by step id."""
    builders = {each.step_id: getattr(each, "builder", None) for each in operators(flow)}
    return {
        name: builder.step for name, builder in builders.items() if isinstance(builder, FoldBuilder)
    }


def operators(flow: Dataflow) -> Iterator[Operator]:
    """Yield the operators of a flow, and those that they consist of."""
    pending = [*flow.substeps]
    while pending:
        each = pending.pop()
        pending += each.substeps
        yield each
