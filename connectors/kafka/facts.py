"""Reading facts back from their topics, as any consumer of them would.

bars, signals, ... fills --read_facts--> (id, value) of each record there is now
                         --tail-------> each record as it comes
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from tapeflow.connectors.kafka.client import (
    NO_SETTINGS,
    BrokerStatus,
    Settings,
    new_consumer,
)
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import Notify

RECORDS_PER_CALL = 1000
POLL_S = 0.1
WAIT_S = 10.0  # for a broker that does not answer
SILENCE_MAX_S = 20.0  # without a record before the end of the topic


def missing_topics(
    bootstrap: str, names: Iterable[str], wait_s: float, notify: Notify, client: Settings
) -> list[str]:
    """Return those of `names` that are no topics of the broker; waits for it up to `wait_s`."""
    status = BrokerStatus(bootstrap, notify)
    consumer = new_consumer(status, client)
    try:
        known = status.retry(lambda timeout_s: consumer.list_topics(timeout=timeout_s), wait_s)
        return [name for name in names if name not in known.topics]
    finally:
        consumer.close()


def read_facts(
    bootstrap: str, topic: str, notify: Notify, client: Settings = NO_SETTINGS
) -> Iterator[tuple[str, bytes]]:
    """Yield id and value of each record in a topic, up to where it ends now.

    Yields nothing where the topic does not exist. Raises TapeflowError where the broker fails.
    """
    status = BrokerStatus(bootstrap, notify)
    consumer = new_consumer(status, client)
    try:
        known = status.retry(lambda timeout_s: consumer.list_topics(timeout=timeout_s), WAIT_S)
        numbers = sorted(known.topics[topic].partitions) if topic in known.topics else []
        bounds = {}
        for number in numbers:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), WAIT_S)
            if low < high:
                bounds[number] = (low, high)
        consumer.assign([TopicPartition(topic, n, low) for n, (low, _) in bounds.items()])
        yield from read_to(consumer, topic, {n: high for n, (_, high) in bounds.items()})
    except KafkaException as raised:
        raise TapeflowError(f"topic {topic} at {bootstrap}: {raised.args[0].str()}") from None
    finally:
        consumer.close()


def read_to(consumer: Any, topic: str, ends: dict[int, int]) -> Iterator[tuple[str, bytes]]:
    """Yield id and value of each record below `ends`, which maps partition number to offset."""
    last_record_at = time.monotonic()
    while ends:
        for message in consumer.consume(RECORDS_PER_CALL, POLL_S):
            last_record_at = time.monotonic()
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
        if time.monotonic() - last_record_at > SILENCE_MAX_S:
            raise TapeflowError(
                f"topic {topic}: nothing came for {SILENCE_MAX_S:g} s before its end"
            )


def tail(
    bootstrap: str, topics: Iterable[str], notify: Notify, client: Settings = NO_SETTINGS
) -> Iterator[Message | None]:
    """Yield each record of the topics' partition 0 as it comes; None after each idle POLL_S."""
    status = BrokerStatus(bootstrap, notify)
    consumer = new_consumer(status, {"enable.partition.eof": False, **client})
    try:
        consumer.assign([TopicPartition(topic, 0, 0) for topic in topics])
        while True:
            message = consumer.poll(POLL_S)
            error = None if message is None else message.error()
            if error is not None:
                raise TapeflowError(f"facts at {bootstrap}: {error.str()}")
            status.check()
            yield message
    finally:
        consumer.close()
