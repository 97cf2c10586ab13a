"""`tapeflow check`: each bad strategy is caught with its line, and no sound one is."""

import ast
import gc
import shutil
import subprocess
import sys
import time
from itertools import combinations
from pathlib import Path

import pytest

from tapeflow.connectors.synthetic.market import Market, write_tapes
from tapeflow.flows.check.check import check_file
from tapeflow.flows.check.laws import check_over
from tapeflow.flows.check.logs import logs_of
from tapeflow.flows.check.market import CheckTask
from tapeflow.flows.check.seeds import SEEDS
from tapeflow.flows.check.user_file import UserFile
from tapeflow.flows.cli.main import main
from tapeflow.schemas.errors import UsageError
from tests.running import ROOT

FOLDER = ROOT / "tests" / "strategies"
BAD, GOOD = sorted((FOLDER / "bad").glob("*.py")), sorted((FOLDER / "good").glob("*.py"))
SAYS = {  # what its line must say
    "answers_with_a_number": "on_bar fails: TypeError: 'int' object is not iterable",
    "answers_with_none": "on_bar fails: TypeError: None is no request",
    "answers_with_text": "'BUY' is no request: there are Target, Submit",
    "asks_for_others": "asks for an order in ETH-USD.COINBASE, which it does not trade",
    "asks_the_network": "on_bar uses the network (127.0.0.1)",
    "draws_at_random": "of the whole process: derive what it draws from the event",
    "draws_unseeded": "random.Random() without a seed",
    "draws_with_numpy": "numpy.random.rand() of the whole process",
    "fails": "on_bar fails: ZeroDivisionError",
    "fails_on_fill": "on_fill fails: AttributeError: 'NoneType' object has no attribute 'orders'",
    "fails_to_load": "LookupError: a model is missing",
    "fails_to_start": "start fails: KeyError: 'state'",
    "feature_answers_text": "on_bar fails: TypeError: on_bar gave a str: return a number, or None",
    "feature_keeps_a_global": "after a resume on_bar answers None, not ",
    "feature_reads_the_clock": "on_bar calls time.time(): ask context.time_ns",
    "grows": "its state grows with the log",
    "hashes_names": "another hash seed of Python",
    "iterates_over_a_set": "another hash seed of Python: it iterates over a set",
    "keeps_a_global": "it keeps something outside of its state",
    "keeps_arrays": "it keeps what a context gave",
    "keeps_in_a_closure": "it keeps something outside of its state",
    "keeps_on_the_class": "it keeps something outside of its state",
    "keeps_the_context": "it keeps what a context gave",
    "makes_ids": "urandom(): derive what it draws",
    "misspells_needs": "nothing calls need: the handlers are on_bar, on_fill",
    "misspells": "nothing calls on_bars: the handlers are on_bar, on_fill, on_order, on_refusal, "
    "on_timer, on_price: did you mean on_bar?",
    "needs_a_setting": "its setting depth has no default: give it one, or a value for this check: "
    "--set depth=...",
    "no_handler": "it has no handler: write one of on_bar",
    "reads_a_file": "on_bar opens a file",
    "reads_the_clock": "on_bar calls time.time(): ask context.time_ns",
    "reads_the_date": "on_bar calls datetime.now(): ask context.time_ns",
    "reads_what_it_does_not_need": "add 'bars:N",
    "starts_a_process": "on_bar starts a process (true)",
    "starts_a_thread": "on_bar starts a thread",
    "state_that_cannot_be_stored": "its state can't be kept: a Random is no plain value",
    "writes_over_bars": "on_bar fails: ValueError: output array is read-only",
}
ROWS = {"asks_for_others": {"instruments": ["BTC-*"]}}
OF_SEEDS = {"hashes_names", "iterates_over_a_set"}


def check(path, *, steps=120, **row):
    """The lines of the breaches of a file."""
    task = CheckTask(str(path), "", row, steps=steps)
    try:
        return [str(breach) for finding in check_file(task) for breach in finding.breaches]
    except UsageError as error:
        return [str(error)]


def laws_of(path, *, steps=120, **row):
    """The breaches of the one class of a file, without those of hash seeds."""
    classes = [node for node in ast.parse(path.read_text()).body if is_checked(node)]
    is_feature = "Feature" in map(ast.unparse, classes[0].bases)
    task = CheckTask(str(path), classes[0].name, row, steps=steps, is_feature=is_feature)
    return [*map(str, check_over(UserFile(task), logs_of(task)[0]).breaches)]


def is_checked(node):
    bases = {*map(ast.unparse, node.bases)} if isinstance(node, ast.ClassDef) else set()
    return bool(bases & {"Strategy", "Feature"})


def marks_of(path):
    """The lines with a mark."""
    lines = path.read_text().splitlines()
    return [number for number, line in enumerate(lines, 1) if "here" in line.partition("#")[2]]


@pytest.mark.parametrize("path", [p for p in BAD if p.stem not in OF_SEEDS], ids=lambda p: p.stem)
def test_a_bad_strategy_is_caught_at_its_line(path):
    breaches = check(path, **ROWS.get(path.stem, {}))
    assert SAYS[path.stem] in breaches[0]
    assert [each.partition(": ")[0] for each in breaches] == [
        f"{path} line {line}" for line in marks_of(path)
    ]


@pytest.mark.parametrize("name", sorted(OF_SEEDS))
def test_an_order_of_a_set_is_caught_by_other_hash_seeds(name):
    path = FOLDER / "bad" / f"{name}.py"
    (breach,) = check(path, steps=30)
    assert SAYS[name] in breach
    assert breach.partition(": ")[0] in {f"{path} line {line}" for line in marks_of(path)}


def test_every_bad_strategy_says_what_is_wrong():
    assert {path.stem for path in BAD} == SAYS.keys()


def test_sound_strategies_pass(tmp_path):
    """One of them as a whole file: other hash seeds cost two processes."""
    for path in GOOD:
        if path.stem != "own_methods":
            assert laws_of(path, steps=150) == []
    shutil.copy(FOLDER / "good" / "own_methods.py", tmp_path)
    assert check(tmp_path / "own_methods.py", steps=60) == []


def test_a_wrong_setting_is_named_with_its_class():
    path = ROOT / "strategies" / "trend.py"
    assert check(path, fats=3) == ["Trend.fats is no setting: did you mean fast?"]
    assert check(path, fast=30) == ["Trend: fast (30) must be above 0 and below slow (26)"]


def test_settings_are_of_one_class(tmp_path):
    path = tmp_path / "two.py"
    path.write_text("from tapeflow import Strategy\n" + "".join(
        f"class {name}(Strategy):\n    depth: int = 1\n    def on_bar(self, state, bar, context):\n"
        "        return ()\n" for name in "AB"
    ))  # fmt: skip
    assert check(path, depth=2) == [f"{path} has A, B: say of which the settings are, {path}:A"]


def test_the_seeds_put_any_two_instruments_in_both_orders():
    names = ["BTC-USD.COINBASE", "BTC-USDT.BINANCE", "ETH-USD.COINBASE", "ETH-USDT.BINANCE"]
    code = f"print([[*{{a, b}}] for a, b in {[*combinations(names, 2)]}])"
    orders = [
        ast.literal_eval(
            subprocess.run(
                [sys.executable, "-S", "-c", code],
                env={"PYTHONHASHSEED": seed},
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for seed in SEEDS
    ]
    assert all(one != other for one, other in zip(*orders, strict=True))


def test_the_command_says_what_it_checked_and_tells_the_truth(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(FOLDER / "good" / "arrays.py", "sound.py")
    shutil.copy(FOLDER / "bad" / "fails.py", "fails.py")
    assert main(["check", "sound.py"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("sound.py:Arrays keeps the laws over a made-up log of ")
    assert "on_bar " in out
    assert main(["check", "fails.py"]) == 1
    assert capsys.readouterr().out == (
        "fails.py line 8: on_bar fails: ZeroDivisionError: division by zero\n"
    )
    assert main(["check", "nothing.py"]) == 2
    assert "there is no file" in capsys.readouterr().err


def test_settings_are_given_as_a_job_gives_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copy(FOLDER / "bad" / "needs_a_setting.py", "deep.py")
    assert main(["check", "deep.py:NeedsASetting", "--set", "depht=2"]) == 1
    assert main(["check", "deep.py:NeedsASetting", "--set", "depth=two"]) == 2
    assert "depth: expected float, got str" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["trend", "mean_reversion", "breakout", "pairs", "market_maker", "arbitrage", "twap"]
)
def test_the_strategies_in_the_box_keep_the_laws(name):
    rows = {
        "pairs": {"instruments": ["BTC-*"], "window": 20},
        "arbitrage": {"instruments": ["BTC-*"], "cost_bps": 4},
        "twap": {"every": "5s"},
        "mean_reversion": {"window": 20},
    }
    path = ROOT / "strategies" / f"{name}.py"
    assert laws_of(path, **rows.get(name, {})) == []


def test_tapes_and_the_job_of_a_strategy_are_checked_over_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_tapes(Market(seconds=40, rate=100), Path("tapes"))
    shutil.copy(FOLDER / "bad" / "needs_a_setting.py", "deep.py")
    job = (ROOT / "jobs" / "demo.toml").read_text().partition("[[strategies]]")
    instruments = job[2].partition("[instruments]")
    row = 'name = "deep"\nkind = "deep.py:Deep"\naccount = "main"\nsize = 1\ndepth = 1.5\n'
    Path("job.toml").write_text(f"{job[0]}[[strategies]]\n{row}\n{''.join(instruments[1:])}")
    text = Path("deep.py").read_text().replace("NeedsASetting", "Deep")
    Path("deep.py").write_text(
        text.replace("return ()", "assert self.depth == 1.5\n        return ()")
    )
    assert main(["check", "deep.py", "--config", "job.toml", "--tape", "tapes"]) == 0
    assert "6 instruments and tapes: on_bar " in capsys.readouterr().out


def test_a_user_file_is_read_from_where_it_is_named(tmp_path):
    path = tmp_path / "deep" / "own.py"
    path.parent.mkdir()
    path.write_text("from beside import SIDE\n" + (FOLDER / "bad" / "fails.py").read_text())
    (path.parent / "beside.py").write_text("SIDE = 1\n")
    (breach,) = check(Path(path))
    assert breach.startswith(f"{path} line 9: ")


def test_what_a_collection_of_garbage_calls_is_none_of_the_handlers():
    collected = []

    def measure(phase, info):
        collected.append(time.perf_counter())

    gc.callbacks.append(measure)
    before = gc.get_threshold()
    gc.set_threshold(50)
    try:
        assert laws_of(ROOT / "strategies" / "pairs.py", instruments=["BTC-*"], window=20) == []
    finally:
        gc.callbacks.remove(measure)
        gc.set_threshold(*before)
    assert collected
