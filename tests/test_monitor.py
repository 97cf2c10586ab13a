"""`tapeflow monitor` as text and as a live view: what it shows, its keys, how it ends."""

import asyncio
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from argparse import Namespace

import pytest

from tapeflow.flows.cli import monitor as command
from tapeflow.flows.cli.main import main
from tapeflow.flows.live.snapshot import LiveWatch
from tapeflow.flows.monitor import follow
from tapeflow.flows.monitor.app import MonitorApp
from tapeflow.flows.monitor.table import Column, Table, cells, fit
from tapeflow.flows.monitor.tables import tables_of
from tests.running import JOB, REFERENCE, ROOT

GOLDEN = REFERENCE / "golden-heartbeat"
SIZES = [(40, 20), (80, 24), (160, 50)]


@pytest.fixture(scope="module")
def results(demo_run, tmp_path_factory):
    """The demo's results in a file that no other test has open."""
    path = tmp_path_factory.mktemp("monitor") / "results.duckdb"
    shutil.copyfile(demo_run.results, path)
    return path


@pytest.fixture(scope="module")
def snapshot(results):
    return snapshot_of(results)


def snapshot_of(results):
    watch = LiveWatch(results)
    found = watch.refresh()
    watch.close()
    return found


def monitor(*arguments):
    return [sys.executable, "-m", "tapeflow", "monitor", *map(str, arguments)]


def test_once_prints_every_part_and_ends(capsys, results):
    assert main(["monitor", "--once", "--results", str(results)]) == 0
    out = capsys.readouterr().out
    for title in ("Alerts", "Partitions", "Accounts", "Positions", "Open orders", "Limits used",
                  "Trading states", "Last fills", "Last refusals"):  # fmt: skip
        assert re.search(f"^{title}", out, re.MULTILINE), title
    assert "has finished at" in out


def test_json_is_one_object_in_a_line(capsys, results):
    assert main(["monitor", "--once", "--json", "--results", str(results)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert found["run"]["state"] == "finished"
    assert len(found["positions"]) == 8


def test_without_results_it_fails_with_a_line(capsys, tmp_path):
    for extra in ([], ["--once"], ["--json"]):
        assert main(["monitor", *extra, "--results", str(tmp_path / "no.duckdb")]) == 1
        assert "does not exist: run `tapeflow replay` first" in capsys.readouterr().err


def test_too_short_a_time_between_snapshots_is_refused(capsys, tmp_path):
    assert main(["monitor", "--every", "10ms", "--results", str(tmp_path / "no.duckdb")]) == 2
    assert "'10ms' is too short: at least 200ms" in capsys.readouterr().err


@pytest.mark.parametrize("width", [30, 36, 60, 100, 200])
def test_tables_fit_the_width(snapshot, width):
    for table in tables_of(snapshot):
        fitted = fit(table, width)
        for row in (fitted.header(), *fitted.rows):
            assert cells("  ".join(row)) <= width, table.name
        assert fitted.columns[0].title == table.columns[0].title


def test_control_characters_never_reach_the_terminal():
    table = Table("t", "T", (Column("a"),), [("x\x1b[2Jy\n",)], "")
    assert fit(table, 20).rows == [["x·[2Jy·"]]


def drive(results, size, *keys):
    """Run the live view without a terminal; return its text after keys, and its exit code."""

    async def run():
        watch = LiveWatch(results)
        app = MonitorApp(watch, 60.0)
        async with app.run_test(size=size) as pilot:
            deadline = time.monotonic() + 30
            while app.snapshot is None:
                assert time.monotonic() < deadline
                await pilot.pause(0.05)
            await pilot.pause()
            for key in keys:
                await pilot.press(key)
                await pilot.pause()
            text = "\n".join(
                "".join(segment.text for segment in strip) for strip in screen_lines(app)
            )
            focused = app.focused.id if app.focused else None
        watch.close()
        return text, focused, app.return_value

    return asyncio.run(run())


def screen_lines(app):
    return app.screen._compositor.render_strips()


@pytest.mark.parametrize("size", SIZES)
def test_the_live_view_fills_any_size(results, size):
    text, _, _ = drive(results, size)
    lines = text.splitlines()
    assert len(lines) == size[1]
    assert max(map(cells, lines)) <= size[0]
    assert "the demo" in text or "the test" in text
    assert "Partitions 3" in text
    if size[0] >= 160:
        for title in ("Positions 8", "Limits used 3", "Last fills 20", "Last refusals 20"):
            assert title in text


def test_keys_move_help_and_quit(results):
    assert "next panel" in drive(results, (80, 24), "question_mark")[0]
    assert "Partitions 3" in drive(results, (80, 24), "question_mark", "escape")[0]
    first, second = (drive(results, (80, 24), *["tab"] * n)[1] for n in (1, 2))
    assert {first, second} <= {table.name for table in tables_of(snapshot_of(results))}
    assert first != second
    for key in ("q", "ctrl+c"):
        assert drive(results, (80, 24), key)[2] == 0


def test_arrows_scroll_to_what_is_below(results):
    top, name, _ = drive(results, (80, 24))
    assert name is None
    assert "Last refusals" not in top
    assert "Last refusals" in drive(results, (80, 24), *["pagedown"] * 5)[0]
    keys = ["tab"] * 5  # the panel of fills
    before, name, _ = drive(results, (80, 24), *keys)
    assert name == "fills"
    after, _, _ = drive(results, (80, 24), *keys, *["down"] * 6)
    assert before != after


def test_without_textual_it_says_how_to_install_it_and_prints_text(capsys, results, monkeypatch):
    monkeypatch.setitem(sys.modules, "textual", None)
    monkeypatch.delitem(sys.modules, "tapeflow.flows.monitor.app", raising=False)
    for name in [each for each in sys.modules if each.startswith("textual.")]:
        monkeypatch.delitem(sys.modules, name)

    def interrupt(_seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(follow, "sleep", interrupt)
    watch = LiveWatch(results)
    assert command.show_live(watch, Namespace(every=10**9, json=False)) == 0
    watch.close()
    out, err = capsys.readouterr()
    assert "pip install 'tapeflow[see]'" in err
    assert "Partitions (by facts):" in out


@pytest.fixture
def paced(tmp_path):
    """A replay that takes minutes: the process, and its results."""
    results = tmp_path / "results.duckdb"
    command = [
        sys.executable, "-m", "tapeflow", "replay", GOLDEN, "--speed", "2x", "--config", JOB,
        "--results", results,
    ]  # fmt: skip
    running = subprocess.Popen(
        list(map(str, command)), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "results.duckdb.live").exists():
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    yield running, results
    running.kill()
    running.wait()


@pytest.mark.slow
def test_a_real_flow_is_followed_by_lines_of_json_and_seen_to_die(paced):
    running, results = paced
    following = subprocess.Popen(
        monitor("--json", "--every", "300ms", "--results", results),
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        first, second = (json.loads(following.stdout.readline()) for _ in range(2))
        assert [each["run"]["state"] for each in (first, second)] == ["running"] * 2
        assert second["taken_ns"] > first["taken_ns"]
        running.kill()
        deadline = time.monotonic() + 30
        state = "running"
        while state == "running":
            assert time.monotonic() < deadline
            last = json.loads(following.stdout.readline())
            state = last["run"]["state"]
        assert state == "gone"
        assert "was killed or failed, seen at" in last["run"]["line"]
        following.send_signal(signal.SIGTERM)
        assert following.wait(20) == 0, following.stderr.read()
    finally:
        following.kill()
        following.communicate()


class Terminal:
    """A terminal of tmux, with a shell in it."""

    def __init__(self, folder):
        self.socket = str(folder / "tmux")
        self.tmux("new-session", "-d", "-s", "m", "-x", "100", "-y", "40",
                  "env", "PS1=prompt> ", "bash", "--norc")  # fmt: skip

    def tmux(self, *arguments):
        command = ["tmux", "-S", self.socket, "-f", "/dev/null", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout

    def screen(self):
        return self.tmux("capture-pane", "-p", "-t", "m")

    def wait_for(self, pattern, patience_s=40):
        deadline = time.monotonic() + patience_s
        while not re.search(pattern, self.screen()):
            assert time.monotonic() < deadline, self.screen()
            time.sleep(0.1)
        return self.screen()


@pytest.fixture
def terminal(tmp_path):
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed: no terminal to drive")
    found = Terminal(tmp_path)
    yield found
    found.tmux("kill-server")


@pytest.mark.slow
def test_a_terminal_shows_a_flow_through_resizes_and_its_death_and_comes_back(terminal, paced):
    running, results = paced
    line = " ".join(monitor("--results", results))
    terminal.tmux("send-keys", "-t", "m", f"{line}; echo code=$?", "Enter")
    terminal.wait_for(r"is running")
    for width, height in ((160, 50), (40, 20), (100, 40)):
        terminal.tmux("resize-window", "-t", "m", "-x", str(width), "-y", str(height))
        terminal.wait_for(r"Partitions \d")
    assert "Positions" in terminal.screen()
    running.kill()
    terminal.wait_for(r"was killed or failed, seen at")
    terminal.tmux("send-keys", "-t", "m", "q")
    screen = terminal.wait_for(r"code=0\s+prompt>")
    assert "Partitions" not in screen


@pytest.mark.slow
@pytest.mark.parametrize("number", ["TERM", "HUP", "INT"])
def test_a_signal_ends_the_live_view_and_gives_the_terminal_back(terminal, results, number):
    line = " ".join(monitor("--results", results))
    terminal.tmux("send-keys", "-t", "m", f"{line}; echo code=$?", "Enter")
    terminal.wait_for(r"Partitions \d")
    if number == "INT":
        terminal.tmux("send-keys", "-t", "m", "C-c")
    else:
        shell = terminal.tmux("display-message", "-p", "-t", "m", "#{pane_pid}").strip()
        (child,) = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", shell], check=True, capture_output=True, text=True
        ).stdout.split()
        subprocess.run(["kill", f"-{number}", child], check=True)
    screen = terminal.wait_for(r"code=0\s+prompt>")
    assert "Partitions" not in screen
    terminal.tmux("send-keys", "-t", "m", "stty -a | grep -c ' echo '", "Enter")
    terminal.wait_for(r"\n1\n")
