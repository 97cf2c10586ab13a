"""The laws that every step obeys, as functions; `tests/test_laws.py` checks each step.

value 1    value 2  | value 3 ...
output 1   output 2 | output 3        snapshot anywhere, pickle, restore: no output changes
"""

import pickle
from collections import deque, namedtuple
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal
from functools import cache
from itertools import chain
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct

from tapeflow.engine.fold import Step
from tapeflow.schemas.batches import Batch, IgnoredFrames
from tapeflow.schemas.columns import Columns
from tapeflow.schemas.gaps import Breaks, Gaps
from tapeflow.schemas.market import Bars, Market

AnyStep = Step[Any, Any, Any]


class Stateless(Struct, frozen=True):
    """A function of one value, as a step without state."""

    VERSION: ClassVar[int] = 0

    function: Callable[[Any], Iterable[Any]]

    def initial(self) -> None:
        """Return no state."""

    def step(self, state: None, value: Any) -> tuple[None, Iterable[Any]]:
        """Return the outputs of a value."""
        return None, self.function(value)

    def snapshot(self, state: None) -> None:
        """Return nothing."""

    def restore(self, snapshot: None) -> None:
        """Return no state."""


def run(step: AnyStep, values: Iterable[Any]) -> tuple[Any, list[Any]]:
    """Fold over values from the beginning; return the state at the end, and all outputs."""
    return run_on(step, step.initial(), values)


def run_on(step: AnyStep, state: Any, values: Iterable[Any]) -> tuple[Any, list[Any]]:
    """Fold over more values; return the state at the end, and the outputs."""
    outputs: list[Any] = []
    for value in values:
        state, out = step.step(state, value)
        outputs.extend(out)
    return state, outputs


# --- the laws -----------------------------------------------------------------------------


def same_when_resumed(step: AnyStep, values: Sequence[Any], cut: int) -> None:
    """Assert that a snapshot before value `cut`, pickled and restored, changes no output."""
    state, before = run(step, values[:cut])
    snapshot = step.snapshot(state)
    before_more, pickled = plain(snapshot), pickle.dumps(snapshot)
    _, after = run_on(step, state, values[cut:])
    assert plain(snapshot) == before_more, "the snapshot shares memory with the state"
    _, resumed = run_on(step, step.restore(pickle.loads(pickled)), values[cut:])
    assert plain(resumed) == plain(after)
    assert plain(before + after) == plain(run(step, values)[1])


def batching_changes_nothing(
    step: AnyStep, values: Sequence[Any], other_batches: Sequence[Any]
) -> None:
    """Assert that the same records in other batches give the same outputs."""
    assert joined(run(step, values)[1]) == joined(run(step, other_batches)[1])


def never_rewrites_the_past(step: AnyStep, values: Sequence[Any], cut: int) -> None:
    """Assert that the outputs of a prefix are a prefix of the outputs: no look-ahead."""
    outputs = plain(run(step, values[:cut])[1])
    assert plain(run(step, values)[1])[: len(outputs)] == outputs


def changes_no_value(step: AnyStep, values: Sequence[Any]) -> None:
    """Assert that no value is changed by the step, and no output after it was sent."""
    before, state, outputs, as_sent = plain(values), step.initial(), [], []
    for value in values:
        state, out = step.step(state, value)
        for output in out:
            outputs.append(output)
            as_sent.append(plain(output))
        step.snapshot(state)
    assert plain(values) == before
    assert [plain(output) for output in outputs] == as_sent


def arrival_order_changes_nothing(
    step: AnyStep, values: Sequence[Any], reordered: Sequence[Any]
) -> None:
    """Assert that values which arrive in two orders give the same outputs, in the same order."""
    assert plain(run(step, values)[1]) == plain(run(step, reordered)[1])


# --- comparing ----------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """Return a value as tuples, exact to the bit: NaN equals itself, 1.0 is not 1 or 1.00."""
    compared = value
    if isinstance(value, np.ndarray):
        compared = value.dtype.str, value.shape, value.tobytes()
    elif isinstance(value, Struct):
        compared = (
            type(value).__name__,
            *(plain(getattr(value, f)) for f in value.__struct_fields__),
        )
    elif is_dataclass(value) and not isinstance(value, type):
        compared = (
            type(value).__name__,
            *(plain(getattr(value, each.name)) for each in fields(value)),
        )
    elif isinstance(value, dict):
        compared = {key: plain(each) for key, each in value.items()}
    elif isinstance(value, list | tuple | deque):
        compared = tuple(map(plain, value))
    elif isinstance(value, float | Decimal | bool):
        compared = type(value).__name__, repr(value)
    return compared


ARRAYS = ("log_ns", "status", "record_instrument", "scores")
VALUES = ("dead_letters", "signals", "intents")


def joined(outputs: Sequence[Any]) -> Any:
    """Return outputs as if of one batch: columns concatenated, single facts by their kind."""
    batches = [each for each in outputs if isinstance(each, Batch)]
    whole: dict[str, Any] = {}
    for name in ARRAYS:
        whole[name] = plain(np.concatenate([[], *(getattr(each, name) for each in batches)]))
    for name in VALUES:
        whole[name] = plain([*chain.from_iterable(getattr(each, name) for each in batches)])
    for name, kind in Market.tables().items():
        whole[name] = plain(kind.concat([getattr(each.market, name) for each in batches]))
    derived: dict[str, type[Columns]] = {
        "bars": Bars,
        "breaks": Breaks,
        "gaps": Gaps,
        "ignored": IgnoredFrames,
    }
    for name, columns in derived.items():
        whole[name] = plain(columns.concat([getattr(each, name) for each in batches]))
    for kind in {kind: None for each in batches for kind in each.other_bars}:
        bars = [each.other_bars[kind] for each in batches if kind in each.other_bars]
        whole[f"bars of {kind}"] = plain(type(bars[0]).concat(bars))
    for need in {need: None for each in batches for need in each.features}:
        found = [each.features[need] for each in batches if need in each.features]
        whole[f"feature {need}"] = plain(np.concatenate(found))
    for output in outputs:
        if not isinstance(output, Batch):
            whole.setdefault(kind_of(output), []).append(plain(output))
    return whole


def kind_of(output: Any) -> str:
    """Return the topic of a Kafka record, the type of a fact."""
    return output[0] if isinstance(output, tuple) and output else type(output).__name__


def rows(columns: Columns) -> list[Any]:
    """Return columns as named tuples, one for each row."""
    row = row_type(columns.column_names())
    return [*map(row._make, zip(*(column.tolist() for column in columns.arrays()), strict=True))]


@cache
def row_type(names: tuple[str, ...]) -> Any:
    """Return the named tuple of these columns."""
    return namedtuple("Row", names)
