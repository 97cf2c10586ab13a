"""Other kinds of bars through the whole flow: declared, needed, stored, the same in every shape."""

from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from tapeflow.connectors.duckdb.query import digests, query
from tapeflow.connectors.source.progress import Progress
from tapeflow.engine.fold import state_versions
from tapeflow.flows import trade
from tapeflow.flows.job import bar_steps, settings
from tapeflow.flows.job.bar_kinds import bar_kinds, kind_name, parse_kind
from tapeflow.flows.job.bars import Bars as BarSettings
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.width import parse_width
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.schemas.bar import Bar, OtherBar
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.registry import BY_TYPE, decode, encode
from tapeflow.schemas.signals import DeclaredStrategy
from tapeflow.schemas.sizing import VolatilityTarget
from tapeflow.schemas.strategy import Strategy
from tests.plain_flow import JOB
from tests.running import silent
from tests.test_laws import long_log

KINDS = ("5s", "1m", "tick:7", "volume:3.5", "dollar:250", "quote:1s")
MORE = JOB.model_copy(update={"bars": JOB.bars.model_copy(update={"more": KINDS})})
SECOND = parse_width("1s")


class Needy(Strategy):
    """A strategy that needs what its job says."""

    wanted: tuple[str, ...] = ()

    def needs(self):
        return self.wanted


def declare_with(*needs, **more):
    return DeclaredStrategy(
        "own",
        "own.py:Own",
        {},
        "main",
        Decimal(1),
        frozenset(),
        strategy=Needy(wanted=needs),
        **more,
    )


def names(*needs, more=(), width="1s", **declared_more):
    found = bar_kinds(parse_width(width), more, [declare_with(*needs, **declared_more)])
    return tuple(each.name for each in found)


# --- which kinds there are ---------------------------------------------------------------------


def test_the_kinds_of_a_job_are_those_it_stores_and_those_its_strategies_need():
    assert names("rsi:14@1m", "bars:50@1h", "bars@tick:100", more=["5s", "1m"]) == (
        "5s",
        "1m",
        "1h",
        "tick:100",
    )


def test_kinds_are_in_one_order_widths_first():
    several = ["volume:5", "1y", "1h", "tick:9", "quote:1s", "2s", "1mo", "1w", "dollar:1e6"]
    ordered = ("2s", "1h", "1w", "1mo", "1y", "dollar:1e6", "quote:1s", "tick:9", "volume:5")
    assert names(more=several) == names(more=several[::-1]) == ordered


def test_the_width_of_the_job_is_no_other_kind_however_it_is_written():
    assert names("rsi:14", "bars", "rsi:14@1s", "z:60@1000ms") == ()
    assert [kind_name(text, SECOND) for text in ("", "1s", "1000ms", "1m")] == ["", "", "", "1m"]


def test_the_kind_of_a_size_is_needed_too():
    assert names(sizing=VolatilityTarget(Decimal("0.2"), 100, "1h")) == ("1h",)


def test_a_kernel_over_columns_needs_no_other_bars():
    assert (
        bar_kinds(
            SECOND, (), [DeclaredStrategy("a", "ema_cross", {}, "main", Decimal(1), frozenset())]
        )
        == ()
    )


@pytest.mark.parametrize(
    ("width", "more"),
    [
        ("1s", "1w"), ("1s", "1mo"), ("1d", "1w"), ("1d", "3mo"), ("2d", "2w"), ("1w", "2w"), ("1mo", "1y"),
        ("2mo", "6mo"), ("250ms", "1s"), ("1h", "1d"),
    ],
)  # fmt: skip
def test_a_width_of_whole_bars_is_allowed(width, more):
    assert names(more=[more], width=width) == (more,)


@pytest.mark.parametrize(
    ("width", "more"),
    [
        ("7d", "1mo"), ("2d", "1w"), ("1w", "1d"), ("4mo", "6mo"), ("1mo", "1w"), ("2s", "5s"), ("1m", "1s"),
        ("2d", "1mo"), ("3s", "4s"), ("1mo", "365d"),
    ],
)  # fmt: skip
def test_a_width_that_would_cut_a_bar_of_the_job_is_refused(width, more):
    with pytest.raises(UsageError, match=rf"bars\.more: {more} is no multiple of the job's "):
        names(more=[more], width=width)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("tick:0", "tick:0: '0' is not a whole number above 0"),
        ("tick:2.5", "'2.5' is not a whole number above 0"),
        ("volume:-1", "'-1' is not a number above 0"),
        ("dollar:nan", "'nan' is not a number above 0"),
        ("dollar:inf", "'inf' is not a number above 0"),
        ("volume:", "'' is not a number above 0"),
        (
            "tikc:100",
            "is no kind of bars: write 1m, 1h, tick:100, volume:5, dollar:1e6 or quote:1s",
        ),
        ("tick", "is no kind of bars"),
        ("", "is no kind of bars"),
        ("quote:", "quote:: '' is no duration"),
        ("7s", "'7s' neither divides a day"),
    ],
)
def test_what_is_no_kind_is_refused_with_what_is_allowed(text, line):
    with pytest.raises(ValueError, match=r"no kind|not a|no duration|neither") as found:
        parse_kind(text, SECOND)
    assert line in str(found.value) and "\n" not in str(found.value)
    with pytest.raises(ValidationError, match="more: "):
        BarSettings(more=(text,))
    if text:
        with pytest.raises(UsageError, match=r"^strategies\.own: "):
            names(f"bars@{text}")


def test_a_job_does_not_store_its_own_bars_twice():
    with pytest.raises(ValidationError, match="1s is the width of the job's own bars"):
        BarSettings(more=("1000ms", "1s")[1:])


def test_a_variable_names_kinds_too(tmp_path):
    (tmp_path / "job.toml").write_text(
        '[instruments]\n"BTC-USDT.BINANCE" = { tick = "1", lot = "1" }\n'
    )
    found = settings.load(tmp_path / "job.toml", {"TAPEFLOW_BARS_MORE": '["1m", "tick:9"]'})
    assert found.bars.more == ("1m", "tick:9")
    with pytest.raises(UsageError, match=r"bars.*write a list"):
        settings.load(tmp_path / "job.toml", {"TAPEFLOW_BARS_MORE": "1m"})


# --- the flow ----------------------------------------------------------------------------------


def flow_of(job, folder):
    plan = Plan(command="t", log=find_tapes([folder], job), job=job, results=Path("none"))
    return trade.dataflow(plan, Progress(tuple(plan.log), 1), silent)


@pytest.fixture(scope="module")
def tapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tapes")
    for name, records in long_log().items():
        (folder / f"{name}.tape").write_bytes(b"".join(b"%d %b\n" % record for record in records))
    return folder


def test_only_a_job_that_needs_other_bars_has_the_step(tapes):
    step = "trade.other_bars.state"
    assert step not in state_versions(flow_of(JOB, tapes))
    assert state_versions(flow_of(MORE, tapes))[step] == trade.STATE_VERSIONS[step]
    assert bar_steps.other_bars(JOB, instrument_table(JOB), ()) is None


def run_on(folder, tapes, job, page=1000, workers=1, state=None):
    job = job.model_copy(update={"source": job.source.model_copy(update={"page_records": page})})
    results = folder / f"{page}-{workers}-{len(job.bars.more)}.duckdb"
    log = find_tapes([tapes], job)
    run_plan(
        Plan(command="t", log=log, job=job, results=results, workers=workers, state=state),
        silent,
        silent,
    )
    return results


@pytest.fixture(scope="module")
def results(tapes, tmp_path_factory):
    return run_on(tmp_path_factory.mktemp("results"), tapes, MORE)


def test_other_bars_are_stored_and_change_no_other_table(tapes, results, tmp_path):
    without, found = digests(run_on(tmp_path, tapes, JOB)), digests(results)
    assert {name for name in found if found[name] != without.get(name)} == {"other_bars"}
    counted = query(
        results, "SELECT kind, count(*) > 5 FROM other_bars GROUP BY kind ORDER BY kind"
    )
    assert counted is not None and counted.rows == sorted((kind, True) for kind in KINDS)


@pytest.mark.parametrize(("page", "workers"), [(1, 1), (7, 2), (50, 3)])
def test_pages_and_workers_change_no_other_bar(tapes, results, tmp_path, page, workers):
    assert digests(run_on(tmp_path, tapes, MORE, page, workers)) == digests(results)


def test_volume_and_trades_of_the_bars_are_those_of_every_kind(results):
    rows = query(
        results,
        "SELECT kind, sum(volume)::FLOAT = (SELECT sum(volume)::FLOAT FROM bars), sum(count) - (SELECT sum(count) "
        "FROM bars) FROM other_bars WHERE kind NOT LIKE 'quote%' GROUP BY kind ORDER BY kind",
    )
    assert rows is not None and all(row[1] for row in rows.rows)
    assert [row[2] for row in rows.rows if row[0] in ("5s", "1m", "tick:7")] == ["0"] * 3


def test_only_bars_of_quotes_have_a_spread(results):
    rows = query(
        results, "SELECT DISTINCT kind LIKE 'quote%' FROM other_bars WHERE spread IS NOT NULL"
    )
    assert rows is not None and rows.rows == [(True,)]
    missing = query(
        results, "SELECT count(*) FROM other_bars WHERE kind LIKE 'quote%' AND spread IS NULL"
    )
    assert missing is not None and missing.rows == [(0,)]


@pytest.mark.parametrize("spread", [None, 0.5])
def test_an_other_bar_goes_through_its_topic_and_back(spread):
    bar = Bar(
        "A-B.X", "X", 0, 1, 1.0, 2.0, 1.0, 2.0, 3.0, 1.5, 2, 1.0, 4.5, 1.5, True, 5, "x-0", 6, 4, 6
    )
    fields = {name: getattr(bar, name) for name in Bar.__struct_fields__}
    other = OtherBar(**fields, kind="1m", spread=spread, imbalance=None, microprice=spread)
    kind = BY_TYPE[OtherBar]
    assert decode(kind, encode(other)) == other
    assert kind.topic == "other-bars" and kind.table == "other_bars"
