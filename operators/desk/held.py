"""Refuse a job that does not trade what its state holds: nothing else would close it.

    state    trend of main: 1 BTC-USDT.BINANCE, an order to sell 1
    job      trend of main trades ETH-*           ──▶ refused, with a line that names all of it

That a strategy has gone, its account or the instrument is the same here.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

from tapeflow.operators.desk.positions import PositionState
from tapeflow.operators.desk.settings import DeskSettings
from tapeflow.operators.desk.working import DONE, Sliced, Working
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.sides import BUY


class Held(NamedTuple):
    """Something that one strategy holds in one instrument."""

    account: str
    strategy: str
    instrument: str
    what: str


def held_positions(
    account: str, rows: Iterable[tuple[str, str, PositionState]], foreign: dict[str, str]
) -> Iterator[Held]:
    """Yield the positions of an account; `foreign` as in `AccountSnapshot`.

    Profit that is in no currency at par is a position too: what it is worth changes.
    """
    for strategy, instrument, position in rows:
        owner = (account, strategy, instrument)
        if position.quantity:
            yield Held(*owner, f"{format_decimal(position.quantity)} {instrument}")
        profit = position.realized - position.fees + position.funding
        if profit and instrument in foreign:
            amount = f"{format_decimal(profit)} {foreign[instrument]}"
            yield Held(*owner, f"{amount} of profit in {instrument}")


def held_orders(orders: Iterable[Working]) -> Iterator[Held]:
    """Yield the orders that live; slices are those of their order."""
    for working in orders:
        order = working.order
        if working.phase == DONE or order.role == "child":
            continue
        side, size = "BUY" if order.side == BUY else "SELL", format_decimal(working.leaves)
        what = f"an order to {side} {size} {order.instrument}"
        yield Held(order.account, order.strategy, order.instrument, what)


def check_held(held: Iterable[Held], settings: DeskSettings) -> None:
    """Check that the job still trades what a state holds.

    Raises TapeflowError, naming account, strategy, instrument and size of all that it does not.
    """
    parts: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for each in held:
        if not settings.may_trade(*each[:3]):
            parts[each[:2]].append(each.what)
    lines = [
        f"strategy {strategy} of account {account} holds {', '.join(what)}"
        for (account, strategy), what in sorted(parts.items())
    ]
    if lines:
        raise TapeflowError(
            f"{'; '.join(lines)}, which the job no longer has it trade: nothing would close them. "
            "Name it in the job again, or start with a fresh --state"
        )


def check_followed(
    orders: Iterable[Working], sliced: Iterable[Sliced], settings: DeskSettings
) -> None:
    """Check that the desk is still sent what living orders follow: bars, and every quote.

    It is sent them where a strategy of the job declares such orders. Raises TapeflowError.
    """
    living = {each.order.id: each.order for each in orders if each.phase != DONE}
    by_volume = [
        living[each.order_id]
        for each in sliced
        if each.order_id in living and each.slicing.kind == "participation"
    ]
    waiting = [each for each in living.values() if each.terms.is_conditional]
    for found, is_sent, what, key in (
        (by_volume, settings.reads_bars, "follows the volume of bars", "slices"),
        (waiting, settings.sees_every_quote, "waits for a trigger", "order or exits"),
    ):
        if found and not is_sent:
            raise TapeflowError(
                f"strategy {found[0].strategy} of account {found[0].account} holds an order that "
                f"{what}, and no strategy of the job declares one: leave {key} as they were, or "
                "start with a fresh --state"
            )


def format_decimal(value: Decimal) -> str:
    """Return a decimal without trailing zeros or exponent."""
    return f"{value.normalize():f}"
