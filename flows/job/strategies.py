"""The rows of [[strategies]] in a job file: kernels, and classes with settings of their own.

kind = "ema_cross"      EmaCross: every key is known here
kind = "dip.py:Dip"     ClassStrategy: keys that are not of every strategy are the class's

Durations, descriptions and units as in sections.py; which class a kind names is in kinds.py.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from tapeflow.flows.job.finite import check_finite
from tapeflow.flows.job.messages import suggestion
from tapeflow.flows.job.order_checks import check_exits, check_slices
from tapeflow.flows.job.orders import ExitSettings, OrderSettings
from tapeflow.flows.job.sections import Section, Unit
from tapeflow.flows.job.sizes import Size, known_size
from tapeflow.flows.job.slices import SliceSettings

Placement = Literal["columns", "merge"]


class StrategySettings(Section):
    """The keys of every strategy."""

    kind: str  # first of the keys

    name: str = Field(description="The strategy's name, unique in the job.")
    account: str = Field(description="The account it trades for: a name in `[[accounts]]`.")
    size: Size = Field(
        description="Size of each order: a multiple of the lot, or a table that says how large it "
        "is when it is made, such as `{ equity_share = 0.02 }`."
    )
    instruments: tuple[str, ...] = Field(
        default=("*",), description="Instrument ids, or patterns of them such as `BTC-*`."
    )
    order: OrderSettings = Field(
        default=OrderSettings(), description="The order of a signal. Left out: a market order."
    )
    exits: tuple[ExitSettings, ...] = Field(
        default=(), description="Orders that close what the order of a signal has filled."
    )
    exit_rule: Literal["OUO", "OCO"] | None = Field(
        default=None,
        description="What a fill of one exit does to the others: `OUO` shrinks them by it, `OCO` "
        "cancels them. Left out: `OUO`.",
    )
    slices: SliceSettings | None = Field(
        default=None, description="How the order of a signal is sent in parts. Left out: whole."
    )
    placement: Placement | None = Field(
        default=None,
        description="Where it runs: `columns`, compiled, before the merge; `merge`, at its place "
        "in the log. The decisions are the same. Left out: `columns` for a kernel whose size is a "
        "number.",
    )
    grid: dict[str, Any] | None = Field(
        default=None,
        description="Values of its own keys, each a list or `{ from, to, step }`: `tapeflow sweep` "
        "tries every combination. A run trades the row's own.",
    )

    @model_validator(mode="after")
    def check_orders(self) -> Self:
        """Refuse exits and slices that make no sense with the order."""
        check_exits(self.order, self.exits, self.exit_rule)
        if self.slices is not None:
            check_slices(self.order, self.slices, known_size(self.size))
        return self

    @field_validator("grid")
    @classmethod
    def check_numbers(cls, grid: dict[str, Any] | None) -> dict[str, Any] | None:
        """Refuse numbers that no JSON holds."""
        check_finite(grid)
        return grid

    @property
    def runs_in(self) -> Placement:
        """The placement: a size that needs a price is known in the merge alone."""
        default: Placement = "merge" if known_size(self.size) is None else "columns"
        return self.placement or default

    def own_settings(self) -> dict[str, Any]:
        """Return the keys that are not of every strategy."""
        keys = type(self).model_fields.keys() - {*StrategySettings.model_fields, "kind"}
        return self.model_dump(include=set(keys))


class Kernel(StrategySettings):
    """A strategy that is compiled: it reads one bar of one instrument."""

    @model_validator(mode="after")
    def check_placement(self) -> Self:
        """Refuse columns with a size that needs a price."""
        if self.placement == "columns" and known_size(self.size) is None:
            raise ValueError(
                'placement = "columns" knows no prices, which this size needs: leave it out, or '
                "write size as a number of units"
            )
        return self


class EmaCross(Kernel):
    """Trend: buys when the fast average of closes crosses above the slow one, sells below."""

    kind: Literal["ema_cross"] = Field(description="Always `ema_cross`.")
    fast: Annotated[int, Field(gt=0, le=10**6), Unit("bars")] = Field(
        default=12, description="Span of the fast average, below `slow`."
    )
    slow: Annotated[int, Field(gt=0, le=10**6), Unit("bars")] = Field(
        default=26, description="Span of the slow average."
    )

    @model_validator(mode="after")
    def _check_order(self) -> "EmaCross":
        if self.fast >= self.slow:
            raise ValueError(f"fast ({self.fast}) must be below slow ({self.slow})")
        return self


class Reversion(Kernel):
    """Mean reversion: sells a return far above its mean, buys one far below."""

    kind: Literal["reversion"] = Field(description="Always `reversion`.")
    entry: Annotated[float, Field(gt=0, le=10**6), Unit("standard deviations")] = Field(
        default=2.5, description="Distance from the mean at which it trades."
    )


class ClassStrategy(StrategySettings):
    """A class: of yours, or of the box. Every other key of the row is a field of the class."""

    model_config = ConfigDict(extra="allow")

    kind: str = Field(
        description="`file.py:Class`, the file beside the job; `package.module:Class`; the name of "
        "a strategy in the box; or of an entry point of the group `tapeflow.strategies`."
    )

    @model_validator(mode="before")
    @classmethod
    def check_spelling(cls, row: Any) -> Any:
        """Refuse a row without a key that every strategy needs, and with one that is like it."""
        if not isinstance(row, dict):
            return row
        for key, field in cls.model_fields.items():
            if field.is_required() and key not in row:
                for other in row.keys() - cls.model_fields.keys():
                    if hint := suggestion(other, [key]):
                        raise ValueError(f"{other} is no setting{hint}")
        return row

    @model_validator(mode="after")
    def check_own(self) -> Self:
        """Refuse columns: they are of kernels. And numbers that no JSON holds."""
        check_finite(self.model_extra)
        if self.placement == "columns":
            raise ValueError(
                f'placement = "columns" is of the kernels {", ".join(KERNELS)}, and {self.kind} is '
                "a class, which runs in the merge: leave it out"
            )
        return self

    @property
    def runs_in(self) -> Placement:
        """The placement: a class runs in the merge."""
        return "merge"

    def own_settings(self) -> dict[str, Any]:
        """Return the keys that are not of every strategy."""
        return dict(self.model_extra or {})


KERNELS: dict[str, type[Kernel]] = {"ema_cross": EmaCross, "reversion": Reversion}


def tag_of(row: Any) -> str:
    """Return the tag of the class that reads a row."""
    kind = row.get("kind") if isinstance(row, dict) else getattr(row, "kind", None)
    return f"<{kind}>" if isinstance(kind, str) and kind in KERNELS else "<class>"


AnyStrategy = Annotated[
    Annotated[EmaCross, Tag("<ema_cross>")]
    | Annotated[Reversion, Tag("<reversion>")]
    | Annotated[ClassStrategy, Tag("<class>")],
    Discriminator(tag_of),
]
