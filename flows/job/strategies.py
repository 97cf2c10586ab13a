"""The rows of [[strategies]] in a job file, one class for each kind of strategy.

Durations, descriptions and units as in sections.py.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from tapeflow.flows.job.money import Positive
from tapeflow.flows.job.order_checks import check_exits, check_slices
from tapeflow.flows.job.orders import ExitSettings, OrderSettings
from tapeflow.flows.job.sections import Section, Unit
from tapeflow.flows.job.slices import SliceSettings


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
    order: OrderSettings = Field(
        default=OrderSettings(), description="The order of a signal. Left out: a market order."
    )
    exits: tuple[ExitSettings, ...] = Field(
        default=(), description="Orders that close what the order of a signal has filled."
    )
    exit_rule: Literal["OUO", "OCO"] | None = Field(
        default=None,
        description="What a fill of one exit does to the others: `OUO` shrinks them by it, `OCO` "
        "cancels them. Left out: `OUO`.",
    )
    slices: SliceSettings | None = Field(
        default=None, description="How the order of a signal is sent in parts. Left out: whole."
    )
    grid: dict[str, Any] | None = Field(
        default=None,
        description="Values of settings of the strategy, each a list or `{ from, to, step }`: "
        "`tapeflow sweep` runs every combination. All other commands run the strategy alone.",
    )

    @model_validator(mode="after")
    def check_orders(self) -> Self:
        """Refuse exits and slices that make no sense with the order."""
        check_exits(self.order, self.exits, self.exit_rule)
        if self.slices is not None:
            check_slices(self.order, self.slices, self.size)
        return self


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
