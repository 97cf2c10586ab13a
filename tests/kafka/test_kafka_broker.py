"""The broker inside this process."""

import subprocess
import sys

import pytest
from confluent_kafka import Producer

from tapeflow.connectors.kafka.embedded import EmbeddedBroker
from tapeflow.connectors.kafka.offsets import offset_bounds
from tapeflow.schemas.errors import TapeflowError
from tests.kafka.faulty_broker import FaultyBroker
from tests.kafka.topics import load, new_topic, read_all, rows

PRODUCE_SCRIPT = """
import sys
from confluent_kafka import Producer
producer = Producer({"bootstrap.servers": sys.argv[1], "linger.ms": 0})
producer.produce(sys.argv[2], b"from elsewhere", partition=0, timestamp=1_700_000_000_000)
sys.exit(producer.flush(10))
"""


def test_a_created_topic_has_so_many_partitions():
    with EmbeddedBroker() as broker:
        broker.create_topic("raw.wide", 33)
        assert len(offset_bounds(broker.bootstrap, ["raw.wide"], 5, print)["raw.wide"]) == 33


def test_creating_a_topic_twice_is_an_error():
    with EmbeddedBroker() as broker:
        broker.create_topic("raw.x", 1)
        with pytest.raises(TapeflowError, match=r"topic create .*raw.x.* already exists"):
            broker.create_topic("raw.x", 1)


def test_a_deleted_topic_is_gone():
    with FaultyBroker() as broker:
        broker.create_topic("raw.x", 1)
        broker.delete_topic("raw.x")
        with pytest.raises(TapeflowError, match=r"no topic raw.x .* there: none"):
            offset_bounds(broker.bootstrap, ["raw.x"], 5, print)


def test_other_processes_may_use_it():
    with EmbeddedBroker() as broker:
        topic = new_topic(broker)
        subprocess.run([sys.executable, "-c", PRODUCE_SCRIPT, broker.bootstrap, topic], check=True)
        assert rows(read_all(broker, topic, 1)) == [
            (0, 1_700_000_000_000_000_000, b"from elsewhere")
        ]


def test_two_brokers_share_nothing():
    with EmbeddedBroker() as one, EmbeddedBroker() as other:
        one.create_topic("raw.x", 1)
        load(one, "raw.x", [1_700_000_000_000_000_000], [b"x"])
        other.create_topic("raw.x", 1)
        assert offset_bounds(other.bootstrap, ["raw.x"], 5, print) == {"raw.x": [(0, 0)]}


def test_a_closed_broker_does_not_answer_and_may_be_closed_again():
    broker = EmbeddedBroker()
    broker.close()
    broker.close()
    with pytest.raises(TapeflowError, match="no answer"):
        offset_bounds(broker.bootstrap, ["raw.x"], 0.2, print)


def test_an_answer_takes_the_configured_round_trip_time():
    with FaultyBroker() as broker:
        topic = new_topic(broker)
        broker.set_rtt_ms(300)
        producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 0})
        producer.produce(topic, b"x", partition=0)
        assert producer.flush(0.2) == 1
        assert producer.flush(10) == 0


def test_several_brokers_share_the_partitions():
    with EmbeddedBroker(3) as broker:
        assert broker.bootstrap.count(",") == 2
        topic = new_topic(broker, 6)
        load(broker, topic, [1_700_000_000_000_000_000], [b"x"], 5)
        assert rows(read_all(broker, topic, 1, number=5)) == [(0, 1_700_000_000_000_000_000, b"x")]
