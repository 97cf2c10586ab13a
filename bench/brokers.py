"""Runs the brokers that benches measure with: the embedded one, and a real Apache Kafka."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

from bench.real_kafka.broker import RealBroker
from tapeflow.connectors.kafka.embedded import EmbeddedBroker

Broker: TypeAlias = EmbeddedBroker | RealBroker  # both have `bootstrap` and `create_topic`


@contextmanager
def running(kind: str) -> Iterator[Broker]:
    """Run an empty broker, `embedded` or `real`, until the block ends."""
    with RealBroker() if kind == "real" else EmbeddedBroker() as broker:
        yield broker
