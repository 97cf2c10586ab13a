"""The books of the rules of risk: what facts and the log say of orders, positions, states, prices.

    fact ─▶ Books ─▶ held, open, approved of late, limits as they are now

It knows nothing of the desk's state.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal as D
from typing import Any

from tapeflow.schemas.accounts import Position
from tapeflow.schemas.instruments import Instrument
from tapeflow.schemas.order_events import OrderEvent
from tapeflow.schemas.orders import Order
from tapeflow.schemas.states import SEVERITY, StateChange
from tapeflow.schemas.time import LogPosition
from tests.frames import S
from tests.plain_flow import INSTRUMENTS
from tests.risk_draws import GROUPS
from tests.risk_prices import Prices
from tests.risk_stories import Story

ZERO = D(0)
IN_STATES = "states/"  # begins the signal of an order that closes for the sake of risk
Owner = tuple[str, str, str]  # account, strategy, instrument


@dataclass
class Known:
    """What the facts said of an order."""

    order: Order
    size: D
    filled: D = ZERO
    phase: str = "HELD"
    pending: str = ""
    requested: D | None = None  # by amendments on their way
    amendments: int = 0

    @property
    def target(self) -> D:
        return self.size if self.requested is None else self.requested

    @property
    def open(self) -> D:
        """What it may still add to a position."""
        counts = self.order.role == "entry" and not self.order.reduce_only
        if self.phase == "DONE" or not counts:
            return ZERO
        return max(max(self.size, self.target) - self.filled, ZERO)

    def hear(self, event: OrderEvent) -> None:
        """Take over what an event says."""
        self.phase, self.filled, self.pending = event.phase, event.filled, event.pending
        if event.phase != "DONE":
            self.size = event.filled + event.leaves
        if event.kind == "AMEND_ASKED" and event.phase != "HELD":
            self.amendments += 1
            self.requested = self.requested if event.size is None else event.size
        if event.kind in ("AMENDED", "AMEND_REFUSED"):
            self.amendments = max(self.amendments - 1, 0)
        if not event.pending or not self.amendments:
            self.amendments, self.requested = 0, None


@dataclass(frozen=True)
class Proposed:
    """An order, or what an amendment adds to one, as the rules see it."""

    owner: Owner
    side: int
    size: D
    reduce_only: bool
    limit: D | None
    position: LogPosition


def scopes_of(owner: Owner) -> list[str]:
    """Return the scopes of what an account's strategy has in an instrument, from the widest."""
    account, strategy, instrument = owner
    groups = [f"group:{name}" for name, ids in GROUPS.items() if instrument in ids]
    venue = instrument.rpartition(".")[2]
    return [
        "portfolio", f"venue:{venue}", *groups, f"instrument:{instrument}", f"account:{account}",
        f"strategy:{strategy}",
    ]  # fmt: skip


def owner_of(each: Order | Position) -> Owner:
    """Return account, strategy and instrument."""
    return each.account, each.strategy, each.instrument


def row_of(owner: Owner) -> Instrument:
    """Return the instrument."""
    return INSTRUMENTS.get(owner[2])


class Books:
    """What is known of a story so far, a fact at a time."""

    def __init__(self, story: Story):
        self.story, self.prices = story, Prices(story)
        self.held: dict[Owner, D] = defaultdict(D)
        self.orders: dict[str, Known] = {}
        self.states: dict[str, str] = {}
        self.being_closed: dict[str, str] = {}  # scopes, by the laws
        self.restricted: dict[str, str] = {}
        self.declared = {*story.job.limits}
        self.limits = {scope: dict(limits) for scope, limits in story.job.limits.items()}
        self.opened: list[tuple[int, str]] = []  # log time and scope, of entries that open
        self.numbers: dict[str, int] = {}

    def apply(self, fact: Any) -> None:
        """Take over a fact."""
        if isinstance(fact, Position):
            self.held[owner_of(fact)] = fact.quantity
        elif isinstance(fact, Order):
            self.orders[fact.id] = Known(fact, fact.size)
        elif isinstance(fact, OrderEvent):
            self.orders[fact.order_id].hear(fact)
        elif isinstance(fact, StateChange):
            self.states[fact.scope] = fact.state

    def living(self, scope: str) -> Iterator[Known]:
        """Yield the orders of a scope that are not over."""
        for each in self.orders.values():
            if each.phase != "DONE" and scope in scopes_of(owner_of(each.order)):
                yield each

    def holdings(self, scope: str, more: Iterable[Proposed]) -> dict[str, tuple[D, D, D]]:
        """Return units, buys and sells of a scope, by instrument; `more` are open as well."""
        found: dict[str, tuple[D, D, D]] = {}

        def add(owner: Owner, units: D, buys: D, sells: D) -> None:
            if scope in scopes_of(owner):
                before = found.get(owner[2], (ZERO,) * 3)
                found[owner[2]] = before[0] + units, before[1] + buys, before[2] + sells

        for owner, units in self.held.items():
            add(owner, units, ZERO, ZERO)
        for each in self.orders.values():
            buys = each.open if each.order.side > 0 else ZERO
            add(owner_of(each.order), ZERO, buys, each.open - buys)
        for one in more:
            size = ZERO if one.reduce_only else one.size
            add(one.owner, ZERO, *((size, ZERO) if one.side > 0 else (ZERO, size)))
        return {name: each for name, each in found.items() if any(each)}

    def own(self, proposed: Proposed, before: Iterable[Proposed]) -> tuple[D, D]:
        """Return what its strategy holds against an order, and has open on its side."""
        open_ = sum(
            (
                each.open
                for each in self.orders.values()
                if owner_of(each.order) == proposed.owner and each.order.side == proposed.side
            ),
            ZERO,
        )
        open_ += sum(
            (each.size for each in before if each.side == proposed.side and not each.reduce_only),
            ZERO,
        )
        return max(-self.held[proposed.owner] * proposed.side, ZERO), open_

    def only_reduces(self, proposed: Proposed, before: Iterable[Proposed]) -> bool:
        """Return whether no part of an order can enlarge or turn the position of its strategy."""
        against, open_ = self.own(proposed, before)
        return proposed.reduce_only or (against > 0 and proposed.size <= against - open_)

    def limits_of(self, proposed: Proposed, name: str) -> Iterator[tuple[str, Any]]:
        """Yield scopes of an order that have a limit, and the limit."""
        for scope in scopes_of(proposed.owner):
            if name in self.limits.get(scope, {}):
                yield scope, self.limits[scope][name]

    def state_of(self, proposed: Proposed) -> str:
        """Return the most severe state of the scopes of an order."""
        states = (self.states.get(scope, "ACTIVE") for scope in scopes_of(proposed.owner))
        return max(states, key=SEVERITY.index)

    def window_ns(self, scope: str) -> int:
        """Return the window of a scope: a scope without limits in the job has a second."""
        return 2 * S if scope in self.declared else S

    def flips(self, owner: Owner) -> bool:
        return self.story.job.flips and not row_of(owner).is_spot
