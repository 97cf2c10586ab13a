"""Settings that change under a state: refused, or said, or no answer depends on them."""

from decimal import Decimal
from itertools import chain

import pytest
from pydantic import BaseModel

from tapeflow.flows.job.changes import (
    ALL,
    FREE,
    NOTIFIED,
    fixed_rows,
    fixed_settings,
    notified_rows,
)
from tapeflow.flows.job.limits_section import Limits
from tapeflow.flows.job.orders import ExitSettings
from tapeflow.flows.job.settings import Job
from tapeflow.flows.job.slices import SliceSettings
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.schemas.bar_width import BarWidth
from tapeflow.schemas.errors import TapeflowError
from tests.running import REFERENCE, digest, job_of, silent

GOLDEN = REFERENCE / "golden-heartbeat"
WHOLE = Job.model_validate(
    {
        "instruments": {"BTC-USDT.BINANCE": {"tick": "0.01", "lot": "0.1"}},
        "paper": {"fees": {"binance": {"tiers": [{"volume": 1}]}}},
        "channels": {"binance": ["trade"]},
        "market": {"trades": {"binance": "aggTrade"}},
        "accounts": [
            {"name": "a", "position_max": 9, "gross_max": 9, "orders_max": 9, "orders_window": "1s"}
        ],
        "strategies": [
            {
                "name": "s",
                "kind": "ema_cross",
                "account": "a",
                "size": "1",
                "order": {"type": "limit", "limit_bps": 1},
                "exits": [{"type": "stop", "at_bps": 1}],
                "slices": {"kind": "twap", "count": 2, "every": "1s"},
            },
            {"name": "r", "kind": "reversion", "account": "a", "size": "1"},
        ],
        "protect": [{"stop_bps": 100, "trail_bps": 5}],
        "tapes": [{"files": "*.x", "partition": "binance-0"}],
    }
)
STOP_EXIT = ExitSettings(type="stop", at_bps=1)
TWAP = SliceSettings(kind="twap", count=2, every="1s")
OTHERS = {
    "time_unit": "ms", "ties": "log", "money_digits": 3, "epoch": 7, "instruments": ("BTC-*",),
    "channels": {"binance": ("trade", "aggTrade")}, "trades": {"binance": "trade"},
    "model": "touch", "clock": "log",
    "cancel_latency": 5, "maker_bps": Decimal(1), "taker_bps": Decimal(1), "contract": "linear",
    "settle": "USDT", "min_size": Decimal(1), "max_size": Decimal(1), "min_notional": Decimal(1),
    "self_trade": "both", "limit_bps": Decimal(2), "trigger_bps": Decimal(1),
    "trail_bps": Decimal(1), "trail_ticks": 1, "trail_price": Decimal(1), "after_bps": Decimal(1),
    "lifetime": 5, "tif": "DAY", "trigger_on": "quote", "at_bps": Decimal(2), "jitter": 5,
    "display": Decimal(1), "share": Decimal("0.5"), "exit_rule": "OCO", "exits": (STOP_EXIT,),
    "slices": TWAP, "type": "stop_limit", "folds": 3, "train": 5, "test": 5, "capital": Decimal(1), "placement": "merge",
    "groups": {"g": ("BTC-*",)}, "limits": {"portfolio": Limits(size_max=Decimal(1))},
    "grid": {"entry": [1.0]}, "stop_atr": 2.0, "take_bps": 9.0, "break_even_bps": 9.0, "time": 5, "cooldown": 5, "bounds": {"portfolio": {"size_max": (Decimal(1), Decimal(2))}}, "until": 1_795_766_400_000_000_000,
}  # fmt: skip
OF_TYPE = {
    bool: lambda value: not value,
    int: lambda value: value + 1,
    float: lambda value: value + 1,
    Decimal: lambda value: value + 1,
    BarWidth: lambda _: BarWidth.of_span(2_000_000_000),
    str: lambda value: f"{value}x",
    tuple: lambda value: (*value, "x"),
    dict: lambda value: {**value, "x": "x"},
}


def other(key, value):
    """Another value of a setting, of the same type."""
    is_named = key in OTHERS and not isinstance(value, float)
    return OTHERS[key] if is_named else OF_TYPE[type(value)](value)


def variants(settings, path=()):
    """Yield (path of a key, the settings with another value of it) for every key there is."""
    for key in type(settings).model_fields.keys() - {"kind"}:  # another kind has other keys
        value = getattr(settings, key)
        where = (*path, key)
        for name, changed in chain(inner_variants(value, where), own_variants(key, value, where)):
            yield name, settings.model_copy(update={key: changed})


def inner_variants(value, where):
    if isinstance(value, BaseModel):
        yield from variants(value, where)
    elif isinstance(value, dict):
        for key, row in value.items():
            if isinstance(row, BaseModel):
                for name, changed in variants(row, (*where, key)):
                    yield name, {**value, key: changed}
    elif isinstance(value, tuple):
        for number, row in enumerate(value):
            if isinstance(row, BaseModel):
                for name, changed in variants(row, where):
                    yield name, (*value[:number], changed, *value[number + 1 :])


def own_variants(key, value, where):
    rows = value.values() if isinstance(value, dict) else value
    holds_rows = isinstance(value, (dict, tuple)) and any(
        isinstance(row, BaseModel) for row in rows
    )
    if not isinstance(value, BaseModel) and not holds_rows:
        yield where, other(key, value)


VARIANTS = sorted(variants(WHOLE), key=lambda each: each[0])  # model_fields_set has no order


def test_the_walk_goes_over_every_section_and_key():
    sections = {path[0] for path, _ in VARIANTS}
    assert sections == set(Job.model_fields)
    assert len(VARIANTS) > 50


def fixed_of(job):
    return fixed_settings(job), fixed_rows(job)


@pytest.mark.parametrize(
    ("path", "job"), VARIANTS, ids=lambda each: ".".join(each) if isinstance(each, tuple) else ""
)
def test_every_setting_is_fixed_or_said_or_listed_as_free(path, job):
    section, key = path[0], path[-1]
    free = key in FREE.get(section, ()) or ALL in FREE.get(section, ())
    fixed = fixed_of(job) != fixed_of(WHOLE)
    notified = notified_rows(job) != notified_rows(WHOLE)
    if section in {*NOTIFIED, "features", "limits", "groups"}:
        assert notified, "not in silence"
    else:
        assert (fixed, notified) == (not free, False)


def test_every_free_setting_exists():
    for section, keys in FREE.items():
        known = set(Job.model_fields[section].annotation.model_fields) if keys != {ALL} else {ALL}
        assert keys <= known


def test_equal_settings_that_are_written_in_another_way_are_equal():
    fees = {"binance": {"tiers": [{"volume": "1.0"}]}}
    paper = {"paper": {"fee_bps": "10.0", "latency": "0.25s", "fees": fees}}
    job = Job.model_validate({**WHOLE.model_dump(mode="json"), **paper})
    assert (fixed_of(job), notified_rows(job)) == (fixed_of(WHOLE), notified_rows(WHOLE))


# --- under a state ------------------------------------------------------------------------------


def run_on(folder, job, notify=silent):
    log = find_tapes([GOLDEN], job)
    results, state = folder / "results.duckdb", folder / "state"
    run_plan(Plan(command="t", log=log, job=job, results=results, state=state), silent, notify)
    return digest(results)


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    folder = tmp_path_factory.mktemp("state")
    run_on(folder, job_of())
    return folder


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"paper": {"latency": 300_000_000}}, 'paper.latency = "250ms", this is .*"300ms"'),
        ({"paper": {"fee_bps": Decimal(20)}}, 'paper.fee_bps = "10", this is .* = "20"'),
        ({"results": {"equity_interval": 10**9}}, 'results.equity_interval = "1m", this is .*"1s"'),
        ({"results": {"money_digits": 2}}, r"results.money_digits = \d+, this is .* = 2"),
        ({"results": {"stale_mark": 10**9}}, "results.stale_mark"),
        ({"source": {"step": 10**9}}, "source.step"),
        ({"bars": {"pause": 10**9}}, 'bars.pause = "none", this is bars.pause = "1s"'),
        ({"market": {"trades": {"binance": "aggTrade"}}}, "no market.trades.binance, this is mark"),
    ],
    ids=str,
)
def test_a_fixed_setting_that_changes_is_refused_with_both_values(state, changes, line):
    with pytest.raises(
        TapeflowError, match=rf"state was made with {line}.*fresh --state"
    ) as raised:
        run_on(state, job_of(**changes))
    assert "\n" not in str(raised.value)


def test_an_instrument_that_changes_is_refused_by_its_name(state):
    job = job_of()
    name, row = next(iter(job.instruments.items()))
    rows = {**job.instruments, name: row.model_copy(update={"multiplier": Decimal(3)})}
    with pytest.raises(
        TapeflowError, match=rf'instruments.{name}.multiplier = "1", this is .* "3"'
    ):
        run_on(state, job.model_copy(update={"instruments": rows}))


def test_limits_and_strategies_may_change_and_are_said_once(state):
    job = job_of()
    account = job.accounts[0].model_copy(update={"orders_max": 1})
    first = job.strategies[0].model_copy(update={"size": job.strategies[0].size * 2})
    added = first.model_copy(update={"name": "new"})
    update = {"accounts": (account,), "strategies": (first, *job.strategies[1:], added)}
    changed, lines = job.model_copy(update=update), []
    run_on(state, changed, lines.append)
    notified = [line for line in lines if line.startswith("under this state")]
    assert any(f"accounts.{account.name}.orders_max = " in line for line in notified)
    assert any(f"strategies.{first.name}.size = " in line for line in notified)
    assert sum("strategies: new added: " in line for line in notified) == 1
    assert not any("strategies.new" in line for line in notified)
    lines.clear()
    run_on(state, changed, lines.append)
    assert not [line for line in lines if line.startswith("under this state")]
    run_on(state, job)


def test_free_settings_may_change_in_silence(state):
    free = {"page_records": 7, "max_lead": 10**9, "stall_warning": 5, "heartbeat_after": 5}
    lines = []
    kafka = {"bootstrap": "there:1", "raw_prefix": "x."}
    run_on(state, job_of(source=free, recovery={"epoch": 10**8}, kafka=kafka), lines.append)
    assert not [line for line in lines if "state" in line and "read its log to the end" not in line]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_state_whose_work_file_is_gone_is_refused_in_one_line(tmp_path, processes):
    expected = run_on(tmp_path, job_of())
    (tmp_path / "state" / "work.duckdb").unlink()
    plan = Plan(
        command="t", log=find_tapes([GOLDEN], job_of()), job=job_of(), processes=processes,
        results=tmp_path / "results.duckdb", state=tmp_path / "state",
    )  # fmt: skip
    with pytest.raises(TapeflowError, match=r"work\.duckdb is gone.*fresh --state") as raised:
        run_plan(plan, silent, silent)
    assert "\n" not in str(raised.value)
    assert digest(tmp_path / "results.duckdb") == expected
