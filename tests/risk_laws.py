"""What must hold at every fact of a story, by the books of risk_oracle.py, and at its end.

decisions    why, and of which size, is what the rules say
positions    spot is never short; what closes or only reduces never enlarges or turns one
states       orders that may enlarge are canceled; a scope that is closed ends flat
commands     done, or refused with the reason that the rules say
money        cash is realized less cost of spot, fees; of an account the sum of its strategies
names        no id twice, numbers without holes
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal as D
from itertools import groupby
from typing import Any

from tapeflow.schemas.accounts import Decision, Equity, Position
from tapeflow.schemas.control import ControlCommand
from tapeflow.schemas.order_events import Command, OrderEvent
from tapeflow.schemas.orders import Fill, Order
from tapeflow.schemas.signals import AmendIntent, CancelIntent, Intent
from tapeflow.schemas.states import StateChange
from tests.frames import S
from tests.plain_flow import INSTRUMENTS
from tests.risk_oracle import IN_STATES, ZERO, Known, Owner, RiskOracle, owner_of, scopes_of
from tests.risk_stories import COMMANDS, MAX_AGE_S, Story

SEVERE = {"halt": "HALTED", "reduce": "REDUCING", "kill": "KILLED", "resume": "ACTIVE"}
RESTRICTED = {"buy": "BUY", "sell": "SELL", "both": "both", "none": ""}
UNASKED = ("ORDER_UNKNOWN", "SLICE", "CANCEL_PENDING")  # reasons before the checks


def check_story(story: Story, facts: list[Any], state: Any) -> None:
    """Check all facts of a story."""
    laws = Laws(story)
    for fact in facts:
        laws.check(fact)
        laws.oracle.apply(fact)
    laws.check_end()
    check_names(facts)
    check_fills(facts, late=bool(story.job.paper["answer"]))
    check_money(facts, state)


class Laws:
    """The laws, a fact at a time; the oracle knows all facts before it."""

    def __init__(self, story: Story):
        self.story, self.oracle = story, RiskOracle(story)
        self.intents = {each.signal.id: each for some in story.intents.values() for each in some}
        self.due: dict[str, list[tuple[str, D]]] = {}  # decisions to come, by signal
        self.fills: dict[str, Fill] = {}
        self.closing: dict[str, str] = {}  # by scope: the event that began it
        self.closings: dict[str, str] = {}  # scope of a closing, by the signal of its orders
        self.changes: dict[str, StateChange] = {}  # by the command that made them
        self.set_limits: dict[tuple[str, str], str] = {}

    def check(self, fact: Any) -> None:
        """Check a fact by all before it."""
        if isinstance(fact, Decision):
            self.check_decision(fact)
        elif isinstance(fact, OrderEvent):
            self.check_amendment(fact)
        elif isinstance(fact, Fill):
            self.fills[fact.id] = fact
        elif isinstance(fact, Position):
            self.check_position(fact)
        elif isinstance(fact, StateChange):
            self.follow_closing(fact)
        elif isinstance(fact, ControlCommand):
            self.check_command(fact)

    # --- decisions ------------------------------------------------------------------------

    def check_decision(self, found: Decision) -> None:
        """Check a decision by the rules."""
        if found.signal_id.startswith(IN_STATES):
            self.check_closing(found)
            return
        intent = self.intents[found.signal_id]
        if isinstance(intent, Intent):
            if found.signal_id not in self.due:
                self.due[found.signal_id] = self.oracle.expected(intent)
            reason, size = self.due[found.signal_id].pop(0)
            assert (found.reason, found.size) == (reason, size), "the rules decide otherwise"
        elif isinstance(intent, AmendIntent) and found.reason not in UNASKED:
            assert found.reason == self.oracle.amendment(intent, intent.size)
        elif isinstance(intent, CancelIntent):
            assert found.reason == "ORDER_UNKNOWN"

    def check_closing(self, found: Decision) -> None:
        """Check an order that closes: it is of a scope that is being closed, and only reduces."""
        owner = (found.account, found.strategy, found.instrument)
        assert self.closings[found.signal_id] in scopes_of(owner)
        assert self.closings[found.signal_id] in self.closing
        assert not found.reason, "nothing keeps a closing order"
        assert self.oracle.held[owner] * found.side <= -found.size

    def check_amendment(self, event: OrderEvent) -> None:
        """Check that what an amendment adds was asked like a new order."""
        is_slice = self.oracle.orders[event.order_id].order.role == "child"
        if event.kind != "AMEND_ASKED" or event.reason or is_slice:
            return
        intents = [
            each
            for each in self.intents.values()
            if isinstance(each, AmendIntent)
            and (each.order_id, each.signal.time_ns) == (event.order_id, event.time_ns)
        ]
        assert any(not self.oracle.amendment(each, event.size) for each in intents)

    # --- positions ------------------------------------------------------------------------

    def check_position(self, after: Position) -> None:
        """Check a position by the one before it and the order that was filled."""
        owner = owner_of(after)
        others = sum(
            (
                units
                for each, units in self.oracle.held.items()
                if each[0::2] == owner[0::2] and each != owner
            ),
            ZERO,
        )
        assert after.net == others + after.quantity

    # --- states and commands --------------------------------------------------------------

    def follow_closing(self, change: StateChange) -> None:
        """Follow what is being closed, and check that FLAT is true."""
        scope = change.scope
        if change.event == "CHANGED":
            assert change.before == self.oracle.states.get(scope, "ACTIVE") != change.state
            self.changes[change.rule] = change
        else:
            assert change.state == self.oracle.states.get(scope, "ACTIVE")
        if change.event == "CLOSING" or (change.event, change.state) == ("CHANGED", "KILLED"):
            self.closing[scope] = change.event
            self.closings[f"{IN_STATES}{change.seq}"] = scope
        elif change.event == "CHANGED" and change.state == "ACTIVE":
            self.closing.pop(scope, None)
        elif change.event == "FLAT":
            self.check_flat(scope)
            self.closing.pop(scope)

    def check_flat(self, scope: str) -> None:
        """Check that a scope holds less than a lot, and has no order at work."""
        assert [*self.oracle.living(scope)] == []
        for owner, units in self.oracle.held.items():
            assert scope not in scopes_of(owner) or abs(units) < INSTRUMENTS.get(owner[2]).lot

    def check_command(self, found: ControlCommand) -> None:
        """Check what became of a command, and take over what it changed."""
        fields = self.story.commands[found.offset]
        change = self.changes.pop(found.id, None)
        reason = self.doubt_of(fields, found.time_ns) or self.effect_of(fields, change)
        if fields["do"] in ("cancel", "flatten") and not reason:
            assert found.reason in ("", "NOTHING_TO_DO")
            return
        assert found.reason == reason
        assert (found.verdict == "DONE") == (not reason)
        if found.verdict != "DONE":
            return
        scope, oracle = fields["scope"], self.oracle
        if fields["do"] == "restrict":
            oracle.restricted[scope] = RESTRICTED[fields["side"]]
        elif fields["do"] == "set-limit":
            kind = int if fields["limit"] in ("orders_max", "open_orders_max") else D
            oracle.limits.setdefault(scope, {})[fields["limit"]] = kind(fields["value"])
            self.set_limits[scope, fields["limit"]] = fields["value"]
        elif fields["do"] != "resume":
            for each in oracle.living(scope):
                assert not each.open or self.is_ending(each), "an entry goes on"

    def is_ending(self, known: Known) -> bool:
        """Return whether an order is being canceled; one in slices is it by its slices."""
        slices = [
            each
            for each in self.oracle.orders.values()
            if (each.order.parent, each.order.role) == (known.order.id, "child")
        ]
        living = [each for each in slices if each.phase != "DONE"] or [known]
        return all(each.pending == "CANCEL" for each in living)

    def doubt_of(self, fields: dict[str, Any], at_ns: int) -> str:
        """Return why a command is not believed, or ""."""
        who, number, oracle = fields["who"], fields["number"], self.oracle
        if fields["forged"]:
            return "BAD_SIGNATURE"
        if number <= oracle.numbers.get(who, 0):
            return "REPLAYED"
        oracle.numbers[who] = number
        return "" if 0 <= at_ns - number <= MAX_AGE_S * S else "TOO_OLD"

    def effect_of(self, fields: dict[str, Any], change: StateChange | None) -> str:
        """Return why a command that is believed has no effect, or ""; `change` is by it."""
        scope, limit, value = fields["scope"], fields.get("limit", ""), fields.get("value", "")
        if fields["do"] in SEVERE:
            if change is None:
                assert self.oracle.states.get(scope, "ACTIVE") == SEVERE[fields["do"]]
                return "NOTHING_TO_DO"
            assert change.state == SEVERE[fields["do"]] != change.before
            return ""
        if fields["do"] == "restrict":
            is_so = self.oracle.restricted.get(scope) == RESTRICTED[fields["side"]]
        elif fields["do"] == "set-limit":
            low, high = COMMANDS.bounds.get(scope, {}).get(limit, (D(1), D(0)))
            if not low <= D(value) <= high:
                return "OUT_OF_BOUNDS"
            is_so = self.set_limits.get((scope, limit)) == value
        else:
            is_so = False
        return "NOTHING_TO_DO" if is_so else ""

    def check_end(self) -> None:
        """Check that all that was decided is there, and that nothing is being closed any more."""
        assert not [each for each in self.due.values() if each], "a decision is missing"
        decided = {name for name, each in self.intents.items() if isinstance(each, Intent)}
        assert decided == set(self.due), "an intent is not decided"
        assert self.closing == {}, "a scope is not closed at the end"
        for scope, state in self.oracle.states.items():
            if state == "KILLED":
                self.check_flat(scope)


# --- of all facts -------------------------------------------------------------------------


def check_names(facts: Iterable[Any]) -> None:
    """Check that no id is there twice, and that numbers have no holes."""
    names: dict[str, list[str]] = defaultdict(list)
    numbers: dict[Any, list[int]] = defaultdict(list)
    for each in facts:
        if isinstance(each, Order | Fill):
            names[type(each).__name__].append(each.id)
        if isinstance(each, Decision) and each.decision == "APPROVED":
            names["approved"].append(each.order_id)
        if isinstance(each, ControlCommand):
            names["commands"] += [each.id] if each.verdict == "DONE" else []
        elif isinstance(each, OrderEvent | Command):
            numbers[type(each), each.account].append(each.seq)
        elif isinstance(each, StateChange):
            numbers[StateChange].append(each.seq)
        else:
            numbers["facts", each.account].append(each.seq)
    for kind, some in names.items():
        twice = [name for name, count in Counter(some).items() if count > 1]
        assert not twice, f"{kind}: an id is there twice"
    for kind, some_numbers in numbers.items():
        assert some_numbers == [*range(1, len(some_numbers) + 1)], kind
    orders = {each.id for each in facts if isinstance(each, Order)}
    assert set(names["approved"]) <= orders, "approved, and never an order"


def check_fills(facts: Iterable[Any], *, late: bool) -> None:
    """Check positions at the venue; `late`: answers come in another order than the fills were.

    Of the fills of one record the order is not known then: the position after all of them counts.
    """
    orders = {each.id: each for each in facts if isinstance(each, Order)}
    fills = [each for each in facts if isinstance(each, Fill)]
    held: dict[Owner, D] = defaultdict(D)
    for key, group in groupby(sorted(fills, key=record_of) if late else fills, record_of if late else id):
        some = [*group]
        before = dict(held)
        for each in some:
            held[owner_of(each)] += each.side * each.size
        for each in some:
            owner, order = owner_of(each), orders[each.order_id]
            was, after = before.get(owner, ZERO), held[owner]
            assert after >= 0 or not INSTRUMENTS.get(each.instrument).is_spot, "spot is short"
            alone = sum(owner_of(other) == owner for other in some) == 1
            if order.reduce_only and alone:
                assert abs(after) < abs(was), "what only reduces has enlarged"
                assert after * was >= 0, "what only reduces has turned"


def record_of(fill: Fill) -> tuple[int, str, int]:
    """Return the record that brought a fill."""
    return fill.log_ns, fill.partition, fill.offset


def check_money(facts: Iterable[Any], state: Any) -> None:
    """Check cash by currency, of the fills and of the positions, and the sums of strategies."""
    cash: dict[tuple[str, str], D] = defaultdict(D)
    last: dict[Owner, Position] = {}
    for each in facts:
        if isinstance(each, Fill):
            cash[each.account, each.fee_currency] -= each.fee
            row = INSTRUMENTS.get(each.instrument)
            if row.is_spot:
                cash[each.account, row.quote] -= each.side * each.size * each.price
                cash[each.account, row.base] += each.side * each.size
        elif isinstance(each, Position):
            last[owner_of(each)] = each
        elif isinstance(each, Equity):
            assert each.equity == each.realized + each.unrealized - each.fees + each.funding
    of_positions: dict[tuple[str, str], D] = defaultdict(D)
    for (account, _, name), each in last.items():
        row = INSTRUMENTS.get(name)
        of_positions[account, row.quote] += each.realized - each.fees + each.funding
        if row.is_spot:
            of_positions[account, row.quote] -= each.cost
            of_positions[account, row.base] += each.quantity
        else:
            cash[account, row.quote] += each.realized
    of_state = {
        (name, currency): amount
        for name, account in state.accounts.items()
        for currency, amount in account.money.cash.items()
        if amount
    }
    assert of_state == {key: amount for key, amount in cash.items() if amount}
    assert of_state == {key: amount for key, amount in of_positions.items() if amount}
