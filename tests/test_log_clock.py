"""The log time of records whose written times step back, or jump ahead."""

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.connectors.source.log_clock import LogClock
from tapeflow.schemas.batches import Page
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.time import MAX_NS

S = 1_000_000_000
T0 = 1_700_000_000 * S
YEAR = 365 * 86_400 * S
STEP = 600 * S


class ListReader:
    """A log in memory, in pages of these sizes; `waits` counts the reads that find nothing."""

    def __init__(self, stamps, sizes, position=None, *, ends=True):
        self.stamps, self.sizes, self.ends = stamps, sizes, ends
        self.at, self.ended, self.turn = position or 0, False, 0

    def __str__(self):
        return "here"

    def read(self):
        self.turn += 1
        size = self.sizes[self.turn % len(self.sizes)]
        part = self.stamps[self.at : self.at + size]
        if not part:
            self.ended = self.ends and self.at == len(self.stamps)
            return None
        page = Page.from_frames("p-0", self.at, part, [b"%d" % ns for ns in part])
        self.at += len(part)
        return page

    def position(self):
        return self.at

    def close(self):
        pass


def silent(_line):
    pass


def clock(stamps, sizes=(100,), position=None, *, records=1000, span_ns=MAX_NS, step_ns=STEP,
          notify=silent, ends=True):  # fmt: skip
    """Open the log clock over a log in memory."""
    return LogClock(
        lambda origin: ListReader(stamps, sizes, origin, ends=ends),
        records, span_ns, step_ns, position, notify,
    )  # fmt: skip


def read(opened, rows=None, *, wait=True):
    """Read to the end: (offset, log time, time as written) of each record."""
    rows = [] if rows is None else rows
    while not opened.ended:
        page = opened.read()
        if page is None:
            if not wait:
                break
            continue
        rows += zip(
            range(page.first_offset, page.next_offset),
            page.log_ns.tolist(),
            page.stamps.tolist(),
            strict=True,
        )
        assert [b"%d" % row[2] for row in rows[-len(page.log_ns) :]] == [
            page.frame(number) for number in range(len(page.log_ns))
        ]
    return rows


def seconds(stamps, **options):
    """The log times of records written at these seconds, in seconds."""
    rows = read(clock([T0 + int(stamp * S) for stamp in stamps], **options))
    return [(log_ns - T0) / S for _, log_ns, _ in rows]


DAYS = 86_400


@pytest.mark.parametrize(
    ("written", "log_times"),
    [
        ([0, 1, 2, 2, 3], [0, 1, 2, 2, 3]),
        ([0, 5, 4.5, 4, 6], [0, 5, 5, 5, 6]),  # steps back a little: held
        ([0, 59, 0, 60], [0, 59, 59, 60]),
        ([0, 100, 39, 101], [0, 100, 100, 101]),  # one record 61 s back: the next one is not
        ([0, 1, 365 * DAYS, 2, 3], [0, 1, 1, 2, 3]),  # one record a year ahead
        ([365 * DAYS, 2, 3], [2, 2, 3]),  # the first one
        ([0, 8 * 3600, 8 * 3600 + 1], [0, 8 * 3600, 8 * 3600 + 1]),  # a night: the next confirms it
        ([0, 8 * 3600, 8 * 3600 - 5], [0, 8 * 3600, 8 * 3600]),
        ([0, 8 * 3600, 20 * 3600, 20 * 3600], [0, 8 * 3600, 20 * 3600, 20 * 3600]),
        ([0, 601], [0, 601]),  # the last one is believed
        ([0, 600], [0, 600]),
        ([5], [5]),
        ([], []),
        ([0, 100, 39], [0, 100, 100]),
        ([0, 365 * DAYS, -20 * DAYS, 1], [0, 0, 0, 1]),  # an odd one behind an odd one
    ],
)
def test_a_log_time_never_goes_back_and_one_odd_stamp_moves_nothing(written, log_times):
    assert seconds(written) == log_times


@pytest.mark.parametrize("written", [[0, 100, 39, 39], [0, 90, 10, 20, 100], [9e6, 9e6, 0, 1]])
def test_a_log_that_goes_back_and_stays_there_is_refused_in_one_line(written):
    with pytest.raises(TapeflowError, match=r"^here: record 2 was written at .*--from") as raised:
        seconds(written)
    assert "\n" not in str(raised.value)


def test_without_a_step_every_time_ahead_is_believed():
    assert seconds([0, 365 * DAYS, 365 * DAYS + 1], step_ns=0) == [0, 365 * DAYS, 365 * DAYS + 1]
    assert seconds([0, 365 * DAYS], step_ns=0) == [0, 365 * DAYS]
    assert seconds([0, 10**9], step_ns=2**80) == [0, 10**9]


def test_a_file_that_begins_before_the_end_of_the_one_before_it_is_refused():
    opened = clock([T0, T0 + 9 * S, T0 + 5 * S, T0 + 10 * S], sizes=(2,))
    opened.read()
    opened.reader.__class__ = type("Second", (ListReader,), {"__str__": lambda _: "second"})
    with pytest.raises(TapeflowError, match=r"^second begins at 2023-11-14 22:13:25, before the"):
        opened.read()


def test_only_the_first_correction_of_each_kind_is_said():
    notices = []
    read(clock([T0 + each * S for each in (5, 4, 3, 9000, 5, 6, 9000, 7)], notify=notices.append))
    assert notices == [
        "here: record 1 was written at 2023-11-14 22:13:24, 1 s before the log time reached: it is "
        "held at 2023-11-14 22:13:25. Such records are counted in data_quality_minutes as "
        "stepped_back",
        "here: record 3 was written at 2023-11-15 00:43:20, 8,995 s ahead, and the next record "
        "does not confirm it: it is held at 2023-11-14 22:13:25. Such records are counted in "
        "data_quality_minutes as stepped_ahead",
    ]


def test_a_record_that_jumps_ahead_waits_for_the_next_one_and_no_other_does():
    stamps = [T0, T0 + 1]
    opened = clock(stamps, ends=False)
    assert [row[0] for row in read(opened, wait=False)] == [0, 1]
    stamps.append(T0 + YEAR)
    assert read(opened, wait=False) == []
    stamps.append(T0 + 2)
    assert [row[:2] for row in read(opened, wait=False)] == [(2, T0 + 1), (3, T0 + 2)]


def test_a_replaced_log_is_refused_in_mid_page():
    stamps = [T0 + number for number in range(9)]
    opened = clock(stamps, records=4)
    opened.read()
    changed = [ns + 5 for ns in stamps]
    with pytest.raises(TapeflowError, match=r"^here: record 3 has another log time"):
        clock(changed, position=opened.position()).read()


def slow_log_times(stamps):
    """The log times, from the rule as it is written down: record by record, in plain integers."""
    log_times = []
    for row, written in enumerate(stamps):
        stamp = written
        after = stamps[row + 1] if row + 1 < len(stamps) else None
        if not log_times:
            odd = after is not None and stamp > after + 60 * S
            log_times.append(after if odd else stamp)
            continue
        reached = log_times[-1]
        if stamp < reached - 60 * S and after is not None and after < reached - 60 * S:
            return log_times, row
        if stamp > reached + STEP and after is not None and after < stamp - 60 * S:
            stamp = reached
        log_times.append(max(stamp, reached))
    return log_times, None


STEPS = st.one_of(
    st.integers(-2 * S, 10 * S),
    st.sampled_from([0, 1, -60 * S, -60 * S - 1, STEP, STEP + 1, 8 * 3600 * S, YEAR, -YEAR]),
)


@st.composite
def logs(draw):
    """Logs whose clock steps, and single stamps that are far off."""
    now, stamps = T0, []
    for step in draw(st.lists(STEPS, max_size=12)):
        if draw(st.integers(0, 3)) or abs(step) < STEP:
            now += step
            stamps.append(now)
        else:
            stamps.append(now + step)  # one odd stamp
    return stamps


def outcome(opened, rows):
    try:
        read(opened, rows)
    except TapeflowError as error:
        return rows, str(error)
    return rows, None


@settings(max_examples=400, deadline=None)
@given(
    logs(),
    st.lists(st.integers(0, 4), min_size=1, max_size=4).filter(any),
    st.integers(1, 5),
    st.sampled_from([1, 5 * S, MAX_NS]),
    st.data(),
)
def test_log_times_depend_on_the_records_alone_however_they_are_read(
    stamps, sizes, records, span_ns, data
):
    expected, refused = slow_log_times(stamps)
    wanted = list(zip(range(len(stamps)), expected, stamps, strict=False))
    rows, error = outcome(clock(stamps, sizes, records=records, span_ns=span_ns), [])
    assert rows == wanted
    assert (error is None) == (refused is None)

    opened, before = clock(stamps, sizes, records=records, span_ns=span_ns), []
    try:
        for _ in range(data.draw(st.integers(0, 6))):
            page = opened.read()
            if page is not None:
                assert int(page.log_ns[-1] - page.log_ns[0]) <= span_ns
                assert len(page.log_ns) <= records
                before += zip(
                    range(page.first_offset, page.next_offset),
                    page.log_ns.tolist(), page.stamps.tolist(), strict=True,
                )  # fmt: skip
    except TapeflowError:
        return
    position = pickle.loads(pickle.dumps(opened.position()))
    again, _ = outcome(clock(stamps, sizes[::-1], position, records=records + 1), before)
    assert again == wanted[: len(again)]
    assert refused is not None or again == wanted
