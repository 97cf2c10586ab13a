"""Plain records through the C interface of librdkafka: the same pages, errors and lines, and no leak."""

import ctypes
import gc
import os
import random
import threading
from types import SimpleNamespace

import confluent_kafka
import numpy as np
import pytest
from confluent_kafka import KafkaError, Producer, TopicPartition

from bench.real_kafka.broker import RealBroker
from tapeflow.connectors.kafka import (
    arena,
    client,
    consumers,
    fetcher,
    frames,
    librdkafka,
    message_kernel,
    native_consumer,
)
from tapeflow.connectors.kafka.client import BrokerStatus, new_consumer
from tapeflow.connectors.kafka.embedded import EMBEDDED_CONSUMER
from tapeflow.connectors.kafka.frames import KafkaPartition
from tapeflow.connectors.kafka.librdkafka import MessageStruct
from tapeflow.connectors.kafka.native_consumer import NativeConsumer
from tapeflow.connectors.kafka.reader import KafkaReader
from tapeflow.engine.rungs import are_compiled
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.time import NS_PER_MS
from tests.kafka.memory_log import packed
from tests.kafka.topics import T0, drain, load, new_topic, open_reader, rows
from tests.running import silent

pytestmark = pytest.mark.skipif(not are_compiled(), reason="kernels are not compiled")
T0_MS = T0 // NS_PER_MS
OPENERS = {"columns": consumers.open_consumer, "objects": new_consumer}


def read_as(form, broker, topic, end, **options):
    """Return the pages of a topic, or why it is refused; read as columns or as objects."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fetcher, "open_consumer", OPENERS[form])
        reader = open_reader(broker, topic, end, **options)
        try:
            return drain(reader)
        except TapeflowError as error:
            return str(error)
        finally:
            reader.close()


def write(broker, topic, records):
    """Write values, times in ms and headers, as they are."""
    producer = Producer(
        {"bootstrap.servers": broker.bootstrap, "log_level": 0, "message.max.bytes": 8_000_000}
    )
    for value, time_ms, headers in records:
        producer.produce(topic, value, partition=0, timestamp=time_ms, headers=headers)
        producer.poll(0)
    assert producer.flush(20) == 0


def same(pages, others):
    """Whether pages hold the same frames, numbers and times, to the byte, however they are cut."""
    assert not isinstance(pages, str), pages
    assert not isinstance(others, str), others
    return rows(pages) == rows(others)


HEADERS = [
    None, None, [("ns", b"7")], [("ns", b"000012")], [("ns", b"999999")], [("trace", None)],
    [("trace", b"1"), ("ns", b"5")], [("ns", b"1"), ("ns", b"x")], [("n", b"3")], [("nsx", b"3")],
    [("", b"")], [("pac", b"1 0 1")], [("packs", b"1 0 1")], [("ns\u00e9", b"3")],
]  # fmt: skip
VALUES = [None, b"", b"x", b'{"e":"trade"}' * 20, bytes(range(256)), b"y" * 7000]


def random_records(rng, count):
    times = sorted(rng.randrange(T0_MS, T0_MS + 10_000) for _ in range(count))
    return [(rng.choice(VALUES), time_ms, rng.choice(HEADERS)) for time_ms in times]


@pytest.mark.parametrize("seed", range(4))
def test_pages_are_those_of_confluent_kafka_to_the_byte(broker, seed):
    rng = random.Random(seed)
    topic, count = new_topic(broker), 300
    write(broker, topic, random_records(rng, count))
    for records in (1, 7, 100_000):
        columns, objects = (
            read_as(form, broker, topic, count, records=records) for form in OPENERS
        )
        assert same(columns, objects)
        assert len(rows(columns)) == count


def test_plain_records_and_packs_are_read_alike_in_one_topic(broker):
    topic = new_topic(broker)
    times = [T0 + 1000 * number for number in range(400)]
    texts = [b"%d" % number for number in range(400)]
    for begin in range(0, 400, 50):
        part = slice(begin, begin + 50)
        load(broker, topic, times[part], texts[part], pack=bool(begin % 100))
    for end in (None, 150, 1):
        columns, objects = (
            read_as(form, broker, topic, end or 204, records=30) for form in OPENERS
        )
        assert same(columns, objects)
    assert rows(read_as("columns", broker, topic, 204)) == list(
        zip(range(400), times, texts, strict=True)
    )


MALFORMED = {
    "no digits": (b"x", T0_MS, [("ns", b"1x")]),
    "too many": (b"x", T0_MS, [("ns", b"1000000"), ("a", b"")]),
    "no value": (b"x", T0_MS, [("ns", None)]),
    "an empty one": (b"x", T0_MS, [("ns", b"")]),
    "nanoseconds": (b"x", T0, None),
    "before 2000": (b"x", 946_684_799_999, None),
    "a wrong pack": (b"x", T0_MS, [("pack", b"2 0 1")]),
    "a damaged pack": (b"x", T0_MS, [("pack", b"1 3 1")]),
    "a pack header twice": (b"x", T0_MS, [("pack", b"1 3 1"), ("pack", None)]),
}


@pytest.mark.parametrize("record", MALFORMED.values(), ids=MALFORMED)
def test_what_is_refused_is_refused_with_the_same_line(embedded, record):
    topic = new_topic(embedded)
    write(embedded, topic, [(b"a", T0_MS, None)] * 3)
    write(embedded, topic, [record])
    write(embedded, topic, [(b"b", T0_MS, None)] * 3)
    columns, objects = (read_as(form, embedded, topic, 7, records=2) for form in OPENERS)
    assert "offset 3 " in columns
    assert columns == objects


def test_records_before_a_bad_one_are_read_before_the_error(broker):
    topic = new_topic(broker)
    write(broker, topic, [*[(b"a", T0_MS, None)] * 3, (b"x", T0_MS, [("ns", b"?")])])
    reader = open_reader(broker, topic, 4)
    assert len(rows(drain(reader, 3))) == 3
    with pytest.raises(TapeflowError, match="offset 3 has header ns="):
        drain(reader)
    reader.close()


def test_a_frame_of_megabytes_among_small_ones_takes_no_memory_for_all(embedded):
    topic = new_topic(embedded)
    small = [(b"x" * 100, T0_MS, None)] * 500
    write(embedded, topic, [*small, (b"y" * 1_500_000, T0_MS, None), *small])
    pages = read_as("columns", embedded, topic, 1001, records=100_000)
    assert [len(row[2]) for row in rows(pages)] == [100] * 500 + [1_500_000] + [100] * 500
    assert all(page.data.base.nbytes <= native_consumer.BLOCK_BYTES + 64 for page in pages)


def error_line(opener, settings):
    try:
        opener(BrokerStatus("127.0.0.1:1", silent), settings).close()
    except TapeflowError as error:
        return str(error)
    return "no error"


@pytest.mark.parametrize(
    "settings",
    [
        {"nonsense": "1"}, {"session.timeout.ms": "x"}, {"fetch.wait.max.ms": -5}, {"group.id": ""},
        {"security.protocol": "SASL"}, {"ssl.ca.location": "/nowhere", "security.protocol": "ssl"},
        {"debug": "everything"}, {"sasl.mechanism": "X", "security.protocol": "sasl_plaintext"},
        {"enable.partition.eof": True}, {"client.id": 7}, {"queued.min.messages": None},
        {"socket.keepalive.enable": False}, {"fetch.message.max.bytes": 1.5},
    ],
)  # fmt: skip
def test_settings_are_refused_with_the_same_line(settings):
    assert not consumers.why_slow(settings)
    lines = [error_line(opener, settings) for opener in OPENERS.values()]
    assert lines[0] == lines[1]


@pytest.mark.parametrize(
    "broken", [KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART]
)
def test_errors_of_a_broker_are_the_same_lines(embedded, broken):
    topic = new_topic(embedded)
    load(embedded, topic, [T0] * 5, [b"x"] * 5)
    lines = []
    for form in OPENERS:
        embedded.push_errors(1, [broken])
        lines.append(read_as(form, embedded, topic, 5))
    if broken == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        assert isinstance(lines[0], str)
    assert str(lines[0]) == str(lines[1]) if isinstance(lines[0], str) else same(*lines)


def test_a_broker_that_is_away_is_said_in_the_same_line(embedded):
    embedded.set_down()
    lines = []
    for form, opener in OPENERS.items():
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(fetcher, "open_consumer", opener)
            reader = open_reader(embedded, "raw.x", notify=lines.append)
        wait = threading.Event()
        for _ in range(2000):
            if reader.read() is None and len(lines) == list(OPENERS).index(form) + 1:
                break
            wait.wait(0.005)
        reader.close()
    away = f"p-0: broker at {embedded.bootstrap} away ("
    names = {line.removeprefix(away).removesuffix("), waiting") for line in lines}
    assert names <= {"_ALL_BROKERS_DOWN", "_TRANSPORT"}  # which of them comes first is chance


# --- where it is not used --------------------------------------------------------------------


def why_with(monkeypatch, **changed):
    for name, value in changed.items():
        monkeypatch.setattr(librdkafka, name, value)
    librdkafka.why_no_library.cache_clear()
    why = consumers.why_slow({})
    opened = consumers.open_consumer(BrokerStatus("127.0.0.1:1", silent), {})
    assert isinstance(opened, confluent_kafka.Consumer if why else NativeConsumer)
    opened.close()
    return why


@pytest.fixture
def forget():
    yield
    librdkafka.why_no_library.cache_clear()


@pytest.mark.usefixtures("forget")
def test_another_librdkafka_is_not_read_by_address(monkeypatch):
    assert why_with(monkeypatch) == ""
    newer = SimpleNamespace(libversion=lambda: ("3.0.0", 0x030000FF))
    with monkeypatch.context() as patched:
        patched.setattr(librdkafka, "confluent_kafka", newer)
        librdkafka.why_no_library.cache_clear()
        assert "on another librdkafka" in consumers.why_slow({})
    with monkeypatch.context() as patched:
        assert "2.16.0 is none of" in why_with(patched, VERSION_MIN=0x02110000)
    with monkeypatch.context() as patched:
        assert "is none of 2.16 up to 3" in why_with(patched, VERSION_END=0x021000FF)
    with monkeypatch.context() as patched:
        assert "no librdkafka with" in why_with(
            patched, importlib=SimpleNamespace(util=SimpleNamespace(find_spec=lambda _: None))
        )
    with monkeypatch.context() as patched:
        patched.setitem(librdkafka.FUNCTIONS, "no_such_function", (None,))
        assert "no_such_function" in why_with(patched)


class OtherStruct(ctypes.Structure):
    """The same fields in another order."""

    _fields_ = tuple(sorted(MessageStruct._fields_, key=lambda field: field[0] != "offset"))


@pytest.mark.usefixtures("forget")
def test_a_message_of_another_layout_is_not_read_by_address(monkeypatch):
    functions = librdkafka.FUNCTIONS | {
        "event_message_next": (ctypes.POINTER(OtherStruct), ctypes.c_void_p)
    }
    assert (
        why_with(monkeypatch, FUNCTIONS=functions) == "a message of librdkafka has another layout"
    )


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"oauth_cb": print}, "[kafka] client has oauth_cb"),
        ({"stats_cb": "x"}, "[kafka] client has stats_cb"),
        ({"default.topic.config": {}}, "[kafka] client has default.topic.config"),
        ({"x": ["y"]}, "[kafka] client has x"),
        ({"plugin.library.paths": "p"}, "[kafka] client has plugin.library.paths"),
        ({"sasl.mechanism": "oauthbearer"}, "OAUTHBEARER is left to confluent-kafka"),
    ],
)
def test_settings_that_need_python_are_left_to_confluent_kafka(settings, why):
    assert consumers.why_slow(settings) == why


def test_where_kernels_are_not_compiled_records_are_read_as_objects(monkeypatch):
    monkeypatch.setattr(consumers, "is_compiled", lambda kernel: False)
    assert consumers.why_slow({}) == "kernels are not compiled"


def test_the_kernel_knows_the_fields_and_times_of_the_other_files():
    kernel = message_kernel
    names = ("err", "payload", "len", "offset")
    offsets = tuple(getattr(MessageStruct, name).offset for name in names)
    assert offsets == (kernel.ERR, kernel.PAYLOAD, kernel.LENGTH, kernel.OFFSET)
    assert (kernel.TIME_MIN_MS, kernel.TIME_END_MS, kernel.NS_DIGITS) == (
        frames.TIMESTAMP_MIN_MS, frames.TIMESTAMP_MAX_MS, frames.NS_DIGITS
    )  # fmt: skip
    assert len(native_consumer.CALLED) == kernel.DESTROY + 1


def test_without_glibc_memory_is_left_as_it_is(monkeypatch):
    arena.use_one_arena.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    arena.use_one_arena()
    arena.use_one_arena.cache_clear()


def test_a_consumer_starts_no_thread_before_arenas_are_shared(monkeypatch):
    calls = []
    libc = SimpleNamespace(mallopt=lambda *of: calls.append((*of, threads())))
    arena.use_one_arena.cache_clear()
    before = threads()
    with monkeypatch.context() as patched:
        patched.setattr(ctypes, "CDLL", lambda _: libc)
        client.consumer_settings(BrokerStatus("127.0.0.1:1", silent), {})
    assert [call[:2] for call in calls] == [(-8, 1), (-3, 32 << 20), (-1, 64 << 20)]
    assert {call[2] for call in calls} == {before}
    arena.use_one_arena.cache_clear()


# --- memory ----------------------------------------------------------------------------------


def threads():
    return len(os.listdir("/proc/self/task"))


def resident_mib():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="counts threads by /proc")
@pytest.mark.parametrize("by", ["close", "close twice", "nobody refers to it"])
def test_a_consumer_gives_back_its_threads(embedded, by):
    topic = new_topic(embedded)
    load(embedded, topic, [T0] * 50, [b"x"] * 50)
    before = threads()
    reader = open_reader(embedded, topic, records=3)
    drain(reader, 3)  # others are held
    assert threads() > before
    for _ in range({"close": 1, "close twice": 2}.get(by, 0)):
        reader.close()
    del reader
    gc.collect()
    assert threads() <= before


@pytest.mark.parametrize("opener", OPENERS.values(), ids=OPENERS)
def test_a_closed_consumer_refuses_to_read(opener):
    partition = TopicPartition("raw.x", 0, 0)
    consumer = opener(BrokerStatus("127.0.0.1:1", silent), {})
    consumer.close()
    for call in (
        lambda: consumer.consume(1, 0),
        lambda: consumer.assign([partition]),
        lambda: consumer.get_watermark_offsets(partition, timeout=0.1),
    ):
        with pytest.raises(RuntimeError, match="Consumer closed"):
            call()


@pytest.mark.parametrize("pack", [False, True])
def test_an_interrupt_between_two_steps_gives_nothing_back_twice(embedded, pack, monkeypatch):
    topic = new_topic(embedded)
    load(embedded, topic, [T0] * 50, [b"x"] * 50, pack=pack)
    reader = open_reader(embedded, topic, records=20)
    held, destroyed = reader.fetcher.consumer.held, []
    destroy = held.rd.message_destroy

    def note(address):
        destroyed.append(address)
        destroy(address)

    monkeypatch.setattr(held.rd, "message_destroy", note)
    drain(reader, 20)
    before = list(destroyed)
    held.at = 0  # as if it had not been noted what was taken
    reader.close()
    assert destroyed == before
    assert len(before) == pack  # the kernel destroys plain ones itself


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads memory from /proc")
def test_a_million_records_leak_no_memory(embedded):
    topic = new_topic(embedded)
    each = [(b"x" * 90, T0_MS, [("ns", b"1")])] * 20_000 + [
        (value, T0_MS, headers)
        for value, _, headers in packed([T0] * 5, [b"y"] * 5, 20_000)
    ]  # fmt: skip
    write(embedded, topic, each)

    def read_once():
        partition = KafkaPartition(embedded.bootstrap, topic, 0, "p-0", EMBEDDED_CONSUMER)
        reader = KafkaReader(partition, 5000, len(each), None, silent)
        count = len(rows_of(drain(reader)))
        reader.close()
        return count

    def rows_of(pages):
        return np.concatenate([page.log_ns for page in pages])

    for _ in range(10):
        assert read_once() == 20_005
    before = resident_mib()
    for _ in range(50):
        read_once()
    assert resident_mib() < before + 50  # a message is 300 bytes, its headers 100: 95 MiB at least


@pytest.mark.kafka
def test_a_real_broker_killed_and_started_again_loses_nothing(real: RealBroker):
    topic = new_topic(real)
    load(real, topic, [T0 + number for number in range(2000)], [b"%d" % n for n in range(2000)])
    pages = []
    for opener in OPENERS.values():
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(fetcher, "open_consumer", opener)
            reader = open_reader(real, topic, 2000, records=100)
        got = drain(reader, 500)
        real.set_down()
        for _ in range(20):
            got += [page for page in [reader.read()] if page is not None]
        real.set_up()
        pages.append([*got, *drain(reader)])
        reader.close()
    assert same(*pages)
