"""Instruments: what is traded, each named `BASE-QUOTE[-PERP].VENUE`."""

import re
from collections.abc import Collection, Iterable
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

from msgspec import Struct

from tapeflow.schemas.decimals import DECIMAL_CONTEXT, to_decimal

Contract = Literal["linear", "inverse", "quanto"]
SelfTrade = Literal["none", "newest", "oldest", "both"]
COIN_MARGINED = re.compile(r".+USD_\w+", re.IGNORECASE)  # BTCUSD_PERP, BTCUSD_250328


class Instrument(Struct, frozen=True):
    """One instrument of one venue; sizes of orders are multiples of `lot`."""

    id: str  # BTC-USDT.BINANCE, BTC-USDT-PERP.BINANCE-USDM
    venue: str  # BINANCE; in lower case the name of its partitions and topics
    base: str  # the currency that is traded
    quote: str  # the currency of prices, fees and profit
    kind: str  # spot | perp
    venue_symbol: str  # as the venue writes it: BTCUSDT
    tick: Decimal  # smallest step of a price, in quote; a printed price is never rounded to it
    lot: Decimal  # smallest step of a size, in base
    multiplier: Decimal  # of one unit of size: base; inverse: quote; quanto: settle for each point

    contract: str = "linear"  # linear | inverse | quanto
    settle: str = ""  # the currency of profit; "": the quote
    min_size: Decimal | None = None  # least size of an order; NULL: any
    max_size: Decimal | None = None  # largest size of an order; NULL: any
    min_notional: Decimal | None = None  # least notional of an order; NULL: any
    self_trade: str = "none"  # none | newest | oldest | both: where two of our orders would meet

    @property
    def inverse(self) -> bool:
        """Whether it is coin-margined: profit is paid in the base, and goes with 1 / price."""
        return self.contract == "inverse"

    @property
    def is_spot(self) -> bool:
        """Whether base and quote themselves change hands."""
        return self.kind == "spot" and self.contract == "linear"

    @property
    def settlement(self) -> str:
        """The currency in which profit is paid."""
        return self.settle or self.quote

    def round_price(self, price: Decimal | float) -> Decimal:
        """Return a price as an order can have it: the nearest multiple of the tick, at least one.

        Raises ValueError for a price that is not finite.
        """
        exact = price if isinstance(price, Decimal) else to_decimal(float(price))
        if not exact.is_finite():
            raise ValueError(f"{price} is no price")
        ticks = DECIMAL_CONTEXT.divide(exact, self.tick).to_integral_value(ROUND_HALF_EVEN)
        return DECIMAL_CONTEXT.multiply(max(ticks, Decimal(1)), self.tick)

    def floor_size(self, size: Decimal | float) -> Decimal:
        """Return a size as an order can have it: a multiple of the lot, toward zero.

        Raises ValueError for a size that is not finite.
        """
        exact = size if isinstance(size, Decimal) else to_decimal(float(size))
        if not exact.is_finite():
            raise ValueError(f"{size} is no size")
        lots = DECIMAL_CONTEXT.divide_int(exact, self.lot)
        return DECIMAL_CONTEXT.multiply(lots, self.lot)


class InstrumentTable(Struct, frozen=True):
    """The instruments of a job, sorted by id; an instrument's number is its index here."""

    rows: tuple[Instrument, ...]
    ids: tuple[str, ...]  # by number
    number: dict[str, int]  # by id
    of_base: dict[str, list[int]]  # numbers by base, those of spot first

    @classmethod
    def from_rows(cls, rows: Iterable[Instrument]) -> "InstrumentTable":
        """Sort instruments by their ids, as byte strings, and number them."""
        ordered = tuple(sorted(rows, key=lambda row: row.id.encode()))
        ids = tuple(row.id for row in ordered)
        of_base: dict[str, list[int]] = {}
        for number in sorted(range(len(ids)), key=lambda each: ordered[each].kind != "spot"):
            of_base.setdefault(ordered[number].base, []).append(number)
        return cls(ordered, ids, {each: number for number, each in enumerate(ids)}, of_base)

    def __len__(self) -> int:
        return len(self.rows)

    def get(self, instrument_id: str) -> Instrument:
        """Return the instrument with this id. Raises KeyError for an id that is not in the job."""
        return self.rows[self.number[instrument_id]]

    def number_of_pair(self, base: str, quotes: Collection[str]) -> int | None:
        """Return the number of the instrument that says what `base` is worth, None without one.

        It is quoted in one of `quotes`; of several it is one of spot, and the first by its id.
        """
        numbers = self.of_base.get(base, ())
        return next((each for each in numbers if self.rows[each].quote in quotes), None)

    def symbols(self, venue: str) -> dict[str, int]:
        """Return the number of each instrument of a venue, by the symbol that the venue writes."""
        return {
            row.venue_symbol: number
            for number, row in enumerate(self.rows)
            if row.venue.lower() == venue
        }


class InstrumentIdParts(Struct, frozen=True):
    """The parts of an instrument's id."""

    venue: str
    base: str
    quote: str
    kind: str


def parse_id(instrument: str) -> InstrumentIdParts:
    """Split an id into its parts.

    >>> parse_id("BTC-USDT-PERP.BINANCE-USDM")
    InstrumentIdParts(venue='BINANCE-USDM', base='BTC', quote='USDT', kind='perp')

    Raises ValueError for any other form.
    """
    pair, dot, venue = instrument.partition(".")
    match pair.split("-"):
        case [base, quote] if dot and base and quote and venue:
            return InstrumentIdParts(venue, base, quote, "spot")
        case [base, quote, "PERP"] if dot and base and quote and venue:
            return InstrumentIdParts(venue, base, quote, "perp")
    raise ValueError(
        f"{instrument!r} is no instrument id: write BASE-QUOTE.VENUE, as BTC-USDT.BINANCE"
    )


def derive_contract(parts: InstrumentIdParts, venue_symbol: str) -> Contract:
    """Return how an instrument pays profit where the job does not say it.

    Coin-margined contracts are known by Binance's symbols of them, and by its perpetuals in USD:
    those that pay in the quote are in USDT or USDC.

    >>> derive_contract(parse_id("BTC-USD-PERP.BINANCE-USDM"), "BTCUSD_PERP")
    'inverse'
    """
    in_usd = parts.quote.upper() == "USD" or venue_symbol.upper().endswith("USD")
    of_binance = parts.kind == "perp" and parts.venue.upper().startswith("BINANCE")
    coin_margined = COIN_MARGINED.fullmatch(venue_symbol) or (in_usd and of_binance)
    return "inverse" if coin_margined else "linear"
