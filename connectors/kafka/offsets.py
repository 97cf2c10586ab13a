"""The range of offsets that each partition of a topic holds.

offset      0   1   2   3   4   5
            gone    r   r   r           bounds (2, 5): the first record there is, and the
                    ^first      ^next   offset that the next one will get
"""

from collections.abc import Callable, Sequence

from confluent_kafka import Consumer, KafkaError, TopicPartition

from tapeflow.connectors.kafka.client import (
    NO_SETTINGS,
    BrokerStatus,
    Settings,
    new_consumer,
)
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import Notify

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
