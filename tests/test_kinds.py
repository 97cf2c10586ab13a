"""Which class a row of [[strategies]] names, and what is said of one that is not found or wrong."""

import pickle
import subprocess
import sys
from decimal import Decimal

import pytest

from tapeflow.flows.job import declared, kinds, portfolio, settings, wiring
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.run.notices import start_notices
from tapeflow.flows.run.plan import Plan
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.sizing import EquityShare, Kelly, Notional, VolatilityTarget
from tests.running import ROOT

HEAD = """\
[[accounts]]
name = "main"
position_max = 10
gross_max = 100000
orders_max = 8
orders_window = "1s"
{account}
[instruments]
"BTC-USDT.BINANCE" = {{ tick = "0.01", lot = "0.1" }}

[[strategies]]
name = "dip"
kind = "{kind}"
account = "main"
size = {size}
{row}
"""
DIP = """\
from decimal import Decimal
from typing import Annotated

from msgspec import Meta

from tapeflow import Ns, Strategy


class Dip(Strategy):
    depth: float = 2.0
    share: Decimal = Decimal("0.5")
    wait: Ns = 1_000_000_000
    pauses: tuple[Ns, ...] = ()
    until: Ns | None = None
    count: Annotated[int, Meta(gt=0)] = 1
    names: tuple[str, ...] = ()

    def needs(self):
        return ("z:60@1m",)

    def __post_init__(self):
        if self.depth == 13:
            raise ValueError("depth of 13 brings bad luck")
        if self.depth == 14:
            {}["no such key"]


class Other(Strategy):
    depth: float


NOT_A_CLASS = 7


class NoStrategy:
    pass
"""


def job_in(folder, kind="dip.py:Dip", row="", size='"0.5"', account=""):
    path = folder / "job.toml"
    path.write_text(HEAD.format(kind=kind, row=row, size=size, account=account))
    return settings.load(path, {})


def declare(folder, *args, **keys):
    job = job_in(folder, *args, **keys)
    table = wiring.validate(job)
    (found,) = declared.strategies(job, table)
    return found


def refusal_of(folder, *args, **keys):
    with pytest.raises(UsageError) as raised:
        declare(folder, *args, **keys)
    line = str(raised.value)
    assert "\n" not in line
    return line


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "dip.py").write_text(DIP)
    return tmp_path


# --- what is found --------------------------------------------------------------------------


def test_a_class_in_a_file_of_the_jobs_folder_gets_the_settings_of_its_row(folder):
    found = declare(folder, row='depth = 3\nshare = 0.25\nwait = "5m"\npauses = ["1s", "2s"]')
    made = found.strategy
    assert type(made).__name__ == "Dip"
    assert (made.depth, made.share, made.wait) == (3.0, Decimal("0.25"), 300 * 10**9)
    assert made.pauses == (10**9, 2 * 10**9)
    assert found.kind == "dip.py:Dip"
    assert found.placement == "merge"
    assert len(found.source_sha256) == 64


def test_a_file_is_named_from_the_jobs_folder_and_not_from_the_present_one(folder, monkeypatch):
    (folder / "mine").mkdir()
    (folder / "mine" / "dip.py").write_text(DIP)
    (folder / "dip.py").unlink()
    monkeypatch.chdir("/")
    assert declare(folder, "mine/dip.py:Dip").strategy.depth == 2.0
    assert declare(folder, f"{folder}/mine/dip.py:Dip").strategy.depth == 2.0


def test_a_file_is_executed_once_in_a_process_and_again_where_it_has_changed(folder):
    counter = "import pathlib\nwith open(pathlib.Path(__file__).with_name('runs'), 'a') as f: f.write('x')\n"
    (folder / "dip.py").write_text(DIP + counter)
    first, second = declare(folder), declare(folder, row="depth = 5")
    assert type(first.strategy) is type(second.strategy)
    assert (folder / "runs").read_text() == "x"
    (folder / "dip.py").write_text(DIP.replace("depth: float = 2.0", "depth: float = 4.0"))
    third = declare(folder)
    assert third.strategy.depth == 4.0
    assert third.source_sha256 != first.source_sha256


def test_a_file_that_changes_between_the_processes_of_a_run_is_refused(folder):
    job = job_in(folder)
    table = wiring.validate(job)
    sent = pickle.loads(pickle.dumps(job))
    assert declared.strategies(sent, table)
    (folder / "dip.py").write_text(DIP + "# later\n")
    for each in (job, sent, pickle.loads(pickle.dumps(job))):
        with pytest.raises(
            UsageError, match=r"file of dip\.py:Dip has changed since the run began"
        ):
            declared.strategies(each, table)
    assert declare(folder).strategy


def test_the_module_of_a_file_has_the_same_name_in_every_process(folder):
    name = type(declare(folder).strategy).__module__
    code = (
        "from pathlib import Path; from tapeflow.flows.job.kinds import find_kind;"
        f"print(find_kind('dip.py:Dip', Path({str(folder)!r})).type.__module__)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ended.stdout.strip() == name


def test_a_job_with_a_class_in_a_file_is_pickled_without_the_class(folder):
    job = job_in(folder, row="depth = 7")
    wiring.validate(job)
    code = (
        "import pickle, sys; from tapeflow.flows.job import declared, wiring;"
        "job = pickle.loads(sys.stdin.buffer.read());"
        "print(declared.strategies(job, wiring.validate(job))[0].strategy.depth)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(job),
        capture_output=True,
        check=True,
        cwd=ROOT,
    )
    assert ended.stdout.strip() == b"7.0"


def test_a_class_in_a_module_is_imported_and_last_from_the_jobs_folder(folder, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    package = folder / "kinds_of_mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "dips.py").write_text(DIP)
    found = declare(folder, "kinds_of_mine.dips:Dip")
    assert found.strategy.depth == 2.0
    assert len(found.source_sha256) == 64


def test_a_file_may_import_another_of_its_folder(folder, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (folder / "shared_by_dips.py").write_text("DEPTH = 9.0\n")
    (folder / "dip.py").write_text(
        "from shared_by_dips import DEPTH\nfrom tapeflow import Strategy\n"
        "class Dip(Strategy):\n    depth: float = DEPTH\n"
    )
    assert declare(folder).strategy.depth == 9.0


def test_an_entry_point_of_the_group_is_found_by_its_name(folder, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    (folder / "dips_of_others.py").write_text(DIP)
    info = folder / "dips-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dips\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tapeflow.strategies]\ndeep = dips_of_others:Dip\n")
    assert declare(folder, "deep", row="depth = 8").strategy.depth == 8.0
    assert "did you mean deep?" in refusal_of(folder, "deeep")


@pytest.mark.parametrize("kind", [":Dip", ".dip:Dip", "..x.y:Dip"])
def test_a_kind_without_a_module_says_how_one_is_written(folder, kind):
    assert f"{kind}: write file.py:Class, or package.module:Class" in refusal_of(folder, kind)


def test_a_setting_goes_by_the_name_that_its_class_encodes(folder):
    named = DIP.replace("class Dip(Strategy", "class Dip(Strategy, rename='kebab'", 1)
    assert named != DIP
    (folder / "dip.py").write_text(named.replace("depth", "the_depth"))
    assert declare(folder, row='"the-depth" = 3').strategy.the_depth == 3


def test_kinds_of_the_box_that_do_not_exist_break_nothing(folder, monkeypatch):
    monkeypatch.setitem(kinds.BOX, "nowhere", "tapeflow.strategies.nowhere:Nowhere")
    assert "nowhere" not in kinds.box_kinds()
    assert "nowhere is neither built in" in refusal_of(folder, "nowhere")
    assert declare(folder, "ema_cross").strategy is None


def test_a_kind_of_the_box_is_a_class_without_a_sha256(folder, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    (folder / "box_of_tests.py").write_text(DIP)
    monkeypatch.setitem(kinds.BOX, "boxed", "box_of_tests:Dip")
    found = declare(folder, "boxed", row="depth = 6")
    assert (found.strategy.depth, found.source_sha256) == (6.0, "")


# --- what is not found ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("ema_crosss", ("neither built in nor an entry point", "did you mean ema_cross?")),
        ("dipp.py:Dip", ("there is no file", "/dipp.py: did you mean dip.py?")),
        ("mine/dip.py:Dip", ("there is no file", "mine/dip.py")),
        ("dip.py:Dipp", ("dip.py has no Dipp; it has Dip, Other: did you mean Dip?",)),
        (
            "dip.py:NoStrategy",
            ("NoStrategy in", "is no strategy: write class NoStrategy(Strategy)"),
        ),
        ("dip.py:NOT_A_CLASS", ("NOT_A_CLASS in", "is no strategy")),
        ("dip.py:Strategy", ("Strategy in", "is no strategy")),
        ("dip.py:", ("dip.py has no class; it has Dip, Other",)),
        ("dip.py", ("which class of it? write dip.py:Dip",)),
        ("no_such_package.dip:Dip", ("there is no module no_such_package", "neither where Python")),
        ("tapeflow.flows.job.kindz:Dip", ("no module tapeflow.flows.job.kindz", "mean kinds?")),
        ("", ("is neither built in",)),
    ],
)
def test_a_kind_that_is_not_found_is_one_line_with_what_was_searched(folder, kind, parts):
    line = refusal_of(folder, kind)
    assert line.startswith("strategies.dip.kind: ")
    for part in parts:
        assert part in line


@pytest.mark.parametrize(
    ("code", "part"),
    [
        ("class Dip(Strategy)\n    pass\n", "dip.py line 1: SyntaxError: expected ':'"),
        ("\n\nimport no_such_module\n", "dip.py line 3: ModuleNotFoundError: No module named"),
        ("def f():\n    return 1 / 0\n\n\nf()\n", "dip.py line 2: ZeroDivisionError: division by"),
        ("import json\njson.loads('{')\n", "dip.py line 2: JSONDecodeError: "),
        ("import sys\nsys.exit(3)\n", "dip.py line 2: SystemExit: 3"),
        ("raise ValueError('two\\nlines')\n", "dip.py line 1: ValueError: two lines"),
        ("x = '\0'\n", "dip.py"),
    ],
)
def test_a_file_that_fails_is_one_line_with_its_line(folder, code, part):
    (folder / "dip.py").write_text(code)
    line = refusal_of(folder)
    assert line.startswith("strategies.dip.kind: ")
    assert part in line
    assert refusal_of(folder) == line, "a module that failed is not there the next time"


def test_a_module_that_fails_is_one_line_with_its_line(folder, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    (folder / "failing_of_tests.py").write_text("x = 1\ny = {}['no such key']\n")
    line = refusal_of(folder, "failing_of_tests:Dip")
    assert "failing_of_tests.py line 2: KeyError: 'no such key'" in line


# --- settings of a class --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ("dpeth = 3", "strategies.dip.dpeth is no setting: did you mean depth?"),
        (
            "instrments = ['*']",
            "strategies.dip.instrments is no setting: did you mean instruments?",
        ),
        ("xyzzy = 3", "strategies.dip.xyzzy is no setting: Dip has depth, share"),
        ('depth = "deep"', "strategies.dip.depth: expected float, got str"),
        ("depth = nan", "strategies.0: depth: nan is no number"),
        ("depth = inf", "strategies.0: depth: inf is no number"),
        ("names = [{ a = [-inf] }]", "strategies.0: names.a: -inf is no number"),
        ("grid = { depth = [1.0, inf] }", "strategies.0.grid: depth: inf is no number"),
        ('share = "Infinity"', "strategies.dip.share: Infinity is no number"),
        ('share = "much"', "strategies.dip.share: Invalid decimal string"),
        ('share = "nan"', "strategies.dip.share: NaN is no number"),
        ("count = 0", "strategies.dip.count: expected int >= 1"),
        ("count = 1.5", "strategies.dip.count: expected int, got float"),
        ("wait = 5", "strategies.dip.wait: 5 is no duration: write 250ms, 1s, 5m, 1h or 1d"),
        ('wait = "5 min"', "strategies.dip.wait: '5 min' is no duration"),
        ('until = "soon"', "strategies.dip.until: 'soon' is no duration"),
        ('pauses = ["1s", 2]', "strategies.dip.pauses: 2 is no duration"),
        ('names = ["a", 1]', "strategies.dip.names[1]: expected str, got int"),
        ("depth = 13", "strategies.dip: depth of 13 brings bad luck"),
        ("depth = 14", "dip.py line 25: KeyError: 'no such key'"),
    ],
)
def test_a_wrong_setting_of_a_class_is_one_line_with_its_place(folder, row, line):
    assert line in refusal_of(folder, row=row)


def test_a_setting_without_default_that_is_missing_is_named(folder):
    line = refusal_of(folder, "dip.py:Other")
    assert line == "strategies.dip.depth is missing: Other needs it"


def test_a_duration_that_may_be_none_is_read(folder):
    assert declare(folder, row='until = "1m"').strategy.until == 60 * 10**9


def test_a_field_that_is_a_key_of_every_strategy_is_refused(folder):
    (folder / "dip.py").write_text(
        "from tapeflow import Strategy\nclass Dip(Strategy):\n    slices: int = 1\n"
    )
    assert "has a field slices, which is a key of every strategy" in refusal_of(folder)


def test_a_mistyped_key_of_every_strategy_is_met_with_the_one_meant(folder):
    path = folder / "job.toml"
    text = HEAD.format(kind="dip.py:Dip", row="", size=1, account="")
    path.write_text(text.replace('account = "main"', 'acount = "main"'))
    with pytest.raises(UsageError, match=r"acount is no setting: did you mean account\?"):
        settings.load(path, {})


@pytest.mark.parametrize(
    ("needs", "part"),
    [
        ('"bars@1h"', "write a tuple of texts: ('bars@1h',)"),
        ('("rsi:x@1m",)', "'rsi:x@1m': 'x' is no list of numbers"),
        ("1 / 0", "dip.py line 4: ZeroDivisionError"),
    ],
)
def test_needs_that_are_none_are_one_line(folder, needs, part):
    code = (
        "from tapeflow import Strategy\nclass Dip(Strategy):\n    def needs(self):\n        return "
    )
    (folder / "dip.py").write_text(f"{code}{needs}\n")
    line = refusal_of(folder)
    assert line.startswith("strategies.dip: its needs: ")
    assert part in line


# --- keys of every strategy -----------------------------------------------------------------


def test_a_class_is_called_in_the_merge_and_a_kernel_where_its_row_says(folder):
    assert refusal_of(folder, row='placement = "columns"').count("runs in the merge") == 1
    assert declare(folder, "ema_cross").placement == "columns"
    assert declare(folder, "ema_cross", row='placement = "merge"').placement == "merge"


CAPITAL = 'capital = "100000"'


@pytest.mark.parametrize(
    ("size", "sizing"),
    [
        ('{ notional = "1000" }', Notional(Decimal(1000))),
        ("{ equity_share = 0.02 }", EquityShare(Decimal("0.02"))),
        (
            '{ volatility_target = "0.2", window = 50, kind = "1h" }',
            VolatilityTarget(Decimal("0.2"), 50, "1h"),
        ),
        ('{ volatility_target = "0.2" }', VolatilityTarget(Decimal("0.2"), 100, "")),
        ("{ kelly = 0.5, max_share = 0.1 }", Kelly(Decimal("0.5"), Decimal("0.1"), 50)),
    ],
)
def test_a_size_may_be_a_rule_and_then_a_kernel_runs_in_the_merge(folder, size, sizing):
    for kind in ("ema_cross", "dip.py:Dip"):
        found = declare(folder, kind, size=size, account=CAPITAL)
        assert (found.sizing, found.size, found.placement) == (sizing, 0, "merge")


@pytest.mark.parametrize(
    ("size", "part"),
    [
        ("{}", "write one of notional, equity_share, volatility_target, kelly, or a plain number"),
        ("{ notional = 1, kelly = 1 }", "write one of notional"),
        ("{ notional = 1, window = 5 }", "window is of volatility_target, not of notional"),
        ("{ kelly = 0.5 }", "kelly needs max_share"),
        ("{ notionl = 1 }", "size.notionl is no setting: did you mean notional?"),
        ("{ notional = 0 }", "strategies.0.size.notional: "),
        ('"much"', "strategies.0.size: "),
        ("0", "strategies.0.size: "),
    ],
)
def test_a_size_that_is_none_is_one_line(folder, size, part):
    assert part in refusal_of(folder, "ema_cross", size=size, account=CAPITAL)


@pytest.mark.parametrize(
    "size",
    ["{ equity_share = 0.02 }", "{ kelly = 0.5, max_share = 1 }", "{ volatility_target = 1 }"],
)
def test_a_share_of_an_equity_that_is_not_known_is_refused_by_the_account(folder, size):
    line = refusal_of(folder, "ema_cross", size=size)
    assert line.endswith("equity of account main, which is not known: give the account a capital")


def test_columns_with_a_size_that_needs_a_price_are_refused(folder):
    row = 'placement = "columns"'
    assert "knows no prices" in refusal_of(folder, "ema_cross", row=row, size="{ notional = 1000 }")


def test_a_size_in_units_of_a_class_is_a_multiple_of_the_lot_too(folder):
    assert "no multiple of the lot" in refusal_of(folder, size='"0.55"')


def test_the_desk_gets_the_strategies_of_the_merge_and_the_capital(folder):
    job = job_in(folder, account=CAPITAL)
    desk = portfolio.desk_settings(job, instrument_table(job), ("binance-0",))
    assert [each.name for each in desk.strategies] == ["dip"]
    assert desk.accounts["main"].capital == 100_000
    assert (desk.has_triggers, desk.reads_bars) == (True, True), "an order of a class may be any"
    kernel = job_in(folder, "ema_cross")
    table = instrument_table(kernel)
    desk = portfolio.desk_settings(kernel, table, ("binance-0",))
    assert (desk.strategies, desk.accounts["main"].capital) == ((), None)
    assert len(declared.in_columns(declared.strategies(kernel, table))) == 1


def test_the_digits_of_money_of_any_size_are_those_of_a_lot(folder):
    fine = '"BTC-USDT.BINANCE" = {{ tick = "0.00001", lot = "0.00001" }}'
    head = HEAD.replace('"BTC-USDT.BINANCE" = {{ tick = "0.01", lot = "0.1" }}', fine)
    digits = {}
    for size in ("1", "{ notional = 1000 }"):
        path = folder / "job.toml"
        path.write_text(
            head.format(kind="ema_cross", row="", size=size, account="")
            + "[paper]\nmodel = 'trade'\n"
        )
        job = settings.load(path, {})
        digits[size] = wiring.money_digits(job, wiring.validate(job))
    assert digits == {"1": 8, "{ notional = 1000 }": 10}


def test_a_grid_is_left_to_a_sweep_and_said(folder):
    job = job_in(folder, row="grid = { depth = [1, 2] }")
    wiring.validate(job)
    plan = Plan(command="t", log={}, job=job, results=folder / "r.duckdb")
    assert [*start_notices(plan)] == [
        "strategies.dip.grid is of `tapeflow sweep`: this run trades the settings of the row alone"
    ]
