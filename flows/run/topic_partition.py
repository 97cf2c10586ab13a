"""A partition of a Kafka topic as part of a log: a value, which needs no client of Kafka."""

from msgspec import Struct


class TopicPartition(Struct, frozen=True):
    """A partition of the log that is a partition of a Kafka topic."""

    name: str  # of the topic
    number: int  # of the partition in it
    end: int | None  # Kafka offset at which to stop; None: never
    begin: int = 0  # Kafka offset of the first record that a new state reads
    low: int = 0  # Kafka offset of the first record that is there
