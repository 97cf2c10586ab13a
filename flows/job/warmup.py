"""The section [warmup] of a job file: how long nothing is traded while features and states begin.

[warmup]                          [warmup]
for = "2h"                        until = "2026-11-27T08:00:00Z"
"""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    WithJsonSchema,
    create_model,
    model_validator,
)

from tapeflow.flows.job.sections import Delay, Section
from tapeflow.schemas.time import LOG_MAX_NS, LOG_MIN_NS, format_time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_moment(value: Any) -> int:
    """Return the log time of a date with a time and a zone, of TOML or as text.

    >>> parse_moment("2026-11-27T08:00:00Z")
    1795766400000000000

    Raises ValueError for anything else, and for a time that no log can hold.
    """
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        shown = value.isoformat() if isinstance(value, date) else value
        raise ValueError(f"{shown!r} is no time: write it with its zone: 2026-11-27T08:00:00Z")
    found = (moment - EPOCH) // timedelta(microseconds=1) * 1000
    if not LOG_MIN_NS <= found < LOG_MAX_NS:
        raise ValueError(f"{moment.isoformat()} is before 2000 or after 2199: no log is")
    return found


def format_moment(time_ns: int | None) -> str | None:
    """Return a log time as `parse_moment` reads it."""
    return None if time_ns is None else f"{format_time(time_ns).replace(' ', 'T')}Z"


Moment = Annotated[
    int,
    BeforeValidator(parse_moment),
    PlainSerializer(format_moment, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string"}),
]


Span: Any = create_model(  # type: ignore[call-overload]  # `for` can be named by a text alone
    "Span",
    __base__=Section,
    **{
        "for": (
            Delay,
            Field(
                default=0,
                description="In log time, from the first record of the log on: what strategies ask "
                "for until then is refused as `WARM_UP`, and counted.",
            ),
        )
    },
)


class Warmup(Span):  # type: ignore[misc]  # a class made above
    """The beginning of a log, in which nothing is traded; all else is computed."""

    until: Moment | None = Field(
        default=None,
        description="The log time at which trading begins, with its zone: `2026-11-27T08:00:00Z`. "
        "In place of `for`.",
    )

    @model_validator(mode="after")
    def check_one(self) -> Self:
        """Refuse both."""
        if self.span_ns and self.until is not None:
            raise ValueError("for and until are two ends: write one of them")
        return self

    @property
    def span_ns(self) -> int:
        """The duration of `for`."""
        return int(getattr(self, "for"))
