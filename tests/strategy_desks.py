"""Desks that call strategies, and what they receive of a log, without the engine.

log ─▶ decided_batches ─▶ desk_batch ─▶ interleave ─▶ run(desk, ..) ─▶ facts
"""

from decimal import Decimal

from msgspec.structs import replace

from tapeflow.flows.job.bar_kinds import own_kinds
from tapeflow.flows.job.bar_steps import other_bars
from tapeflow.flows.job.features import compute_features
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.step import Desk
from tapeflow.schemas.signals import DeclaredStrategy
from tests.laws import run
from tests.plain_flow import IDS, INSTRUMENTS, JOB, decided_batches, flow_steps, interleave

STEPS = flow_steps()
DESK = STEPS["desk"]
assert isinstance(DESK, Desk)
BASE = DESK.settings


def declare_row(name, strategy, *, account="wide", instruments=IDS, size="1", **more):
    """Return a row of [[strategies]] with a class."""
    return DeclaredStrategy(
        name, type(strategy).__name__, {}, account, Decimal(size), frozenset(instruments),
        strategy=strategy, placement="merge", **more,
    )  # fmt: skip


def desk_of(*strategies, **changes):
    """Return a desk that calls these strategies, whose settings are those of plain_flow's job."""
    names = {(each.account, each.name): each.instruments for each in strategies}
    settings = replace(BASE, has_triggers=True, traded=names, **changes)
    return Desk(settings.with_strategies(strategies, own_kinds(JOB.bars.width, strategies)))


def decided_of(log, page_sizes, strategies=()):
    """Return the batches of a log, by partition, without any intent, with what strategies need."""
    others = other_bars(JOB, INSTRUMENTS, strategies)
    computed = compute_features(JOB, INSTRUMENTS, strategies)
    more = {"other_bars": others, "features": computed}
    steps = STEPS | {name: each for name, each in more.items() if each is not None}
    decided = decided_batches(log, page_sizes, steps)
    return {
        name: [each.replace(signals=(), intents=()) for each in batches]
        for name, batches in decided.items()
    }


def received_by(desk, decided, order=()):
    """Return what a desk receives of batches, in an order of arrival."""
    streams = {
        name: [desk_batch(each, desk.settings) for each in batches]
        for name, batches in decided.items()
    }
    return interleave(streams, order)


def facts_of(desk, decided, order=()):
    """Return what a desk says of batches."""
    return run(desk, received_by(desk, decided, order))[1]
