"""The best quote of each decision and fill, against the tapes, read by plain JSON."""

import json
import math
from bisect import bisect_right
from collections import defaultdict

import pytest

from tapeflow.connectors.duckdb.reading import ResultsReader
from tapeflow.flows.job import settings
from tests.explaining import JOBS
from tests.running import replay

MARKETS = {"binance-0": "{}-{}.BINANCE", "binance-usdm-0": "{}-{}-PERP.BINANCE-USDM"}


def read_tapes(folder):
    """Return log times by partition, and by instrument its quotes: (position, bid, ask)."""
    times, quotes = {}, defaultdict(list)
    for path in sorted(folder.glob("*.tape")):
        partition = path.name.partition(".")[0]
        lines = path.read_bytes().splitlines()
        times[partition] = [int(line.partition(b" ")[0]) for line in lines]
        for offset, line in enumerate(lines):
            found = read_quote(partition, line.partition(b" ")[2])
            if found is not None and is_market(*found[1:]):
                instrument, bid, ask = found
                quotes[instrument].append(((times[partition][offset], partition, offset), bid, ask))
    return times, quotes


def read_quote(partition, frame):
    """Return instrument, bid and ask of a frame; None where it is no quote."""
    try:
        record = json.loads(frame)
    except ValueError:
        return None
    if partition in MARKETS:
        data = record.get("data", record) if isinstance(record, dict) else {}
        if not isinstance(data, dict) or not {"b", "B", "a", "A", "u"} <= set(data):
            return None
        symbol = data["s"]
        quote = next((each for each in ("USDT", "USD") if symbol.endswith(each)), "")
        return MARKETS[partition].format(symbol.removesuffix(quote), quote), data["b"], data["a"]
    if isinstance(record, dict) and record.get("type") == "ticker":
        return f"{record['product_id']}.COINBASE", record["best_bid"], record["best_ask"]
    return None


def is_market(bid, ask):
    """Return whether a quote may be a market: sides above zero, and not crossed."""
    return not float(bid) > float(ask) > 0


def newest(quotes, position):
    """Return bid and ask of the newest quote up to a position."""
    index = bisect_right([each[0] for each in quotes], position)
    if not index:
        return None, None
    return tuple(None if not float(side) else float(side) for side in quotes[index - 1][1:])


@pytest.fixture(scope="module")
def tapes(demo_run):
    return read_tapes(demo_run.tapes)


def test_a_fill_has_the_quote_before_its_record_or_the_record_own(demo_run, tapes):
    times, quotes = tapes
    fills = demo_run.rows("SELECT * FROM fills ORDER BY seq")
    assert len(fills) > 50
    for fill in fills:
        position = times[fill["partition"]][fill["offset"]], fill["partition"], fill["offset"]
        before = (*position[:2], position[2] - 1)
        found = [newest(quotes[fill["instrument"]], each) for each in (before, position)]
        assert (fill["bid"], fill["ask"]) in found, fill


def test_a_decision_has_the_quote_that_was_known_with_the_deciding_record(demo_run, tapes):
    times, quotes = tapes
    rows = demo_run.rows(
        'SELECT decisions.*, partition, "offset" FROM decisions JOIN signals ON signal_id = signals.id'
    )
    assert {row["decision"] for row in rows} == {"APPROVED", "DENIED"}
    for row in rows:
        position = times[row["partition"]][row["offset"]], row["partition"], row["offset"]
        assert (row["bid"], row["ask"]) == newest(quotes[row["instrument"]], position), row


def test_a_fill_that_took_from_a_quote_was_at_its_price_or_worse(demo_run):
    rows = demo_run.rows(
        "SELECT side, price::DOUBLE AS price, bid, ask FROM fills WHERE trade_id = -1"
    )
    assert rows
    for row in rows:
        assert row["price"] >= row["ask"] if row["side"] == "BUY" else row["price"] <= row["bid"]


def test_quotes_are_left_out_where_the_job_wants_none(demo_run, tmp_path):
    job = settings.load(JOBS / "demo.toml", {"TAPEFLOW_RESULTS_QUOTES": "false"})
    replay(demo_run.tapes, tmp_path / "r.duckdb", job)
    reader = ResultsReader(tmp_path / "r.duckdb")
    for table in ("fills", "decisions"):
        found = reader.rows(
            f"SELECT count(*) AS rows, count(bid) + count(ask) AS quotes FROM {table}"
        )
        assert found[0]["rows"] > 50 and found[0]["quotes"] == 0
    without = [row["id"] for row in reader.rows("SELECT id FROM fills ORDER BY seq")]
    assert without == [row["id"] for row in demo_run.rows("SELECT id FROM fills ORDER BY seq")]
    reader.close()


def test_a_side_that_is_empty_is_null_and_no_number():
    assert newest([((1, "a", 0), "0", "101")], (1, "a", 0)) == (None, 101.0)
    from tapeflow.operators.desk.venue.visit import price_or_none  # noqa: PLC0415

    assert price_or_none(math.nan) is None and price_or_none(1.5) == 1.5


def test_slippage_is_measured_against_the_mid_at_decision_and_fill(demo_run, tapes):
    times, quotes = tapes
    rows = demo_run.rows(
        'SELECT slippage.*, signals.partition, signals."offset" AS decided_at FROM slippage '
        "JOIN orders ON orders.id = order_id JOIN signals ON signals.id = signal_id"
    )
    assert len(rows) > 50
    for row in rows:
        partition, offset = row["partition"], row["decided_at"]
        bid, ask = newest(quotes[row["instrument"]], (times[partition][offset], partition, offset))
        sign = 1 if row["side"] == "BUY" else -1
        mid, price = (bid + ask) / 2, float(row["price"])
        assert row["decision_mid_bps"] == pytest.approx(sign * (price / mid - 1) * 1e4)
        assert row["fill_mid_bps"] == pytest.approx(
            sign * (price / ((row["fill_bid"] + row["fill_ask"]) / 2) - 1) * 1e4
        )
