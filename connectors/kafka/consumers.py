"""Which consumer reads a topic: librdkafka's C interface, or confluent_kafka where that cannot be.

Both give the same records and the same errors; the first is faster (docs/decisions/0018).
"""

from typing import Any

from tapeflow.connectors.kafka.client import BrokerStatus, Settings, new_consumer
from tapeflow.connectors.kafka.librdkafka import why_no_library
from tapeflow.connectors.kafka.message_kernel import lay_out
from tapeflow.connectors.kafka.native_consumer import NativeConsumer
from tapeflow.engine.compiled import is_compiled

# Settings whose names end so have values that only Python can call or read, or, as plugins, must be
# set before the others. OAUTHBEARER gets its tokens from such a call.
NEED_PYTHON = (
    *("_cb", "logger", "on_commit", "on_delivery"),
    *("default.topic.config", "plugin.library.paths"),
)
TOKENS = "OAUTHBEARER"


def open_consumer(status: BrokerStatus, client: Settings) -> Any:
    """Return a consumer, as `new_consumer` does, that may give plain records as RecordColumns."""
    return new_consumer(status, client) if why_slow(client) else NativeConsumer(status, client)


def why_slow(client: Settings) -> str:
    """Return why records are read through confluent_kafka with these settings; "" if not."""
    if not is_compiled(lay_out):
        return "kernels are not compiled"
    for name, value in client.items():
        if name.endswith(NEED_PYTHON) or not isinstance(value, str | int | float | None):
            return f"[kafka] client has {name}"
        if TOKENS in str(value).upper():
            return f"{TOKENS} is left to confluent-kafka"
    return why_no_library()
