"""The line to a Kafka broker: settings of our clients, and what is said when nobody answers.

Of one absence, however long, it says two lines:

    broker at 127.0.0.1:9092 away (_ALL_BROKERS_DOWN), waiting
    broker at 127.0.0.1:9092 back after 12.3 s
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException

from tapeflow.schemas.errors import TapeflowError

Say = Callable[[str], None]
Settings = Mapping[str, Any]  # of librdkafka, beside ours: security.protocol, sasl.username, ...

NO_SETTINGS: Settings = {}
ASK_AGAIN_S = 1.0
PAUSE_S = 0.1  # between questions
GRACE_S = 0.5  # a new topic has no leader for a moment: no news
TRY_S = 1.0  # how long one question may take
SHARED: Settings = {
    "client.id": "tapeflow",
    "reconnect.backoff.max.ms": 1000,  # 10 s by default: long after the broker is back
    "log_level": 0,  # what matters comes through `error_cb`, and is said once
    "topic.metadata.propagation.max.ms": 5000,  # then an unknown topic is one
    "enable.metrics.push": False,
    "message.max.bytes": 8_000_000,  # a book snapshot is one frame of 5 MB
}
CONSUMER: Settings = {
    "group.id": "tapeflow",  # required, never joined: we assign, and keep offsets ourselves
    "enable.auto.commit": False,
    "auto.offset.reset": "error",  # anything else skips lost records without a word
    "enable.partition.eof": True,  # tells a reader that its log ends before its position
    "allow.auto.create.topics": False,
    "fetch.wait.max.ms": 100,  # 10 ms cost a broker 3 % of a core for each idle partition
    "fetch.message.max.bytes": 10_485_760,
    "queued.min.messages": 100_000,  # read ahead, a partition
    "fetch.queue.backoff.ms": 10,  # 1 s by default: a replay stalls whenever it has read ahead
    "queued.max.messages.kbytes": 65_536,
}
PERMANENT_ERRORS = frozenset(  # what waiting won't heal
    (
        KafkaError._AUTHENTICATION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    )
)
RETRIABLE_ERRORS = frozenset(  # errors in place of a record, after which librdkafka asks again
    (
        KafkaError.UNKNOWN,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
    )
)


class BrokerStatus:
    """Says once that a broker is away, and once that it is back."""

    def __init__(self, bootstrap: str, say: Say, about: str = "") -> None:
        """Speak of `bootstrap` through `say`; `about` begins each line."""
        self.bootstrap, self.say, self.about = bootstrap, say, about
        self.trouble = ""  # what librdkafka last complained of
        self.refused = ""  # a lasting one
        self.away_since: float | None = None
        self.asked = 0.0

    def on_error(self, error: KafkaError) -> None:
        """Take note, as `error_cb`: it is called inside poll and consume, and may not raise."""
        self.trouble = error.name()
        if error.fatal() or error.code() in PERMANENT_ERRORS:
            self.refused = error.str()

    def check(self) -> None:
        """Raise what waiting won't heal."""
        if self.refused:
            raise TapeflowError(f"{self.about}broker at {self.bootstrap} refuses: {self.refused}")

    def wait(self, answers: Callable[[], bool]) -> None:
        """Note that nothing comes: is the broker away? `answers` asks it, now and then."""
        now = time.monotonic()
        if self.away_since is not None and now - self.asked < ASK_AGAIN_S:
            return
        self.asked = now
        if answers():
            self.mark_available()
        elif self.away_since is None:
            self.away_since = now
            self.say(f"{self.about}broker at {self.bootstrap} away ({self.trouble}), waiting")

    def mark_available(self) -> None:
        """Note that the broker answered."""
        self.trouble = ""
        if self.away_since is not None:
            away_s = time.monotonic() - self.away_since
            self.away_since = None
            self.say(f"{self.about}broker at {self.bootstrap} back after {away_s:.1f} s")

    def ask(self, question: Callable[[float], Any], wait_s: float) -> Any:
        """Put a question, which is told its timeout, until it is answered or `wait_s` are over.

        Who asks says `back` when all questions are answered: a broker that starts answers some.
        """
        began = time.monotonic()
        while True:
            try:
                return question(min(TRY_S, wait_s))
            except KafkaException as raised:
                self.trouble = raised.args[0].name()
                self.check()
                waited_s = time.monotonic() - began
                if waited_s >= wait_s:
                    raise TapeflowError(
                        f"no answer from a broker at {self.bootstrap} within {wait_s:g} s "
                        f"({raised.args[0].str()}): is it running, and is this its address?"
                    ) from None
                if waited_s >= GRACE_S:
                    self.wait(never)
                time.sleep(min(PAUSE_S, wait_s))


def never() -> bool:
    """Say that it does not answer: it was asked just before."""
    return False


def new_consumer(link: BrokerStatus, client: Settings) -> Consumer:
    """Make a consumer that joins no group, skips nothing, and complains to `link`."""
    servers = {"bootstrap.servers": link.bootstrap, "error_cb": link.on_error}
    try:
        return Consumer({**SHARED, **CONSUMER, **servers, **client})
    except KafkaException as raised:
        raise TapeflowError(f"Kafka client settings: {raised.args[0].str()}") from None
