"""What the parts of the model hand to each other."""

import math
from collections.abc import Iterable, Iterator
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, TypeAlias

from msgspec import Struct

from bench.simulation.case import Case, TradeRow
from bench.simulation.numbers import decimal_of

PRICE_MIN, PRICE_MAX = Decimal("1e-12"), Decimal("1e12")  # only prices in [..) are traded
FAR = 10  # times: a quote further from the last trade is no market

Tables: TypeAlias = dict[str, list[dict[str, Any]]]


class Place(NamedTuple):
    """A record's place in the log; places compare as the log is ordered."""

    log_ns: int
    partition: str
    offset: int


class Tick(Struct, frozen=True):
    """A trade that can be paid, or a quote."""

    place: Place
    row: int  # within its record
    instrument: str
    price: float | None = None
    trade: TradeRow | None = None
    bid: float = 0.0  # 0: no such side
    ask: float = 0.0


class Match(NamedTuple):
    """An order and the trade that fills it."""

    place: Place
    seq: int  # of the order
    row: int
    order: dict[str, Any]
    price: float
    trade: TradeRow


class StrategyModel(NamedTuple):
    """A strategy of the job, and the instruments that it trades."""

    settings: dict[str, Any]
    instruments: frozenset[str]


class Intent(NamedTuple):
    """A signal of a strategy that is to be decided. Sorted as intents are decided."""

    place: Place
    close_ns: int
    instrument: bytes
    strategy: bytes
    account: str
    size: Decimal
    side: int
    ref_price: float


def of_strategies(case: Case) -> Iterator[StrategyModel]:
    """Yield the strategies of a case, in the order of their names."""
    for settings in sorted(case.job["strategies"], key=lambda each: str(each["name"]).encode()):
        traded = {
            each.id
            for each in case.instruments
            if any(fnmatchcase(each.id, pattern) for pattern in settings["instruments"])
        }
        yield StrategyModel(settings, frozenset(traded))


class Mark(NamedTuple):
    """A price to value a position at, and the place of its tick."""

    price: Decimal
    place: Place


class Marks:
    """What positions are valued at, from the ticks before a log time: the newest market."""

    def __init__(self, ticks: Iterable[Tick], before_ns: int | None) -> None:
        self.trades, self.quotes = dict[str, Tick](), dict[str, Tick]()
        for tick in ticks:
            if before_ns is not None and tick.place.log_ns >= before_ns:
                break
            if tick.price is not None:
                self.trades[tick.instrument] = tick
            elif is_market(tick):
                self.quotes[tick.instrument] = tick

    def closing(self, instrument: str, *, long: bool) -> Mark:
        """Return the newer of last trade and quote; a quote far away from the trade is no market.

        Of a quote the side at which the position could be closed, if there is one.
        """
        trade, quote = self.trades[instrument], self.quotes.get(instrument)
        assert trade.price is not None
        last = Mark(decimal_of(trade.price), trade.place)
        if quote is None or quote.place < trade.place:
            return last
        side = quote.bid if long else quote.ask
        if not side or math.isnan(side):
            return last
        price = decimal_of(side)
        is_far = price > last.price * FAR or price * FAR < last.price
        return last if is_far else Mark(price, quote.place)


def is_market(quote: Tick) -> bool:
    """Return whether a quote is one of a market: in range, and not crossed; a side may be empty."""
    sides = [each for each in (quote.bid, quote.ask) if each and not math.isnan(each)]
    in_range = all(PRICE_MIN <= decimal_of(each) < PRICE_MAX for each in sides if each < math.inf)
    return in_range and math.inf not in sides and sides == sorted(sides)
