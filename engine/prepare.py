"""Make, before worker threads start, all that they would make at its first use.

    import, build the flow ──▶ prepare ──▶ worker threads: nothing is made for the first time

A library makes some things at their first use, and not all of them under a lock: where two workers
restored two desks at once, msgspec built the description of one type twice, and the process died by
SIGSEGV. So a decoder of a type is made where its module is imported; what is slow to import is a
function marked `@call_early`; and every step restores the snapshot of its initial state once here.
"""

from collections.abc import Callable
from typing import TypeVar

from bytewax.dataflow import Dataflow

from tapeflow.engine.compiled import make_kernels
from tapeflow.engine.fold import folded_steps

F = TypeVar("F", bound=Callable[[], object])

_loads: list[Callable[[], object]] = []


def call_early(load: F) -> F:
    """Have `load` called before threads start; mark a cached function that imports when called."""
    _loads.append(load)
    return load


def prepare(flow: Dataflow) -> None:
    """Make all that the threads of a flow would make at its first use. Imports numba."""
    for load in _loads:  # first: what they import has kernels too
        load()
    make_kernels()
    for step in folded_steps(flow).values():
        step.restore(step.snapshot(step.initial()))
