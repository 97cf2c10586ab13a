"""The section [bars] of a job file."""

from typing import Literal, Self

from pydantic import Field, model_validator

from tapeflow.flows.job.bar_kinds import parse_kind
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
    more: tuple[str, ...] = Field(
        default=(),
        description="Kinds of bars to make besides, stored in `other_bars`: multiples of `width` "
        "(`1m`, `1h`); of so many trades, so much volume or notional (`tick:100`, `volume:5`, "
        "`dollar:1e6`); of the mid of quotes (`quote:1s`). What strategies need is made too.",
    )

    @model_validator(mode="after")
    def check_more(self) -> Self:
        """Refuse kinds of bars that cannot be made of those of the job's width, and its own."""
        for text in self.more:
            try:
                kind = parse_kind(text, self.width)
            except ValueError as error:
                raise ValueError(f"more: {error}") from None
            if kind is None:
                raise ValueError(f"more: {text} is the width of the job's own bars: leave it out")
        return self
