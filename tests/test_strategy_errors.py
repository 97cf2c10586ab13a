"""An error in a strategy's own code: one line with its file, line, handler and name, everywhere."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tapeflow.engine.code_lines import find_line
from tapeflow.flows.job import settings
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.flows.run.unexpected import ProcessFailure
from tests.running import JOB, REFERENCE, ROOT, silent

GOLDEN = REFERENCE / "golden-heartbeat"
TAPES = [GOLDEN / f"{name}-0.tape.gz" for name in ("binance", "coinbase")]
ROW = """
[[strategies]]
name = "dip"
kind = "dip.py:Dip"
account = "main"
size = "0.1"
instruments = ["BTC-USDT.BINANCE"]
"""
HEAD = "from tapeflow import *\nimport other\n\n\nclass Dip(Strategy):\n"
OTHER = "def fail():\n    return {}['no such key']\n"
CLUSTERS = [
    ("--workers", "2"),
    pytest.param(("--processes", "2"), marks=pytest.mark.slow),
    pytest.param(("--processes", "2", "--workers", "2"), marks=pytest.mark.slow),
]


def write(folder, body, *, other=OTHER):
    """Write a job with a strategy whose class has this body; return the line of `# here`."""
    (folder / "other.py").write_text(other)
    code = HEAD + textwrap.indent(textwrap.dedent(body), "    ")
    (folder / "dip.py").write_text(code)
    (folder / "job.toml").write_text(JOB.read_text() + ROW)
    lines = [n for n, text in enumerate(code.splitlines(), 1) if "# here" in text]
    return lines[0] if lines else None


def replay(folder, *options):
    command = ["tapeflow", "replay", *TAPES, "--config", folder / "job.toml"]
    return run(folder, [*command, "--results", folder / "r.duckdb", *options])


def run(folder, command, **variables):
    ended = subprocess.run(
        [sys.executable, "-m", *map(str, command)], cwd=folder, capture_output=True, text=True,
        check=False, timeout=180, env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
    )  # fmt: skip
    lines = ended.stderr.splitlines()
    assert "Traceback" not in ended.stderr
    return ended.returncode, lines[-1] if lines else "", lines


RAISES = """
def on_bar(self, state, bar, context):
    return {}["no such key"]  # here
"""


def check_line(folder, code, line, number, text, handler="on_bar", file="dip.py"):
    assert code == 1, line
    where = re.escape(f": {folder / file} line {number}: {text}, in {handler} of strategy dip")
    found = re.search(rf"{where}( \(process \d\))?; the whole trace is in (\S+)$", line)
    assert found is not None, line
    assert "Traceback" in Path(found[2]).read_text()


@pytest.mark.parametrize("shape", [(), *CLUSTERS])
def test_an_error_of_a_handler_is_one_line_in_every_shape_of_cluster(tmp_path, shape):
    number = write(tmp_path, RAISES)
    code, line, lines = replay(tmp_path, *shape)
    check_line(tmp_path, code, line, number, "KeyError: 'no such key'")
    assert len(lines) == 1


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(), ("--processes", "2")])
def test_it_is_one_line_with_a_state_and_when_it_goes_on(tmp_path, shape):
    number = write(tmp_path, RAISES)
    for _ in range(2):
        code, line, _ = replay(tmp_path, "--state", tmp_path / "state", *shape)
        check_line(tmp_path, code, line, number, "KeyError: 'no such key'")


def test_it_is_one_line_under_the_engines_own_command(tmp_path):
    number = write(tmp_path, RAISES)
    variables = {
        "TAPEFLOW_CONFIG": "job.toml",
        "TAPEFLOW_TAPES": os.pathsep.join(map(str, TAPES)),
        "TAPEFLOW_RESULTS": str(tmp_path / "r.duckdb"),
    }
    code, line, lines = run(tmp_path, ["bytewax.run", "tapeflow.flows.trade:flow"], **variables)
    check_line(tmp_path, code, line, number, "KeyError: 'no such key'")
    assert len(lines) == 1


@pytest.mark.slow
def test_a_run_that_starts_its_processes_again_ends_with_it_at_once(tmp_path):
    number = write(tmp_path, RAISES)
    job = settings.load(tmp_path / "job.toml", {})
    results, state, lines = tmp_path / "r.duckdb", tmp_path / "state", []
    plan = Plan(
        command="t", log=find_tapes(TAPES, job), job=job, results=results, state=state,
        supervised=True,
    )  # fmt: skip
    with pytest.raises(ProcessFailure) as raised:
        run_plan(plan, silent, lines.append)
    where = f"{tmp_path / 'dip.py'} line {number}: KeyError: 'no such key'"
    assert raised.value.line == f"{where}, in on_bar of strategy dip (process 0)"
    assert not [line for line in lines if "again" in line]


BUYS = "def on_bar(self, state, bar, context):\n    yield Submit(bar.instrument, BUY)\n"
HANDLERS = {
    "on_fill": BUYS + "def on_fill(self, state, fill, context):\n    1 / 0  # here\n",
    "on_order": BUYS + "def on_order(self, state, event, context):\n    1 / 0  # here\n",
    "on_refusal": """
def on_bar(self, state, bar, context):
    yield Submit(bar.instrument, BUY, size=10**6)
def on_refusal(self, state, refusal, context):
    1 / 0  # here
""",
    "on_timer": """
def on_bar(self, state, bar, context):
    yield SetTimer(context.time_ns + 1)
def on_timer(self, state, timer, context):
    1 / 0  # here
""",
    "on_price": """
def on_bar(self, state, bar, context):
    yield WatchPrice(bar.instrument, above=0.01)
def on_price(self, state, event, context):
    1 / 0  # here
""",
}


@pytest.mark.parametrize("handler", HANDLERS)
def test_the_handler_that_fails_is_named(tmp_path, handler):
    number = write(tmp_path, HANDLERS[handler])
    code, line, _ = replay(tmp_path)
    check_line(tmp_path, code, line, number, "ZeroDivisionError: division by zero", handler)


ON_BAR = "def on_bar(self, state, bar, context):\n"
MISTAKES = {
    "a generator that fails later": (
        ON_BAR + "    yield SetTimer(None)\n    raise ValueError('two\\nlines')  # here\n",
        "ValueError: two lines",
    ),
    "what the context refuses": (
        ON_BAR + "    return context.feature('rsi:14@1m', bar.instrument)  # here\n",
        "ValueError: no feature 'rsi:14@1m'",
    ),
    "an instrument that is not": (
        ON_BAR + "    yield Submit('BTC', BUY)  # here\n",
        "ValueError: 'BTC' is no instrument of the job",
    ),
    "what is no request": (ON_BAR + "    yield 7  # here\n", "TypeError: 7 is no request"),
    "none as a request": (ON_BAR + "    yield  # here\n", "TypeError: None is no request"),
    "a request that is not yielded": (
        ON_BAR.replace("\n", "  # here\n") + "    return Submit(bar.instrument, BUY)\n",
        "TypeError: Submit(instrument='BTC-USDT.BINANCE'",
    ),
    "a list with what is none": (
        ON_BAR.replace("\n", "  # here\n") + "    return ['buy']\n",
        "TypeError: 'buy' is no request",
    ),
    "a wrong number of arguments": (
        "def on_bar(self, state, bar):  # here\n    return ()\n",
        "TypeError: Dip.on_bar() takes 3 positional arguments but 4 were given",
    ),
    "an end of the process": (ON_BAR + "    raise SystemExit(0)  # here\n", "SystemExit: 0"),
    "an iterator that ends": (ON_BAR + "    next(iter(()))  # here\n", "StopIteration"),
    "one inside a generator": (
        ON_BAR + "    next(iter(()))  # here\n    yield\n",
        "RuntimeError: generator raised StopIteration",
    ),
    "a file that may not be read": (
        ON_BAR + "    raise PermissionError(13, 'Permission denied', '/x')  # here\n",
        "PermissionError: [Errno 13] Permission denied: '/x'",
    ),
    "a module that is not installed": (
        ON_BAR + "    import no_such_module  # here\n",
        "ModuleNotFoundError: No module named 'no_such_module'",
    ),
    "a library that fails": (
        ON_BAR + "    import json; json.loads('{')  # here\n",
        "JSONDecodeError: Expecting property name",
    ),
    "recursion": (
        "def f(self):\n    return self.f()  # here\n" + ON_BAR + "    self.f()\n",
        "RecursionError: maximum recursion depth exceeded",
    ),
    "an error with a cause of the machine": (
        ON_BAR
        + "    try:\n        raise OSError(28, 'No space left')\n    except OSError as error:\n"
        "        raise ValueError('mine') from error  # here\n",
        "ValueError: mine",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_whatever_is_wrong_is_named_by_the_users_own_line(tmp_path, mistake):
    body, text = MISTAKES[mistake]
    number = write(tmp_path, body)
    code, line, lines = replay(tmp_path)
    assert code == 1
    assert f"{tmp_path / 'dip.py'} line {number}: {text}" in line
    assert ", in on_bar of strategy dip; the whole trace is in" in line
    assert len(lines) == 1


def test_an_error_in_a_file_beside_it_is_named_there(tmp_path):
    write(tmp_path, ON_BAR + "    other.fail()\n")
    code, line, _ = replay(tmp_path)
    check_line(tmp_path, code, line, 2, "KeyError: 'no such key'", file="other.py")


def test_a_state_that_can_not_begin_is_named(tmp_path):
    number = write(tmp_path, "def start(self):\n    1 / 0  # here\n")
    code, line, _ = replay(tmp_path)
    check_line(tmp_path, code, line, number, "ZeroDivisionError: division by zero", "start")


def test_what_no_run_can_begin_with_is_wrong_use(tmp_path):
    write(tmp_path, "depth: float\n" + RAISES)
    for shape in ((), ("--processes", "2")):
        code, line, lines = replay(tmp_path, *shape)
        assert code == 2
        assert line.endswith("strategies.dip.depth is missing: Dip needs it")
        assert len(lines) == 1


def test_frames_of_ours_and_of_libraries_are_not_what_is_named():
    files = [ROOT / "dip.py"]  # a strategy beside the checkout's own folders
    try:
        int("x", base=99)
    except ValueError as error:
        assert find_line(error, files).startswith(f"{__file__} line ")
    try:
        find_line(None, files)
    except AttributeError as error:
        assert find_line(error, files).startswith(f"{__file__} line ")
        assert find_line(error, [ROOT / "elsewhere" / "dip.py"]) is None
