"""The sections [limits."SCOPE"] of a job: what each scope may do, and what follows where it has."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tapeflow.flows.job.duration import Duration
from tapeflow.flows.job.hours import check_hours
from tapeflow.flows.job.money import DecimalText
from tapeflow.flows.job.sections import Section, Span, Unit

HoursText = Annotated[str, AfterValidator(check_hours)]
Size = Annotated[DecimalText, Field(ge=0, lt=10**12), Unit("size")]
Notional = Annotated[DecimalText, Field(ge=0, lt=10**24), Unit("notional")]
Share = Annotated[float, Field(gt=0, le=1), Unit("share of the gross")]
Bps = Annotated[float, Field(ge=0, le=10_000), Unit("bps")]
Count = Annotated[int, Field(ge=0, le=10**6), Unit("orders")]
Often = Annotated[Duration, Field(ge=10_000_000)]  # each is looked at in log time
Age = Annotated[Duration, Field(ge=0)]


class Limits(Section):
    """The limits of a scope; those left out are not asked. A value equal to a limit passes."""

    position_max: Size | None = Field(
        default=None, description="Largest position in any one instrument, with all open orders."
    )
    gross_max: Notional | None = Field(
        default=None, description="Largest sum of all notionals at the marks, with all open orders."
    )
    net_max: Notional | None = Field(
        default=None, description="Largest sum of signed notionals, long or short."
    )
    leverage_max: Annotated[float, Field(gt=0, le=1000), Unit("times equity")] | None = Field(
        default=None,
        description="Largest gross by equity. Of an account or the portfolio; needs `capital`.",
    )
    concentration_max: Share | None = Field(
        default=None, description="Largest share of one instrument of the gross."
    )
    venue_share_max: Share | None = Field(
        default=None, description="Largest share of one venue of the gross."
    )
    group_share_max: Share | None = Field(
        default=None, description="Largest share of a group of [groups] of the gross."
    )
    effective_min: Annotated[float, Field(ge=1, le=10_000), Unit("positions")] | None = Field(
        default=None,
        description="Least effective number of positions: 1 / sum of squared shares.",
    )
    spread_floor: Notional | None = Field(
        default=None, description="Shares are asked once the gross is above this."
    )
    correlated_max: Notional | None = Field(
        default=None,
        description="Largest notional that moves with a position, each weighted by its correlation "
        "with the instrument over the job's bars; 1 before 60 of them are common.",
    )
    approval_above: Notional | None = Field(
        default=None,
        description="Largest notional of one order that nobody else needs to approve; one above it "
        "waits for `tapeflow control approve`.",
    )
    approval_wait: Span = Field(
        default=600_000_000_000, description="How long an order waits for it, in log time."
    )
    size_max: Size | None = Field(default=None, description="Largest size of one order.")
    notional_max: Notional | None = Field(
        default=None, description="Largest notional of one order."
    )
    collar_bps: Bps | None = Field(
        default=None, description="Farthest that limit and trigger may be from the mark."
    )
    touch_bps: Bps | None = Field(
        default=None,
        description="Farthest that a limit may be through the best price of the other side.",
    )
    refuse_self_trade: bool = Field(
        default=False,
        description="An order that would take from a resting order of the portfolio is refused.",
    )
    trade_age: Age | None = Field(
        default=None, description="Largest age of the last trade of the instrument, in log time."
    )
    quote_age: Age | None = Field(
        default=None, description="Largest age of the last quote of the instrument, in log time."
    )
    refuse_crossed: bool = Field(
        default=False, description="Nothing is opened where bid and ask meet or cross."
    )
    clock_offset: Age | None = Field(
        default=None,
        description="Farthest that log time may be behind the venue's own at the last price; needs "
        '`clock = "venue"` of [paper].',
    )
    orders_max: Count | None = Field(
        default=None,
        description="Most orders approved in any `orders_window`; a fifth of them, rounded down, "
        "is left for what reduces.",
    )
    orders_window: Span = Field(
        default=1_000_000_000, description="Window of `orders_max`, in log time."
    )
    open_orders_max: Count | None = Field(default=None, description="Most entries at work.")
    cancels_max: Count | None = Field(
        default=None, description="Most orders that are canceled in any `orders_window`."
    )
    rest_min: Age | None = Field(
        default=None, description="An order is canceled at the earliest so long after its approval."
    )
    order_to_trade_max: Annotated[float, Field(gt=0, le=10**6), Unit("orders")] | None = Field(
        default=None,
        description="Most orders and changes of the UTC day for each fill of it; no fill counts as "
        "one.",
    )
    repeats_max: Annotated[int, Field(ge=1, le=10**9), Unit("fills")] | None = Field(
        default=None,
        description="Most fills since trading was enabled; then HALTED until `resume`.",
    )
    repeat: Age | None = Field(
        default=None,
        description="An order equal to one of the same strategy is refused before so much log time "
        "has passed.",
    )
    daily_loss: Notional | None = Field(
        default=None,
        description="Largest loss of the UTC day, in currencies at par, at every price. Of the "
        "portfolio, an account or a strategy.",
    )
    drawdown: Annotated[float, Field(gt=0, lt=1), Unit("share of equity")] | None = Field(
        default=None,
        description="Largest loss since the greatest sampled equity, at every price. Of the "
        "portfolio or an account; needs `capital`.",
    )
    losses_max: Annotated[int, Field(ge=0, le=10**6), Unit("trades")] | None = Field(
        default=None, description="Most closed trades in a row that lost."
    )
    on_loss: Literal["reducing", "halt", "kill"] = Field(
        default="halt",
        description="What follows a loss above these limits: `halt` closes all of the scope and "
        "lets nothing pass until `resume`, `kill` too, `reducing` lets only pass what reduces.",
    )
    on_exceed: Literal["reduce", "keep"] = Field(
        default="reduce",
        description="What follows where prices carry position, gross, net or leverage above its "
        "limit: entries are canceled and the largest positions are sold down to 95 % of it, or "
        "nothing. Accounts without a section [limits] of their own keep.",
    )
    margin_min: Annotated[float, Field(gt=0, le=100), Unit("share of the gross")] | None = Field(
        default=None,
        description="Least equity by gross, at every price; below it the scope is reduced. Of the "
        "portfolio or an account; needs `capital`.",
    )
    rejects_max: Count | None = Field(
        default=None,
        description="Most orders that venues reject in any `orders_window`; above it the scope is "
        "HALTED.",
    )
    feed_age: Often | None = Field(
        default=None,
        description="An instrument is REDUCING after so much log time without trade and quote. Of "
        "the portfolio, a venue, a group or an instrument.",
    )
    calm: Often = Field(
        default=10_000_000_000,
        description="A feed that was too old is asked so often; fresh at two questions in a row, "
        "its instrument is ACTIVE again.",
    )
    restricted: Literal["", "BUY", "SELL", "both"] = Field(
        default="", description="Orders of this side are refused, unless they reduce."
    )
    hours: tuple[HoursText, ...] = Field(
        default=(),
        description="Spans of the week in UTC, such as `Mon-Fri 08:00-17:00`, in which orders may "
        "open; left out: all.",
    )
    flips: bool | None = Field(default=None, description="As in [risk], for this scope.")
    on_breach: Literal["refuse", "resize"] | None = Field(
        default=None, description="As in [risk], for this scope."
    )


LimitsByScope = Annotated[
    dict[str, Limits],
    Field(
        description="`portfolio`, `account:`, `strategy:`, `venue:`, `instrument:`, `group:NAME`."
    ),
]
