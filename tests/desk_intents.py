"""Random intents of every kind for hypothesis: orders of all types, brackets, slices, changes.

    drawn ─▶ give_intents(batches by partition, drawn) ─▶ the same batches with intents at records

What is drawn does not know the log: it names a record by a number, modulo the records there are.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tapeflow.operators.desk.legs import entry_id
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.orders import Terms
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.signals import AmendIntent, AnyIntent, CancelIntent, Intent, Leg, Signal
from tapeflow.schemas.signals import Slicing as Slices
from tests.frames import BEGIN, MS, S
from tests.plain_flow import IDS

PRICES = st.integers(380, 420).map(lambda quarter: Decimal(quarter) / 4)
SIZES = st.integers(1, 8).map(lambda halves: Decimal(halves) / 2)
SIDES = st.sampled_from([BUY, SELL])
TIFS = st.sampled_from(["GTC", "GTC", "GTC", "IOC", "FOK", "GTD", "DAY"])


@st.composite
def terms(draw: Any) -> Terms:
    """Draw the terms of an order of any type."""
    kind = draw(
        st.sampled_from(
            ["market", "limit", "limit", "stop", "stop_limit", "take_profit", "take_profit_limit",
             "trailing"]
        )
    )  # fmt: skip
    fields: dict[str, Any] = {"type": kind, "tif": draw(TIFS)}
    if kind.endswith("limit"):
        fields |= {"limit": draw(PRICES), "post_only": draw(st.integers(0, 4)) == 0}
    if kind not in ("market", "limit"):
        fields["trigger_on"] = draw(st.sampled_from(["trade", "quote", "mark"]))
    if kind == "trailing":
        fields |= {
            "trail": draw(st.sampled_from([Decimal(0), Decimal("0.5"), Decimal(3), Decimal(150)])),
            "trail_unit": draw(st.sampled_from(["price", "ticks", "bps"])),
            "activate": draw(st.none() | PRICES),
        }
    elif kind not in ("market", "limit"):
        fields["trigger"] = draw(PRICES)
    if fields["tif"] == "GTD":
        fields["expire_ns"] = BEGIN + draw(st.integers(0, 60)) * S // 2
    fields["reduce_only"] = draw(st.integers(0, 5)) == 0
    return Terms(**fields)


LEGS = st.builds(Leg, SIDES, SIZES, terms())
SLICES = st.one_of(
    st.builds(
        Slices, st.just("twap"), count=st.integers(1, 4),
        every_ns=st.sampled_from([300 * MS, S]), jitter_ns=st.sampled_from([0, 200 * MS]),
    ),
    st.builds(Slices, st.just("iceberg"), display=st.sampled_from([Decimal("0.5"), Decimal(1)])),
    st.builds(Slices, st.just("participation"), share=st.sampled_from([Decimal("0.5"), Decimal(2)])),
)  # fmt: skip


class Drawn(NamedTuple):
    """An intent that was drawn, before it has a record."""

    partition: int
    record: int
    fields: dict[str, Any]


@st.composite
def drawn_intents(draw: Any) -> list[Drawn]:
    """Draw intents, cancels and amendments; these are of one of the orders before them."""
    drawn = []
    for _ in range(draw(st.integers(1, 14))):
        fields: dict[str, Any] = {
            "account": draw(st.sampled_from(["main", "wide"])),
            "instrument": draw(st.integers(0, len(IDS) - 1)),
            "side": draw(SIDES),
            "size": draw(SIZES),
            "order": draw(st.integers(0, 20)),  # of a change: which one
        }
        kind = draw(
            st.sampled_from(["order", "order", "order", "bracket", "slices", "cancel", "amend"])
        )
        if kind in ("order", "bracket", "slices"):
            fields["terms"] = draw(terms())
        if kind == "bracket":
            opposite = st.builds(Leg, st.just(-fields["side"]), SIZES, terms())
            fields["exits"] = tuple(draw(st.lists(opposite, min_size=1, max_size=3)))
            fields["exit_rule"] = draw(st.sampled_from(["OUO", "OCO", ""]))
            fields["others"] = tuple(draw(st.lists(LEGS, max_size=1)))
            fields["entry_rule"] = draw(st.sampled_from(["", "OCO", "OUO"]))
        if kind == "slices":
            fields["slicing"] = draw(SLICES)
        if kind == "amend":
            fields["limit"], fields["trigger"] = draw(st.none() | PRICES), draw(st.none() | PRICES)
            fields["size"] = draw(st.none() | SIZES)
        fields["kind"] = kind
        drawn.append(Drawn(draw(st.integers(0, 2)), draw(st.integers(0, 80)), fields))
    return drawn


def give_intents(
    by_partition: Mapping[str, Sequence[Batch]], drawn: Sequence[Drawn]
) -> dict[str, list[Batch]]:
    """Return the batches with the drawn intents in place of their own, each at its record."""
    records = [
        [(int(log_ns), name, each.first_offset + row) for each in batches for row, log_ns in enumerate(each.log_ns)]
        for name, batches in sorted(by_partition.items())
    ]  # fmt: skip
    placed, orders = [], ["nothing"]
    for number, each in enumerate(drawn):
        of_partition = records[each.partition % len(records)]
        if of_partition:
            position = of_partition[each.record % len(of_partition)]
            placed.append((position, make_intent(each, number, position, orders)))
    return {
        name: [
            batch.replace(
                intents=tuple(
                    intent
                    for (_, partition, offset), intent in placed
                    if partition == name
                    and batch.first_offset <= offset < batch.first_offset + len(batch.log_ns)
                )
            )
            for batch in batches
        ]
        for name, batches in by_partition.items()
    }


def make_intent(
    drawn: Drawn, number: int, position: tuple[int, str, int], orders: list[str]
) -> AnyIntent:
    """Return a drawn intent at a record; `orders` are the ids of all before it, it adds its own."""
    fields = dict(drawn.fields)
    kind, target = fields.pop("kind"), orders[fields.pop("order") % len(orders)]
    account, log_ns = fields.pop("account"), position[0]
    signal = Signal(
        f"signal-{number}", f"s{number % 3}", IDS[fields.pop("instrument")], log_ns, fields.pop("side"),
        1.0, "a bar", 0, 100.0, position[1], position[2],
    )  # fmt: skip
    if kind == "cancel":
        return CancelIntent(account, signal, target)
    if kind == "amend":
        return AmendIntent(account, signal, target, **fields)
    intent = Intent(account, signal, **fields)
    entry = entry_id(intent)
    orders += [entry, *(derive_id("order", entry, "exit", n) for n in range(len(intent.exits)))]
    return intent
