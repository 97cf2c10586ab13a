"""The laws that every step keeps, as functions; `tests/test_laws.py` holds each step to them.

value 1   value 2 | value 3 ...
said 1    said 2  | said 3            cut anywhere, keep, pickle, resume: nothing changes
"""

import pickle
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct

from tapeflow.schemas.batches import Batch
from tapeflow.schemas.columns import Columns
from tapeflow.schemas.market import Bars, Quotes, Trades


class Machine(NamedTuple):
    """A step with everything it is told once."""

    start: Callable[[], Any]
    step: Callable[[Any, Any], tuple[Any, Iterable[Any]]]
    keep: Callable[[Any], Any]
    resume: Callable[[Any], Any]


def stateless(step: Callable[[Any], Iterable[Any]]) -> Machine:
    """A step that remembers nothing."""
    return Machine(
        lambda: None, lambda state, value: (None, step(value)), lambda _: None, lambda _: None
    )


def run(machine: Machine, values: Iterable[Any]) -> tuple[Any, list[Any]]:
    """Fold over values from the beginning: what is remembered at the end, and all that was said."""
    return run_on(machine, machine.start(), values)


def run_on(machine: Machine, state: Any, values: Iterable[Any]) -> tuple[Any, list[Any]]:
    """Fold over more values."""
    said: list[Any] = []
    for value in values:
        state, out = machine.step(state, value)
        said.extend(out)
    return state, said


# --- the laws -----------------------------------------------------------------------------


def same_when_resumed(machine: Machine, values: Sequence[Any], cut: int) -> None:
    """Keeping the state anywhere, and going on from what was kept, changes nothing."""
    state, before = run(machine, values[:cut])
    kept = machine.keep(state)
    told, pickled = plain(kept), pickle.dumps(kept)
    _, went_on = run_on(machine, state, values[cut:])
    assert plain(kept) == told, "what was kept is shared with the state that went on"
    _, resumed = run_on(machine, machine.resume(pickle.loads(pickled)), values[cut:])
    assert plain(resumed) == plain(went_on)
    assert plain(before + went_on) == plain(run(machine, values)[1])


def batching_changes_nothing(
    machine: Machine, values: Sequence[Any], cut_otherwise: Sequence[Any]
) -> None:
    """The same records in other pages: the same is said."""
    assert joined(run(machine, values)[1]) == joined(run(machine, cut_otherwise)[1])


def never_rewrites_the_past(machine: Machine, values: Sequence[Any], cut: int) -> None:
    """What is said of a prefix is a prefix of what is said: no look-ahead."""
    said = plain(run(machine, values[:cut])[1])
    assert plain(run(machine, values)[1])[: len(said)] == said


def leaves_its_input_alone(machine: Machine, values: Sequence[Any]) -> None:
    """Neither a value nor what was said of it is ever changed."""
    before, state, said, as_said = plain(values), machine.start(), [], []
    for value in values:
        state, out = machine.step(state, value)
        for each in out:
            said.append(each)
            as_said.append(plain(each))
        machine.keep(state)
    assert plain(values) == before
    assert [plain(each) for each in said] == as_said


def order_of_arrival_changes_nothing(
    machine: Machine, one: Sequence[Any], another: Sequence[Any]
) -> None:
    """However the partitions interleave, each in its order, the same is said in the same order."""
    assert plain(run(machine, one)[1]) == plain(run(machine, another)[1])


# --- what may be compared -----------------------------------------------------------------


def plain(value: Any) -> Any:
    """A value as tuples, to the bit: NaN equals itself, 1.0 is not 1, 1.0 is not 1.00."""
    told = value
    if isinstance(value, np.ndarray):
        told = value.dtype.str, value.shape, value.tobytes()
    elif isinstance(value, Struct):
        told = type(value).__name__, *(plain(getattr(value, f)) for f in value.__struct_fields__)
    elif is_dataclass(value) and not isinstance(value, type):
        told = type(value).__name__, *(plain(getattr(value, each.name)) for each in fields(value))
    elif isinstance(value, dict):
        told = {key: plain(each) for key, each in value.items()}
    elif isinstance(value, list | tuple | deque):
        told = tuple(map(plain, value))
    elif isinstance(value, float | Decimal | bool):
        told = type(value).__name__, repr(value)
    return told


ARRAYS = ("log_ns", "status", "owner", "scores")
IN_A_ROW = ("dead", "signals", "intents")
COLUMNS: dict[str, type[Columns]] = {"trades": Trades, "quotes": Quotes, "bars": Bars}


def joined(said: Sequence[Any]) -> Any:
    """What was said, without the seams of its pages: batches joined, single facts by their kind."""
    batches = [each for each in said if isinstance(each, Batch)]
    whole: dict[str, Any] = {}
    for name in ARRAYS:
        whole[name] = plain(np.concatenate([[], *(getattr(each, name) for each in batches)]))
    for name in IN_A_ROW:
        whole[name] = plain([*chain.from_iterable(getattr(each, name) for each in batches)])
    for name, kind in COLUMNS.items():
        whole[name] = plain(kind.concat([getattr(each, name) for each in batches]))
    for each in said:
        if not isinstance(each, Batch):
            whole.setdefault(kind_of(each), []).append(plain(each))
    return whole


def kind_of(said: Any) -> str:
    """A Kafka record goes by its topic, a fact by its type."""
    return said[0] if isinstance(said, tuple) and said else type(said).__name__


def rows(columns: Columns) -> list[tuple[Any, ...]]:
    """Columns as tuples, a row each."""
    return list(zip(*(column.tolist() for column in columns.arrays()), strict=True))
