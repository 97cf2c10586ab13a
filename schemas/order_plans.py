"""How a strategy trades: prices of orders relative to a reference price, as the job declares them.

bps    +5 of a buy: 5 basis points above the price it is relative to; of a sell: 5 below
       so a positive one is worse for the order, a negative one better, whatever its side
"""

from decimal import Decimal

from msgspec import Struct

from tapeflow.schemas.orders import OrderType, TimeInForce, TrailUnit, TriggerSource


class OrderPlan(Struct, frozen=True):
    """The terms of an order before its prices are known; `operators.strategies.order_plan`."""

    type: OrderType = "market"
    limit_bps: Decimal | None = None  # worse than the trigger, without one than the reference price
    trigger_bps: Decimal | None = None  # worse than the reference price
    trigger_on: TriggerSource = "trade"
    trail: Decimal | None = None
    trail_unit: TrailUnit = "price"
    activate_bps: Decimal | None = None  # worse than the reference price
    tif: TimeInForce = "GTC"
    lifetime_ns: int | None = None  # of GTD, from the decision
    post_only: bool = False
    reduce_only: bool = False
    share: Decimal = Decimal(1)  # of an exit: part of the size of its entry

    @property
    def is_conditional(self) -> bool:
        """Whether it waits for a trigger."""
        return self.type not in ("market", "limit")


AT_MARKET = OrderPlan()
