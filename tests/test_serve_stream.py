"""The streams of `tapeflow serve`: whatever breaks, a client gets each fact once."""

import asyncio
import threading
import time

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving import messages, start_server

pytest.importorskip("starlette")

from tapeflow.flows.serve import facts
from tapeflow.flows.serve.cursor import Cursor, check_length, furthest, parse
from tapeflow.flows.serve.feed import Feed
from tapeflow.schemas.errors import TapeflowError

BARS = (
    'CREATE TABLE bars (instrument VARCHAR, partition VARCHAR, "offset" BIGINT, '
    "log_time TIMESTAMP_NS, close_time TIMESTAMP_NS, open_time TIMESTAMP_NS, open DOUBLE, "
    "high DOUBLE, low DOUBLE, close DOUBLE, volume DOUBLE, complete BOOLEAN)"
)
OTHERS = (
    "CREATE TABLE fills (id VARCHAR, account VARCHAR, seq BIGINT, strategy VARCHAR, "
    "instrument VARCHAR, side VARCHAR, price DOUBLE, size DOUBLE, log_time TIMESTAMP_NS)",
    "CREATE TABLE equity (account VARCHAR, seq BIGINT, strategy VARCHAR, time TIMESTAMP_NS, "
    "equity DOUBLE)",
    "CREATE TABLE runs (started TIMESTAMP_NS)",
    "INSERT INTO runs VALUES ('2026-01-01')",
)
# What a flow commits: facts of (partition or account, does the record move on, instrument).
COMMITS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from("pq"), st.booleans(), st.sampled_from("AB"))),
        st.lists(st.sampled_from("xy")),
    ),
    max_size=8,
)


class Flow:
    """A flow that commits facts to a database as the real one orders them."""

    def __init__(self) -> None:
        """Begin without facts."""
        self.con = duckdb.connect()
        for sql in (BARS, *OTHERS):
            self.con.execute(sql)
        self.offsets, self.seqs, self.closes = {"p": 0, "q": 0}, {"x": 0, "y": 0}, 0
        self.bars, self.fills = [], []

    def commit(self, bars, fills):
        """Commit bars of partitions, where a record may close several, and fills of accounts."""
        for partition, moves, instrument in bars:
            self.offsets[partition] += moves
            self.closes += 1
            offset, time_ns = self.offsets[partition], self.closes * 10**9
            log_ns = offset * 10**9
            self.con.execute(
                "INSERT INTO bars VALUES (?, ?, ?, make_timestamp_ns(?), make_timestamp_ns(?), "
                "make_timestamp_ns(?), 1, 1, 1, 1, 1, true)",
                [instrument, partition, offset, log_ns, time_ns, time_ns - 10**9],
            )
            self.bars.append((instrument, (time_ns - 10**9) / 1e6))
        for account in fills:
            self.seqs[account] += 1
            name = f"{account}{self.seqs[account]}"
            self.con.execute(
                "INSERT INTO fills VALUES (?, ?, ?, 's', 'A', 'BUY', 1, 1, make_timestamp_ns(1))",
                [name, account, self.seqs[account]],
            )
            self.fills.append(name)

    def read(self, sql):
        """Return rows by column."""
        found = self.con.execute(sql)
        names = [each[0] for each in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@settings(max_examples=60, deadline=None)
@given(COMMITS, st.lists(st.sampled_from(["hear", "break", "restart", "deaf"]), max_size=8))
def test_streams_joined_over_any_breaks_are_the_table_without_a_repeat(commits, events):
    """A client that hears some messages, loses some, comes back; a server that starts again."""
    flow = Flow()
    server = client = facts.newest(flow.read)
    batches, got_bars, got_fills = [], [], []

    def hear(found):
        got_bars.extend(bar["t"] for bar in found.bars if bar["instrument"] == "A")
        got_fills.extend(fill["id"] for fill in found.fills)

    for number, (bars, fills) in enumerate(commits):
        flow.commit(bars, fills)
        event = events[number] if number < len(events) else "hear"
        found = facts.read_after(flow.read, server, bounded=False)
        batches.append((server, found))
        server = found.cursor
        if event == "restart":
            server, batches = facts.newest(flow.read), []
        if event == "deaf":
            continue
        held = [each for begin, each in batches if begin == client]
        if event == "hear" and held and held[-1].cursor == server:
            hear(held[-1])
        else:
            hear(facts.read_between(flow.read, client, server, "A"))
        client = parse(furthest(client, server).text())
    hear(facts.read_between(flow.read, client, facts.newest(flow.read), "A"))
    assert sorted(got_bars) == sorted(t for name, t in flow.bars if name == "A")
    assert sorted(got_fills) == sorted(flow.fills)


@settings(max_examples=40, deadline=None)
@given(COMMITS)
def test_the_place_after_reading_on_is_that_of_a_fresh_look(commits):
    flow = Flow()
    place = Cursor(facts.generation(flow.read))
    for bars, fills in commits:
        flow.commit(bars, fills)
        place = facts.read_after(flow.read, place, bounded=False).cursor
        fresh = facts.newest(flow.read)
        assert (place.bars, place.fills) == (fresh.bars, fresh.fills)


@pytest.mark.parametrize("instruments", [1, 400, 2000])
def test_a_place_is_as_long_for_any_number_of_instruments(instruments):
    flow = Flow()
    flow.commit([("p", False, f"COIN{n}-USDT-PERP.BINANCE-USDM") for n in range(instruments)], "x")
    place = facts.newest(flow.read)
    assert parse(check_length(place).text()) == place
    assert len(place.text()) < 200
    flow.commit([("p", False, "A")], "")  # closed by the end of the log at the same record
    behind = facts.read_between(flow.read, parse(place.text()), facts.newest(flow.read), "A")
    assert [bar["t"] for bar in behind.bars] == [flow.bars[-1][1]]


def test_a_place_that_would_be_refused_is_not_handed_out():
    accounts = dict.fromkeys(map("account-{}".format, range(2000)), 1)
    with pytest.raises(TapeflowError, match="2000 accounts are too many"):
        check_length(Cursor(1, {}, accounts, accounts))


def test_a_client_without_a_place_of_its_own_gets_all_facts_of_the_demo_once(demo_run):
    expected = demo_run.rows("SELECT epoch_ns(open_time) / 1e6 AS t FROM bars "
                             "WHERE instrument = 'BTC-USDT.BINANCE'")  # fmt: skip
    fills = demo_run.ids("SELECT id FROM fills")
    with start_server(demo_run.results) as site, site.client() as client:
        state = client.get("/state").json()
        empty = Cursor(parse(state["id"]).generation).text()
        received = list(messages(client, "BTC-USDT.BINANCE", 2, empty))
        again = list(messages(client, "BTC-USDT.BINANCE", 1, received[0][0]))
    bars = [bar["t"] for _, body in received for bar in body["bars"]]
    assert sorted(bars) == sorted(row["t"] for row in expected)
    assert sorted(fill["id"] for _, body in received for fill in body["fills"]) == sorted(fills)
    assert again[0][1]["bars"] == again[0][1]["fills"] == []


def test_a_client_that_reads_no_more_does_not_hold_others_and_nobody_gets_two_a_second(demo_run):
    address = {"instrument": "BTC-USDT.BINANCE"}
    with (
        start_server(demo_run.results) as site,
        site.client() as slow,
        site.client() as quick,
        slow.stream("GET", "/stream", params=address),
    ):
        began, times = time.monotonic(), []
        for _ in messages(quick, "BTC-USDT.BINANCE", 4):
            times.append(time.monotonic() - began)
    assert times[-1] < 8
    assert times[-1] - times[0] > 2.5


def test_history_is_all_bars_in_pages_without_a_hole(demo_run):
    expected = [row["t"] for row in demo_run.rows(
        "SELECT epoch_ns(open_time) / 1e6 AS t FROM bars WHERE instrument = 'BTC-USDT.BINANCE' "
        "ORDER BY open_time")]  # fmt: skip
    with start_server(demo_run.results) as site, site.client() as client:
        found, more, before = [], True, {}
        while more:
            page = client.get(
                "/bars", params={"instrument": "BTC-USDT.BINANCE", "limit": 70, **before}
            ).json()
            found = [bar["t"] for bar in page["bars"]] + found
            more, before = page["more"], {"before": int(found[0])}
    assert found == expected


def test_nobody_looking_nothing_is_read(demo_run):
    async def idle():
        feed = Feed(demo_run.results)
        following = asyncio.create_task(feed.follow())
        await asyncio.sleep(1.5)
        following.cancel()
        return feed.reads

    assert asyncio.run(idle()) == 0
    assert threading.active_count() < 50
