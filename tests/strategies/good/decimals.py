"""Decimal arithmetic, whole numbers in float fields, sets that are sorted, nested Structs."""

from decimal import ROUND_DOWN, Decimal

from msgspec import Struct

from tapeflow import BUY, Bar, Context, Fill, Requests, Strategy, Submit, Target


class Ledger(Struct):
    paid: Decimal = Decimal(0)
    trades: int = 0


class Book(Struct):
    total: float = 0  # a whole number, which a resume makes a float
    seen: set[str] = set()
    ledgers: dict[str, Ledger] = {}
    last: tuple[str, int] | None = None
    flags: tuple[bool, ...] = ()


class Decimals(Strategy):
    """Buys every tenth bar; sells what it holds when that has cost too much in fees."""

    share: Decimal = Decimal("0.333")

    def start(self) -> Book:
        return Book()

    def on_bar(self, state: Book, bar: Bar, context: Context) -> Requests:
        state.total += bar.volume
        state.seen.add(bar.instrument)
        state.last = (bar.instrument, bar.count)
        ledger = state.ledgers.setdefault(bar.instrument, Ledger())
        if ledger.trades > 3 and len(state.seen) > 1:
            for name in sorted(state.seen):
                yield Target(name, Decimal(0))
            ledger.trades = 0
        elif bar.close_ns // 10**9 % 10 == 0 and (size := context.size(bar.instrument)):
            part = (size * self.share).quantize(Decimal("0.001"), ROUND_DOWN)
            yield Submit(bar.instrument, BUY, size=part)

    def on_fill(self, state: Book, fill: Fill, context: Context) -> Requests:
        ledger = state.ledgers.setdefault(fill.instrument, Ledger())
        ledger.paid += fill.fee
        ledger.trades += 1
        return ()
