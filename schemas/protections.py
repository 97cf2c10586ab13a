"""Protections of positions: at which price, or after which time, one is closed.

long from 100    stop_bps 200    98    break_even_bps 300    100 once it was at 103
                 take_bps 500   105    trail_bps 150         1.5 % below the best mark so far
"""

from msgspec import Struct

from tapeflow.schemas.time import Ns


class Protection(Struct, frozen=True):
    """How positions of these strategies in these instruments are closed; None: not so."""

    strategies: frozenset[str]
    instruments: frozenset[str]  # ids
    stop_bps: float | None = None  # loss from the average entry price
    stop_atr: float | None = None  # loss in average true ranges, as known at the entry
    atr_window: int = 14  # in bars of the job's own width
    take_bps: float | None = None  # profit from the average entry price
    trail_bps: float | None = None  # behind the best mark
    trail_after_bps: float = 0.0  # once the best mark was at such a profit
    trail_step_bps: float = 0.0  # the best mark moves by so much at least
    break_even_bps: float | None = None  # once it was, the stop is at the average entry price
    time_ns: Ns | None = None  # longest log time from the first fill on
    cooldown_ns: Ns | None = None  # of the lock; None: until an order of the other side

    def holds(self, strategy: str, instrument: str) -> bool:
        """Return whether a position is protected."""
        return strategy in self.strategies and instrument in self.instruments
