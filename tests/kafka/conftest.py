"""The brokers that the Kafka tests run against: the embedded one, and Apache Kafka itself."""

from collections.abc import Iterator
from typing import Any

import pytest

from bench.real_kafka.broker import RealBroker, missing
from tapeflow.connectors.kafka import consumers, fetcher
from tapeflow.connectors.kafka.client import new_consumer
from tapeflow.engine.rungs import are_compiled
from tests.kafka import memory_log
from tests.kafka.faulty_broker import FaultyBroker


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest) -> Any:
    """Run the test against each kind of broker."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["columns", "objects"])
def each_consumer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test through the C interface of librdkafka, and through confluent_kafka.

    A test of each broker meets the second on the embedded one only: the real one takes minutes, and
    test_kafka_native.py compares both there.
    """
    if request.param == "objects":
        if request.node.callspec.params.get("broker") == "real":
            pytest.skip("runs on the embedded broker")
        monkeypatch.setattr(fetcher, "open_consumer", new_consumer)
    elif are_compiled():
        assert not consumers.why_slow({})
    else:
        pytest.skip("kernels are not compiled")


@pytest.fixture(scope="module", params=list(memory_log.CONSUMERS))
def each_form(request: pytest.FixtureRequest) -> Iterator[None]:
    """Give the readers of logs in memory plain records as columns, and as objects."""
    before, memory_log.IN_USE[0] = memory_log.IN_USE[0], request.param
    yield
    memory_log.IN_USE[0] = before


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
