"""Kafka clients: their settings, and reports while the broker does not answer.

An outage, however long, is reported in two lines:

    broker at 127.0.0.1:9092 away (_ALL_BROKERS_DOWN), waiting
    broker at 127.0.0.1:9092 back after 12.3 s
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException

from tapeflow.connectors.kafka.arena import use_one_arena
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import Notify

Settings = Mapping[str, Any]  # of librdkafka, added to ours: security.protocol, sasl.username, ...

NO_SETTINGS: Settings = {}
PROBE_INTERVAL_S = 1.0  # between two checks whether an absent broker is back
RETRY_PAUSE_S = 0.1  # between two attempts of a request
GRACE_S = 0.5  # a new topic has no leader for a moment: not worth a line
ATTEMPT_S = 1.0  # timeout of one attempt
SHARED: Settings = {
    "client.id": "tapeflow",
    "reconnect.backoff.max.ms": 1000,  # 10 s by default: long after the broker is back
    "log_level": 0,  # what matters comes through `error_cb`, and is reported once
    "topic.metadata.propagation.max.ms": 5000,  # after that an unknown topic is an error
    "enable.metrics.push": False,
    "message.max.bytes": 8_000_000,  # a book snapshot is one frame of 5 MB
}
CONSUMER: Settings = {
    "group.id": "tapeflow",  # required, never joined: we assign partitions, and store offsets
    "enable.auto.commit": False,
    "auto.offset.reset": "error",  # any other value skips lost records silently
    "enable.partition.eof": True,  # how a reader learns that its log ends before its position
    "allow.auto.create.topics": False,
    "fetch.wait.max.ms": 100,  # 10 ms cost a broker 3 % of a core for each idle partition
    "fetch.message.max.bytes": 10_485_760,
    "queued.min.messages": 100_000,  # read ahead, per partition
    "fetch.queue.backoff.ms": 10,  # 1 s by default: a replay stalls whenever it has read ahead
    "queued.max.messages.kbytes": 65_536,
}
PERMANENT_ERRORS = frozenset(  # waiting does not help
    (
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    )
)
CAUSES = {  # what a user can change
    KafkaError._AUTHENTICATION: "wrong user or password: see sasl.username and sasl.password",
    KafkaError.SASL_AUTHENTICATION_FAILED: "wrong user or password",
    KafkaError._SSL: "TLS failed: see security.protocol and ssl.ca.location",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "no right to the topic: the user needs an ACL",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "no right to the cluster: the user needs an ACL",
}
RETRIABLE_ERRORS = frozenset(  # come in place of a record; librdkafka then repeats the request
    (
        KafkaError.UNKNOWN,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
    )
)


class BrokerStatus:
    """The status of a broker; reports once that it is away, and once that it is back."""

    def __init__(self, bootstrap: str, notify: Notify, prefix: str = "") -> None:
        """Watch `bootstrap`; each line given to `notify` begins with `prefix`."""
        self.bootstrap, self.notify, self.prefix = bootstrap, notify, prefix
        self.last_error = ""  # name of librdkafka's last error since the broker answered
        self.permanent_error = ""  # text of an error that waiting does not fix
        self.serve: Callable[[], object] = lambda: None  # lets the client call `on_error`
        self.tls_error = ""  # text of the last one: waiting may help against it
        self.away_since: float | None = None  # monotonic time, s
        self.probed_at = 0.0  # monotonic time of the last check, s

    def on_error(self, error: KafkaError) -> None:
        """Note an error, as `error_cb`: called inside poll and consume, where it may not raise.

        librdkafka looks for the coordinator of our group, which we never join: it needs no right.
        """
        if error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            return
        self.last_error = error.name()
        if error.fatal() or error.code() in PERMANENT_ERRORS:
            self.permanent_error = describe_refusal(error)
        if error.code() == KafkaError._SSL:
            self.tls_error = describe_refusal(error)

    def check(self) -> None:
        """Raise TapeflowError for an error that waiting does not fix."""
        if self.permanent_error:
            raise TapeflowError(
                f"{self.prefix}broker at {self.bootstrap} refuses: {self.permanent_error}"
            )

    def note_silence(self, is_available: Callable[[], bool]) -> None:
        """Note that nothing comes, and check every PROBE_INTERVAL_S with `is_available`."""
        now = time.monotonic()
        if self.away_since is not None and now - self.probed_at < PROBE_INTERVAL_S:
            return
        self.probed_at = now
        if is_available():
            self.mark_available()
        elif self.away_since is None:
            self.away_since = now
            self.notify(
                f"{self.prefix}broker at {self.bootstrap} away ({self.last_error}), waiting"
            )

    def mark_available(self) -> None:
        """Note that the broker answered."""
        self.last_error = ""
        if self.away_since is not None:
            away_s = time.monotonic() - self.away_since
            self.away_since = None
            self.notify(f"{self.prefix}broker at {self.bootstrap} back after {away_s:.1f} s")

    def retry(self, request: Callable[[float], Any], wait_s: float) -> Any:
        """Repeat a request, given its timeout in seconds, until it succeeds or `wait_s` are over.

        The caller calls `mark_available` after its last request: a broker that is starting answers
        some requests and not others. Raises TapeflowError when the time is over.
        """
        began = time.monotonic()
        while True:
            try:
                return request(min(ATTEMPT_S, wait_s))
            except KafkaException as raised:
                self.last_error = raised.args[0].name()
                if raised.args[0].code() in PERMANENT_ERRORS:
                    self.permanent_error = describe_refusal(raised.args[0])
                self.serve()
                self.check()
                waited_s = time.monotonic() - began
                if waited_s >= wait_s:
                    why = f"({raised.args[0].str()}): is it running, and is this its address?"
                    raise TapeflowError(
                        f"no answer from a broker at {self.bootstrap} within {wait_s:g} s "
                        f"{f': {self.tls_error}' if self.tls_error else why}"
                    ) from None
                if waited_s >= GRACE_S:
                    self.note_silence(lambda: False)  # the request just failed
                time.sleep(min(RETRY_PAUSE_S, wait_s))


def new_consumer(status: BrokerStatus, client: Settings) -> Consumer:
    """Return a consumer that joins no group, skips nothing, and reports errors to `status`."""
    settings = {**consumer_settings(status, client), "error_cb": status.on_error, **client}
    try:
        consumer = Consumer(settings)
    except KafkaException as raised:
        raise settings_error(raised.args[0].str()) from None
    status.serve = partial(consumer.poll, 0)  # used before partitions are assigned
    return consumer


def consumer_settings(status: BrokerStatus, client: Settings) -> dict[str, Any]:
    """Return all settings of a consumer; TapeflowError for what would end the process."""
    settings = {**SHARED, **CONSUMER, "bootstrap.servers": status.bootstrap, **client}
    if not settings["group.id"]:
        raise settings_error("group.id is empty: leave it out")
    use_one_arena()  # before the first thread of a consumer starts
    return settings


def settings_error(reason: str) -> TapeflowError:
    """Return the error of settings that librdkafka refuses, with its reason."""
    return TapeflowError(f"Kafka client settings: {reason}")


def describe_refusal(error: KafkaError) -> str:
    """Return the text of an error, with what a user can change."""
    text = " ".join(error.str().split())
    cause = CAUSES.get(error.code())
    return text if cause is None else f"{cause} ({text})"
