"""Types an order every third second, most of them wrong."""

from decimal import Decimal

from msgspec import Struct

from tapeflow import BUY, SELL, Bar, Close, Context, Requests, Strategy, Submit, Terms


class Typed(Struct):
    bars: int = 0


def at(limit: int) -> Terms:
    """Return the terms of a limit order."""
    return Terms(type="limit", limit=Decimal(limit))


class Hand(Strategy, frozen=True):
    def start(self) -> Typed:
        return Typed()

    def on_bar(self, state: Typed, bar: Bar, context: Context) -> Requests:
        state.bars += 1
        match state.bars:
            case 3:  # as it was meant
                yield Submit(bar.instrument, BUY, Decimal("0.1"))
            case 6:  # two zeros too many
                yield Submit(bar.instrument, BUY, Decimal(10))
            case 9:  # nine in place of one
                yield Submit(bar.instrument, BUY, Decimal("0.9"))
            case 12:  # 72,000 in place of 60,200
                yield Submit(bar.instrument, BUY, Decimal("0.1"), at(72_000))
            case 13:  # 48,000 in place of 59,800: it would close what is held
                yield Submit(bar.instrument, SELL, Decimal("0.1"), at(48_000))
            case 15:
                yield Close(bar.instrument)
