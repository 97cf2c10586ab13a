"""Facts as records for Kafka: topic, key, JSON, and the id that a reader deduplicates by."""

from collections.abc import Iterator

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream
from msgspec import Struct

from tapeflow.schemas.batches import BarBlock, Facts
from tapeflow.schemas.registry import BY_TYPE, encode, identity

Record = tuple[str, bytes, bytes, bytes]  # topic, key, value, id


def step(fact: Struct, *, prefix: str) -> Record:
    """The record of a fact, to the topic of its type."""
    topic = BY_TYPE[type(fact)]
    key = str(getattr(fact, topic.key)).encode()
    return prefix + topic.name, key, encode(fact), identity(fact).encode()


def expand_blocks(facts: Facts, instruments: tuple[str, ...]) -> Iterator[Struct]:
    """Facts out of their blocks."""
    for fact in facts:
        if isinstance(fact, BarBlock):
            yield from fact.bars.values(fact.partition, instruments)
        else:
            yield fact


@operator
def records(
    step_id: str, up: KeyedStream[Facts], *, prefix: str, instruments: tuple[str, ...]
) -> KeyedStream[list[Record]]:
    """Write facts as records; a topic's name is `prefix` and what it holds."""

    def each(facts: Facts) -> list[Record]:
        return [step(fact, prefix=prefix) for fact in expand_blocks(facts, instruments)]

    return op.map_value("each", up, each)
