"""The section [bars] of a job file."""

from typing import Literal

from pydantic import Field

from tapeflow.flows.job.duration import Limit
from tapeflow.flows.job.sections import Delay, Section
from tapeflow.flows.job.width import Width
from tapeflow.schemas.bar_width import BarWidth


class Bars(Section):
    """Bars of event time."""

    width: Width = Field(
        default=BarWidth(1_000_000_000),
        description="Length of a bar in event time: a span that divides a day, or days; weeks "
        "(`1w`, `7d`), which begin on Mondays; months (`1mo`, `3mo`, `1y`). All of it UTC.",
    )
    lateness: Delay = Field(
        default=200_000_000,
        description="How far the watermark stays behind the largest event time: a bar waits this "
        "long for late trades.",
    )
    ahead: Limit = Field(
        default=10_000_000_000,
        description="A trade whose event time is further ahead of its own log time is set aside: "
        "one odd stamp must not close the bars of all others. `none`: no trade is.",
    )
    gaps: bool = Field(
        default=True,
        description="Find gaps in the ids by which a venue numbers the trades of an instrument, "
        "and take trades that a snapshot brings after a reconnect and that were missed.",
    )
    pause: Limit = Field(
        default=60_000_000_000,
        description="A partition without a record, also without a heartbeat, for longer than this "
        "has a gap. `none`: none has.",
    )
    ties: Literal["id", "log"] = Field(
        default="id",
        description="Which of several trades of one event time is the later, for `open` and "
        "`close` of a bar: that of the larger id, as at the venue, or the later one in the log.",
    )
