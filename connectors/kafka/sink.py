"""Facts to Kafka, at least once: a record counts as sent only when Kafka has acknowledged it.

    write_batch ---> producer's queue ---> broker
    snapshot         waits for every acknowledgement; a failure stops the flow, and the restart
                     resumes from the snapshot before

After a crash records may come twice: a consumer drops those whose id it has seen.
"""

import time
from typing import Any

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from tapeflow.connectors.kafka.client import NO_SETTINGS, SHARED, Settings
from tapeflow.engine.errors import capture_close_errors, capture_errors
from tapeflow.schemas.errors import TapeflowError, UnavailableError

Records = list[tuple[str, bytes, bytes, bytes]]  # topic, key, value, id (header `id`)

DELIVERY_S = 20  # after which a record has failed
FLUSH_S = 25.0  # longer than that, so that a wait ends with the record's own error
FULL_QUEUE_POLL_S = 0.05  # at a time, for acknowledgements while the queue is full
UNREACHABLE = frozenset(  # a producer's errors while the broker does not answer
    (
        KafkaError._MSG_TIMED_OUT,
        KafkaError._TIMED_OUT,
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
    )
)
KEY_BYTES = 80  # of a key in an error line
PRODUCER: Settings = {
    "enable.idempotence": True,  # a retry neither doubles nor reorders
    "compression.type": "zstd",
    "linger.ms": 5,
    "delivery.timeout.ms": DELIVERY_S * 1000,
    "delivery.report.only.error": True,
}
LOW_LATENCY: Settings = {"linger.ms": 0}  # where a record should not wait: an order, a heartbeat


class ReliableProducer:
    """A producer that keeps its first failure, and raises it at every later call."""

    def __init__(self, bootstrap: str, client: Settings = NO_SETTINGS) -> None:
        """Prepare to send to `bootstrap`, without waiting for it to answer."""
        self.bootstrap = bootstrap
        self.failure = ""  # text of the first one
        self.is_outage = False  # whether that was a broker that does not answer
        self.last_error = ""  # librdkafka's last one
        callbacks = {"error_cb": self._on_error, "on_delivery": self._on_delivery}
        servers = {"bootstrap.servers": bootstrap}
        try:
            self.producer = Producer({**SHARED, **PRODUCER, **servers, **callbacks, **client})
        except KafkaException as raised:
            raise TapeflowError(f"Kafka client settings: {raised.args[0].str()}") from None

    def send(
        self, topic: str, value: bytes, key: bytes | None, *partition: Any, **fields: Any
    ) -> None:
        """Queue a record, to this partition number if given; `fields`: timestamp, headers.

        Waits while the queue is full, not for the acknowledgement. Raises TapeflowError for a
        record that cannot be sent, and for the first failure so far where the queue is full.
        """
        deadline = 0.0
        while True:
            try:
                return self.producer.produce(topic, value, key, *partition, **fields)
            except BufferError:
                deadline = deadline or time.monotonic() + FLUSH_S
                self._wait_while_full(topic, key, deadline)
            except KafkaException as raised:
                raise TapeflowError(self._delivery_error(topic, key, raised.args[0])) from None

    def check(self) -> None:
        """Raise the first failure so far: UnavailableError for an outage, else TapeflowError."""
        self.producer.poll(0)
        if self.failure:
            raise (UnavailableError if self.is_outage else TapeflowError)(self.failure)

    def flush(self) -> None:
        """Wait until every record is acknowledged; raise as `check` does if one is not."""
        unacknowledged = self.producer.flush(FLUSH_S)
        self.check()
        if unacknowledged:
            raise UnavailableError(
                f"Kafka at {self.bootstrap}: {unacknowledged} records without an answer after "
                f"{FLUSH_S:g} s{self._last_error_note()}"
            )

    def _wait_while_full(self, topic: str, key: bytes | None, deadline: float) -> None:
        self.producer.poll(FULL_QUEUE_POLL_S)
        self.check()
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"Kafka at {self.bootstrap}: no room for a record to topic {topic} with key "
                f"{format_key(key)}: {len(self.producer)} before it without an answer for "
                f"{FLUSH_S:g} s{self._last_error_note()}"
            )

    def _on_error(self, error: KafkaError) -> None:
        self.last_error = error.str()
        if error.fatal() or error.code() == KafkaError._AUTHENTICATION:
            self.failure = self.failure or f"broker at {self.bootstrap} refuses us: {error.str()}"

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and not self.failure:
            self.is_outage = error.code() in UNREACHABLE
            self.failure = self._delivery_error(message.topic(), message.key(), error)

    def _delivery_error(self, topic: str | None, key: bytes | None, error: KafkaError) -> str:
        return (
            f"Kafka at {self.bootstrap} did not take a record to topic {topic} with key "
            f"{format_key(key)}: {error.str()}{self._last_error_note()}"
        )

    def _last_error_note(self) -> str:
        return f" (before that: {self.last_error})" if self.last_error else ""


def format_key(key: bytes | None) -> str:
    """Return a key as it is shown in an error line."""
    return repr((key or b"")[:KEY_BYTES].decode(errors="replace"))


class KafkaSink(FixedPartitionedSink[Records, int]):
    """A sink of facts to their topics, through one producer."""

    def __init__(self, bootstrap: str, client: Settings = NO_SETTINGS) -> None:
        """Send to `bootstrap`; items are (state key, Records)."""
        self.bootstrap, self.client = bootstrap, client

    def list_parts(self) -> list[str]:
        """Return the name of the one partition."""
        return ["kafka"]

    def part_fn(self, item_key: str) -> int:
        """Return the one partition's index for every item."""
        return 0

    def build_part(
        self, step_id: str, for_part: str, resume_state: int | None
    ) -> "KafkaSinkPartition":
        """Make the producer; `resume_state` is the count of records sent before."""
        return KafkaSinkPartition(ReliableProducer(self.bootstrap, self.client), resume_state or 0)


class KafkaSinkPartition(StatefulSinkPartition[Records, int]):
    """The one producer, and how many records were sent through it."""

    def __init__(self, producer: ReliableProducer, records: int) -> None:
        """Send through `producer`, after `records` of earlier runs."""
        self.producer, self.records = producer, records

    @capture_errors
    def write_batch(self, values: list[Records]) -> None:
        """Queue the facts; raise the first failure so far."""
        for facts in values:
            for topic, key, value, fact_id in facts:
                self.producer.send(topic, value, key, headers=[("id", fact_id)])
            self.records += len(facts)
        self.producer.check()

    @capture_errors
    def snapshot(self) -> int:
        """Return how many records were sent, once all of them are acknowledged."""
        self.producer.flush()
        return self.records

    @capture_close_errors
    def close(self) -> None:
        """Wait for the last acknowledgements, unless a record has failed."""
        if not self.producer.failure:
            self.producer.flush()
