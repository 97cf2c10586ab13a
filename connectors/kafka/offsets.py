"""The range of offsets that each partition of a topic holds.

offset      0   1   2   3   4   5
            gone    r   r   r           bounds (2, 5): the first record there is, and the
                    ^first      ^next   offset that the next one will get
"""

from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, TopicPartition

from tapeflow.connectors.kafka.client import (
    NO_SETTINGS,
    BrokerStatus,
    Settings,
    new_consumer,
)
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import Notify
from tapeflow.schemas.time import NS_PER_MS

ASK_S = 5.0  # for a broker that has just answered
OffsetBounds = tuple[int, int]  # first offset there is, offset after the last one


def offset_bounds(
    bootstrap: str,
    topics: Sequence[str],
    wait_s: float,
    notify: Notify,
    client: Settings = NO_SETTINGS,
) -> dict[str, list[OffsetBounds]]:
    """Return the offset bounds of every partition of `topics`, by number of the partition.

    Waits up to `wait_s` for a broker that does not answer, and notifies of it. Raises
    TapeflowError after that, and for a topic that does not exist.
    """
    status = BrokerStatus(bootstrap, notify)
    consumer = new_consumer(status, client)

    def bounds_request(topic: str, number: int) -> Callable[[float], OffsetBounds]:
        partition = TopicPartition(topic, number)
        return lambda timeout_s: consumer.get_watermark_offsets(partition, timeout=timeout_s)

    try:
        known = status.retry(lambda timeout_s: consumer.list_topics(timeout=timeout_s), wait_s)
        for topic in topics:
            if topic not in known.topics:
                check_right(consumer, status, topic)
                names = sorted(name for name in known.topics if name[:2] != "__")
                raise TapeflowError(
                    f"no topic {topic} at {bootstrap}; the topics there: "
                    f"{', '.join(names) or 'none'}"
                )
        bounds = {
            topic: [
                status.retry(bounds_request(topic, number), wait_s)
                for number in sorted(known.topics[topic].partitions)
            ]
            for topic in topics
        }
        status.mark_available()
        return bounds
    finally:
        consumer.close()


def check_right(consumer: Consumer, status: BrokerStatus, topic: str) -> None:
    """Raise TapeflowError where a topic is hidden from us: it is not in the list of all topics."""
    answer = status.retry(lambda timeout_s: consumer.list_topics(topic, timeout=timeout_s), ASK_S)
    error = answer.topics[topic].error
    if error is not None and error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        status.on_error(error)
        status.check()


def offsets_at(
    bootstrap: str,
    bounds: Mapping[str, Sequence[OffsetBounds]],
    time_ns: int,
    wait_s: float,
    notify: Notify,
    client: Settings = NO_SETTINGS,
) -> dict[tuple[str, int], int]:
    """Return the offset of the first record written at a time or later, by topic and partition.

    Of a partition without such a record it is its end. `bounds` are those of `offset_bounds`.
    """
    time_ms = -(-time_ns // NS_PER_MS)
    status = BrokerStatus(bootstrap, notify)
    consumer = new_consumer(status, client)
    wanted = [
        TopicPartition(topic, number, time_ms)
        for topic, several in bounds.items()
        for number in range(len(several))
    ]
    try:
        found = status.retry(
            lambda timeout_s: consumer.offsets_for_times(wanted, timeout=timeout_s), wait_s
        )
        status.mark_available()
    finally:
        consumer.close()
    return {
        (each.topic, each.partition): each.offset
        if each.offset >= 0
        else bounds[each.topic][each.partition][1]
        for each in found
    }
