"""What must hold at every fact of a story, by the books of risk_oracle.py, and at its end.

decisions    why, and of which size, is what the rules say
positions    spot is never short; what closes or only reduces never enlarges or turns one
states       orders that may enlarge are canceled; a scope that is closed ends flat
commands     done, or refused with the reason that the rules say
money        cash is realized less cost of spot, fees; of an account the sum of its strategies
names        no id twice, numbers without holes
"""

from decimal import Decimal as D
from typing import Any

from tapeflow.schemas.accounts import Decision, Position
from tapeflow.schemas.control import ControlCommand
from tapeflow.schemas.order_events import OrderEvent
from tapeflow.schemas.orders import Fill
from tapeflow.schemas.signals import AmendIntent, CancelIntent, Intent
from tapeflow.schemas.states import StateChange
from tests.risk_books import IN_STATES, ZERO, owner_of, scopes_of
from tests.risk_state_laws import StateLaws
from tests.risk_stories import Story
from tests.risk_sum_laws import check_fills, check_money, check_names

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


class Laws(StateLaws):
    """The laws, a fact at a time; the oracle knows all facts before it."""

    def __init__(self, story: Story):
        super().__init__(story)
        self.intents = {each.signal.id: each for some in story.intents.values() for each in some}
        self.due: dict[str, list[tuple[str, D]]] = {}  # decisions to come, by signal
        self.fills: dict[str, Fill] = {}

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
                self.due[found.signal_id] = self.oracle.expect(intent)
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

    def check_end(self) -> None:
        """Check that all that was decided is there, and that nothing is being closed any more."""
        assert not [each for each in self.due.values() if each], "a decision is missing"
        decided = {name for name, each in self.intents.items() if isinstance(each, Intent)}
        assert decided == set(self.due), "an intent is not decided"
        assert self.closing == {}, "a scope is not closed at the end"
        for scope, state in self.oracle.states.items():
            if state == "KILLED":
                self.check_flat(scope)
