"""The rows [[protect]] of a job file: exits of positions that supervision watches at every price.

[[protect]]
strategies = ["trend"]
stop_bps = 200
cooldown = "1h"
"""

from typing import Annotated, Self

from pydantic import Field, model_validator

from tapeflow.flows.job.duration import Duration
from tapeflow.flows.job.sections import Section, Span, Unit

Bps = Annotated[float, Field(gt=0, le=10_000), Unit("bps")]
EXITS = ("stop_bps", "stop_atr", "take_bps", "trail_bps", "break_even_bps", "time")


class Protect(Section):
    """Close positions at a price or after a time; the first row that holds one protects it.

    A position is closed by reduce-only market orders, after its other orders are canceled.
    """

    strategies: tuple[str, ...] = Field(
        default=("*",), description="Strategies, or patterns of their names."
    )
    instruments: tuple[str, ...] = Field(
        default=("*",), description="Instrument ids, or patterns of them such as `BTC-*`."
    )
    stop_bps: Bps | None = Field(
        default=None, description="Loss at which it is closed, from the average entry price."
    )
    stop_atr: Annotated[float, Field(gt=0, le=1000), Unit("average true ranges")] | None = Field(
        default=None,
        description="The same in average true ranges of the job's bars, as they were at the entry, "
        "or once there are enough bars.",
    )
    atr_window: Annotated[int, Field(ge=1, le=10_000), Unit("bars")] = Field(
        default=14, description="Window of the average true range, by Wilder."
    )
    take_bps: Bps | None = Field(
        default=None, description="Profit at which it is closed, from the average entry price."
    )
    trail_bps: Bps | None = Field(
        default=None, description="It is closed so far behind its best mark."
    )
    trail_after_bps: Annotated[float, Field(ge=0, le=10_000), Unit("bps")] = Field(
        default=0, description="`trail_bps` begins once the best mark was at such a profit."
    )
    trail_step_bps: Annotated[float, Field(ge=0, le=10_000), Unit("bps")] = Field(
        default=0,
        description="The best mark of `trail_bps` moves by so much at least; 0: at each new best, "
        "which costs some 20 us each time.",
    )
    break_even_bps: Bps | None = Field(
        default=None,
        description="Once the best mark was at such a profit, it is closed at its entry price.",
    )
    time: Span | None = Field(
        default=None, description="Longest log time that a position is held, from its first fill."
    )
    cooldown: Annotated[Duration, Field(ge=0)] | None = Field(
        default=None,
        description="So long its strategy may not open in the instrument again; left out: until "
        "it wants the other side.",
    )

    @model_validator(mode="after")
    def check_exits(self) -> Self:
        """Refuse a row that closes nothing."""
        if all(getattr(self, each) is None for each in EXITS):
            raise ValueError(f"a row needs one of {', '.join(EXITS)}")
        return self
