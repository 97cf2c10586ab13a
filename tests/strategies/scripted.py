"""A strategy whose answers a test gives as functions, and which writes down its events."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct, field

from tapeflow import Context, Requests, Strategy


class Notes(Struct):
    """The handlers that were called, with what came about: a kind or a reason."""

    events: list[tuple[str, str]] = field(default_factory=list)
    bars: int = 0


class Scripted(Strategy):
    """Answers its n-th bar, and its other events, with what functions return."""

    bars: dict[int, Callable[[Context], Requests]]
    others: dict[str, Callable[[Any, Context], Requests]]  # by handler
    reads: tuple[str, ...] = ()

    def needs(self) -> tuple[str, ...]:
        """Return what its row says."""
        return self.reads

    def start(self) -> Notes:
        """Return that nothing happened."""
        return Notes()

    def on_bar(self, state: Notes, bar: Any, context: Context) -> Requests:
        """Answer the n-th bar."""
        state.bars += 1
        answer = self.bars.get(state.bars)
        return () if answer is None else answer(context)

    def on_fill(self, state: Notes, fill: Any, context: Context) -> Requests:
        """Note a fill."""
        return self.note(state, "on_fill", f"{fill.side * fill.size}", fill, context)

    def on_order(self, state: Notes, event: Any, context: Context) -> Requests:
        """Note a step."""
        return self.note(state, "on_order", event.kind, event, context)

    def on_refusal(self, state: Notes, refusal: Any, context: Context) -> Requests:
        """Note a reason."""
        return self.note(state, "on_refusal", refusal.reason, refusal, context)

    def on_timer(self, state: Notes, timer: Any, context: Context) -> Requests:
        """Note a timer."""
        return self.note(state, "on_timer", timer.name, timer, context)

    def on_price(self, state: Notes, event: Any, context: Context) -> Requests:
        """Note a price."""
        return self.note(state, "on_price", f"{event.name} {event.price}", event, context)

    def note(self, state: Notes, handler: str, what: str, event: Any, context: Context) -> Requests:
        """Note what happened, and answer."""
        state.events.append((handler, what))
        answer = self.others.get(handler)
        return () if answer is None else answer(event, context)
