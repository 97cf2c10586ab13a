"""librdkafka's C functions: those of the very library that confluent_kafka runs on.

    confluent_kafka.libs/librdkafka-*.so   <- the extension module of confluent_kafka
                  ^ opened again by ctypes: the same code and memory, no second copy

What we rely on is documented as stable: the functions, and the struct of a message, whose fields
are read by address (docs/decisions/0018). It is tried on a message before it is used, and where
that is not as expected records are read through confluent_kafka, slower.
"""

import ctypes
import importlib.util
from ctypes import POINTER as TO
from ctypes import c_char_p, c_int, c_int32, c_int64, c_size_t, c_ssize_t, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import confluent_kafka

from tapeflow.schemas.errors import TapeflowError

VERSION_MIN, VERSION_END = 0x02100000, 0x03000000  # 2.16 is the first one we have tried
PRODUCER_TYPE, CONSUMER_TYPE = 0, 1  # of a client
DELIVERY_EVENT = 0x1
ERROR_BYTES = 512  # of the text of an error
PURGED, NO_OFFSET, PURGE_QUEUE, COPY = -152, -1001, 1, 2
WAIT_MS = 2000  # at most for a message that is purged at once

# Called with client, code, text and None, on the thread that consumes.
ErrorCallback = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_char_p, c_void_p)


class MessageStruct(ctypes.Structure):
    """`rd_kafka_message_t` of librdkafka's public header."""

    _fields_ = (
        ("err", c_int32),
        ("topic", c_void_p),
        ("partition", c_int32),
        ("payload", c_void_p),
        ("len", c_size_t),
        ("key", c_void_p),
        ("key_len", c_size_t),
        ("offset", c_int64),
        ("private", c_void_p),
    )


FUNCTIONS: dict[str, tuple[Any, ...]] = {  # without "rd_kafka_": the result, the arguments
    "version": (c_int,),
    "conf_new": (c_void_p,),
    "conf_set": (c_int, c_void_p, c_char_p, c_char_p, c_char_p, c_size_t),
    "conf_set_error_cb": (None, c_void_p, ErrorCallback),
    "conf_set_events": (None, c_void_p, c_int),
    "conf_destroy": (None, c_void_p),
    "new": (c_void_p, c_int, c_void_p, c_char_p, c_size_t),
    "destroy": (None, c_void_p),
    "poll_set_consumer": (c_int, c_void_p),
    "fatal_error": (c_int, c_void_p, c_char_p, c_size_t),
    "consumer_close": (c_int, c_void_p),
    "queue_get_main": (c_void_p, c_void_p),
    "queue_get_consumer": (c_void_p, c_void_p),
    "queue_poll": (c_void_p, c_void_p, c_int),
    "queue_destroy": (None, c_void_p),
    "event_message_next": (TO(MessageStruct), c_void_p),
    "event_destroy": (None, c_void_p),
    "topic_partition_list_new": (c_void_p, c_int),
    "topic_partition_list_add": (c_void_p, c_void_p, c_char_p, c_int32),
    "topic_partition_list_set_offset": (c_int, c_void_p, c_char_p, c_int32, c_int64),
    "topic_partition_list_destroy": (None, c_void_p),
    "assign": (c_int, c_void_p, c_void_p),
    "query_watermark_offsets": (
        c_int, c_void_p, c_char_p, c_int32, TO(c_int64), TO(c_int64), c_int,
    ),
    "consume_batch_queue": (c_ssize_t, c_void_p, c_int, c_void_p, c_size_t),
    "message_errstr": (c_char_p, c_void_p),
    "message_timestamp": (c_int64, c_void_p, TO(c_int32)),
    "message_headers": (c_int, c_void_p, TO(c_void_p)),
    "header_get_all": (
        c_int, c_void_p, c_size_t, TO(c_char_p), TO(c_void_p), TO(c_size_t),
    ),
    "message_destroy": (None, c_void_p),
    "topic_new": (c_void_p, c_void_p, c_char_p, c_void_p),
    "topic_destroy": (None, c_void_p),
    "produce": (
        c_int, c_void_p, c_int32, c_int, c_char_p, c_size_t, c_char_p, c_size_t, c_void_p,
    ),
    "purge": (c_int, c_void_p, c_int),
}  # fmt: skip


class Library:
    """The functions of FUNCTIONS, by these names."""

    def __init__(self) -> None:
        """Open the library; TapeflowError, OSError or AttributeError where that cannot be."""
        opened = ctypes.CDLL(str(library_file()))
        for name, (result, *arguments) in FUNCTIONS.items():
            function = getattr(opened, f"rd_kafka_{name}")
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def address(self, name: str) -> int:
        """Return the address of a function, for compiled code."""
        return ctypes.cast(getattr(self, name), c_void_p).value or 0


def library_file() -> Path:
    """Return the librdkafka file in the installed confluent-kafka wheel.

    Raises TapeflowError where the package brings none: it was built against the system's.
    """
    spec = importlib.util.find_spec("confluent_kafka")
    package = Path(str(spec and spec.origin)).parent
    for folder in (package.parent / "confluent_kafka.libs", package / ".dylibs"):
        for path in sorted(folder.glob("librdkafka*")):
            return path
    raise TapeflowError(
        f"no librdkafka with {package}: the embedded broker needs confluent-kafka's own wheel "
        "(Linux or macOS); use a real broker instead (deploy/compose.yml)"
    )


def version() -> str:
    """Return the version of librdkafka that confluent_kafka runs on."""
    return str(confluent_kafka.libversion()[0])


@cache
def why_no_library() -> str:
    """Return why messages cannot be read through the C interface; "" where they can."""
    try:
        library = Library()
    except TapeflowError as error:
        return str(error).partition(":")[0]
    except (OSError, AttributeError) as error:
        return f"librdkafka cannot be opened: {str(error).rpartition(': ')[2]}"
    if library.version() != confluent_kafka.libversion()[1]:
        return "confluent-kafka runs on another librdkafka than the one it brings"
    if not VERSION_MIN <= library.version() < VERSION_END:
        return f"librdkafka {version()} is none of 2.16 up to 3 (excluded)"
    if ctypes.sizeof(c_void_p) != 8 or not is_message_as_declared(library):
        return "a message of librdkafka has another layout"
    return ""


def is_message_as_declared(library: Any) -> bool:
    """Return whether a message that librdkafka makes reads as a MessageStruct; needs no broker.

    A record is produced, purged at once, and comes back as undelivered.
    """
    conf, text = library.conf_new(), ctypes.create_string_buffer(ERROR_BYTES)
    library.conf_set_events(conf, DELIVERY_EVENT)
    library.conf_set(conf, b"log_level", b"0", text, ERROR_BYTES)
    client = library.new(PRODUCER_TYPE, conf, text, ERROR_BYTES)
    topic = library.topic_new(client, b"layout", None)
    library.produce(topic, 7, COPY, b"payload", 7, b"key", 3, None)
    library.purge(client, PURGE_QUEUE)
    queue = library.queue_get_main(client)
    event = library.queue_poll(queue, WAIT_MS)
    try:
        made = event and library.event_message_next(event)
        if not made:
            return False
        message = made.contents
        fields = message.err, message.partition, message.len, message.key_len, message.offset
        if fields != (PURGED, 7, 7, 3, NO_OFFSET):
            return False
        texts = ctypes.string_at(message.payload, 7), ctypes.string_at(message.key, 3)
        return texts == (b"payload", b"key")
    finally:
        if event:
            library.event_destroy(event)
        library.queue_destroy(queue)
        library.topic_destroy(topic)
        library.destroy(client)
