"""The section [instruments] of a job file: one row for each instrument."""

from decimal import Decimal
from typing import Annotated

from pydantic import AliasChoices, Field

from tapeflow.flows.job.money import Positive
from tapeflow.flows.job.sections import Section, Unit
from tapeflow.schemas.instruments import Contract, SelfTrade


class InstrumentRow(Section):
    """One instrument; its key is its id, `BASE-QUOTE[-PERP].VENUE`."""

    tick: Annotated[Positive, Unit("quote currency")] = Field(
        description="Smallest step of a price. Fills have the printed price in any case."
    )
    lot: Annotated[Positive, Unit("size")] = Field(description="Smallest step of a size.")
    multiplier: Annotated[Positive, Unit("value")] = Field(
        default=Decimal(1),
        description="Value of one unit of size: in base currency, of an inverse contract in quote "
        "currency, of a quanto contract in settlement currency for each point of the price.",
    )
    venue_symbol: str = Field(
        default="",
        validation_alias=AliasChoices("venue_symbol", "native"),
        description="The symbol that the venue writes. Left out: made of base and quote in the "
        "venue's way.",
    )
    contract: Contract | None = Field(
        default=None,
        description="`linear`: profit in the quote currency; `inverse`: in the base, with 1 / "
        "price; `quanto`: in another one. Left out: `inverse` where the venue's symbol says so.",
    )
    settle: str = Field(
        default="",
        description="Currency of profit, of a quanto contract. Left out: the quote currency, of an "
        "inverse contract the base.",
    )
    min_size: Annotated[Positive, Unit("size")] | None = Field(
        default=None, description="Least size of an order."
    )
    max_size: Annotated[Positive, Unit("size")] | None = Field(
        default=None, description="Largest size of an order."
    )
    min_notional: Annotated[Positive, Unit("quote currency")] | None = Field(
        default=None, description="Least notional of an order."
    )
    self_trade: SelfTrade = Field(
        default="none",
        description="What the venue does with an order that would meet one of the same portfolio: "
        "`none` both stay, `newest` it is refused, `oldest` the other is canceled, `both`.",
    )
