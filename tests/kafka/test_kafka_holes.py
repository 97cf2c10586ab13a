"""Offsets that hold no record, and logs that are read from the middle or to a moment."""

import pytest
from confluent_kafka import Producer

from tapeflow.connectors.kafka.offsets import offset_bounds, offsets_at
from tapeflow.connectors.kafka.resume import position_at
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.time import NS_PER_MS
from tests.kafka.memory_log import messages, open_log, packed, plain
from tests.kafka.topics import (
    SECOND,
    T0,
    drain,
    load,
    new_topic,
    open_reader,
    read_all,
    rows,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("each_consumer", "each_form")
T0_MS = T0 // NS_PER_MS


def end_of(broker, topic):
    return offset_bounds(broker.bootstrap, [topic], 10, print)[topic][0][1]


def with_holes(log, offsets):
    """Return the messages at these offsets only: the others are markers, or were compacted."""
    return [log[offset] for offset in offsets]


@pytest.mark.parametrize("records", [1, 2, 1000])
@pytest.mark.parametrize("sizes", [[1], [2], [1000]])
def test_offsets_without_a_record_are_passed_over_and_said_once(monkeypatch, records, sizes):
    times = [T0 + number for number in range(12)]
    log = messages(plain(times, [b"%d" % number for number in range(12)]))
    offsets = [0, 1, 4, 5, 6, 9]
    reader = open_log(with_holes(log, offsets), sizes=sizes, records=records, end=12)
    notices = []
    reader.fetcher.status.notify = notices.append
    reader.fetcher.consumer.get_watermark_offsets = lambda *_, **__: (0, 12)
    got, positions = [], []
    for _ in range(40):
        if (page := reader.read()) is not None:
            got += rows([page])
            positions.append(reader.position())
        elif len(got) == len(offsets):
            reader.fetcher.log_end = 12  # as the broker says at the end of a partition
    assert got == [(offset, T0 + offset, b"%d" % offset) for offset in offsets]
    assert reader.ended
    assert [position[0] for position in positions][-1] == 10
    assert len(notices) == 1
    assert "offsets such as 2 hold no record" in notices[0]


def test_a_hole_of_deleted_records_is_an_error():
    log = messages(plain([T0] * 9, [b"x"] * 9))
    reader = open_log(with_holes(log, [0, 1, 5, 6]), end=9)
    reader.fetcher.consumer.get_watermark_offsets = lambda *_, **__: (5, 9)
    with pytest.raises(TapeflowError, match="offset 0 should come next, but there are 5 up to 9"):
        drain(reader)


def test_packs_keep_their_own_numbers_behind_a_hole():
    records = [*packed([T0] * 3, [b"a", b"b", b"c"]), *packed([T0] * 2, [b"d", b"e"], 3)]
    records += packed([T0] * 2, [b"f", b"g"], 5)
    log = messages(records)
    reader = open_log(with_holes(log, [0, 2]), end=3)
    reader.fetcher.consumer.get_watermark_offsets = lambda *_, **__: (0, 3)
    got = rows(drain(reader))
    assert [(row[0], row[2]) for row in got] == [
        (0, b"a"), (1, b"b"), (2, b"c"), (5, b"f"), (6, b"g"),
    ]  # fmt: skip


def test_a_record_at_the_end_is_not_read_where_a_hole_lies_before_it():
    log = messages(plain([T0] * 6, [b"x"] * 6))
    reader = open_log(with_holes(log, [0, 1, 4, 5]), end=4)
    assert [row[0] for row in rows(drain(reader))] == [0, 1]


def test_packs_that_follow_by_number_but_not_by_offset_are_two_pages():
    records = [
        *packed([T0] * 3, [b"a"] * 3),
        *plain([T0], [b"-"]),
        *packed([T0] * 2, [b"b"] * 2, 3),
    ]
    pages = drain(open_log(with_holes(messages(records), [0, 2]), end=3))
    assert [row[0] for row in rows(pages)] == list(range(5))
    assert [page.first_offset for page in pages] == [0, 3]


def test_a_log_is_read_from_the_middle_with_the_offsets_of_kafka(broker):
    topic = new_topic(broker)
    load(broker, topic, [T0 + number for number in range(9)], [b"x"] * 9)
    got = rows(read_all(broker, topic, 9, position_at(4)))
    assert [row[:2] for row in got] == [(offset, T0 + offset) for offset in range(4, 9)]


def test_packs_are_read_from_the_middle_with_the_numbers_they_say(broker):
    topic = new_topic(broker)
    for number in range(3):
        load(broker, topic, [T0 + number] * 4, [b"%d" % number] * 4, pack=True)
    got = rows(read_all(broker, topic, 3, position_at(1)))
    assert [(row[0], row[2]) for row in got] == [
        *((number, b"1") for number in range(4, 8)),
        *((number, b"2") for number in range(8, 12)),
    ]


@pytest.mark.kafka
def test_transactions_are_read_without_their_markers_and_what_was_aborted(real):
    topic = new_topic(real)
    producer = Producer(
        {"bootstrap.servers": real.bootstrap, "transactional.id": topic, "log_level": 0}
    )
    producer.init_transactions(30)
    number = 0
    for commits in (True, False, True, True, False):
        producer.begin_transaction()
        for _ in range(3):
            producer.produce(topic, b"%d" % number, partition=0, timestamp=T0_MS + number)
            number += 1
        assert producer.flush(30) == 0  # an abort would drop what is not sent yet
        if commits:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)
    wanted = [(offset, b"%d" % n) for offset, n in [
        (0, 0), (1, 1), (2, 2), (8, 6), (9, 7), (10, 8), (12, 9), (13, 10), (14, 11),
    ]]  # fmt: skip
    high = 20  # the last marker is written soon after the answer to `abort`
    wait_until(lambda: end_of(real, topic) == high, "the markers are not written")
    for records in (2, 1000):
        got = rows(read_all(real, topic, high, records=records))
        assert [(row[0], row[2]) for row in got] == wanted
    reader = open_reader(real, topic, high, records=2)
    positions = [reader.position()]
    while not reader.ended:
        if reader.read() is not None:
            positions.append(reader.position())
    reader.close()
    for position in positions:
        rest = rows(read_all(real, topic, high, position))
        assert [(row[0], row[2]) for row in rest] == wanted[len(wanted) - len(rest) :]
        assert len(rest) == sum(offset >= position[0] for offset, _ in wanted)


@pytest.mark.kafka
def test_a_moment_is_the_first_record_written_then_or_later(real):
    topic = new_topic(real, 2)
    load(real, topic, [T0 + number * SECOND for number in range(10)], [b"x"] * 10)
    bounds = offset_bounds(real.bootstrap, [topic], 10, print)
    for moment, wanted in (
        (T0 - 5, 0), (T0, 0), (T0 + 1, 1), (T0 + 4 * SECOND, 4), (T0 + 9 * SECOND + 1, 10),
    ):  # fmt: skip
        found = offsets_at(real.bootstrap, bounds, moment, 10, print)
        assert found == {(topic, 0): wanted, (topic, 1): 0}
