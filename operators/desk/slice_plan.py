"""When a slice of an order is due, how large it is, and how many there may be.

    twap of 10 by 4     after its slices 2, 5, 7, 10 are filled or at the venue

Sums and not sizes: what a child gives back is in the next one.
"""

from decimal import Decimal
from hashlib import blake2b

from msgspec import structs

from tapeflow.operators.desk.actions import Timer
from tapeflow.operators.desk.working import ZERO, Sliced, Working
from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.orders import Order, terms_fields
from tapeflow.schemas.time import LogPosition

SPARE = 8  # children of an iceberg beyond those that it needs
PARTICIPATION_MAX = 1_000  # children of an order that follows the volume


def next_timer(sliced: Sliced, order: Order) -> list[Timer]:
    """Return the timer of the next slice of a twap."""
    if sliced.slicing.kind != "twap" or sliced.step == sliced.slicing.count:
        return []
    return [Timer(slice_ns(sliced, order, sliced.step), order.id)]


def end_timer(sliced: Sliced) -> list[Timer]:
    """Return the timer of the end of an order that ends by itself."""
    return [] if sliced.end_ns is None else [Timer(sliced.end_ns, sliced.order_id)]


def slice_ns(sliced: Sliced, order: Order, step: int) -> int:
    """Return the log time of a slice of a twap: later by what is drawn from the id of its child."""
    drawn = blake2b(f"{child_id(order, step)}\x1fjitter".encode(), digest_size=8).digest()
    jitter_ns = sliced.slicing.jitter_ns * int.from_bytes(drawn) >> 64
    return order.time_ns + step * sliced.slicing.every_ns + jitter_ns


def child_id(order: Order, number: int) -> str:
    """Return the id of a child."""
    return derive_id("order", order.id, "child", number)


def target_sum(sliced: Sliced, parent: Working, now_ns: int, at_bar: bool) -> Decimal:
    """Return how much is to be filled or at the venue by now; 0 where no slice is due."""
    slicing, whole = sliced.slicing, parent.size
    match slicing.kind:
        case "twap":
            step, count = sliced.step, slicing.count
            while step < count and slice_ns(sliced, parent.order, step) <= now_ns:
                step += 1
            is_due, sliced.step = step > sliced.step, step
            wanted = whole if step == count else round_to_lot(whole * step / count, sliced.lot)
        case "iceberg":
            is_due = not sliced.living
            wanted = parent.filled + display_of(sliced)
        case "participation":
            is_due = at_bar
            wanted = round_to_lot((slicing.share or ZERO) * sliced.volume, sliced.lot)
    return wanted if is_due else ZERO


def display_of(sliced: Sliced) -> Decimal:
    """Return the size of a child of an iceberg: at least a lot."""
    return max(round_to_lot(sliced.slicing.display or ZERO, sliced.lot), sliced.lot)


def round_to_lot(size: Decimal, lot: Decimal) -> Decimal:
    """Round a size down to a multiple of the lot.

    >>> round_to_lot(Decimal("0.57"), Decimal("0.05"))
    Decimal('0.55')
    """
    return size // lot * lot


def children_max(sliced: Sliced, parent: Working) -> int:
    """Return the bound on the number of children."""
    match sliced.slicing.kind:
        case "twap":
            return sliced.slicing.count
        case "iceberg":
            return int(parent.size // display_of(sliced)) + 1 + SPARE
        case "participation":
            return PARTICIPATION_MAX


def is_used_up(sliced: Sliced, parent: Working) -> bool:
    """Return whether no further slice can come."""
    if sliced.slicing.kind == "twap":
        return sliced.step == sliced.slicing.count
    return sliced.children >= children_max(sliced, parent)


def make_child(sliced: Sliced, parent: Working, size: Decimal, position: LogPosition) -> Order:
    """Return the next child of an order, with its terms as they are now; count it as living."""
    terms, (time_ns, partition, offset) = parent.terms, position
    if sliced.end_ns is not None:  # a day of the order, and not of the child
        terms = structs.replace(terms, tif="GTD", expire_ns=sliced.end_ns)
    name = child_id(parent.order, sliced.children)
    sliced.children += 1
    sliced.living.append(name)
    fields = terms_fields(terms) | {"display": None}
    return structs.replace(
        parent.order, id=name, seq=0, role="child", parent=parent.order.id, group="", rule="",
        size=size, time_ns=time_ns, active_ns=time_ns, partition=partition, offset=offset, **fields,
    )  # fmt: skip
