"""The trading states of scopes, and what is being closed.

    ACTIVE ─▶ REDUCING ─▶ HALTED ─▶ KILLED        by a rule or a command; back by a command
                                      └─▶ all of the scope is closed, see closing.py

The most severe state of all scopes of an order decides. Scopes that are ACTIVE are not kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec import Struct

from tapeflow.schemas.orders import Order
from tapeflow.schemas.states import SEVERITY, Cause, TradingState
from tapeflow.schemas.time import Ns


class Closing(Struct):
    """A scope that is being closed."""

    scope: str
    number: int  # of the change that began it
    cause: Cause
    to_limit: bool = False  # only what is above the limit of its cause
    round: int = 0
    stuck: str = ""  # why nothing more can be closed, as said last
    retry_ns: Ns | None = None  # log time at which it is tried again


class TradingSnapshot(Struct):
    """The plain form of the trading states."""

    of_scope: dict[str, TradingState]
    closings: list[Closing]
    seq: int


@dataclass(slots=True)
class TradingStates:
    """The states of a portfolio, changed in place."""

    of_scope: dict[str, TradingState] = field(default_factory=dict)  # those that are not ACTIVE
    closings: dict[str, Closing] = field(default_factory=dict)  # by scope, as they were begun
    seq: int = 0

    def next_seq(self) -> int:
        """Return the next running number of a change."""
        self.seq += 1
        return self.seq

    def of(self, scope: str) -> TradingState:
        """Return the state of a scope itself."""
        return self.of_scope.get(scope, "ACTIVE")

    def most_severe(self, scopes: Iterable[str]) -> tuple[TradingState, str]:
        """Return the most severe state of some scopes, and the first scope that has it."""
        if not self.of_scope:
            return "ACTIVE", ""
        states = [(self.of(scope), scope) for scope in scopes]
        return max(states, key=lambda each: SEVERITY.index(each[0]))

    def closing_of(self, scopes: Iterable[str], order: Order) -> str:
        """Return the first scope of an order that is being closed, "" where none is."""
        if not self.closings:
            return ""
        position = f"position:{order.account}/{order.strategy}/{order.instrument}"
        found = (self.closings.get(scope) for scope in (*scopes, position))
        return next((each.scope for each in found if each and not each.to_limit), "")

    def put(self, scope: str, to: TradingState) -> None:
        """Set the state of a scope."""
        if to == "ACTIVE":
            self.of_scope.pop(scope, None)
        else:
            self.of_scope[scope] = to

    def next_retry_ns(self) -> int | None:
        """Return the log time at which a closing is tried again, None where none is."""
        times = (each.retry_ns for each in self.closings.values() if each.retry_ns is not None)
        return min(times, default=None) if self.closings else None

    def snapshot(self) -> TradingSnapshot:
        """Return the plain form."""
        return TradingSnapshot(self.of_scope, [*self.closings.values()], self.seq)

    @classmethod
    def restore(cls, saved: TradingSnapshot) -> "TradingStates":
        """Return the states of a snapshot."""
        return cls(saved.of_scope, {each.scope: each for each in saved.closings}, saved.seq)
