"""An embedded broker that can fail: lose records, answer with errors, go down, be slow."""

import ctypes
from collections.abc import Sequence

from tapeflow.connectors.kafka.embedded import INT, POINTER, TEXT, EmbeddedBroker


class FaultyBroker(EmbeddedBroker):
    """An embedded broker with the faults of librdkafka's mock cluster."""

    def delete_topic(self, name: str) -> None:
        """Delete a topic with all its records."""
        self._call("topic_delete", (TEXT,), name.encode())

    def delete_records(self, topic: str, number: int, before: int) -> None:
        """Delete the records of a partition before an offset, as retention does."""
        types = (TEXT, INT, ctypes.c_int64)
        self._call("partition_delete_records", types, topic.encode(), number, before)

    def push_errors(self, api_key: int, codes: Sequence[int]) -> None:
        """Answer the next requests of a kind (0 produce, 1 fetch, ..) with these errors."""
        array = (INT * len(codes))(*codes)
        types = (POINTER, ctypes.c_int16, ctypes.c_size_t, POINTER)
        push = self._function("mock_push_request_errors_array", None, *types)
        push(self._cluster, api_key, len(codes), ctypes.cast(array, POINTER))

    def set_down(self, broker: int = 1) -> None:
        """Cut the connections of a broker and refuse new ones; it keeps its records."""
        self._call("broker_set_down", (INT,), broker)

    def set_up(self, broker: int = 1) -> None:
        """Let a broker answer again."""
        self._call("broker_set_up", (INT,), broker)

    def set_rtt_ms(self, rtt_ms: int, broker: int = 1) -> None:
        """Delay every answer of a broker by so many milliseconds."""
        self._call("broker_set_rtt", (INT, INT), broker, rtt_ms)
