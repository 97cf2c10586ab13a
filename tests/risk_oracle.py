"""What the rules of risk decide, worked out from facts and the log alone: docs/risk.md in code.

    facts before a decision ─▶ held, open, approved, states ─▶ verdict ─ equal ─ the Decision

It knows nothing of the desk's state. Exact: sizes, prices and limits are decimals.
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
from tapeflow.schemas.signals import AmendIntent, Intent, Leg
from tapeflow.schemas.states import SEVERITY, StateChange
from tapeflow.schemas.time import LogPosition
from tests.desk_stories import QuoteRow
from tests.frames import S
from tests.plain_flow import IDS, INSTRUMENTS
from tests.risk_stories import GROUPS, Story

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


class Prices:
    """The last trade and quote of each instrument at any place of a log."""

    def __init__(self, story: Story):
        self.rows = sorted(
            ((row.log_ns, partition, offset), row)
            for partition, rows in story.rows.items()
            for offset, row in enumerate(rows)
            if hasattr(row, "instrument")
        )
        self.next, self.trades, self.quotes = 0, {}, {}  # type: ignore[var-annotated]

    def move(self, position: LogPosition) -> None:
        """Go on to a place; those of decisions only grow."""
        while self.next < len(self.rows) and self.rows[self.next][0] <= position:
            at, row = self.rows[self.next]
            (self.quotes if isinstance(row, QuoteRow) else self.trades)[row.instrument] = at, row
            self.next += 1

    def closing(self, instrument: str, *, long: bool) -> D | None:
        """Return the price at which a position could be closed: of the newer of trade and quote."""
        number = IDS.index(instrument)
        trade, quote = self.trades.get(number), self.quotes.get(number)
        if quote is not None and (trade is None or quote[0] >= trade[0]):
            return D(str(quote[1].bid if long else quote[1].ask))
        return None if trade is None else D(str(trade[1].price))


class RiskOracle:
    """The books of the rules, a fact at a time."""

    def __init__(self, story: Story):
        self.story, self.prices = story, Prices(story)
        self.held: dict[Owner, D] = defaultdict(D)
        self.orders: dict[str, Known] = {}
        self.states: dict[str, str] = {}
        self.restricted: dict[str, str] = {}
        self.declared = {*story.job.limits}
        self.limits = {scope: dict(limits) for scope, limits in story.job.limits.items()}
        self.opened: list[tuple[int, str]] = []  # log time and scope, of entries that open
        self.numbers: dict[str, int] = {}

    # --- what is at hand ------------------------------------------------------------------

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
            (each.size for each in before if each.side == proposed.side and not each.reduce_only), ZERO
        )
        return max(-self.held[proposed.owner] * proposed.side, ZERO), open_

    def only_reduces(self, proposed: Proposed, before: Iterable[Proposed]) -> bool:
        """Return whether no part of an order can enlarge or turn the position of its strategy."""
        against, open_ = self.own(proposed, before)
        return proposed.reduce_only or (against > 0 and proposed.size <= against - open_)

    def window_ns(self, scope: str) -> int:
        """Return the window of a scope: a scope without limits in the job has a second."""
        return 2 * S if scope in self.declared else S

    def flips(self, owner: Owner) -> bool:
        return self.story.job.flips and not row_of(owner).is_spot

    # --- the checks, in their order -------------------------------------------------------

    def failing(self, proposed: Proposed, before: list[Proposed]) -> str:
        """Return the code of the first check that fails, "" where none does."""
        reduces = self.only_reduces(proposed, before)
        for code, check in CHECKS.items():
            found = check(self, proposed, before, reduces)
            if found is not True:
                return found or code
        return ""

    def decide(self, proposed: Proposed, before: list[Proposed], *, may_be_cut: bool) -> tuple[str, D]:
        """Return why an order is refused, or "", and its size: perhaps cut to what passes."""
        for code, check in CHECKS.items():
            found = check(self, proposed, before, self.only_reduces(proposed, before))
            if found is True:
                continue
            fitting = self.cut(proposed, before, code) if may_be_cut else None
            if fitting is None:
                return found or code, proposed.size
            proposed = fitting
        return "", proposed.size

    def cut(self, proposed: Proposed, before: list[Proposed], code: str) -> Proposed | None:
        """Return the largest order, in lots, that passes a check, None where none does."""
        if code != "FLIP" and (self.story.job.on_breach != "resize" or code not in RESIZED):
            return None
        lot = row_of(proposed.owner).lot
        for lots in range(int(proposed.size / lot), 0, -1):
            one = Proposed(
                proposed.owner, proposed.side, lots * lot, proposed.reduce_only, proposed.limit, proposed.position
            )
            if CHECKS[code](self, one, before, self.only_reduces(one, before)) is True:
                return one
        return None

    def limits_of(self, proposed: Proposed, name: str) -> Iterator[tuple[str, Any]]:
        """Yield scopes of an order that have a limit, and the limit."""
        for scope in scopes_of(proposed.owner):
            if name in self.limits.get(scope, {}):
                yield scope, self.limits[scope][name]

    def state_of(self, proposed: Proposed) -> str:
        """Return the most severe state of the scopes of an order."""
        states = (self.states.get(scope, "ACTIVE") for scope in scopes_of(proposed.owner))
        return max(states, key=SEVERITY.index)  # type: ignore[arg-type]

    # --- intents --------------------------------------------------------------------------

    def expected(self, intent: Intent) -> list[tuple[str, D]]:
        """Return the decisions of an intent: reason and size of each, or the one that refuses."""
        entries = (Leg(intent.signal.side, intent.size, intent.terms), *intent.others)
        one_side = len({each.side for each in entries}) == 1
        self.prices.move(intent.signal.position)
        before: list[Proposed] = []
        found = []
        for leg in entries:
            proposed = propose(intent, leg)
            reason, size = self.decide(proposed, before, may_be_cut=True)
            if reason:
                return [(reason, size)]
            found.append(("", size))
            before.append(propose(intent, leg, size))
            found += [("", each.size) for each in intent.exits if one_side or each.side != leg.side]
        for number, each in enumerate(before):
            if not self.only_reduces(each, before[:number]):
                counted = self.limits_of(each, "orders_max")
                self.opened += [(intent.signal.time_ns, scope) for scope, _ in counted]
        return found

    def amendment(self, intent: AmendIntent, size: D | None) -> str:
        """Return why what an amendment adds is refused, or ""."""
        known = self.orders[intent.order_id]
        added = ZERO if size is None else size - known.target
        if added <= 0:
            return ""
        self.prices.move(intent.signal.position)
        order = known.order
        proposed = Proposed(
            owner_of(order), order.side, added, order.reduce_only, order.limit,
            intent.signal.position,
        )  # fmt: skip
        return self.decide(proposed, [], may_be_cut=False)[0]


def propose(intent: Intent, leg: Leg, size: D | None = None) -> Proposed:
    """Return an entry of an intent as the rules see it."""
    signal = intent.signal
    owner = (intent.account, signal.strategy, signal.instrument)
    return Proposed(
        owner, leg.side, leg.size if size is None else size, leg.terms.reduce_only, leg.terms.limit,
        signal.position,
    )  # fmt: skip


def row_of(owner: Owner) -> Instrument:
    """Return the instrument."""
    return INSTRUMENTS.get(owner[2])


# A check returns True, or the code that refuses: "" for its own.
Found = bool | str


def check_state(oracle: RiskOracle, proposed: Proposed, before: list[Proposed], reduces: bool) -> Found:
    state = oracle.state_of(proposed)
    return state == "ACTIVE" or (state == "REDUCING" and reduces) or ""


def check_restricted(oracle: RiskOracle, proposed: Proposed, before: list[Proposed], reduces: bool) -> Found:
    side = "BUY" if proposed.side > 0 else "SELL"
    listed = {oracle.restricted.get(scope) for scope in scopes_of(proposed.owner)}
    return reduces or not listed & {side, "both"} or ""


def check_flip(oracle: RiskOracle, proposed: Proposed, before: list[Proposed], reduces: bool) -> Found:
    against, open_ = oracle.own(proposed, before)
    if against == 0 or proposed.reduce_only or oracle.flips(proposed.owner):
        return True
    return proposed.size <= max(against - open_, ZERO) or ""


def check_size(oracle: RiskOracle, proposed: Proposed, before: list[Proposed], reduces: bool) -> Found:
    return (
        reduces or all(proposed.size <= each for _, each in oracle.limits_of(proposed, "size_max")) or ""
    )


def check_notional(oracle: RiskOracle, proposed: Proposed, before: list[Proposed], reduces: bool) -> Found:
    limits = [each for _, each in oracle.limits_of(proposed, "notional_max")]
    price = oracle.prices.closing(proposed.owner[2], long=proposed.side < 0)
    if reduces or not limits:
        return True
    if price is None:
        return "MARK_UNKNOWN"
    if proposed.side > 0 and proposed.limit is not None:
        price = max(price, proposed.limit)
    return all(proposed.size * price <= each for each in limits) or ""


def check_position(oracle: RiskOracle, proposed: Proposed, before: list[Proposed], reduces: bool) -> Found:
    for scope, limit in () if reduces else oracle.limits_of(proposed, "position_max"):
        units, buys, sells = oracle.holdings(scope, [*before, proposed])[proposed.owner[2]]
        if max(abs(units + buys), abs(units - sells)) > limit:
            return ""
    return True


def check_gross(oracle: RiskOracle, proposed: Proposed, before: list[Proposed], reduces: bool) -> Found:
    for scope, limit in () if reduces else oracle.limits_of(proposed, "gross_max"):
        gross = ZERO
        for instrument, (units, buys, sells) in oracle.holdings(scope, [*before, proposed]).items():
            worth = []
            for worst in (units + buys, units - sells):
                price = oracle.prices.closing(instrument, long=worst > 0)
                if price is None:
                    return "MARK_UNKNOWN"
                worth.append(abs(worst) * price)
            gross += max(worth)
        if gross > limit:
            return ""
    return True


def check_open_orders(
    oracle: RiskOracle, proposed: Proposed, before: list[Proposed], reduces: bool
) -> Found:
    for scope, limit in () if reduces else oracle.limits_of(proposed, "open_orders_max"):
        at_work = sum(each.order.role == "entry" for each in oracle.living(scope))
        if at_work + len(before) + 1 > limit:
            return ""
    return True


def check_rate(oracle: RiskOracle, proposed: Proposed, before: list[Proposed], reduces: bool) -> Found:
    for scope, limit in () if reduces else oracle.limits_of(proposed, "orders_max"):
        since = proposed.position[0] - oracle.window_ns(scope)
        count = sum(at > since and each == scope for at, each in oracle.opened)
        count += sum(not oracle.only_reduces(each, before[:n]) for n, each in enumerate(before))
        if count + 1 > limit - limit // 5:
            return ""
    return True


def check_short(oracle: RiskOracle, proposed: Proposed, before: list[Proposed], reduces: bool) -> Found:
    if proposed.side > 0 or proposed.reduce_only or not row_of(proposed.owner).is_spot:
        return True
    against, open_ = oracle.own(proposed, before)
    return proposed.size <= max(against - open_, ZERO) or ""


CHECKS = {
    "STATE": check_state,
    "RESTRICTED": check_restricted,
    "FLIP": check_flip,
    "SIZE_MAX": check_size,
    "NOTIONAL_MAX": check_notional,
    "POSITION_LIMIT": check_position,
    "GROSS_LIMIT": check_gross,
    "OPEN_ORDERS": check_open_orders,
    "RATE_LIMIT": check_rate,
    "SPOT_SHORT": check_short,
}
RESIZED = ("SIZE_MAX", "NOTIONAL_MAX", "POSITION_LIMIT", "GROSS_LIMIT")
