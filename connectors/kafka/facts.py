"""Reading our facts back from their topics, as any consumer of them would."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from tapeflow.connectors.kafka.client import NO_SETTINGS, BrokerStatus, Say, Settings, new_consumer
from tapeflow.schemas.errors import TapeflowError

PAGE = 1000  # records a call
POLL_S = 0.1
WAIT_S = 10.0  # for a broker that is away
SILENT_S = 20.0  # before a broker that says nothing is given up


def missing_topics(
    bootstrap: str, names: Iterable[str], wait_s: float, on_message: Say, client: Settings
) -> list[str]:
    """Those of these topics that the broker does not have."""
    link = BrokerStatus(bootstrap, on_message)
    consumer = new_consumer(link, client)
    try:
        there = link.ask(lambda timeout: consumer.list_topics(timeout=timeout), wait_s).topics
        return [name for name in names if name not in there]
    finally:
        consumer.close()


def read_facts(
    bootstrap: str, topic: str, on_message: Say, client: Settings = NO_SETTINGS
) -> Iterator[tuple[str, bytes]]:
    """Id and value of each record in a topic, up to where it ends now; none if it is not there."""
    link = BrokerStatus(bootstrap, on_message)
    consumer = new_consumer(link, client)
    try:
        there = link.ask(lambda timeout: consumer.list_topics(timeout=timeout), WAIT_S).topics
        numbers = sorted(there[topic].partitions) if topic in there else []
        ends = {}
        for number in numbers:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), WAIT_S)
            if low < high:
                ends[number] = (low, high)
        consumer.assign([TopicPartition(topic, n, low) for n, (low, _) in ends.items()])
        yield from read_to(consumer, topic, {number: high for number, (_, high) in ends.items()})
    except KafkaException as raised:
        raise TapeflowError(f"topic {topic} at {bootstrap}: {raised.args[0].str()}") from None
    finally:
        consumer.close()


def read_to(consumer: Any, topic: str, ends: dict[int, int]) -> Iterator[tuple[str, bytes]]:
    """Read every partition up to its end."""
    heard = time.monotonic()
    while ends:
        for message in consumer.consume(PAGE, POLL_S):
            heard = time.monotonic()
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            if error is not None:
                continue
            if message.offset() >= ends.get(message.partition(), 0):
                continue
            yield dict(message.headers() or ()).get("id", b"").decode(), message.value()
            if message.offset() + 1 == ends[message.partition()]:
                del ends[message.partition()]
        if time.monotonic() - heard > SILENT_S:
            raise TapeflowError(f"topic {topic}: nothing came for {SILENT_S:g} s before its end")


def tail(
    bootstrap: str, topics: Iterable[str], on_message: Say, client: Settings = NO_SETTINGS
) -> Iterator[Message | None]:
    """Each record of the topics' first partitions when it comes; None now and then before it."""
    link = BrokerStatus(bootstrap, on_message)
    consumer = new_consumer(link, {"enable.partition.eof": False, **client})
    try:
        consumer.assign([TopicPartition(topic, 0, 0) for topic in topics])
        while True:
            message = consumer.poll(POLL_S)
            error = None if message is None else message.error()
            if error is not None:
                raise TapeflowError(f"facts at {bootstrap}: {error.str()}")
            link.check()
            yield message
    finally:
        consumer.close()
