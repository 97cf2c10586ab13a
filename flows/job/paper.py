"""The section [paper] of a job file: the paper venue, its latencies and its fees.

[paper.fees.binance]
maker_bps = 10      currency = "BNB"      tiers = [{ volume = 1_000_000, maker_bps = 9 }]
"""

from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from tapeflow.flows.job.duration import OFF, Duration, Limit, within
from tapeflow.flows.job.money import DecimalText
from tapeflow.flows.job.sections import Delay, Section, Unit

QUOTE, BASE = "quote", "base"  # words for a currency of fees
NOTIONAL_BPS = Unit("basis points of notional")
Bps = Annotated[DecimalText, Field(ge=0, le=10_000), NOTIONAL_BPS]
SignedBps = Annotated[DecimalText, Field(ge=-10_000, le=10_000), NOTIONAL_BPS]  # below 0: a rebate
Latency = Annotated[Duration, within("0s", "365d")]


def parse_ticks(value: Any) -> Any:
    """Return a number of ticks, or None for `none`: never."""
    return None if value == OFF else value


Slip = Annotated[
    int | None,
    Field(ge=0, le=10**6),
    BeforeValidator(parse_ticks),
    PlainSerializer(lambda ticks: OFF if ticks is None else ticks, when_used="json"),
    WithJsonSchema({"type": ["integer", "string"]}),
    Unit("ticks"),
]


class FeeTier(Section):
    """The rates from a traded volume on."""

    volume: Annotated[DecimalText, Field(gt=0, lt=10**24), Unit("notional")] = Field(
        description="Notional that the account traded at the venue in the 30 days (UTC) before "
        "that of the fill: from this on, the rates of the tier hold."
    )
    maker_bps: SignedBps | None = Field(
        default=None, description="Fee of a resting order. Left out: as the tier before."
    )
    taker_bps: SignedBps | None = Field(
        default=None, description="Fee of an order that takes. Left out: as the tier before."
    )


class VenueFees(Section):
    """The fees of one venue; the key is its name, in lower case."""

    maker_bps: SignedBps | None = Field(
        default=None, description="Fee of a resting order. Left out: that of `[paper]`."
    )
    taker_bps: SignedBps | None = Field(
        default=None, description="Fee of an order that takes. Left out: that of `[paper]`."
    )
    currency: str = Field(
        default=QUOTE,
        min_length=1,
        description="Currency of the fees: `quote`; `base`, of which a buy of spot receives less, "
        "while a sell pays in quote; or a code, such as `BNB`, of which an instrument of the job "
        "says the price. Contracts pay in their settlement currency instead of the first two.",
    )
    tiers: tuple[FeeTier, ...] = Field(default=(), description="Rates by volume, rising.")

    @model_validator(mode="after")
    def check_tiers(self) -> Self:
        """Refuse tiers whose volumes do not rise."""
        if any(one.volume >= next_.volume for one, next_ in pairwise(self.tiers)):
            raise ValueError("the volumes of tiers must rise")
        return self


class Paper(Section):
    """The paper venue: its rules are in docs/paper.md."""

    model: Literal["trade", "sized", "touch"] = Field(
        default="sized",
        description="What fills an order: `trade` the next trade, whole; `sized` trades and the "
        "touch, no more than their size; `touch` the touch, in the queue of its price.",
    )
    clock: Literal["venue", "log"] = Field(
        default="venue",
        description="`venue`: an order meets what happened at the venue after it arrived there. "
        "`log`: what was logged after, whatever the delay of the feed.",
    )
    latency: Latency = Field(
        default=250_000_000,
        description="Time from a decision until the order is at the venue, at most 365d.",
    )
    latency_spread: Latency = Field(
        default=0, description="Up to this much is added to `latency`, drawn from the order's id."
    )
    cancel_latency: Latency | None = Field(
        default=None, description="Of a cancel. Left out: as `latency`."
    )
    cancel_latency_spread: Latency = Field(
        default=0, description="Up to this much is added to `cancel_latency`."
    )
    answer_latency: Latency = Field(
        default=0, description="Time from an event at the venue until the desk hears of it."
    )
    answer_latency_spread: Latency = Field(
        default=0, description="Up to this much is added to `answer_latency`."
    )
    share: Annotated[DecimalText, Field(gt=0, le=1)] = Field(
        default=Decimal(1), description="Part of the size of a row that our orders may take."
    )
    slip: Slip = Field(
        default=0,
        description="By how much the part of an order beyond what the touch shows fills worse. "
        "`none`: it waits.",
    )
    quote_age: Delay = Field(
        default=60_000_000_000, description="A quote that is older is not taken from."
    )
    patience: Limit = Field(
        default=60_000_000_000,
        description="An order to take that is not filled after this long at the venue expires. "
        "`none`: it waits.",
    )
    fee_bps: Bps = Field(
        default=Decimal(10), description="Fee of a fill where nothing else is said of it."
    )
    maker_bps: SignedBps | None = Field(
        default=None,
        description="Fee of a resting order, below 0 a rebate. Left out: `fee_bps`.",
    )
    taker_bps: SignedBps | None = Field(
        default=None, description="Fee of an order that takes. Left out: `fee_bps`."
    )
    funding: bool = Field(
        default=True,
        description="Pay and receive the funding of perpetuals, where `[market] mark_prices` are "
        "read and say it.",
    )
    fees: dict[str, VenueFees] = Field(
        default={}, description="They take the place of those above."
    )

    @property
    def cancel_ns(self) -> int:
        """Return the latency of a cancel, without what is drawn."""
        return self.latency if self.cancel_latency is None else self.cancel_latency
