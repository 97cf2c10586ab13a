"""The keys of [[strategies]] that say how its orders are executed: docs/orders.md.

order = { type = "limit", limit_bps = -5, tif = "GTD", lifetime = "30s" }
exits = [{ type = "take_profit", at_bps = 100 }, { type = "stop", at_bps = 50 }]

What each type of order needs and may have is in order_keys.py; any other key is refused.
"""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tapeflow.flows.job.money import DecimalText, Positive
from tapeflow.flows.job.order_keys import (
    EXIT_KEYS,
    ORDER_KEYS,
    check_keys,
    check_trail,
    check_trigger,
)
from tapeflow.flows.job.sections import Section, Span, Unit
from tapeflow.schemas.order_plans import OrderPlan
from tapeflow.schemas.orders import OrderType, TimeInForce, TrailUnit, TriggerSource

Offset = Annotated[DecimalText, Field(gt=-10_000, lt=10_000), Unit("basis points")]
Distance = Annotated[DecimalText, Field(gt=0, lt=10_000), Unit("basis points")]
Part = Annotated[DecimalText, Field(gt=0, le=1), Unit("part of the size")]
TRAILS: dict[str, TrailUnit] = {"trail_bps": "bps", "trail_ticks": "ticks", "trail_price": "price"}


class AnyOrder(Section):
    """The keys that orders and exits share."""

    type: OrderType  # first of the keys

    trigger_on: TriggerSource | None = Field(
        default=None,
        description="The price that triggers it: `trade`, `quote` (of the side that it would take) "
        "or `mark`. Left out: `trade`.",
    )
    trail_bps: Distance | None = Field(
        default=None, description="Of a trailing stop: its distance from the best price since."
    )
    trail_ticks: Annotated[int, Field(gt=0, le=10**9), Unit("ticks")] | None = Field(
        default=None, description="In place of `trail_bps`: the distance in ticks."
    )
    trail_price: Annotated[Positive, Unit("quote currency")] | None = Field(
        default=None, description="In place of `trail_bps`: the distance as a price."
    )
    after_bps: Distance | None = Field(
        default=None,
        description="A trailing stop begins when the price is this much better than that at which "
        "it was measured. Left out: at once.",
    )

    def trail(self) -> tuple[Decimal | None, TrailUnit]:
        """Return the distance of a trailing stop, and its unit."""
        for key, unit in TRAILS.items():
            if (value := getattr(self, key)) is not None:
                return Decimal(value), unit
        return None, "price"


class OrderSettings(AnyOrder):
    """Its rules, and examples, are in docs/orders.md; `bps` above 0 are worse for the order."""

    type: OrderType = Field(default="market", description="What kind of order it is.")
    limit_bps: Offset | None = Field(
        default=None,
        description="How much worse than the reference price (of an order with a trigger: than its "
        "trigger) it may fill, at most: `5` buys up to 5 above, sells down to 5 below; `-5` buys 5 "
        "below or better.",
    )
    trigger_bps: Offset | None = Field(
        default=None,
        description="Where it triggers: so much worse than the reference price, `-5` better. A "
        "stop is above 0, a take profit below.",
    )
    tif: TimeInForce = Field(
        default="GTC",
        description="Time in force: until canceled, at once or not (`IOC`), whole at once or not "
        "(`FOK`), for a `lifetime` (`GTD`), until midnight UTC (`DAY`).",
    )
    lifetime: Span | None = Field(
        default=None, description='With `tif = "GTD"`: time from the decision to the end.'
    )
    post_only: bool = Field(
        default=False, description="Refused by the venue where it would take at once."
    )
    reduce_only: bool = Field(
        default=False, description="Never fills more than what is left of the strategy's position."
    )

    @model_validator(mode="after")
    def check_keys(self) -> Self:
        """Refuse keys that do not belong to the type, and combinations without sense."""
        check_keys(self, self.type, f"a {self.type} order", ORDER_KEYS)
        check_trail(self, self.type)
        if (self.tif == "GTD") != (self.lifetime is not None):
            raise ValueError('tif = "GTD" and lifetime belong together: write both or neither')
        if self.post_only and self.tif in ("IOC", "FOK"):
            raise ValueError(f"post_only never takes, {self.tif} only takes: leave out one")
        if self.trigger_bps is not None:
            check_trigger(self.type, self.trigger_bps)
        return self

    def plan(self) -> OrderPlan:
        """Return the plan of the order."""
        trail, unit = self.trail()
        return OrderPlan(
            type=self.type,
            limit_bps=self.limit_bps,
            trigger_bps=self.trigger_bps,
            trigger_on=self.trigger_on or "trade",
            trail=trail,
            trail_unit=unit,
            activate_bps=None if self.after_bps is None else -self.after_bps,
            tif=self.tif,
            lifetime_ns=self.lifetime,
            post_only=self.post_only,
            reduce_only=self.reduce_only,
        )


ExitType = Literal["limit", "stop", "stop_limit", "take_profit", "take_profit_limit", "trailing"]


class ExitSettings(AnyOrder):
    """They are of the other side, live by what the order has filled, and only reduce."""

    type: ExitType = Field(
        description="`limit` and `take_profit` take a profit, `stop` limits a loss, `trailing` "
        "follows the price."
    )
    at_bps: Distance | None = Field(
        default=None,
        description="Distance from the price of the entry: of a limit and a take profit into the "
        "profit, of a stop into the loss.",
    )
    limit_bps: Offset | None = Field(
        default=None,
        description="Of a `stop_limit` and `take_profit_limit`: how much worse than its trigger it "
        "may fill, at most.",
    )
    share: Part = Field(default=Decimal(1), description="Part of the entry that it closes.")

    @model_validator(mode="after")
    def check_keys(self) -> Self:
        """Refuse keys that do not belong to the type."""
        check_keys(self, self.type, f"a {self.type} exit", EXIT_KEYS)
        check_trail(self, self.type)
        return self

    def plan(self) -> OrderPlan:
        """Return the plan of the exit; what is a profit is better than the price of the entry."""
        trail, unit = self.trail()
        is_stop = self.type in ("stop", "stop_limit")
        worse_bps = None if self.at_bps is None else self.at_bps if is_stop else -self.at_bps
        return OrderPlan(
            type=self.type,
            limit_bps=worse_bps if self.type == "limit" else self.limit_bps,
            trigger_bps=None if self.type == "limit" else worse_bps,
            trigger_on=self.trigger_on or "trade",
            trail=trail,
            trail_unit=unit,
            activate_bps=None if self.after_bps is None else -self.after_bps,
            share=self.share,
        )
