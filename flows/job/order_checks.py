"""What of [[strategies]] makes no sense together: orders and exits, slices, instruments.

Each check raises with one line that says what to write instead: ValueError where pydantic adds the
place, UsageError where the instruments must be known.
"""

from decimal import Decimal

from tapeflow.flows.job.orders import ExitSettings, OrderSettings
from tapeflow.flows.job.slices import SliceSettings
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.instruments import Instrument, InstrumentTable
from tapeflow.schemas.market import MarkPrices
from tapeflow.schemas.signals import Slicing, Strategy
from tapeflow.schemas.venues import VENUES


def check_exits(order: OrderSettings, exits: tuple[ExitSettings, ...], rule: str | None) -> None:
    """Refuse exits that cannot be, or would leave a part of a position alone."""
    if exits and order.reduce_only:
        raise ValueError("a reduce_only order opens nothing that exits could close: leave out one")
    if rule is not None and len(exits) < 2:
        raise ValueError(f"exit_rule links exits, and there {'is one' if exits else 'are none'}")
    if rule == "OCO" and any(each.share != 1 for each in exits):
        raise ValueError(
            'with exit_rule = "OCO" one exit cancels the others, so each must close all: leave out '
            'share, or write "OUO"'
        )


def check_slices(order: OrderSettings, slices: SliceSettings, size: Decimal) -> None:
    """Refuse slices of an order that cannot be sliced so."""
    if order.type not in ("market", "limit"):
        raise ValueError(f"slices are of a market or limit order, not of a {order.type} order")
    if slices.kind == "iceberg" and (order.type == "market" or order.tif in ("IOC", "FOK")):
        raise ValueError("an iceberg rests in the book: it needs a limit order without IOC or FOK")
    if slices.display is not None and slices.display > size:
        raise ValueError(f"display {slices.display} is above the size {size}")
    if slices.kind != "twap" or order.lifetime is None:
        return
    if slices.span_ns >= order.lifetime:
        raise ValueError("the last slice would come after the lifetime of the order: lengthen it")


def check_strategy(strategy: Strategy, table: InstrumentTable, marks: bool) -> None:
    """Check what a strategy declares against its instruments; `marks`: mark prices are read.

    Raises UsageError, naming the strategy and the instrument.
    """
    for name in sorted(strategy.instruments):
        row, place = table.get(name), f"strategies.{strategy.name}"
        for number, each in enumerate(strategy.exits):
            if strategy.size * each.share < row.lot:
                raise UsageError(
                    f"{place}: exits.{number} would close less than the lot {row.lot} of {name}"
                )
        if strategy.slicing is not None:
            check_lots(strategy.slicing, strategy.size, row, place)
        by_mark = any(each.trigger_on == "mark" for each in (strategy.order, *strategy.exits))
        if by_mark and not (marks and has_mark_prices(row)):
            raise UsageError(
                f"{place}: {name} has no mark prices that could trigger an order: "
                + (
                    "set [market] mark_prices"
                    if has_mark_prices(row)
                    else 'write trigger_on = "trade"'
                )
            )


def check_lots(slicing: Slicing, size: Decimal, row: Instrument, place: str) -> None:
    """Refuse slices that are no multiples of the lot, or smaller."""
    if slicing.display is not None and slicing.display % row.lot:
        raise UsageError(
            f"{place}: slices.display {slicing.display} is no multiple of the lot {row.lot} of "
            f"{row.id}"
        )
    if slicing.kind == "twap" and slicing.count * row.lot > size:
        raise UsageError(
            f"{place}: slices.count {slicing.count} is more than the lots in {size} {row.id}, of "
            f"{row.lot} each"
        )


def has_mark_prices(row: Instrument) -> bool:
    """Return whether the venue of an instrument sends mark prices of it."""
    channels = VENUES[row.venue.lower()].dialect.channels
    return row.kind == "perp" and any(each.table is MarkPrices for each in channels)
