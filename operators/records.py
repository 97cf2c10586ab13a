"""Facts as records for Kafka: topic, key, JSON, and the id that a reader deduplicates by."""

import bytewax.operators as op
from bytewax.dataflow import Stream, operator
from bytewax.operators import KeyedStream
from msgspec import Struct

from schemas.topics import BY_TYPE, encode, identity

Record = tuple[str, bytes, bytes, bytes]  # topic, key, value, id


def step(fact: Struct, *, prefix: str) -> tuple[str, list[Record]]:
    """The record of a fact, to the topic of its type."""
    topic = BY_TYPE[type(fact)]
    key = str(getattr(fact, topic.key)).encode()
    return topic.name, [(prefix + topic.name, key, encode(fact), identity(fact).encode())]


@operator
def records(step_id: str, up: Stream[Struct], *, prefix: str) -> KeyedStream[list[Record]]:
    """Write facts as records; a topic's name is `prefix` and what it holds."""

    def each(fact: Struct) -> tuple[str, list[Record]]:
        return step(fact, prefix=prefix)

    return op.map("each", up, each)
