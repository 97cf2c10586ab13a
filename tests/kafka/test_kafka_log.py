"""A partition of a raw topic, read as a log."""

import threading
import time
from typing import Any

import numpy as np
import pytest
from confluent_kafka import KafkaError, Producer
from confluent_kafka import Message as KafkaMessage

from tapeflow.connectors.kafka.frames import NS_PER_MS, KafkaPartition, page_from_messages
from tapeflow.connectors.kafka.reader import offset_bounds
from tapeflow.connectors.source.progress import Progress
from tapeflow.connectors.source.source import LogSource
from tapeflow.schemas.batches import Page
from tapeflow.schemas.errors import TapeflowError
from tests.kafka.play import SECOND, T0, drain, load, new_topic, read_all, reader, rows, until

FETCH = 1  # the Kafka request


def at(offset: int) -> tuple[int, int, int, int, int]:
    """The position before a record, behind plain ones of T0."""
    return offset, offset, T0, 1, 1


def some_records(count: int, step_ns: int = SECOND // 100 + 1) -> tuple[list[int], list[bytes]]:
    times = [T0 + number * step_ns for number in range(count)]
    return times, [b'{"n":%d}' % number for number in range(count)]


def foreign(broker: Any, topic: str, values: list[Any], **more: Any) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    for value in values:
        producer.produce(topic, value, partition=0, **more)
    assert producer.flush(10) == 0


def test_every_record_comes_back_bit_for_bit(broker):
    topic = new_topic(broker)
    frames = [b"", b"{}", bytes(range(256)), "µ→".encode(), b"", b"x" * 1_000_000, b"\n"]
    times = [T0, T0, T0 + 1, T0 + 999_999, T0 + NS_PER_MS, T0 + SECOND - 1, T0 + SECOND]
    assert load(broker, topic, times, frames) == 7
    assert rows(read_all(broker, topic, 7)) == list(zip(range(7), times, frames, strict=True))


def test_pages_end_in_padding_and_begin_where_the_one_before_ended(broker):
    topic = new_topic(broker)
    load(broker, topic, *some_records(50))
    pages = read_all(broker, topic, 50, records=7)
    assert [page.first_offset for page in pages[1:]] == [page.next_offset for page in pages[:-1]]
    assert all(not page.data[-64:].any() for page in pages)
    assert max(len(page.log_ns) for page in pages) <= 7


def test_a_page_spans_no_more_log_time_than_it_may(broker):
    #   0        1s        2s     3 s
    #   [a b c   | d       | e f  |       span 1 s, ends included
    topic = new_topic(broker)
    times = [T0, T0 + 5, T0 + SECOND, T0 + SECOND + 1, T0 + 2 * SECOND + 2, T0 + 2 * SECOND + 3]
    load(broker, topic, times, [b"a", b"b", b"c", b"d", b"e", b"f"])
    pages = read_all(broker, topic, 6, span_ns=SECOND)
    assert [[row[2] for row in rows([page])] for page in pages] == [
        [b"a", b"b", b"c"],
        [b"d"],
        [b"e", b"f"],
    ]


@pytest.mark.parametrize(("records", "span_ns"), [(1, SECOND), (7, SECOND), (1000, SECOND // 20)])
def test_reading_goes_on_after_any_page(broker, records, span_ns):
    topic = new_topic(broker)
    load(broker, topic, *some_records(40))
    how = {"records": records, "span_ns": span_ns}
    whole = rows(read_all(broker, topic, 40, **how))
    opened = reader(broker, topic, 40, **how)
    positions = [opened.position()]
    while not opened.ended:
        if opened.read() is not None:
            positions.append(opened.position())
    opened.close()
    for position in positions:
        assert rows(read_all(broker, topic, 40, position, **how)) == whole[position[0] :]


def test_log_time_never_goes_back_also_over_a_restart(broker):
    topic = new_topic(broker)
    for time_ms in (5000, 4000, 6000, 1):
        foreign(broker, topic, [b"x"], timestamp=time_ms)
    times = [5000, 5000, 6000, 6000]
    pages = read_all(broker, topic, 4, records=1)
    assert [row[1] for row in rows(pages)] == [time_ms * NS_PER_MS for time_ms in times]
    opened = reader(broker, topic, 4, records=1)
    drain(opened, 3)
    rest = read_all(broker, topic, 4, opened.position())
    opened.close()
    assert [row[1] for row in rows(rest)] == [6000 * NS_PER_MS]


def test_a_null_value_is_a_heartbeat(broker):
    topic = new_topic(broker)
    foreign(broker, topic, [None, b"", b"x", None], timestamp=7)
    assert [row[2] for row in rows(read_all(broker, topic, 4))] == [b"", b"", b"x", b""]


def test_headers_of_others_are_left_alone(broker):
    topic = new_topic(broker)
    for headers in ([("trace", b"1")], [("trace", b"1"), ("ns", b"000012")], None, [("ns", b"7")]):
        foreign(broker, topic, [b"x"], timestamp=9, headers=headers)
    found = [row[1] - 9 * NS_PER_MS for row in rows(read_all(broker, topic, 4))]
    assert found == [0, 12, 12, 12]


@pytest.mark.parametrize("rest", [b"", b"-1", b"1000000", b" 12", b"1_0", b"x", b"9" * 5000, None])
def test_a_remainder_that_is_none_is_refused(broker, rest):
    topic = new_topic(broker)
    foreign(broker, topic, [b"x"], timestamp=9, headers=[("ns", rest)])
    with pytest.raises(TapeflowError, match="offset 0 has header ns="):
        read_all(broker, topic, 1)


@pytest.mark.parametrize("stamp", [(0, -1), (0, 0), (1, 2**62), (1, -5)])
def test_a_record_without_a_timestamp_is_refused(stamp):
    good = KafkaMessage(offset=4, value=b"x", timestamp=(1, 5))
    bad = KafkaMessage(offset=5, value=b"y", timestamp=stamp)
    with pytest.raises(
        TapeflowError, match=r"raw.x partition 2: the record at offset 5 has no time"
    ):
        page_from_messages(KafkaPartition("b", "raw.x", 2, "x-2"), 4, 0, [good, bad], [None, None])


def test_reading_ends_at_the_end_offset_and_not_behind_it(broker):
    topic = new_topic(broker)
    load(broker, topic, *some_records(20))
    opened = reader(broker, topic, 13, records=6)
    assert len(rows(drain(opened))) == 13
    assert opened.ended
    assert opened.read() is None
    opened.close()


def test_an_empty_stretch_is_ended_at_once(broker):
    topic = new_topic(broker)
    opened = reader(broker, topic, 0)
    assert opened.ended
    assert opened.read() is None
    opened.close()
    load(broker, topic, *some_records(3))
    assert read_all(broker, topic, 3, at(3)) == []


def test_the_source_says_the_end_in_the_log_itself(broker):
    topic = new_topic(broker)
    load(broker, topic, *some_records(3))
    board = Progress(("p-0",), SECOND)
    source = LogSource({"p-0": lambda at: reader(broker, topic, 3, at)}, {"p-0": "p-0"}, board)
    part = source.build_part("log", source.list_parts()[0], None)
    pages: list[Page] = []
    while not (pages and pages[-1].end_of_log):
        pages += [page for _, page in part.next_batch()]
    assert [(page.first_offset, page.next_offset, page.end_of_log) for page in pages] == [
        (0, 3, False),
        (3, 3, True),
    ]
    with pytest.raises(StopIteration):
        part.next_batch()
    part.close()


def test_without_an_end_it_waits_for_more(broker):
    topic = new_topic(broker)
    times, frames = some_records(5)
    opened = reader(broker, topic)
    assert opened.read() is None
    load(broker, topic, times[:2], frames[:2])
    assert [row[2] for row in rows(drain(opened, 2))] == frames[:2]
    assert not opened.ended
    load(broker, topic, times[2:], frames[2:])
    assert rows(drain(opened, 3)) == list(zip(range(2, 5), times[2:], frames[2:], strict=True))
    opened.close()


def test_reading_does_not_block_when_nothing_comes(broker):
    opened = reader(broker, new_topic(broker))
    until(lambda: opened.read() is None, "unreachable")
    time.sleep(0.2)
    began = time.perf_counter()
    for _ in range(100):
        assert opened.read() is None
    assert time.perf_counter() - began < 0.2
    opened.close()


@pytest.mark.parametrize("position", [None, at(3)])
def test_deleted_records_are_an_error_and_not_skipped(broker, position):
    topic = new_topic(broker)
    load(broker, topic, *some_records(20))
    broker.delete_records(topic, 0, 10)
    wanted = position[0] if position else 0
    with pytest.raises(TapeflowError, match=rf"partition 0: offset {wanted} should .* 10 up to 20"):
        read_all(broker, topic, 20, position)


def test_what_is_left_behind_deleted_records_can_be_read(broker):
    topic = new_topic(broker)
    load(broker, topic, *some_records(20))
    broker.delete_records(topic, 0, 10)
    assert [row[0] for row in rows(read_all(broker, topic, 20, at(10)))] == list(range(10, 20))


def test_records_deleted_in_mid_run_are_an_error(broker):
    topic = new_topic(broker)
    opened = reader(broker, topic)
    load(broker, topic, *some_records(5))
    drain(opened, 5)
    position = opened.position()
    opened.close()
    load(broker, topic, *some_records(5))
    broker.delete_records(topic, 0, 8)
    with pytest.raises(TapeflowError, match="offset 5 should come next, but there are 8 up to 10"):
        read_all(broker, topic, 10, position)


@pytest.mark.parametrize("end", [None, 20])
def test_a_position_beyond_the_topic_is_an_error(broker, end):
    topic = new_topic(broker)
    load(broker, topic, *some_records(20))
    with pytest.raises(TapeflowError, match=r"offset 21 .* emptied"):
        drain(reader(broker, topic, end, at(21)), 1)


def test_a_topic_made_anew_is_not_taken_for_the_one_we_know(broker):
    topic, other = new_topic(broker), new_topic(broker)
    times, frames = some_records(10)
    load(broker, topic, times, frames)
    load(broker, other, [time_ns + 3600 * SECOND for time_ns in times], frames)
    opened = reader(broker, topic)
    drain(opened, 10)
    position = opened.position()
    opened.close()
    load(broker, other, [times[0] + 7200 * SECOND], [b"x"])
    with pytest.raises(TapeflowError, match=r"before offset 10 has log time .* emptied .* anew"):
        read_all(broker, other, 11, position)


def test_a_topic_loaded_again_from_the_same_tape_is_the_same_log(broker):
    topic, again = new_topic(broker), new_topic(broker)
    load(broker, topic, *some_records(10))
    load(broker, again, *some_records(12))
    opened = reader(broker, topic, 10)
    drain(opened)
    opened.close()
    assert [row[0] for row in rows(read_all(broker, again, 12, opened.position()))] == [10, 11]


@pytest.mark.slow
def test_a_topic_deleted_in_mid_run_is_an_error(embedded):
    topic = new_topic(embedded)
    load(embedded, topic, *some_records(5))
    opened = reader(embedded, topic)
    drain(opened, 5)
    embedded.delete_topic(topic)
    with pytest.raises(TapeflowError, match=r"p-0: broker at .* refuses: .*[Uu]nknown topic"):
        drain(opened, 1)
    opened.close()


def test_the_beginning_and_end_of_each_partition_are_told(broker):
    one, other = new_topic(broker, 3), new_topic(broker, 1)
    load(broker, one, *some_records(7), 1)
    broker.delete_records(one, 1, 2)
    found = offset_bounds(broker.bootstrap, [one, other], 5, print)
    assert found == {one: [(0, 0), (2, 7), (0, 0)], other: [(0, 0)]}


def test_an_unknown_topic_is_an_error_that_lists_those_there_are(broker):
    topic = new_topic(broker)
    for _ in range(2):  # asking does not create it
        with pytest.raises(TapeflowError, match=rf"no topic raw.nope at .*{topic}"):
            offset_bounds(broker.bootstrap, ["raw.nope"], 5, print)


def test_a_broker_that_never_answers_is_an_error_after_the_wait():
    said: list[str] = []
    with pytest.raises(TapeflowError, match=r"no answer from a broker at 127.0.0.1:1 within 1.2 s"):
        offset_bounds("127.0.0.1:1", ["raw.x"], 1.2, said.append)
    assert len(said) == 1
    assert said[0].startswith("broker at 127.0.0.1:1 away (")


def test_a_wrong_setting_is_an_error_that_names_it():
    with pytest.raises(TapeflowError, match="nonsense"):
        offset_bounds("127.0.0.1:1", ["raw.x"], 0.5, print, {"nonsense": "1"})


def test_a_broker_away_at_the_start_is_waited_for(broker):
    topic = new_topic(broker)
    load(broker, topic, *some_records(5))
    broker.set_down()
    timer = threading.Timer(1.0, broker.set_up)
    timer.start()
    said: list[str] = []
    assert offset_bounds(broker.bootstrap, [topic], 60, said.append) == {topic: [(0, 5)]}
    timer.join()
    assert [line.split(" ")[3] for line in said] == ["away", "back"]


def test_a_reader_opened_while_the_broker_is_away_reads_when_it_is_back(broker):
    topic = new_topic(broker)
    load(broker, topic, *some_records(5))
    broker.set_down()
    said: list[str] = []
    opened = reader(broker, topic, 5, say=said.append)
    until(lambda: opened.read() is None and said, "said nothing")
    broker.set_up()
    assert len(rows(drain(opened))) == 5
    opened.close()
    assert [line.split(" ")[4] for line in said] == ["away", "back"]


def test_a_broker_away_in_mid_run_is_waited_for_and_said_once(broker):
    topic = new_topic(broker)
    times, frames = some_records(10)
    load(broker, topic, times[:5], frames[:5])
    said: list[str] = []
    opened = reader(broker, topic, say=said.append)
    pages = drain(opened, 5)
    broker.set_down()
    until(lambda: opened.read() is None and said, "said nothing")
    for _ in range(200):
        assert opened.read() is None
        time.sleep(0.005)
    assert len(said) == 1
    assert said[0].startswith(f"p-0: broker at {broker.bootstrap} away (")
    broker.set_up()
    load(broker, topic, times[5:], frames[5:])
    pages += drain(opened, 5)
    opened.close()
    assert rows(pages) == list(zip(range(10), times, frames, strict=True))
    assert len(said) == 2
    assert said[1].startswith(f"p-0: broker at {broker.bootstrap} back after ")


def test_a_broker_that_is_back_is_said_so_though_nothing_new_comes(broker):
    topic = new_topic(broker)
    said: list[str] = []
    opened = reader(broker, topic, say=said.append)
    broker.set_down()
    until(lambda: opened.read() is None and said, "said nothing")
    broker.set_up()
    until(lambda: opened.read() is None and len(said) > 1, "not back")
    opened.close()
    assert "back after" in said[1]


def test_closing_does_not_wait_for_a_broker_that_is_away(broker):
    topic = new_topic(broker)
    opened = reader(broker, topic)
    opened.read()
    broker.set_down()
    began = time.perf_counter()
    opened.close()
    assert time.perf_counter() - began < 2
    broker.set_up()


def test_times_of_pages_are_int64_columns_of_their_own(broker):
    topic = new_topic(broker)
    load(broker, topic, *some_records(10))
    for page in read_all(broker, topic, 10, records=4):
        for column in (page.log_ns, page.starts, page.ends):
            assert column.dtype == np.int64
            assert column.flags.c_contiguous


def test_requests_that_fail_in_passing_are_asked_again(embedded):
    topic = new_topic(embedded)
    load(embedded, topic, *some_records(5))
    codes = [KafkaError.REQUEST_TIMED_OUT, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.UNKNOWN]
    embedded.push_errors(FETCH, codes)
    assert len(rows(read_all(embedded, topic, 5))) == 5


def test_a_topic_we_may_not_read_is_an_error(embedded):
    topic = new_topic(embedded)
    load(embedded, topic, *some_records(5))
    embedded.push_errors(FETCH, [KafkaError.TOPIC_AUTHORIZATION_FAILED])
    with pytest.raises(TapeflowError, match=rf"{topic} partition 0, at offset 0: .*authorization"):
        read_all(embedded, topic, 5)


def test_records_beyond_what_the_embedded_broker_keeps_are_missed_loudly(embedded):
    topic = new_topic(embedded)
    opened = reader(embedded, topic, 12)
    opened.close()
    blocks = np.random.default_rng(1).integers(0, 256, (12, 600_000), np.uint8)
    foreign(embedded, topic, [block.tobytes() for block in blocks], timestamp=5)  # 7 MB
    (low, high) = offset_bounds(embedded.bootstrap, [topic], 5, print)[topic][0]
    assert 0 < low < high == 12
    with pytest.raises(
        TapeflowError, match=f"offset 0 should come next, but there are {low} up to"
    ):
        read_all(embedded, topic, 12)
