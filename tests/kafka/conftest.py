"""The brokers that the Kafka tests run against: the embedded one, and Apache Kafka itself."""

from collections.abc import Iterator
from typing import Any

import pytest

from bench.real_kafka.broker import RealBroker, missing
from tapeflow.connectors.kafka.embedded import EmbeddedBroker


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest) -> Any:
    """Run the test against each kind of broker."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def embedded() -> Iterator[EmbeddedBroker]:
    """Start an empty one for each test."""
    with EmbeddedBroker() as started:
        yield started


@pytest.fixture
def real(one_for_all: RealBroker) -> RealBroker:
    """Take the one for all tests, up again if a test left it down."""
    if one_for_all.process is None:
        one_for_all.start()
    return one_for_all


@pytest.fixture(scope="session")
def one_for_all() -> Iterator[RealBroker]:
    """Start it once: that takes seconds."""
    if absent := missing():
        pytest.skip(f"Apache Kafka needs {absent}")
    with RealBroker() as started:
        yield started
