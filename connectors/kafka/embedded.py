"""A Kafka broker inside this process: librdkafka's mock cluster, from the library of our client.

    with EmbeddedBroker() as broker:
        broker.create_topic("raw.binance-usdm", 4)
        ...  any Kafka client, also of another process, may connect to broker.bootstrap

For the demo and for tests; it is no store. Its limits:

- Everything is in memory and gone with the process. The port is a random one of 127.0.0.1.
- Each partition keeps its last 5 MiB of compressed batches; older records vanish without a word
  (a reader that needs them fails loudly). Compress and send big batches: 5 MiB are then some
  200,000 frames. A single batch beyond 5 MB is acknowledged and not kept at all.
- There is no admin interface: topics are created here. A producer that names an unknown topic
  creates it with 4 partitions.
- An empty fetch is answered only after the consumer's `fetch.wait.max.ms`, even if records come
  meanwhile: `QUICK` settings keep that short. No transactions that abort, no seeking by time.
"""

import ctypes
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from tapeflow.schemas.errors import TapeflowError

PRODUCER = 0  # the kind of client that carries a mock cluster
POINTER, TEXT, INT, LONG = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_int64
ERROR_SIZE = 512
EMBEDDED_CONSUMER = {
    "fetch.wait.max.ms": 10
}  # for its consumers; a real broker answers when records come
QUIET = b"0"  # syslog level: emergencies only; a broker that is set down is no news


class EmbeddedBroker:
    """A cluster of brokers, numbered from 1, that lives until `close`."""

    def __init__(self, brokers: int = 1) -> None:
        """Start `brokers` of them, on free ports of the loopback."""
        self._library = ctypes.CDLL(str(library()))
        error = ctypes.create_string_buffer(ERROR_SIZE)
        conf = self._function("conf_new", POINTER)()
        self._function("conf_set", INT, POINTER, TEXT, TEXT, TEXT, ctypes.c_size_t)(
            conf, b"log_level", QUIET, error, ERROR_SIZE
        )
        new = self._function("new", POINTER, INT, POINTER, TEXT, ctypes.c_size_t)
        self._client = new(PRODUCER, conf, error, ERROR_SIZE)
        if not self._client:
            raise TapeflowError(f"the embedded broker cannot start: {error.value.decode()}")
        self._cluster = self._function("mock_cluster_new", POINTER, POINTER, INT)(
            self._client, brokers
        )
        if not self._cluster:
            self._function("destroy", None, POINTER)(self._client)
            raise TapeflowError("the embedded broker cannot start: no free port of 127.0.0.1?")
        text = self._function("mock_cluster_bootstraps", TEXT, POINTER)(self._cluster)
        self.brokers = tuple(range(1, brokers + 1))
        self.bootstrap: str = text.decode()

    def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic that is not there yet."""
        self._call("topic_create", (TEXT, INT, INT), name.encode(), partitions, 1)

    def delete_topic(self, name: str) -> None:
        """Forget a topic and all its records."""
        self._call("topic_delete", (TEXT,), name.encode())

    def delete_records(self, topic: str, number: int, before: int) -> None:
        """Forget the records of a partition before an offset, as retention does."""
        self._call("partition_delete_records", (TEXT, INT, LONG), topic.encode(), number, before)

    def push_errors(self, api_key: int, codes: Sequence[int]) -> None:
        """Answer the next requests of a kind (0 produce, 1 fetch, ..) with these errors."""
        array = (INT * len(codes))(*codes)
        kinds = (POINTER, ctypes.c_int16, ctypes.c_size_t, POINTER)
        push = self._function("mock_push_request_errors_array", None, *kinds)
        push(self._cluster, api_key, len(codes), ctypes.cast(array, POINTER))

    def set_down(self, broker: int = 1) -> None:
        """Cut the connections of a broker and refuse new ones; it keeps its records."""
        self._call("broker_set_down", (INT,), broker)

    def set_up(self, broker: int = 1) -> None:
        """Let a broker answer again."""
        self._call("broker_set_up", (INT,), broker)

    def set_rtt_ms(self, rtt_ms: int, broker: int = 1) -> None:
        """Let every answer of a broker take so long."""
        self._call("broker_set_rtt", (INT, INT), broker, rtt_ms)

    def close(self) -> None:
        """Stop; all records are gone."""
        if self._cluster:
            self._function("mock_cluster_destroy", None, POINTER)(self._cluster)
            self._function("destroy", None, POINTER)(self._client)
        self._cluster = self._client = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _call(self, name: str, kinds: tuple[Any, ...], *values: Any) -> None:
        code = self._function(f"mock_{name}", INT, POINTER, *kinds)(self._cluster, *values)
        if code:
            reason = self._function("err2str", TEXT, INT)(code).decode()
            raise TapeflowError(f"embedded broker: {name.replace('_', ' ')} {values}: {reason}")

    def _function(self, name: str, result: Any, *kinds: Any) -> Callable[..., Any]:
        found = getattr(self._library, f"rd_kafka_{name}")
        found.restype, found.argtypes = result, kinds
        return found  # type: ignore[no-any-return]


def library() -> Path:
    """Find the librdkafka file inside the installed confluent-kafka wheel."""
    spec = importlib.util.find_spec("confluent_kafka")
    package = Path(str(spec and spec.origin)).parent
    places = (package.parent / "confluent_kafka.libs", package / ".dylibs")
    for place in places:
        for path in sorted(place.glob("librdkafka*")):
            return path
    raise TapeflowError(
        f"no librdkafka beside {package}: the embedded broker needs confluent-kafka's own wheel "
        "(Linux or macOS); use a real broker instead (docker compose up)"
    )
