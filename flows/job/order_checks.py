"""Check that the orders, exits, slices and instruments of [[strategies]] fit together.

Each check raises with one line that says what to write instead: ValueError where pydantic adds the
place, UsageError where the instruments must be known.
"""

from collections.abc import Mapping
from decimal import Decimal

from tapeflow.flows.job.duration import format_duration
from tapeflow.flows.job.orders import ExitSettings, OrderSettings
from tapeflow.flows.job.slices import SliceSettings
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.instruments import Instrument, InstrumentTable
from tapeflow.schemas.market import MarkPrices, Quotes, Trades
from tapeflow.schemas.signals import DeclaredStrategy, Slicing
from tapeflow.schemas.venues import VENUES

Tables = Mapping[str, set[type | None]]  # tables of ticks that the job reads, by venue
TICKS = {"trade": Trades, "quote": Quotes, "mark": MarkPrices}  # by `trigger_on`


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


def check_slices(order: OrderSettings, slices: SliceSettings, size: Decimal | None) -> None:
    """Refuse slices of an order that cannot be sliced so; a `size` of None is not known yet."""
    if order.type not in ("market", "limit"):
        raise ValueError(f"slices are of a market or limit order, not of a {order.type} order")
    if slices.kind == "iceberg" and (order.type == "market" or order.tif in ("IOC", "FOK")):
        raise ValueError("an iceberg rests in the book: it needs a limit order without IOC or FOK")
    if slices.display is not None and size is not None and slices.display > size:
        raise ValueError(f"display {slices.display} is above the size {size}")
    if slices.kind != "twap" or order.lifetime is None:
        return
    if slices.span_ns >= order.lifetime:
        raise ValueError("the last slice would come after the lifetime of the order: lengthen it")


def check_strategy(
    strategy: DeclaredStrategy, table: InstrumentTable, read: Tables, latency_ns: int
) -> None:
    """Check what a strategy declares against its instruments, what is read of them, and latency.

    Raises UsageError, naming the strategy and the instrument.
    """
    place, lifetime_ns = f"strategies.{strategy.name}", strategy.order.lifetime_ns
    if lifetime_ns is not None and lifetime_ns <= latency_ns:
        raise UsageError(
            f"{place}: the lifetime {format_duration(lifetime_ns)} of an order ends before it is "
            f"at the venue, [paper] latency {format_duration(latency_ns)}: lengthen it"
        )
    for name in sorted(strategy.instruments):
        row = table.get(name)
        for number, each in enumerate(strategy.exits):
            if strategy.sizing is None and strategy.size * each.share < row.lot:
                raise UsageError(
                    f"{place}: exits.{number} would close less than the lot {row.lot} of {name}"
                )
        if strategy.slicing is not None:
            check_lots(strategy, strategy.slicing, row, place)
        for plan in (strategy.order, *strategy.exits):
            if plan.is_conditional:
                check_source(plan.trigger_on, row, read, place)


def check_source(trigger_on: str, row: Instrument, read: Tables, place: str) -> None:
    """Refuse a trigger on prices of which the job reads none."""
    venue = row.venue.lower()
    if TICKS[trigger_on] in read[venue]:
        return
    sent = {each.table for each in VENUES[venue].dialect.channels}
    hint = "write another trigger_on"
    if TICKS[trigger_on] in sent:
        section = "[market] mark_prices" if trigger_on == "mark" else "its channel in [channels]"
        hint = f"set {section}, or {hint}"
    raise UsageError(
        f"{place}: no {trigger_on} prices of {row.id} are read that could trigger an order: {hint}"
    )


def check_lots(strategy: DeclaredStrategy, slicing: Slicing, row: Instrument, place: str) -> None:
    """Refuse slices that are no multiples of the lot, or smaller."""
    if slicing.display is not None and slicing.display % row.lot:
        raise UsageError(
            f"{place}: slices.display {slicing.display} is no multiple of the lot {row.lot} of "
            f"{row.id}"
        )
    if strategy.sizing is not None:
        return  # how many lots an order has is known when it is made
    if slicing.kind == "twap" and slicing.count * row.lot > strategy.size:
        raise UsageError(
            f"{place}: slices.count {slicing.count} is more than the lots in {strategy.size} "
            f"{row.id}, of {row.lot} each"
        )
