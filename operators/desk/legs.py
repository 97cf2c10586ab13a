"""The orders of an intent: its entries, and the exits of each entry, with derived ids.

    intent ─▶ entry 0 ─▶ its exits            entries share a group where a rule links them,
           └▶ entry 1 ─▶ its exits            so do the exits of one entry

An entry has all exits where all entries are of one side; else those of the other side, which close
it. An exit without a rule is a group of its own.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.orders import Order, terms_fields
from tapeflow.schemas.signals import Intent, Leg


def make_orders(
    intent: Intent, ref_price: Decimal, latency_of: Callable[[str], int]
) -> list[Order]:
    """Return the orders of an intent, each entry before its exits; they have no number yet.

    `latency_of` is the time, in ns, from the decision until the order of an id is at the venue.
    """
    signal = intent.signal
    legs = (Leg(signal.side, intent.size, intent.terms), *intent.others)
    ids = [entry_id(intent, place) for place in range(len(legs))]
    linked = bool(intent.entry_rule) and len(legs) > 1
    group = derive_id("group", ids[0], "entry") if linked else ""
    orders = []
    for leg, order_id in zip(legs, ids, strict=True):
        orders.append(
            leg_order(
                intent, leg, ref_price, latency_of, order_id=order_id, role="entry",
                group=group, rule=intent.entry_rule if linked else "",
            )
        )  # fmt: skip
        for place, exit_leg in exits_of(intent, leg, legs):
            exit_id = derive_id("order", order_id, "exit", place)
            parts = (order_id, "exit") if intent.exit_rule else (exit_id,)
            orders.append(
                leg_order(
                    intent, exit_leg, ref_price, latency_of, order_id=exit_id, role="exit",
                    parent=order_id, group=derive_id("group", *parts), rule=intent.exit_rule,
                )
            )  # fmt: skip
    return orders


def entry_id(intent: Intent, place: int = 0) -> str:
    """Return the id of an entry of an intent."""
    signal = intent.signal
    return derive_id("order", intent.account, signal.strategy, signal.instrument, signal.id, place)


def exits_of(intent: Intent, entry: Leg, entries: tuple[Leg, ...]) -> list[tuple[int, Leg]]:
    """Return the exits of an entry, each with its number among all exits."""
    one_side = len({each.side for each in entries}) == 1
    return [
        (place, each)
        for place, each in enumerate(intent.exits)
        if one_side or each.side != entry.side
    ]


def leg_order(
    intent: Intent,
    leg: Leg,
    ref_price: Decimal,
    latency_of: Callable[[str], int],
    *,
    order_id: str,
    **fields: Any,
) -> Order:
    """Return the order of a leg, decided at the signal's place."""
    signal = intent.signal
    return Order(
        seq=0,
        id=order_id,
        signal_id=signal.id,
        account=intent.account,
        strategy=signal.strategy,
        instrument=signal.instrument,
        side=leg.side,
        size=leg.size,
        ref_price=ref_price,
        time_ns=signal.time_ns,
        active_ns=signal.time_ns + latency_of(order_id),
        partition=signal.partition,
        offset=signal.offset,
        **terms_fields(leg.terms),
        **fields,
    )
