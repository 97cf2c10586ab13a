"""What must hold of states and commands: done or refused as the rules say, and closed to the end."""

from decimal import Decimal as D
from typing import Any

from tapeflow.schemas.control import ControlCommand
from tapeflow.schemas.states import StateChange
from tests.frames import S
from tests.plain_flow import INSTRUMENTS
from tests.risk_books import IN_STATES, Known, scopes_of
from tests.risk_oracle import RiskOracle
from tests.risk_stories import COMMANDS, MAX_AGE_S, Story

SEVERE = {"halt": "HALTED", "reduce": "REDUCING", "kill": "KILLED", "resume": "ACTIVE"}
RESTRICTED = {"buy": "BUY", "sell": "SELL", "both": "both", "none": ""}


class StateLaws:
    """The laws of states and commands, a fact at a time; the oracle knows all facts before it."""

    def __init__(self, story: Story):
        self.story, self.oracle = story, RiskOracle(story)
        self.closing = self.oracle.being_closed  # by scope: the event that began it
        self.closings: dict[str, str] = {}  # scope of a closing, by the signal of its orders
        self.changes: dict[str, StateChange] = {}  # by the command that made them
        self.set_limits: dict[tuple[str, str], str] = {}

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
