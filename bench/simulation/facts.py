"""What the parts of the model hand to each other."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, TypeAlias

from msgspec import Struct

from bench.simulation.case import Case, TradeRow

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


def marks_before(
    ticks: Iterable[Tick], before_ns: int | None
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Return last price, bid and ask of each instrument, from the ticks before a log time."""
    last, bid, ask = dict[str, float](), dict[str, float](), dict[str, float]()
    for tick in ticks:
        if before_ns is not None and tick.place.log_ns >= before_ns:
            break
        if tick.price is not None:
            last[tick.instrument] = tick.price
        else:
            bid[tick.instrument], ask[tick.instrument] = tick.bid, tick.ask
    return last, bid, ask
