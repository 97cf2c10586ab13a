"""The state of the risk checks: open sizes, and what was approved of late."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from msgspec import Struct

from tapeflow.operators.desk.risk.correlation import Correlations, CorrelationSnapshot
from tapeflow.operators.desk.risk.open_sizes import OpenSizes
from tapeflow.operators.desk.risk.overrides import Overrides
from tapeflow.operators.desk.risk.supervision.memory import SupervisionMemory
from tapeflow.operators.desk.risk.supervision.supervision import Supervision
from tapeflow.operators.desk.risk.trading_states import TradingSnapshot, TradingStates
from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.limits import ScopeLimits
from tapeflow.schemas.orders import Order, terms_fields
from tapeflow.schemas.signals import Intent
from tapeflow.schemas.time import Ns


class Waiting(Struct):
    """An intent that waits to be approved by a second person."""

    intent: Intent
    until_ns: Ns  # log time


class RiskSnapshot(Struct):
    """The plain form of the state of the checks; open sizes follow from the orders."""

    approvals_ns: dict[str, list[int]]
    recent: dict[str, list[tuple[int, str]]]
    cancels_ns: dict[str, list[int]]
    trading: TradingSnapshot
    overrides: Overrides
    supervision: SupervisionMemory
    waiting: dict[str, Waiting]
    correlations: CorrelationSnapshot


class Approval(NamedTuple):
    """An order that has passed, while the others of its intent are still asked."""

    order: Order
    only_reduces: bool
    scopes: tuple[ScopeLimits, ...]

    def is_in(self, scope: str) -> bool:
        """Return whether it is in a scope with limits."""
        return any(each.scope == scope for each in self.scopes)


@dataclass(slots=True)
class RiskState:
    """Memory of the checks, changed in place."""

    open_sizes: OpenSizes = field(default_factory=OpenSizes)
    approvals_ns: dict[str, deque[int]] = field(default_factory=dict)  # log times, by scope
    # by strategy, where orders may not repeat: log time and what the order is
    recent: dict[str, deque[tuple[int, str]]] = field(default_factory=dict)
    cancels_ns: dict[str, deque[int]] = field(default_factory=dict)  # log times, by scope
    trading: TradingStates = field(default_factory=TradingStates)
    overrides: Overrides = field(default_factory=Overrides)  # by commands
    supervision: Supervision = field(default_factory=Supervision)
    waiting: dict[str, Waiting] = field(default_factory=dict)  # by order, for four eyes
    correlations: Correlations = field(default_factory=Correlations)
    deciding: list[Approval] = field(default_factory=list)  # of the intent that is being decided

    def count_approvals(self, limits: ScopeLimits, now_ns: int) -> int:
        """Return how many orders of a scope were approved in the window that ends now."""
        counted = count_in_window(self.approvals_ns.get(limits.scope), limits, now_ns)
        new = (not each.only_reduces and each.is_in(limits.scope) for each in self.deciding)
        return counted + sum(new)

    def count_deciding(self, scope: str) -> int:
        """Return how many entries of the intent that is being decided have passed in a scope."""
        return sum(each.order.role == "entry" and each.is_in(scope) for each in self.deciding)

    def end_deciding(self, *, approved: bool) -> list[Approval]:
        """Note the orders of an intent where all of it was approved, and return them."""
        passed, self.deciding = self.deciding if approved else [], []
        for each in passed:
            self.add_approval(each.scopes, each.order, only_reduces=each.only_reduces)
        return passed

    def count_cancels(self, limits: ScopeLimits, now_ns: int) -> int:
        """Return how many orders of a scope were canceled in the window that ends now."""
        return count_in_window(self.cancels_ns.get(limits.scope), limits, now_ns)

    def add_cancel(self, scopes: Iterable[ScopeLimits], now_ns: int) -> None:
        """Note a cancel that was approved in these scopes."""
        for limits in scopes:
            if limits.cancels_max is not None:
                self.cancels_ns.setdefault(limits.scope, deque()).append(now_ns)

    def last_equal_ns(self, order: Order) -> int | None:
        """Return the log time of the newest order equal to this; None where there is none."""
        recent = self.recent.get(order.strategy)
        if not recent and not self.deciding:
            return None
        name = name_of(order)
        if any(name_of(each.order) == name for each in self.deciding):
            return order.time_ns
        return next((at_ns for at_ns, each in reversed(recent or ()) if each == name), None)

    def add_approval(
        self, scopes: Iterable[ScopeLimits], order: Order, *, only_reduces: bool
    ) -> None:
        """Note an order that was approved in these scopes."""
        for limits in scopes:
            if limits.orders_max is not None and not only_reduces:
                self.approvals_ns.setdefault(limits.scope, deque()).append(order.time_ns)
        spans = [each.repeat_ns for each in scopes if each.repeat_ns is not None]
        if spans:
            recent = self.recent.setdefault(order.strategy, deque())
            recent.append((order.time_ns, name_of(order)))
            while recent and recent[0][0] <= order.time_ns - max(spans):
                recent.popleft()

    def snapshot(self) -> RiskSnapshot:
        """Return the plain form."""
        return RiskSnapshot(
            {scope: [*times] for scope, times in self.approvals_ns.items() if times},
            {strategy: [*each] for strategy, each in self.recent.items() if each},
            {scope: [*times] for scope, times in self.cancels_ns.items() if times},
            self.trading.snapshot(),
            self.overrides,
            self.supervision.memory,
            self.waiting,
            self.correlations.snapshot(),
        )

    @classmethod
    def restore(cls, saved: RiskSnapshot, open_sizes: OpenSizes) -> "RiskState":
        """Return the state of a snapshot."""
        return cls(
            open_sizes,
            {scope: deque(times) for scope, times in saved.approvals_ns.items()},
            {strategy: deque(each) for strategy, each in saved.recent.items()},
            {scope: deque(times) for scope, times in saved.cancels_ns.items()},
            TradingStates.restore(saved.trading),
            saved.overrides,
            Supervision(saved.supervision, is_due=True),
            saved.waiting,
            Correlations.restore(saved.correlations),
        )


def count_in_window(times: deque[int] | None, limits: ScopeLimits, now_ns: int) -> int:
    """Return how many times are in the window that ends now; those before it are forgotten."""
    if not times:
        return 0
    while times and times[0] <= now_ns - limits.orders_window_ns:
        times.popleft()
    return len(times)


def name_of(order: Order) -> str:
    """Return what an order is, apart from when it was made: equal orders have the same."""
    terms = terms_fields(order.terms)
    values = [f"{name}={plain(terms[name])}" for name in sorted(terms)]
    return derive_id("equal", order.instrument, str(order.side), plain(order.size), *values)


def plain(value: Any) -> str:
    """Return a value as text; equal numbers have the same.

    >>> plain(Decimal("2.50")), plain(Decimal("1E+2")), plain(True)
    ('2.5', '100', 'True')
    """
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
