"""The market in the context of a call: prices up to and with the record of the event.

They are released when they are asked for.
"""

import math
from collections.abc import Sequence

from tapeflow.operators.desk.marks import Marks
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.state import State
from tapeflow.operators.features.composite import compute_composite
from tapeflow.schemas.instruments import Instrument
from tapeflow.schemas.time import MIN_NS, LogPosition, Ns

BID, ASK = 0, 1


class MarketView:
    """The part of a context that is the same for every strategy."""

    __slots__ = ("_is_released", "_settings", "_state")

    def __init__(self, state: State, settings: DeskSettings) -> None:
        self._state, self._settings = state, settings
        self._is_released = False

    @property
    def time_ns(self) -> Ns:
        """Log time of the event."""
        return self._state.now[0]

    @property
    def position(self) -> LogPosition:
        """Log time, partition, offset of the event."""
        return self._state.now

    def instrument(self, instrument: str) -> Instrument:
        """Return the facts of an instrument."""
        return self._settings.instruments.rows[self._number(instrument)]

    def last(self, instrument: str) -> float | None:
        """Return the price of the last accepted trade."""
        return none_if_nan(self._marks().last[self._number(instrument)])

    def bid(self, instrument: str) -> float | None:
        """Return the best bid."""
        return none_if_nan(self._marks().quote[self._number(instrument), BID])

    def ask(self, instrument: str) -> float | None:
        """Return the best ask."""
        return none_if_nan(self._marks().quote[self._number(instrument), ASK])

    def mid(self, instrument: str) -> float | None:
        """Return the middle of bid and ask; None where a side is missing, or they are crossed."""
        bid, ask = self.bid(instrument), self.ask(instrument)
        return None if bid is None or ask is None or bid > ask else bid + (ask - bid) / 2

    def bid_size(self, instrument: str) -> float | None:
        """Return the size at the best bid."""
        return None if self.bid(instrument) is None else self._side_size(instrument, BID)

    def ask_size(self, instrument: str) -> float | None:
        """Return the size at the best ask."""
        return None if self.ask(instrument) is None else self._side_size(instrument, ASK)

    def mark(self, instrument: str) -> float | None:
        """Return the venue's own mark price."""
        return none_if_nan(self._marks().mark[self._number(instrument)])

    def age_ns(self, instrument: str) -> Ns | None:
        """Return the log time since its last trade or quote."""
        marks, number = self._marks(), self._number(instrument)
        newest_ns = max(int(marks.last_at[number, 0]), int(marks.quote_at[number, 0]))
        return None if newest_ns == MIN_NS else self.time_ns - newest_ns

    def quote_age_ns(self, instrument: str) -> Ns | None:
        """Return the log time since its last quote of a market."""
        quote_ns = int(self._marks().quote_at[self._number(instrument), 0])
        return None if quote_ns == MIN_NS else self.time_ns - quote_ns

    def composite(self, instruments: Sequence[str], max_age_ns: Ns) -> float | None:
        """Return the mean of the mids that are not older than this, weighted by their sizes."""
        return compute_composite(
            map(self.mid, instruments),
            map(self._touch_size, instruments),
            (self.quote_age_ns(each) or 0 for each in instruments),  # without a quote: no mid
            max_age_ns,
        )

    def _touch_size(self, instrument: str) -> float | None:
        bid_size, ask_size = self.bid_size(instrument), self.ask_size(instrument)
        return None if bid_size is None or ask_size is None else bid_size + ask_size

    def _side_size(self, instrument: str, side: int) -> float | None:
        return none_if_nan(self._marks().quote_size[self._number(instrument), side])

    def _number(self, instrument: str) -> int:
        number = self._settings.instruments.number.get(instrument)
        if number is None:
            raise ValueError(f"{instrument!r} is no instrument of the job")
        return number

    def _marks(self) -> Marks:
        if not self._is_released:
            self._state.merge.release_through(self._state.now)
            self._is_released = True
        return self._state.merge.marks


def none_if_nan(value: float) -> float | None:
    """Return a price as Python's float; None where there is none."""
    return None if math.isnan(value) else float(value)
