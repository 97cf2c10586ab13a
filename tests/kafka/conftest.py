"""The brokers that the Kafka tests run against: the embedded one, and Apache Kafka itself."""

from collections.abc import Iterator
from typing import Any

import pytest

from bench.real_kafka.broker import RealBroker, missing
from tests.kafka.faulty_broker import FaultyBroker


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest) -> Any:
    """Run the test against each kind of broker."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def embedded() -> Iterator[FaultyBroker]:
    """Start an empty embedded broker for each test."""
    with FaultyBroker() as started:
        yield started


@pytest.fixture
def real(session_broker: RealBroker) -> RealBroker:
    """Return the session's Apache Kafka, started again if a test left it down."""
    if session_broker.process is None:
        session_broker.start()
    return session_broker


@pytest.fixture(scope="session")
def session_broker() -> Iterator[RealBroker]:
    """Start Apache Kafka once for all tests: that takes seconds."""
    if absent := missing():
        pytest.skip(f"Apache Kafka needs {absent}")
    with RealBroker() as started:
        yield started
