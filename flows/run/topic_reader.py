"""Opens a partition of the log that is a partition of a Kafka topic."""

from typing import Any

from tapeflow.connectors.kafka.frames import KafkaPartition
from tapeflow.connectors.kafka.reader import KafkaReader
from tapeflow.connectors.kafka.resume import position_at
from tapeflow.connectors.source.reader import Reader
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run.topic_partition import TopicPartition
from tapeflow.schemas.notify import Notify


def open_topic(
    name: str,
    stored: TopicPartition,
    job: Job,
    notify: Notify,
    reached: Any,
    position: Any,
) -> Reader:
    """Open a partition at a position of it; None is its beginning.

    `reached` is a position up to which it is known to go.
    """
    kafka = KafkaPartition(job.kafka.bootstrap, stored.name, stored.number, name, job.kafka.client)
    if position is None and stored.begin:
        position = position_at(stored.begin)
        gone = ", the first one there: those before have been deleted"
        is_first = stored.begin == stored.low
        notify(f"{kafka} is read from offset {stored.begin}{gone if is_first else ''}")
    page = job.source.page_records
    return KafkaReader(kafka, page, stored.end, position, notify, reached)
