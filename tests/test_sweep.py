"""A sweep as a whole: variants alone with the log, by light portfolios as by desks of their own."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from tapeflow.connectors.duckdb.query import query
from tapeflow.connectors.duckdb.sweep import read_intervals
from tapeflow.connectors.synthetic.market import Market, write_tapes
from tapeflow.flows import sweep as sweep_flow
from tapeflow.flows.cli.main import main
from tapeflow.flows.job import declared, settings
from tapeflow.flows.job.grids import expand_grids, variant_job
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.run import sweeping
from tapeflow.flows.run.log import reader_factories
from tapeflow.flows.run.plan import Plan, SweepPass
from tapeflow.flows.run.raw_topics import find_topics
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.flows.run.topics import read_pages
from tapeflow.flows.trade import desk_settings
from tapeflow.operators.desk.step import Desk
from tapeflow.operators.sweep.desks import VariantDesk, variant_batches
from tapeflow.operators.sweep.first_arrays import light_variants
from tapeflow.operators.sweep.light import LightPortfolios
from tapeflow.operators.sweep.light_settings import evaluation, why_not
from tapeflow.schemas.orders import Fill
from tests.laws import run
from tests.plain_flow import flow_steps, interleave
from tests.running import REFERENCE, digest, loaded, replay, silent

GOLDEN = REFERENCE / "golden"
GOLDEN_DIGEST = "8007d6b0e0bc170ed29f653b57ba54afffecefc81cb14ec20841abbb03df869b"
JOB = """
[bars]
width = "1s"
lateness = "200ms"
[normalise]
window = 20
[paper]
fee_bps = "4.5"
{paper}
[results]
equity_interval = "2s"
[[accounts]]
name = "narrow"
position_max = "0.3"
gross_max = 20000
orders_max = 6
orders_window = "10s"
capital = 10000
[[accounts]]
name = "wide"
position_max = 100
gross_max = 4000
orders_max = 50
orders_window = "10s"
[[strategies]]
name = "trend"
kind = "ema_cross"
account = "narrow"
size = "0.1"
instruments = ["BTC-*", "ETH-*"]
{trend}
[strategies.grid]
fast = [2, 3, 7]
slow = {{ from = 5, to = 15, step = 5 }}
[[strategies]]
name = "back"
kind = "reversion"
account = "wide"
size = 10
instruments = ["SOL-*", "LTC-*"]
[strategies.grid]
entry = [0.5, 1.5, 2.5]
"""
MODELS = {
    "warm-up": '[warmup]\nfor = "15s"',
    "sized": "",
    "impatient": 'latency = "50ms"\npatience = "120ms"\nquote_age = "80ms"',
    "trade": 'model = "trade"\nlatency = "100ms"\npatience = "300ms"',
    "log clock": 'model = "trade"\nclock = "log"\npatience = "none"',
}


@pytest.fixture(scope="module")
def tapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tapes")
    write_tapes(Market(seed=11, seconds=40), folder)
    return folder


def write_job(folder, paper="", trend="", tick="0.01"):
    listed = Path("jobs/demo.toml").read_text().partition("[instruments]")[2]
    listed = listed.replace(
        '"BTC-USDT.BINANCE" = { tick = "0.01"', f'"BTC-USDT.BINANCE" = {{ tick = "{tick}"'
    )
    path = folder / "job.toml"
    path.write_text(JOB.format(paper=paper, trend=trend) + "[instruments]" + listed)
    return path


def job_of(folder, **changes):
    return settings.load(write_job(folder, **changes), {})


def intervals_of(job, tapes, folder, at_desks="", **shape):
    """What each variant makes in each interval, in one pass."""
    grids = expand_grids(job)
    results = folder / "pass.duckdb"
    plan = Plan(
        flow="sweep", command="test", log=find_tapes([tapes], job), job=variant_job(job, grids.variants),
        results=results, sweep=SweepPass(at_desks=at_desks), **shape,
    )  # fmt: skip
    run_plan(plan, silent, silent)
    return read_intervals(results)


def rows_of(job, tapes, folder, at_desks="", **shape):
    intervals = intervals_of(job, tapes, folder, at_desks, **shape)
    return sweeping.compare_variants(job, expand_grids(job), intervals, 1)


# --- light portfolios ---------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_light_portfolios_make_what_desks_make(tmp_path, tapes, model):
    job = job_of(tmp_path, paper=MODELS[model])
    light, at_desks = (rows_of(job, tapes, tmp_path, reason) for reason in ("", "a test"))
    assert light == at_desks
    trades = [row.trades for row in light if row.sample == "all"]
    assert min(trades) > 0
    assert sum(trades) > 100
    assert {row.return_ is None for row in light} == {True, False}


def decided_batches(job, tapes, strategies):
    """The batches of each partition behind the scores, and those behind the signals."""
    log = find_tapes([tapes], job)
    small = job.model_copy(update={"source": job.source.model_copy(update={"page_records": 700})})
    steps = flow_steps(job, sorted(log))
    scored, decided = {}, {}
    for name, factory in reader_factories(log, small, silent).items():
        values = list(read_pages(factory))
        for step in ("decode", "dedupe", "judge", "bars", "settle", "normalise"):
            values = run(flow_steps(job, sorted(log))[step], values)[1]
        scored[name] = values
        decided[name] = run(steps["signals"], values)[1]
    return scored, decided


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("choices", [[], [0, 1, 2] * 90, [2, 2, 1, 0, 0, 0, 1] * 40])
def test_each_fill_of_a_light_portfolio_is_that_of_its_desk(tmp_path, tapes, model, choices):
    job = job_of(tmp_path, paper=MODELS[model])
    job = variant_job(job, expand_grids(job).variants)
    table, partitions = instrument_table(job), tuple(sorted(find_tapes([tapes], job)))
    strategies = declared.strategies(job, table)
    whole = desk_settings(job, table, partitions)
    scored, decided = decided_batches(job, tapes, strategies)

    evaluated = {name: run(evaluation(strategies, whole), each)[1] for name, each in scored.items()}
    step = LightPortfolios(light_variants(strategies, whole), collects_fills=True)
    state, _ = run(step, interleave(evaluated, choices))
    light = sorted(
        (strategies[variant].name, int(log_ns), table.ids[number], int(side), float(price))
        for rows, prices in state.fills
        for (variant, number, side, log_ns), price in zip(rows.tolist(), prices, strict=True)
    )

    desks = {each.name: Desk(sweep_flow.settings_alone(whole, each, job)) for each in strategies}
    expected = []
    for name, desk in desks.items():
        own = {
            part: [value for batch in each for _, value in variant_batches(batch, {name: desk})]
            for part, each in decided.items()
        }
        _, facts = run(VariantDesk(desks, stores_facts=True), interleave(own, [0, 1, 2] * 90))
        fills = [fact for fact in facts if isinstance(fact, Fill)]
        assert {fill.size for fill in fills} <= {next(s.size for s in strategies if s.name == name)}
        expected += [
            (name, fill.log_ns, fill.instrument, int(fill.side), float(fill.price))
            for fill in fills
        ]
    assert light == sorted(expected)
    assert len(light) > 50


def test_a_price_of_more_decimals_than_its_tick_is_left_to_desks(tmp_path, tapes, capsys):
    path = write_job(tmp_path, tick="0.1")
    results = tmp_path / "r.duckdb"
    code = main(["sweep", str(tapes), "--config", str(path), "--results", str(results), "--json"])
    assert code == 0
    captured = capsys.readouterr()
    assert (
        "8 variants met prices of more decimals than the tick has: again, at desks" in captured.err
    )
    job = settings.load(path, {})
    names = {
        name: str(row.profit) for name, row in best_of(rows_of(job, tapes, tmp_path, "a test"))
    }
    shown = {
        row["variant"]: row["profit"]
        for row in json.loads(captured.out) if row["sample"] == "all"
    }  # fmt: skip
    assert shown == names


def best_of(rows):
    return [(row.variant, row) for row in rows if row.sample == "all"]


@pytest.mark.parametrize(
    "shape", [{"workers": 2}, {"processes": 2}, {"workers": 2, "processes": 2}]
)
@pytest.mark.parametrize("at_desks", ["", "a test"])
def test_a_sweep_is_the_same_in_any_shape(tmp_path, tapes, shape, at_desks):
    job = job_of(tmp_path)
    assert rows_of(job, tapes, tmp_path, at_desks, **shape) == rows_of(job, tapes, tmp_path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"trend": 'order = { type = "limit", limit_bps = 5 }'}, "more than market orders"),
        ({"trend": 'exits = [{ type = "stop", at_bps = 50 }]'}, "more than market orders"),
        ({"trend": 'slices = { kind = "twap", count = 2, every = "1s" }'}, "more than market orders"),
        ({"trend": 'placement = "merge"'}, "it runs in the merge"),
        ({"paper": 'model = "touch"'}, "fills its orders in parts"),
        ({"paper": 'slip = "none"'}, "fills its orders in parts"),
        ({"paper": 'slip = 1'}, "fills its orders in parts"),
        ({"paper": 'latency_spread = "5ms"'}, "latency differs by order"),
        ({"paper": 'answer_latency = "5ms"'}, "answers take time"),
        ({"paper": 'patience = "0s"\nlatency = "0s"'}, "ends orders at once"),
        ({}, ""),
    ],
)  # fmt: skip
def test_what_light_portfolios_do_not_know_is_told(tmp_path, changes, reason):
    job = job_of(tmp_path, **changes)
    table = instrument_table(job)
    whole = desk_settings(job, table, ("binance-0",))
    (trend, _) = declared.strategies(job, table)
    found = why_not(trend, sweep_flow.settings_alone(whole, trend, job))
    assert reason in found
    assert bool(reason) == bool(found)


@pytest.mark.parametrize(
    "changes", [{"trend": 'exits = [{ type = "stop", at_bps = 5 }]'}, {"paper": 'model = "touch"'}]
)
def test_what_needs_desks_is_swept_at_desks_and_told(tmp_path, tapes, capsys, changes):
    path = write_job(tmp_path, **changes)
    results = tmp_path / "r.duckdb"
    assert main(["sweep", str(tapes), "--config", str(path), "--results", str(results)]) == 0
    assert "at a desk of its own, which is slower: " in capsys.readouterr().err
    shown = query(results, "SELECT DISTINCT variant FROM variants").rows
    assert len(shown) == 11


DIP = """
from tapeflow import BUY, Close, Strategy, Submit

class Dip(Strategy):
    below: int = 1
    above: int = 1

    def __post_init__(self):
        if self.below > self.above:
            raise ValueError("below must not exceed above")

    def on_bar(self, state, bar, context):
        held = context.holding(bar.instrument)
        if not held and bar.close < bar.open - self.below:
            yield Submit(bar.instrument, BUY)
        elif held and bar.close > bar.open + self.above:
            yield Close(bar.instrument)
"""


def test_a_grid_of_a_class_runs_at_desks(tmp_path, tapes, capsys):
    (tmp_path / "dip.py").write_text(DIP)
    text = write_job(tmp_path).read_text()
    head, _, rest = text.partition('kind = "ema_cross"')
    rest = rest.replace("fast = [2, 3, 7]", "below = [0, 2]").replace(
        "slow = { from = 5, to = 15, step = 5 }", "above = [1, 3]"
    )
    path, results = tmp_path / "job.toml", tmp_path / "r.duckdb"
    path.write_text(f'{head}kind = "dip.py:Dip"{rest}')
    arguments = ["sweep", str(tapes), "--config", str(path), "--results", str(results)]
    assert main([*arguments, "--best", "6"]) == 0
    err = capsys.readouterr().err
    assert "strategies.trend.grid: 1 combinations are left out: below must not exceed above" in err
    assert (
        "each of 3 variants runs at a desk of its own, which is slower: dip.py:Dip is a class"
        in err
    )
    found = query(results, "SELECT variant, trades FROM variants WHERE sample = 'all'").rows
    counted = query(results, "SELECT strategy, count(*) FROM fills GROUP BY 1").rows
    traded = {name: trades for name, trades in found if trades}
    assert traded == dict(counted)
    assert {f"trend/below={b},above={a}" for b, a in ((0, 1), (0, 3), (2, 3))} <= {*dict(found)}


def test_a_wrong_value_of_a_class_names_its_key(tmp_path, tapes, capsys):
    (tmp_path / "dip.py").write_text(DIP)
    text = write_job(tmp_path).read_text().replace("fast = [2, 3, 7]", "belwo = [1]", 1)
    path = tmp_path / "job.toml"
    path.write_text(text.replace('kind = "ema_cross"', 'kind = "dip.py:Dip"', 1))
    assert main(["sweep", str(tapes), "--config", str(path)]) == 2
    assert (
        "strategies.trend.grid.belwo is no setting: did you mean below?" in capsys.readouterr().err
    )


def test_a_sweep_of_topics_is_that_of_their_tapes(tmp_path):
    path = reference_job(tmp_path, "fast = [5, 12]")
    job = settings.load(path, {})
    grids = expand_grids(job)
    plan = Plan(
        command="sweep", log=find_tapes([GOLDEN], job), job=job, results=tmp_path / "a.duckdb"
    )
    of_tapes = sweeping.run_sweep(plan, grids, 1, silent, silent)
    with loaded(GOLDEN, job) as in_topics:
        log = find_topics(in_topics, silent, tail=False)
        plan = replace(plan, log=log, job=in_topics, results=tmp_path / "b.duckdb")
        assert sweeping.run_sweep(plan, grids, 1, silent, silent) == of_tapes
    assert digest(tmp_path / "a.duckdb") == digest(tmp_path / "b.duckdb")


# --- the results --------------------------------------------------------------------------


def reference_job(folder, grid, more=""):
    text = Path("jobs/reference.toml").read_text()
    path = folder / "reference.toml"
    path.write_text(
        text.replace("\n[channels]", f"{more}\n[strategies.grid]\n{grid}\n\n[channels]")
    )
    return path


@pytest.mark.parametrize("more", ["", 'placement = "merge"\n'])
@pytest.mark.parametrize("shape", [[], ["--workers", "2"], ["--processes", "2"]])
def test_a_grid_of_one_has_the_digest_of_a_replay(tmp_path, capsys, shape, more):
    path, results = reference_job(tmp_path, "fast = [12]\nslow = [26]", more), tmp_path / "r.duckdb"
    arguments = ["sweep", str(GOLDEN), "--config", str(path), "--results", str(results)]
    assert main([*arguments, *shape]) == 0
    assert digest(results) == GOLDEN_DIGEST
    assert "1 over the log" in capsys.readouterr().out


def test_the_facts_of_the_best_are_those_of_a_run_of_it(tmp_path):
    path, results = reference_job(tmp_path, "fast = [5, 12, 20]"), tmp_path / "r.duckdb"
    assert (
        main(
            ["sweep", str(GOLDEN), "--config", str(path), "--results", str(results), "--best", "2"]
        )
        == 0
    )
    best = query(results, "SELECT DISTINCT variant, parameters FROM variants WHERE facts").rows
    assert len(best) == 2
    for name, parameters in best:
        alone = tmp_path / "alone.duckdb"
        job = settings.load(Path("jobs/reference.toml"), {})
        row = job.strategies[0].model_copy(update=json.loads(parameters))
        replay(GOLDEN, alone, job.model_copy(update={"strategies": (row,)}))
        fills = "SELECT instrument, side, price, size, fee, log_time FROM fills"
        swept = query(results, f"{fills} WHERE strategy = '{name}' ORDER BY seq").rows
        assert swept == query(alone, f"{fills} ORDER BY seq").rows != []
        equity = query(alone, "SELECT arg_max(equity, seq) FROM equity").rows
        profit = f"SELECT profit FROM variants WHERE variant = '{name}' AND sample = 'all'"
        assert query(results, profit).rows == equity


def test_rows_of_variants_come_the_best_first(tmp_path):
    path, results = reference_job(tmp_path, "fast = [5, 12, 20]"), tmp_path / "r.duckdb"
    assert (
        main(
            ["sweep", str(GOLDEN), "--config", str(path), "--results", str(results), "--folds", "2"]
        )
        == 0
    )
    rows = query(results, "SELECT rank, fold, sample, profit, sharpe, note FROM variants").rows
    assert [row[:3] for row in rows] == [
        (rank, fold, sample)
        for rank in (1, 2, 3)
        for fold, sample in ((0, "all"), (0, "out"), (1, "in"), (1, "out"), (2, "in"), (2, "out"))
    ]
    out = [Decimal(row[3]) for row in rows if row[1:3] == (0, "out")]
    assert out == sorted(out, reverse=True)
    assert {row[4] for row in rows} == {None}  # seven minutes are no days
    assert all("daily returns, at least 3 are needed" in row[5] for row in rows)


def test_a_job_without_a_grid_is_refused_in_a_line(tmp_path, capsys):
    code = main(
        [
            "sweep",
            str(GOLDEN),
            "--config",
            "jobs/reference.toml",
            "--results",
            str(tmp_path / "r.duckdb"),
        ]
    )
    assert code == 2
    assert "no strategy of the job has a grid: add [strategies.grid]" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_folds_that_do_not_fit_the_log_are_refused_before_results_are_replaced(tmp_path, capsys):
    path, results = reference_job(tmp_path, "fast = [5, 12]"), tmp_path / "r.duckdb"
    arguments = ["sweep", str(GOLDEN), "--config", str(path), "--results", str(results)]
    assert main([*arguments, "--folds", "900"]) == 2
    assert "900 folds do not fit a log of" in capsys.readouterr().err
    assert not results.exists()
    assert [each.name for each in tmp_path.iterdir()] == ["reference.toml"]


@pytest.mark.parametrize("more", ["", 'placement = "merge"\n'])
def test_a_log_without_records_has_nothing_to_compare(tmp_path, capsys, more):
    (folder := tmp_path / "tapes").mkdir()
    (folder / "binance-0.tape").touch()
    path, results = reference_job(tmp_path, "fast = [5, 12]", more), tmp_path / "r.duckdb"
    assert main(["sweep", str(folder), "--config", str(path), "--results", str(results)]) == 1
    assert "the log has no records: there is nothing to compare" in capsys.readouterr().err
    assert not results.exists()


def test_a_log_of_heartbeats_has_variants_that_never_traded(tmp_path):
    (folder := tmp_path / "tapes").mkdir()
    (folder / "binance-0.tape").write_text("1700000000000000000 \n1700000001000000000 \n")
    path, results = reference_job(tmp_path, "fast = [5, 12]"), tmp_path / "r.duckdb"
    assert main(["sweep", str(folder), "--config", str(path), "--results", str(results)]) == 0
    rows = query(results, "SELECT trades, profit, sharpe FROM variants WHERE sample = 'all'").rows
    assert [(trades, Decimal(profit), sharpe) for trades, profit, sharpe in rows] == [
        (0, 0, None)
    ] * 2


def test_progress_says_which_pass_runs(tmp_path):
    path = reference_job(tmp_path, "fast = [5, 12]")
    job = settings.load(path, {})
    shown, grids = [], expand_grids(job)
    plan = Plan(
        command="sweep", log=find_tapes([GOLDEN], job), job=job, results=tmp_path / "r.duckdb"
    )
    sweeping.run_sweep(replace(plan, workers=1), grids, 1, shown.append, silent)
    assert all(
        not line or line.startswith(("2 variants: ", "facts of the best 1: ")) for line in shown
    )
