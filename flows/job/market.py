"""The section [market] of a job file: which of a venue's frames are read, and how."""

from typing import Literal

from pydantic import Field

from tapeflow.flows.job.sections import Section


class Market(Section):
    """Market data: what is read besides trades and quotes, and how."""

    mark_prices: bool = Field(
        default=False,
        description="Read the venues' mark prices of perpetuals, and value positions at them.",
    )
    trades: dict[str, Literal["trade", "aggTrade"]] = Field(
        default={},
        description='Channel of the trades, by venue, as in `{ binance = "aggTrade" }`. Left out: '
        "`trade`. An `aggTrade` counts as many trades as it is made of.",
    )
    any_price: bool = Field(
        default=False,
        description="Accept trades of any price and size. Otherwise prices are from 1e-12 to 1e12, "
        "sizes from 1e-18 to 1e18, and a trade beyond is counted as `off_market` and in no bar.",
    )
    time_unit: Literal["by_digits", "ms"] = Field(
        default="by_digits",
        description="Unit of integer event times. `by_digits`: 10 digits are s, 13 ms, 16 us, 19 "
        "ns, others and times before 2000 are malformed. `ms`: ms, of any year since 1970.",
    )
