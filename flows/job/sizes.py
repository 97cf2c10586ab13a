"""The key `size` of [[strategies]] where it is a table: a size that is known when an order is made.

size = { equity_share = "0.02" }
size = { volatility_target = "0.20", window = 100, kind = "1h" }
"""

from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BaseModel, Discriminator, Field, Tag, model_validator

from tapeflow.flows.job.money import DecimalText, Positive
from tapeflow.flows.job.sections import Account, Section, Unit
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.signals import DeclaredStrategy
from tapeflow.schemas.sizing import EquityShare, Kelly, Notional, Sizing, VolatilityTarget

RULES = ("notional", "equity_share", "volatility_target", "kelly")
KEYS_OF = {"volatility_target": ("window", "kind"), "kelly": ("max_share", "trades")}
Share = Annotated[DecimalText, Field(gt=0, le=100), Unit("part of equity")]


class SizeSettings(Section):
    """It has one of the first four keys, and is floored to the lot; see docs/strategies.md."""

    notional: Annotated[Positive, Unit("quote currency")] | None = Field(
        default=None, description="What an order is worth."
    )
    equity_share: Share | None = Field(
        default=None, description="What an order is worth, as a part of the account's equity."
    )
    volatility_target: Annotated[DecimalText, Field(gt=0, le=100), Unit("a year")] | None = Field(
        default=None,
        description="An order is worth equity times this, divided by the yearly volatility of the "
        "instrument's bars.",
    )
    window: Annotated[int, Field(ge=2, le=100_000), Unit("bars")] | None = Field(
        default=None,
        description="Of a volatility target: returns it is measured over. Left out: 100.",
    )
    kind: str | None = Field(
        default=None,
        description="Of a volatility target: the kind of bars, such as `1h`. Left out: `width`.",
    )
    kelly: Annotated[DecimalText, Field(gt=0, le=1), Unit("part")] | None = Field(
        default=None,
        description="An order is worth equity times this part of the Kelly fraction of the "
        "strategy's last closed trades; nothing where that is below 0.",
    )
    max_share: Share | None = Field(
        default=None, description="Of kelly: most of the equity that an order is worth."
    )
    trades: Annotated[int, Field(ge=2, le=10_000), Unit("trades")] | None = Field(
        default=None,
        description="Of kelly: how many closed trades it looks at; before so many, no size is "
        "known. Left out: 50.",
    )

    @property
    def rule(self) -> str:
        """The key that says what it is."""
        return next(each for each in RULES if getattr(self, each) is not None)

    @model_validator(mode="after")
    def check_keys(self) -> Self:
        """Refuse a size without a rule, with two, or with keys of another one."""
        given = [each for each in RULES if getattr(self, each) is not None]
        if len(given) != 1:
            raise ValueError(f"write one of {', '.join(RULES)}, or a plain number of units")
        for rule, keys in KEYS_OF.items():
            for key in keys:
                if rule != given[0] and getattr(self, key) is not None:
                    raise ValueError(f"{key} is of {rule}, not of {given[0]}: leave it out")
        if given[0] == "kelly" and self.max_share is None:
            raise ValueError("kelly needs max_share: the most of the equity that it may take")
        return self

    def sizing(self) -> Sizing:
        """Return the rule of the size."""
        if self.notional is not None:
            return Notional(self.notional)
        if self.equity_share is not None:
            return EquityShare(self.equity_share)
        if self.volatility_target is not None:
            return VolatilityTarget(self.volatility_target, self.window or 100, self.kind or "")
        assert self.kelly is not None, "check_keys"
        assert self.max_share is not None, "check_keys"
        return Kelly(self.kelly, self.max_share, self.trades or 50)


def is_table(value: Any) -> str:
    """Return the tag of what a size is written as."""
    return "<table>" if isinstance(value, dict | BaseModel) else "<number>"


Units = Annotated[Positive, Unit("size")]
Size = Annotated[
    Annotated[Units, Tag("<number>")] | Annotated[SizeSettings, Tag("<table>")],
    Discriminator(is_table),
]


def known_size(size: Decimal | SizeSettings) -> Decimal | None:
    """Return a size that is known before the first order; None where it is a rule."""
    return size if isinstance(size, Decimal) else None


def check_capital(strategy: DeclaredStrategy, account: Account) -> None:
    """Refuse a size that is a part of an equity which is not known.

    Raises UsageError, naming the strategy and the account.
    """
    if account.capital is None and isinstance(
        strategy.sizing, EquityShare | VolatilityTarget | Kelly
    ):
        raise UsageError(
            f"strategies.{strategy.name}: its size is a part of the equity of account "
            f"{account.name}, which is not known: give the account a capital"
        )
