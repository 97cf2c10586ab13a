"""Bars of the mid of bid and ask over log time: against a list of what was in force when.

log time   | q1      q2      |         q3   |
in force    ...q0 q1     q2   q2        q3
"""

from fractions import Fraction
from itertools import pairwise
from math import isclose, isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.flows.job.bar_kinds import parse_kind
from tapeflow.operators.bars.other_bars import OtherBars
from tapeflow.schemas.gaps import FOUND, NO_INSTRUMENT, PAUSED, Breaks
from tapeflow.schemas.market import Market, QuoteBars, Quotes, Trades
from tapeflow.schemas.time import NO_TIME
from tests.columns import batch, heartbeat, ints
from tests.frames import MS, S
from tests.laws import plain, rows, run, run_on
from tests.plain_flow import IDS
from tests.test_bars import SECOND

NAME, WIDTH = "quote:1s", S
STEP = OtherBars((parse_kind(NAME, SECOND),), 0, len(IDS))


def quote(bid, ask, bid_size=1.0, ask_size=1.0):
    return bid, bid_size, ask, ask_size


def log_of(*records):
    """Return records as (log_ns, instrument, quote) or (log_ns,), a heartbeat."""
    return [
        (record[0], *record[1:]) if len(record) > 1 else (record[0], None, None)
        for record in records
    ]


def value(records, first_offset=0, end_of_log=False, pauses=()):
    """Return a batch of records; `pauses`: the offsets of records that a pause was before."""
    quoted = [(first_offset + n, *each) for n, each in enumerate(records) if each[1] is not None]
    columns = list(zip(*(each[3] for each in quoted), strict=True)) or [()] * 4
    quotes = Quotes(
        ints(each[0] for each in quoted), ints(each[1] for each in quoted), ints(each[2] for each in quoted),
        ints([NO_TIME] * len(quoted)), *(np.array(column, np.float64) for column in columns),
    )  # fmt: skip
    breaks = {name: ints([0] * len(pauses)) for name in Breaks.column_names()} | {
        "offset": ints(pauses), "kind": ints([PAUSED] * len(pauses)),
        "instrument": ints([NO_INSTRUMENT] * len(pauses)),
        "log_ns": ints(records[each - first_offset][0] for each in pauses),
    }  # fmt: skip
    empty = batch(
        *(heartbeat(each[0]) for each in records), first_offset=first_offset, end_of_log=end_of_log
    )
    return empty.replace(market=Market(Trades.empty(), quotes), breaks=Breaks(**breaks))


def values(records, splits=(), pauses=()):
    """Return records as batches, split before these offsets, and an empty one at the end."""
    edges = sorted({0, len(records), *(each for each in splits if 0 < each < len(records))})
    cut = [
        value(records[a:b], a, pauses=[p for p in pauses if a <= p < b]) for a, b in pairwise(edges)
    ]
    return [*cut, value([], len(records), end_of_log=True)]


def joined(outputs):
    return rows(QuoteBars.concat([each.other_bars[NAME] for each in outputs if each.other_bars]))


def oracle(records, pauses=()):
    """Return the bars as dicts: of each instrument a list of when what was put in force."""
    last_ns, bars = records[-1][0] if records else 0, []
    for instrument in range(len(IDS)):
        spans, now = [], None  # (from, until, quote in force), in order
        for offset, (log_ns, number, quoted) in enumerate(records):
            if offset in pauses and now is not None:
                spans, now = [*spans, (now[0], records[offset - 1][0], now[1])], None
            if number == instrument:
                if now is not None:
                    spans.append((now[0], log_ns, now[1]))
                now = (log_ns, quoted) if has_mid(quoted) else None
        if now is not None:
            spans.append((now[0], last_ns + 10 * WIDTH, now[1]))
        own = [
            (n, r[0], r[2]) for n, r in enumerate(records) if r[1] == instrument and has_mid(r[2])
        ]
        for start in sorted({log_ns // WIDTH * WIDTH for _, log_ns, _ in own}):
            end = start + WIDTH
            members = [each for each in own if start <= each[1] < end]
            closing = next((n for n, each in enumerate(records) if each[0] >= end), None)
            first = members[0][0]  # what is in force until then counts from the start on
            before = max(
                [p - 0.5 for p in pauses if p <= first]
                + [n for n, r in enumerate(records[:first]) if r[1] == instrument],
                default=-1,
            )
            is_carried = (
                before == int(before) >= 0
                and has_mid(records[before][2])
                and records[first][0] > start
            )
            carried = [mid(records[before][2])] if is_carried else []
            spans_here = [(a, b, q) for a, b, q in spans if a >= start]
            spans_here += [(start, records[first][0], records[before][2])] if is_carried else []
            mids = carried + [mid(each[2]) for each in members]
            until = end if closing is not None else last_ns
            inside = [
                (min(b, until) - max(a, start), q)
                for a, b, q in spans_here
                if a < until and b > start
            ]
            sized = [(w, q) for w, q in inside if q[1] + q[3] > 0]
            paused = any(records[p - 1][0] < end and start < records[p][0] for p in pauses)
            last = members[-1][2]
            bars.append({
                "instrument": instrument, "open_ns": start, "close_ns": end,
                "open": mids[0], "high": max(mids), "low": min(mids), "close": mids[-1], "count": len(members),
                "complete": records[0][0] <= start and closing is not None and not paused,
                "first_offset": members[0][0], "last_offset": members[-1][0],
                "offset": len(records) - 1 if closing is None else closing,
                "log_ns": last_ns if closing is None else records[closing][0],
                "vwap": mean(inside, mid, last), "spread": mean(inside, lambda q: q[2] - q[0], last),
                "imbalance": mean(sized, imbalance, last), "microprice": mean(sized, microprice, last),
                "volume": 0, "buy_volume": 0, "notional": 0, "buy_notional": 0,
            })  # fmt: skip
    return sorted(bars, key=lambda each: (each["offset"], each["open_ns"], each["instrument"]))


def has_mid(quoted):
    bid, _, ask, _ = quoted
    return bid > 0 and ask > 0 and bid <= ask


def mid(quoted):
    return quoted[0] + (quoted[2] - quoted[0]) / 2  # as Context.mid


def imbalance(quoted):
    _, bid_size, _, ask_size = quoted
    return (bid_size - ask_size) / (bid_size + ask_size) if bid_size + ask_size > 0 else nan


def microprice(quoted):
    bid, bid_size, ask, ask_size = quoted
    total = bid_size + ask_size
    return (bid * ask_size + ask * bid_size) / total if total > 0 else nan


def mean(weighted, of, last):
    total = sum(weight for weight, _ in weighted)
    if not total:
        return of(last)
    return float(sum(weight * Fraction(of(quoted)) for weight, quoted in weighted) / total)


def check(records, splits=(), pauses=()):
    found, expected = joined(run(STEP, values(records, splits, pauses))[1]), oracle(records, pauses)
    assert len(found) == len(expected)
    for bar, fields in zip(found, expected, strict=True):
        for name, expect in fields.items():
            got = getattr(bar, name)
            same = got == expect
            if isinstance(expect, float):
                same = (isnan(got) and isnan(expect)) or isclose(
                    got, expect, rel_tol=1e-12, abs_tol=1e-12
                )
            assert same, (name, got, expect, bar)
    return found


QUOTES = st.sampled_from([
    quote(99.0, 101.0), quote(100.0, 100.5, 3.0, 1.0), quote(98.0, 102.0, 0.5, 7.5), quote(100.0, 100.0),
    quote(101.0, 100.0), quote(nan, 100.0), quote(0.0, 101.0), quote(99.5, 100.5, nan, nan), quote(90.0, 91.0, 0.0, 0.0),
])  # fmt: skip
RECORDS = st.lists(
    st.tuples(st.sampled_from([0, 0, 1, 90 * MS, 400 * MS, S, 2300 * MS]), st.integers(-1, 2), QUOTES), max_size=50
)  # fmt: skip


def with_times(drawn):
    now, log = 5 * S + 300 * MS, []
    for gap, instrument, quoted in drawn:
        now += gap
        log.append((now, None, None) if instrument < 0 else (now, instrument, quoted))
    return log


@settings(max_examples=300, deadline=None)
@given(RECORDS, st.lists(st.integers(0, 50), max_size=4), st.sets(st.integers(1, 49), max_size=3))
def test_quote_bars_equal_the_oracle(drawn, splits, pauses):
    records = with_times(drawn)
    check(records, splits, sorted(each for each in pauses if each < len(records)))


@settings(max_examples=100, deadline=None)
@given(RECORDS, st.lists(st.integers(0, 50), max_size=4), st.integers(0, 5))
def test_a_snapshot_anywhere_changes_no_quote_bar(drawn, splits, cut):
    batches = values(with_times(drawn), splits)
    state, before = run(STEP, batches[:cut])
    resumed = run_on(STEP, STEP.restore(STEP.snapshot(state)), batches[cut:])[1]
    assert plain(before + resumed) == plain(run(STEP, batches)[1])


def test_values_are_weighted_by_how_long_they_were_in_force():
    #   7.0  spread 2    7.25  spread 0.5, bids 3 of 4                 8.0 closes
    log = log_of(
        (6 * S,),
        (7 * S, 0, quote(99.0, 101.0)),
        (7_250 * MS, 0, quote(100.0, 100.5, 3.0, 1.0)),
        (8 * S,),
    )
    (bar,) = check(log)
    assert bar.spread == (2 * 0.25 + 0.5 * 0.75)
    assert bar.imbalance == 0.5 * 0.75
    assert (bar.open, bar.close, bar.count, bar.complete, bar.offset) == (100.0, 100.25, 2, True, 3)


def test_a_bar_begins_with_the_quote_that_was_in_force():
    log = log_of((6 * S, 0, quote(99.0, 101.0)), (7_500 * MS, 0, quote(101.0, 103.0)), (8 * S,))
    _, bar = check(log)
    assert (bar.open, bar.high, bar.low, bar.close, bar.vwap) == (100.0, 102.0, 100.0, 102.0, 101.0)
    assert bar.count == 1


def test_there_is_no_bar_of_a_second_without_a_quote():
    log = log_of((6 * S, 0, quote(99.0, 101.0)), (9 * S,), (10 * S, 0, quote(99.0, 101.0)))
    assert [bar.open_ns // S for bar in check(log)] == [6, 10]


def test_a_quote_without_a_mid_ends_what_is_in_force():
    crossed = quote(101.0, 100.0)
    log = log_of(
        (6 * S, 0, quote(99.0, 101.0)),
        (6_500 * MS, 0, crossed),
        (7 * S, 0, quote(99.0, 100.0)),
        (9 * S,),
    )
    one, two = check(log)
    assert (one.spread, one.count, two.open) == (2.0, 1, 99.5)


def test_a_pause_of_the_log_breaks_the_bars_it_touches_and_no_other():
    #   6.0 q | 7.1 record   ... pause ...   9.5 q, a heartbeat had closed the first bar before it
    log = log_of(
        (6 * S, 0, quote(99.0, 101.0)),
        (7_100 * MS,),
        (9_500 * MS, 0, quote(99.0, 100.0)),
        (10 * S,),
    )
    one, two = check(log, pauses=[2])
    assert (one.complete, two.complete, two.open) == (True, False, 99.5)


def test_other_gaps_than_pauses_say_nothing_of_quotes():
    log = log_of((5 * S,), (6 * S, 0, quote(99.0, 101.0)), (7 * S,))
    found = value(log, pauses=[1])
    found = found.replace(breaks=found.breaks.take(np.array([0])))
    found.breaks.kind[:] = FOUND
    (bar,) = joined(run(STEP, [found])[1])
    assert bar.complete


@pytest.mark.parametrize("splits", [(), (1,), (2,), (1, 2, 3)])
def test_bars_of_several_instruments_that_one_record_closes_are_in_order(splits):
    log = log_of((6 * S, 2, quote(99.0, 101.0)), (6 * S, 0, quote(99.0, 101.0)), (9 * S,), (9 * S,))
    assert [(bar.instrument, bar.offset) for bar in check(log, splits)] == [(0, 2), (2, 2)]
