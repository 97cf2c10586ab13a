"""Facts become records for Kafka: topic, key, JSON, and the id by which a reader deduplicates.

facts of the desk ──▶ order_records ──▶ orders                 at once
all facts         ──▶ records       ──▶ all other topics
"""

from collections.abc import Iterable, Iterator

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct

from tapeflow.schemas.batches import BarBlock, Facts
from tapeflow.schemas.orders import Order
from tapeflow.schemas.quality import OpenCounts
from tapeflow.schemas.registry import BY_TYPE, encode, identity

Record = tuple[str, bytes, bytes, bytes]  # topic, key, value, id


def step(fact: Struct, *, prefix: str) -> Record:
    """Return the record of a fact, for the topic of its type."""
    kind = BY_TYPE[type(fact)]
    key = str(getattr(fact, kind.key)).encode()
    return prefix + kind.topic, key, encode(fact), identity(fact).encode()


def expand_blocks(facts: Iterable[Struct], instruments: tuple[str, ...]) -> Iterator[Struct]:
    """Yield facts one by one, those in blocks as values; `instruments` are the ids by number."""
    for fact in facts:
        if isinstance(fact, BarBlock):
            yield from fact.bars.values(fact.partition, instruments, fact.kind)
        elif not isinstance(fact, OpenCounts):  # of a stop: no fact, its minute comes again
            yield fact


@operator
def records(
    step_id: str, up: KeyedStream[Facts], *, prefix: str, instruments: tuple[str, ...]
) -> KeyedStream[list[Record]]:
    """Write all facts but orders as records; a topic's name is `prefix` and that of its kind."""

    def records_of(facts: Facts) -> list[Record]:
        others = (fact for fact in facts if type(fact) is not Order)
        return [step(fact, prefix=prefix) for fact in expand_blocks(others, instruments)]

    return op.map_value("facts", up, records_of)


@operator
def order_records(
    step_id: str, up: KeyedStream[Facts], *, prefix: str
) -> KeyedStream[list[Record]]:
    """Write the orders among facts as records: nothing else may be in their way."""

    def records_of(facts: Facts) -> list[Record] | None:
        orders = [step(fact, prefix=prefix) for fact in facts if type(fact) is Order]
        return orders or None

    return op.filter_map_value("orders", up, records_of)
