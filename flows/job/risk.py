"""[risk] and [limits."SCOPE"] of a job: how exposure counts, and what each scope may do."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tapeflow.flows.job.duration import Duration
from tapeflow.flows.job.money import DecimalText
from tapeflow.flows.job.sections import Section, Span, Unit
from tapeflow.schemas.limits import Hours

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY_MINUTES = 24 * 60
HOURS = re.compile(r"(?:([A-Z][a-z]{2})(?:-([A-Z][a-z]{2}))? )?(\d\d):(\d\d)-(\d\d):(\d\d)")


def parse_hours(text: str) -> tuple[Hours, ...]:
    """Return the spans of a week that a text names, in UTC.

    >>> parse_hours("Mon-Tue 08:00-17:00")
    (Hours(begin=480, end=1020), Hours(begin=1920, end=2460))

    Raises ValueError where the text names none.
    """
    match = HOURS.fullmatch(text)
    if match is None or not {match[1], match[2]} - {None} <= {*DAYS}:
        raise ValueError(f"{text!r} is no span: write 08:00-17:00 or Mon-Fri 08:00-17:00, in UTC")
    first, last = match[1] or DAYS[0], match[2] or match[1] or DAYS[-1]
    begin, end = int(match[3]) * 60 + int(match[4]), int(match[5]) * 60 + int(match[6])
    if max(begin, end) > DAY_MINUTES or begin == end or int(match[4]) > 59 or int(match[6]) > 59:
        raise ValueError(f"{text!r} is no span of a day: it ends after it begins, or the day after")
    length = (DAYS.index(last) - DAYS.index(first)) % len(DAYS) + 1
    days = ((DAYS.index(first) + number) % len(DAYS) for number in range(length))
    next_day = DAY_MINUTES if end < begin else 0
    week = DAY_MINUTES * len(DAYS)
    return tuple(
        Hours(day * DAY_MINUTES + begin, (day * DAY_MINUTES + next_day + end - 1) % week + 1)
        for day in days
    )


def check_hours(text: str) -> str:
    """Return a text that names hours. Raises ValueError."""
    parse_hours(text)
    return text


HoursText = Annotated[str, AfterValidator(check_hours)]
Size = Annotated[DecimalText, Field(ge=0, lt=10**12), Unit("size")]
Notional = Annotated[DecimalText, Field(ge=0, lt=10**24), Unit("notional")]
Share = Annotated[float, Field(gt=0, le=1), Unit("share of the gross")]
Bps = Annotated[float, Field(ge=0, le=10_000), Unit("bps")]
Count = Annotated[int, Field(ge=0, le=10**6), Unit("orders")]
Age = Annotated[Duration, Field(ge=0)]


class Risk(Section):
    """How the risk checks count, and what is allowed where no scope says it."""

    counting: Literal["worst", "net"] = Field(
        default="worst",
        description="`worst`: exposure is the larger of what all open buys, or all open sells, "
        "come to at the present marks. `net`: signed units as they were approved, at the price of "
        "the newest approval; only the limits of [[accounts]] are asked, also of exits.",
    )
    flips: bool = Field(
        default=False,
        description="An order may carry a position of a contract through zero; else it is cut to "
        "what reduces.",
    )
    on_breach: Literal["refuse", "resize"] = Field(
        default="refuse",
        description="An order beyond a limit is refused, or cut to the largest size that passes.",
    )


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
    repeat: Age | None = Field(
        default=None,
        description="An order equal to one of the same strategy is refused before so much log time "
        "has passed.",
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
