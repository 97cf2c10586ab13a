"""When a row happened at its venue, by our clock: docs/paper.md 1, against a slow second reading."""

from bisect import bisect_right

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.operators.desk.venue_clock import initial_clock, set_venue_times
from tapeflow.schemas.time import NO_TIME, NS_PER_MINUTE
from tests.test_watch import market

M, S = NS_PER_MINUTE, NS_PER_MINUTE // 60
BEGIN = 100 * M


def stamped(rows):
    """Return the tables of (kind, offset, log time, event time)."""
    whole = market(
        [(kind, offset, log_ns, log_ns, 0, 100.0, 101.0) for kind, offset, log_ns, _ in rows]
    )
    for kind, ticks in zip(("trade", "quote", "mark"), whole.columns(), strict=True):
        ticks.event_ns[:] = [event_ns for each, _, _, event_ns in rows if each == kind]
    return whole


def times_of(rows, splits=()):
    """Return the venue time of each row, less BEGIN; in pages that are split before these offsets."""
    clock, found = initial_clock(), {"trade": [], "quote": [], "mark": []}
    pages: dict[int, list] = {}
    for row in rows:
        pages.setdefault(bisect_right(sorted(splits), row[1]), []).append(row)
    for page in pages.values():
        tables = set_venue_times(clock, stamped(page)).columns()
        for name, ticks in zip(found, tables, strict=True):
            found[name] += ticks.venue_ns.tolist()
    streams = {name: iter(times) for name, times in found.items()}
    return [next(streams[kind]) - BEGIN for kind, *_ in rows]


def at(log_s, event_s=None, kind="trade", offset=None):
    event_ns = NO_TIME if event_s is None else BEGIN + round(event_s * S)
    return (
        kind,
        round(log_s * 10) if offset is None else offset,
        BEGIN + round(log_s * S),
        event_ns,
    )


def test_a_row_happened_at_its_event_time():
    assert times_of([at(10, 7), at(12, 12)]) == [7 * S, 12 * S]


def test_the_lead_of_a_clock_that_runs_ahead_is_taken_off_from_then_on():
    assert times_of([at(10, 12), at(11, 12), at(12, 12)]) == [10 * S, 10 * S, 10 * S]


def test_a_clock_that_runs_behind_is_a_late_feed():
    assert times_of([at(10, 7), at(11, 8)]) == [7 * S, 8 * S]


@pytest.mark.parametrize(("log_s", "expected"), [(59, 56), (61, 58), (119, 116), (121, 121)])
def test_a_lead_is_of_its_minute_and_of_the_next(log_s, expected):
    #   100 min: the lead of 3 s at second 10
    assert (
        times_of(
            [at(10, 13), at(70, 70), at(log_s, log_s)]
            if log_s > 70
            else [at(10, 13), at(log_s, log_s)]
        )[-1]
        == expected * S
    )


def test_a_lead_is_forgotten_over_a_silent_minute():
    assert times_of([at(10, 13), at(130, 130)])[-1] == 130 * S


def test_a_row_without_a_time_has_the_delay_of_the_last_that_had_one():
    assert times_of([at(9), at(10, 7), at(12), at(13, 13), at(14)]) == [
        9 * S,
        7 * S,
        9 * S,
        13 * S,
        14 * S,
    ]


def test_a_mark_price_has_the_delay_and_sets_none():
    assert times_of([at(10, 7), at(12, 1, "mark"), at(13)]) == [7 * S, 9 * S, 10 * S]


def test_of_one_record_trades_come_before_quotes_and_these_before_marks():
    rows = [at(10, 6, "trade"), at(10, None, "quote"), at(10, None, "mark")]
    assert times_of(rows) == [6 * S, 6 * S, 6 * S]
    rows = [at(10, None, "trade"), at(10, 6, "quote"), at(10, None, "mark")]
    assert times_of(rows) == [10 * S, 6 * S, 6 * S]


@st.composite
def drawn_rows(draw):
    rows, now = [], 0.0
    for offset in range(draw(st.integers(0, 25))):
        now += draw(st.sampled_from([0, 0.5, 5, 20, 61, 130]))
        for kind in ("trade", "quote", "mark"):
            for _ in range(draw(st.integers(0, 2))):
                ahead = draw(st.none() | st.integers(-8, 8))
                rows.append(at(now, None if ahead is None else now + ahead, kind, offset))
    return rows


@settings(max_examples=200, deadline=None)
@given(drawn_rows(), st.lists(st.integers(0, 25), max_size=3))
def test_venue_times_are_as_the_page_says_in_any_pages(rows, splits):
    expected, leads, delay = [], {}, 0
    for kind, _, log_ns, event_ns in rows:
        minute = log_ns // M
        if kind == "mark" or event_ns == NO_TIME:
            expected.append(log_ns - delay - BEGIN)
            continue
        leads.setdefault(minute, []).append(event_ns - log_ns)
        lead = max(0, *leads[minute], *leads.get(minute - 1, [0]))
        delay = log_ns - (event_ns - lead)
        expected.append(event_ns - lead - BEGIN)
    assert times_of(rows, splits) == expected
    assert all(time + BEGIN <= row[2] for time, row in zip(expected, rows, strict=True))
