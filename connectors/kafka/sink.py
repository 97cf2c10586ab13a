"""Facts out to Kafka: at least once, and nothing counts as sent that Kafka did not acknowledge.

    write_batch ---> producer's queue ---> broker
    snapshot         waits for every answer; a failure stops the flow, which goes on before it

After a crash records may come twice: whoever reads them drops those whose id it has seen.
"""

import time
from typing import Any

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from tapeflow.connectors.kafka.client import NO_SETTINGS, SHARED, Settings
from tapeflow.engine.errors import capture_close_errors, capture_errors
from tapeflow.schemas.errors import TapeflowError, UnavailableError

Records = list[tuple[str, bytes, bytes, bytes]]  # topic, key, value, id (header `id`)

DELIVERY_S = 20  # Kafka's last word on a record
FLUSH_S = 25.0  # so every wait ends after it
ROOM_S = 0.05  # a look at the answers while the queue is full
UNREACHABLE = frozenset(  # what a broker that is away looks like to a producer
    (
        KafkaError._MSG_TIMED_OUT,
        KafkaError._TIMED_OUT,
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
    )
)
SHOWN = 80  # bytes of a key in an error
PRODUCER: Settings = {
    "enable.idempotence": True,  # a retry neither doubles nor reorders
    "compression.type": "zstd",
    "linger.ms": 5,
    "delivery.timeout.ms": DELIVERY_S * 1000,
    "delivery.report.only.error": True,
}
LOW_LATENCY: Settings = {"linger.ms": 0}  # where someone waits for it: an order, a heartbeat


class ReliableProducer:
    """A producer that forgets no failure."""

    def __init__(self, bootstrap: str, client: Settings = NO_SETTINGS) -> None:
        """Prepare to send to `bootstrap`; does not wait for it."""
        self.bootstrap = bootstrap
        self.failure = ""  # the first one
        self.outage = False  # it was that nobody answered
        self.trouble = ""  # what librdkafka last complained of
        calls = {"error_cb": self._complain, "on_delivery": self._on_delivery}
        servers = {"bootstrap.servers": bootstrap}
        try:
            self.producer = Producer({**SHARED, **PRODUCER, **servers, **calls, **client})
        except KafkaException as raised:
            raise TapeflowError(f"Kafka client settings: {raised.args[0].str()}") from None

    def send(self, topic: str, value: bytes, key: bytes | None, *place: Any, **more: Any) -> None:
        """Queue a record; waits for room, not for an answer."""
        deadline = 0.0
        while True:
            try:
                return self.producer.produce(topic, value, key, *place, **more)
            except BufferError:
                deadline = deadline or time.monotonic() + FLUSH_S
                self._wait_for_room(topic, key, deadline)
            except KafkaException as raised:
                raise TapeflowError(self._undelivered(topic, key, raised.args[0])) from None

    def check(self) -> None:
        """Raise the first failure Kafka has told of so far."""
        self.producer.poll(0)
        if self.failure:
            raise (UnavailableError if self.outage else TapeflowError)(self.failure)

    def flush(self) -> None:
        """Wait until every record is acknowledged; raise if one is not."""
        waiting = self.producer.flush(FLUSH_S)
        self.check()
        if waiting:
            raise UnavailableError(
                f"Kafka at {self.bootstrap}: {waiting} records without an answer after "
                f"{FLUSH_S:g} s{self._last_error()}"
            )

    def _wait_for_room(self, topic: str, key: bytes | None, deadline: float) -> None:
        self.producer.poll(ROOM_S)
        self.check()
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"Kafka at {self.bootstrap}: no room for a record to topic {topic} with key "
                f"{shown(key)}: {len(self.producer)} before it without an answer for "
                f"{FLUSH_S:g} s{self._last_error()}"
            )

    def _complain(self, error: KafkaError) -> None:
        self.trouble = error.str()
        if error.fatal() or error.code() == KafkaError._AUTHENTICATION:
            self.failure = self.failure or f"broker at {self.bootstrap} refuses us: {error.str()}"

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and not self.failure:
            self.outage = error.code() in UNREACHABLE
            self.failure = self._undelivered(message.topic(), message.key(), error)

    def _undelivered(self, topic: str | None, key: bytes | None, error: KafkaError) -> str:
        return (
            f"Kafka at {self.bootstrap} did not take a record to topic {topic} with key "
            f"{shown(key)}: {error.str()}{self._last_error()}"
        )

    def _last_error(self) -> str:
        return f" (before that: {self.trouble})" if self.trouble else ""


def shown(key: bytes | None) -> str:
    """Write a key in a line for people."""
    return repr((key or b"")[:SHOWN].decode(errors="replace"))


class KafkaSink(FixedPartitionedSink[Records, int]):
    """Every fact to its topic, through one producer."""

    def __init__(self, bootstrap: str, client: Settings = NO_SETTINGS) -> None:
        """Send to `bootstrap`; items are `(key, [(topic, key, value, id), ..])`."""
        self.bootstrap, self.client = bootstrap, client

    def list_parts(self) -> list[str]:
        """Name the one partition."""
        return ["kafka"]

    def part_fn(self, item_key: str) -> int:
        """Send every item there."""
        return 0

    def build_part(
        self, step_id: str, for_part: str, resume_state: int | None
    ) -> "KafkaSinkPartition":
        """Open the producer."""
        return KafkaSinkPartition(ReliableProducer(self.bootstrap, self.client), resume_state or 0)


class KafkaSinkPartition(StatefulSinkPartition[Records, int]):
    """The one producer, and how many records Kafka has acknowledged to it."""

    def __init__(self, sender: ReliableProducer, records: int) -> None:
        """Go on after `records`."""
        self.sender, self.records = sender, records

    @capture_errors
    def write_batch(self, values: list[Records]) -> None:
        """Queue the facts; tell of failures so far."""
        for facts in values:
            for topic, key, value, fact_id in facts:
                self.sender.send(topic, value, key, headers=[("id", fact_id)])
            self.records += len(facts)
        self.sender.check()

    @capture_errors
    def snapshot(self) -> int:
        """Count the records sent, once all of them are acknowledged."""
        self.sender.flush()
        return self.records

    @capture_close_errors
    def close(self) -> None:
        """Wait for the last answers, unless a failure was told."""
        if not self.sender.failure:
            self.sender.flush()
