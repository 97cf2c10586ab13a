"""A Kafka broker inside this process: the mock cluster of librdkafka, our client's own library.

    with EmbeddedBroker() as broker:
        broker.create_topic("raw.binance-usdm", 4)
        ...  any Kafka client, also of another process, may connect to broker.bootstrap

For the demo and for tests, not for data that matters. Its limits:

- Everything is in memory and gone with the process. It listens on a random port of 127.0.0.1.
- Each partition keeps its last 5 MiB of compressed batches; older records are dropped silently (a
  reader that needs them fails with an error). Compress and send big batches: 5 MiB are then some
  200,000 frames. A single batch beyond 5 MB is acknowledged and then dropped.
- There is no admin interface: topics are created by `create_topic`. A producer that names an
  unknown topic creates it with 4 partitions.
- An empty fetch is answered only after the consumer's `fetch.wait.max.ms`, even if records come
  meanwhile: EMBEDDED_CONSUMER keeps that short. No transactions that abort, no search by time.
"""

import ctypes
from collections.abc import Callable
from typing import Any, Self

from tapeflow.connectors.kafka.librdkafka import library_file
from tapeflow.schemas.errors import TapeflowError

PRODUCER = 0  # type of the librdkafka client that the mock cluster is part of
POINTER, TEXT, INT = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32
ERROR_BYTES = 512
LOG_LEVEL = b"0"  # of syslog: emergencies only, so that a broker set down by a test logs nothing
# Settings of its consumers; a real broker answers as soon as records come.
EMBEDDED_CONSUMER = {"fetch.wait.max.ms": 10}


class EmbeddedBroker:
    """A cluster of brokers, numbered from 1, that runs until `close`."""

    def __init__(self, brokers: int = 1) -> None:
        """Start `brokers` of them on free ports of the loopback; TapeflowError without any."""
        self._library = ctypes.CDLL(str(library_file()))
        error = ctypes.create_string_buffer(ERROR_BYTES)
        conf = self._function("conf_new", POINTER)()
        self._function("conf_set", INT, POINTER, TEXT, TEXT, TEXT, ctypes.c_size_t)(
            conf, b"log_level", LOG_LEVEL, error, ERROR_BYTES
        )
        new = self._function("new", POINTER, INT, POINTER, TEXT, ctypes.c_size_t)
        self._client = new(PRODUCER, conf, error, ERROR_BYTES)
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
        """Create a topic; TapeflowError where it exists already."""
        self._call("topic_create", (TEXT, INT, INT), name.encode(), partitions, 1)

    def close(self) -> None:
        """Stop the brokers; their records are gone."""
        if self._cluster:
            self._function("mock_cluster_destroy", None, POINTER)(self._cluster)
            self._function("destroy", None, POINTER)(self._client)
        self._cluster = self._client = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _call(self, name: str, types: tuple[Any, ...], *values: Any) -> None:
        """Call a function `rd_kafka_mock_<name>` of the cluster, with arguments of these types."""
        code = self._function(f"mock_{name}", INT, POINTER, *types)(self._cluster, *values)
        if code:
            reason = self._function("err2str", TEXT, INT)(code).decode()
            raise TapeflowError(f"embedded broker: {name.replace('_', ' ')} {values}: {reason}")

    def _function(self, name: str, result: Any, *types: Any) -> Callable[..., Any]:
        function = getattr(self._library, f"rd_kafka_{name}")
        function.restype, function.argtypes = result, types
        return function  # type: ignore[no-any-return]
