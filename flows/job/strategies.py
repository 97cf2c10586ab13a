"""The rows of [[strategies]] in a job file, one class for each kind of strategy.

Durations, descriptions and units as in sections.py.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tapeflow.flows.job.money import Positive
from tapeflow.flows.job.sections import Section, Unit


class StrategySettings(Section):
    """The keys of every strategy."""

    name: str = Field(description="The strategy's name, unique in the job.")
    account: str = Field(description="The account it trades for: a name in `[[accounts]]`.")
    size: Annotated[Positive, Unit("size")] = Field(
        description="Size of each order, a multiple of the lot."
    )
    instruments: tuple[str, ...] = Field(
        default=("*",), description="Instrument ids, or patterns of them such as `BTC-*`."
    )


class EmaCross(StrategySettings):
    """Trend: buys when the fast average of closes crosses above the slow one, sells below."""

    kind: Literal["ema_cross"] = Field(description="Always `ema_cross`.")
    fast: Annotated[int, Field(gt=0, le=10**6), Unit("bars")] = Field(
        default=12, description="Span of the fast average, below `slow`."
    )
    slow: Annotated[int, Field(gt=0, le=10**6), Unit("bars")] = Field(
        default=26, description="Span of the slow average."
    )

    @model_validator(mode="after")
    def _check_order(self) -> "EmaCross":
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be below slow ({self.slow})")
        return self


class Reversion(StrategySettings):
    """Mean reversion: sells a return far above its mean, buys one far below."""

    kind: Literal["reversion"] = Field(description="Always `reversion`.")
    entry: Annotated[float, Field(gt=0, le=10**6), Unit("standard deviations")] = Field(
        default=2.5, description="Distance from the mean at which it trades."
    )
