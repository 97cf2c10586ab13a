"""The key `slices` of [[strategies]]: an order that is sent in parts.

slices = { kind = "twap", count = 5, every = "10s", jitter = "2s" }
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tapeflow.flows.job.duration import DURATION_MAX, DURATION_MAX_NS
from tapeflow.flows.job.money import DecimalText, Positive
from tapeflow.flows.job.order_keys import SLICE_KEYS, check_keys
from tapeflow.flows.job.sections import Delay, Section, Span, Unit
from tapeflow.schemas.signals import Slicing


class SliceSettings(Section):
    """The parts are orders of their own; their sum never passes the size."""

    kind: Literal["twap", "iceberg", "participation"] = Field(
        description="`twap`: equal parts at equal times; `iceberg`: one part at a time; "
        "`participation`: parts that follow the volume of bars."
    )
    count: Annotated[int, Field(ge=2, le=10_000), Unit("slices")] | None = Field(
        default=None, description="Of a twap: how many slices."
    )
    every: Span | None = Field(default=None, description="Of a twap: time between two slices.")
    jitter: Delay | None = Field(
        default=None,
        description="Of a twap: each slice comes later by up to this, drawn from its id; below "
        "`every`. Left out: on time.",
    )
    display: Annotated[Positive, Unit("size")] | None = Field(
        default=None, description="Of an iceberg: the size of each slice."
    )
    share: Annotated[DecimalText, Field(gt=0, le=1)] | None = Field(
        default=None, description="Of participation: part of the volume traded since the order."
    )

    @model_validator(mode="after")
    def check_keys(self) -> Self:
        """Refuse keys that do not belong to the kind."""
        check_keys(self, self.kind, self.kind, SLICE_KEYS)
        if self.every is not None and (self.jitter or 0) >= self.every:
            raise ValueError("jitter must be below every: slices keep their order")
        if self.span_ns > DURATION_MAX_NS:
            raise ValueError(f"the last slice comes after more than {DURATION_MAX}")
        return self

    @property
    def span_ns(self) -> int:
        """Return the time from the order to the last slice of a twap, at most."""
        return ((self.count or 1) - 1) * (self.every or 0) + (self.jitter or 0)

    def slicing(self) -> Slicing:
        """Return the slicing of an order."""
        return Slicing(
            kind=self.kind,
            count=self.count or 0,
            every_ns=self.every or 0,
            jitter_ns=self.jitter or 0,
            display=self.display,
            share=self.share,
        )
