"""jobs/brackets.toml over the demo's market: money, sizes and ends add up, one answer in any shape."""

import json
from collections import defaultdict
from decimal import Decimal

import duckdb
import pytest

from bench.crashing import Crashing
from tapeflow.connectors.synthetic.market import Market, write_tapes
from tapeflow.flows.cli.main import main
from tapeflow.flows.job import wiring
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.run.log import reader_factories
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.raw_topics import find_topics
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.flows.run.topics import read_pages
from tapeflow.operators.decode import step as decode
from tapeflow.schemas.venues import venue_of
from tests.running import ROOT, digest, job_of, loaded, replay, silent

BRACKETS = ROOT / "jobs" / "brackets.toml"
SECONDS, RATE = 200, 600.0
MODELS = {
    "sized": {},
    "touch": {"model": "touch", "slip": None, "share": Decimal("0.3"), "latency_spread": 10**8},
    "slip": {"slip": 2, "clock": "log", "answer_latency_spread": 10**9},
    "trade": {"model": "trade", "clock": "log", "patience": None},
}


@pytest.fixture(scope="module")
def tapes(tmp_path_factory):
    """Return the folder of a market of all venues."""
    folder = tmp_path_factory.mktemp("market")
    write_tapes(Market(seconds=SECONDS, rate=RATE), folder)
    return folder


@pytest.fixture(
    scope="module",
    params=[
        name if name == "sized" else pytest.param(name, marks=pytest.mark.slow) for name in MODELS
    ],
)
def model(request):
    """Return the name of a way to fill orders."""
    return request.param


@pytest.fixture(scope="module")
def job(model):
    """Return the job by a model."""
    return job_of(BRACKETS, paper=MODELS[model])


@pytest.fixture(scope="module")
def results(tapes, job, tmp_path_factory):
    """Return the results of an unbroken run of one worker."""
    path = tmp_path_factory.mktemp("unbroken") / "results.duckdb"
    replay(tapes, path, job)
    return path


@pytest.fixture
def query(results):
    """Return a function that returns the rows of a query."""
    with duckdb.connect(results, read_only=True) as con:
        con.execute("""
            CREATE TEMP VIEW last AS
            SELECT order_id, count(*) AS events, arg_max(phase, seq) AS phase,
                arg_max("end", seq) AS "end", arg_max(filled, seq) AS filled,
                arg_max(leaves, seq) AS leaves
            FROM order_events GROUP BY order_id;
            CREATE TEMP VIEW signed AS
            SELECT *, if(side = 'BUY', 1, -1) * size AS signed FROM fills;
        """)
        yield lambda text: con.execute(text).fetchall()


# --- it does what its comments say ----------------------------------------------------------------


def test_it_uses_every_kind_of_order_and_slices(query):
    kinds = query("SELECT DISTINCT role, type FROM orders")
    assert {
        ("entry", "limit"), ("entry", "stop_limit"), ("entry", "market"), ("child", "market"),
        ("child", "limit"), ("exit", "limit"), ("exit", "take_profit"), ("exit", "stop"),
        ("exit", "stop_limit"), ("exit", "trailing"),
    } <= set(kinds)  # fmt: skip
    filled = query("SELECT DISTINCT role, type FROM orders JOIN fills ON order_id = orders.id")
    assert {("entry", "limit"), ("entry", "stop_limit"), ("child", "limit"), ("exit", "limit"),
            ("exit", "trailing"), ("exit", "stop")} <= set(filled)  # fmt: skip
    assert {rule for (rule,) in query("SELECT DISTINCT rule FROM orders")} == {"", "OUO", "OCO"}
    strategies = query("SELECT DISTINCT strategy FROM orders WHERE role = 'child' ORDER BY ALL")
    assert strategies == [("iceberg",), ("in_parts",), ("with_volume",)]


def test_every_price_is_a_multiple_of_the_tick_and_every_size_of_the_lot(query):
    assert (
        query("""
        SELECT orders.id FROM orders JOIN instruments ON instrument = instruments.id
        WHERE coalesce("limit", 0) % tick <> 0 OR coalesce("trigger", 0) % tick <> 0
            OR coalesce(activate, 0) % tick <> 0 OR orders.size % lot <> 0
    """)
        == []
    )


def test_slices_come_in_time(query):
    (gaps,) = query("""
        SELECT count(*) FROM (
            SELECT epoch_ns(time) - epoch_ns(lag(time) OVER (PARTITION BY parent ORDER BY seq)) AS ns
            FROM orders WHERE role = 'child' AND strategy = 'in_parts'
        ) WHERE ns NOT BETWEEN 2_900_000_000 AND 5_100_000_000
    """)
    assert gaps == (0,), "every 4 s, each later by up to 1 s"


# --- every order ends or works on -----------------------------------------------------------------


def test_every_order_ends_or_works_on(query):
    assert (
        query("""
        SELECT * FROM last
        WHERE ("end" <> '') <> (phase = 'DONE')
            OR phase NOT IN ('HELD', 'SENT', 'OPEN', 'DONE')
            OR "end" NOT IN ('', 'FILLED', 'CANCELED', 'EXPIRED', 'REJECTED')
            OR (phase <> 'DONE' AND leaves <= 0)
    """)
        == []
    )
    assert (
        query("""
        SELECT role, type FROM orders ANTI JOIN last ON order_id = id
        WHERE NOT (role = 'exit' OR id IN (SELECT parent FROM orders))
    """)
        == []
    ), "only exits that wait for their entry and orders in slices are not sent at once"
    assert query("SELECT * FROM order_events WHERE alert <> ''") == []


def test_an_order_that_ends_by_time_ends_in_time(query):
    assert (
        query("""
        SELECT * FROM order_events JOIN orders ON order_id = orders.id
        WHERE kind = 'EXPIRED' AND reason = 'GTD' AND (order_events.event_time < expire_time
            OR (source = 'paper' AND order_events.event_time > expire_time))
    """)
        == []
    ), "at the venue to the ns; one in slices when its slices have ended"
    assert query("SELECT count(*) FROM order_events WHERE reason = 'GTD'") > [(0,)]


def test_exits_of_an_oco_group_do_not_both_fill(query):
    assert (
        query("""
        SELECT "group" FROM orders JOIN (SELECT DISTINCT order_id FROM fills) ON order_id = id
        WHERE rule = 'OCO' GROUP BY ALL HAVING count(*) > 1
    """)
        == []
    )


# --- sizes ----------------------------------------------------------------------------------------


def test_an_order_fills_at_most_its_size_and_its_events_say_how_much(query):
    assert (
        query("""
        SELECT id FROM orders JOIN (SELECT order_id, sum(size) AS filled FROM fills GROUP BY ALL)
            ON order_id = id WHERE filled > size
    """)
        == []
    )
    of_slices = "SELECT parent FROM orders WHERE role = 'child'"
    assert (
        query(f"""
        SELECT orders.id, last.filled, sum(fills.size) FROM orders JOIN last ON order_id = orders.id
        LEFT JOIN fills ON fills.order_id = orders.id WHERE orders.id NOT IN ({of_slices})
        GROUP BY ALL HAVING last.filled <> coalesce(sum(fills.size), 0)
    """)
        == []
    )


def test_slices_fill_what_their_order_says_and_never_more(query):
    rows = query("""
        SELECT parents.id, parents.size, coalesce(any_value(last.filled), 0), sum(fills.size)
        FROM orders AS parents JOIN orders AS children ON children.parent = parents.id
        JOIN fills ON fills.order_id = children.id LEFT JOIN last ON last.order_id = parents.id
        WHERE children.role = 'child' GROUP BY parents.id, parents.size
    """)
    assert rows
    assert all(filled == total <= size for _, size, filled, total in rows)


def test_exits_fill_at_most_what_their_entry_has_filled(query):
    rows = query("""
        WITH entered AS (
            SELECT if(role = 'child', parent, orders.id) AS id, sum(fills.size) AS size
            FROM orders JOIN fills ON order_id = orders.id WHERE role <> 'exit' GROUP BY ALL
        ), left_again AS (
            SELECT parent, sum(fills.size) AS size
            FROM orders JOIN fills ON order_id = orders.id WHERE role = 'exit' GROUP BY ALL
        )
        SELECT parent, left_again.size, entered.size
        FROM left_again LEFT JOIN entered ON parent = entered.id
    """)
    assert rows
    assert all(exits <= entered for _, exits, entered in rows)


def test_exits_only_reduce_the_position_of_their_strategy(query):
    """In the order of the rows that filled them: the desk may hear of them in another."""
    held = defaultdict(Decimal)
    for strategy, instrument, role, signed in query("""
        SELECT signed.strategy, signed.instrument, role, signed
        FROM signed JOIN orders ON order_id = orders.id
        ORDER BY signed.log_time, signed."offset", signed.seq
    """):
        before = held[strategy, instrument]
        held[strategy, instrument] += signed
        if role == "exit":
            assert before * signed < 0 and abs(signed) <= abs(before)


def test_no_size_of_a_trade_is_used_twice(query, tapes, model):
    """But for what is said to be beyond it; by the model `trade` each order may take it all."""
    if model == "trade":
        return
    sizes = sizes_of_trades(tapes)
    taken = query("""
        SELECT partition, "offset", instrument, trade_id, sum(size - beyond) FROM fills
        WHERE trade_id >= 0 GROUP BY ALL
    """)
    assert taken
    for *key, size in taken:
        assert size <= sizes[tuple(key)]


def sizes_of_trades(tapes):
    """Return the size of each accepted trade of tapes, by its partition, offset, instrument, id."""
    job = job_of(BRACKETS)
    table, sizes = instrument_table(job), {}
    decoders = wiring.decoders(job, table)
    for name, factory in reader_factories(find_tapes([tapes], job), job, silent).items():
        for page in read_pages(factory):
            trades = decode.step(page, decoder=decoders[venue_of(name)]).market.trades
            rows = zip(trades.offset, trades.instrument, trades.trade_id, trades.size, strict=True)
            for offset, number, trade_id, size in rows:
                key = (name, int(offset), table.ids[number], int(trade_id))
                sizes[key] = Decimal(repr(float(size)))
    return sizes


# --- money ----------------------------------------------------------------------------------------


def test_cash_is_what_fills_paid_less_fees(query):
    """By strategy and instrument: realized - cost of what is left = - sum(signed x price)."""
    cash, fees, held = (defaultdict(Decimal) for _ in range(3))
    for strategy, instrument, signed, price, multiplier, fee, currency in query("""
        SELECT strategy, instrument, signed, price, multiplier, fee, fee_currency
        FROM signed JOIN instruments ON instrument = instruments.id
    """):
        key = strategy, instrument
        held[key] += signed
        cash[key] -= signed * price * multiplier
        fees[key] += fee
        assert currency in ("USD", "USDT")
        assert abs(fee - abs(signed) * price / 2_000) <= Decimal("5E-9")
    rows = query("""
        SELECT strategy, instrument, arg_max(quantity, seq), arg_max(realized - cost, seq),
            arg_max(fees, seq) FROM positions GROUP BY ALL
    """)
    assert len(rows) == len(held) > 10
    for *key, quantity, profit, paid in rows:
        assert (quantity, profit, paid) == (held[*key], cash[*key], fees[*key])


def test_positions_are_the_sum_of_fills_after_each_one(query):
    """Whatever of them were entries, exits or slices: they net by strategy and instrument."""
    rows = query("""
        SELECT quantity, sum(signed) OVER (
            PARTITION BY signed.account, signed.strategy, signed.instrument ORDER BY signed.seq
        ) FROM signed JOIN positions ON fill_id = signed.id
    """)
    assert len(rows) == query("SELECT count(*) FROM fills")[0][0] > 100
    assert all(quantity == total for quantity, total in rows)


def test_the_last_equity_is_the_cash_and_the_value_of_what_is_held(query):
    rows = query("""
        SELECT strategy, arg_max(realized - fees + unrealized + funding, seq), arg_max(equity, seq)
        FROM equity GROUP BY ALL
    """)
    assert len(rows) == 5
    assert all(total == equity for _, total, equity in rows)


# --- one answer -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "workers"), [(1, 2), (2, 1)])
def test_the_answer_is_the_same_in_any_shape(results, job, tapes, tmp_path, processes, workers):
    path, shape = tmp_path / "results.duckdb", {"processes": processes, "workers": workers}
    plan = Plan(command="t", log=find_tapes([tapes], job), job=job, results=path, **shape)
    run_plan(plan, silent, silent)
    assert digest(path) == digest(results)


@pytest.mark.slow
@pytest.mark.parametrize("records", [37, 1_000])
def test_the_answer_is_the_same_in_any_pages(results, model, tapes, tmp_path, records):
    source = {"page_records": records, "max_lead": 2 * 10**9}
    job = job_of(BRACKETS, paper=MODELS[model], source=source)
    assert replay(tapes, tmp_path / "results.duckdb", job) == digest(results)


def test_the_demo_trades_any_job_over_its_market(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--config", str(BRACKETS), "--seconds", "60", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["orders"] == sum(figures["order_ends"].values()) > 0
    assert {row["strategy"] for row in figures["strategies"]} >= {"pullback", "in_parts"}


@pytest.mark.slow
def test_topics_give_the_answer_of_tapes(results, job, tapes, tmp_path):
    path = tmp_path / "results.duckdb"
    with loaded(tapes, job, packed=(False, True)) as there:
        log = find_topics(there, silent, tail=False)
        run_plan(Plan(command="t", log=log, job=there, results=path, workers=2), silent, silent)
    assert digest(path) == digest(results)


@pytest.mark.slow
def test_kills_while_brackets_and_slices_are_on_their_way_change_nothing(tmp_path):
    tapes, job = tmp_path / "tapes", tmp_path / "job.toml"
    tapes.mkdir()
    write_tapes(Market(seconds=100, rate=RATE / 2), tapes)
    expected = replay(tapes, tmp_path / "unbroken.duckdb", job_of(BRACKETS))
    hasty = '[recovery]\nepoch = "200ms"\n[source]\npage_records = 200\nmax_lead = "2s"\n'
    job.write_text(hasty + BRACKETS.read_text())
    crashing = Crashing(tmp_path, [str(tapes), "--speed", "20x"], job, seed=3)
    assert crashing.run(kills=8, longest_s=2.5) == expected
    assert crashing.kills >= 8
