"""`tapeflow explain` as a user meets it: output, exit codes, one line when something is wrong."""

import json
import os
import pty
import subprocess
import sys
import termios

import pytest

from docs import outputs
from tapeflow.connectors.duckdb.endings import complete
from tapeflow.connectors.duckdb.file import ResultPaths
from tapeflow.connectors.duckdb.reading import ResultsReader
from tapeflow.connectors.duckdb.sink import ResultsSink
from tapeflow.connectors.duckdb.tables import RunInfo
from tapeflow.flows.cli.main import main
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.quality import DeadLetter
from tests.running import REFERENCE, ROOT, replay

GOLDEN = REFERENCE / "golden-heartbeat"
TAPES = [each for tape in sorted(GOLDEN.glob("*.tape.gz")) for each in ("--tapes", str(tape))]
PAGE = ROOT / "docs" / "explain.md"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    path = tmp_path_factory.mktemp("explain") / "results.duckdb"
    replay(GOLDEN, path)
    return path


@pytest.fixture(scope="module")
def fill(results):
    return ResultsReader(results).rows("SELECT id FROM fills LIMIT 1")[0]["id"]


def tapeflow(capsys, *arguments):
    """Run `tapeflow explain`; return its exit code, output and errors."""
    code = main(["explain", *map(str, arguments)])
    written = capsys.readouterr()
    return code, written.out, written.err


def test_a_fill_is_explained_with_its_frames(capsys, results, fill):
    code, out, err = tapeflow(capsys, fill, *TAPES, "--results", results)
    assert (code, err) == (0, "")
    assert out.startswith(f"fill {fill}: ")
    assert "the volume of the bar" in out
    everything = tapeflow(capsys, fill, "--archive", GOLDEN, "--results", results, "--all")[1]
    assert len(everything.splitlines()) >= len(out.splitlines())
    assert "--all" not in everything


def test_without_the_log_the_frames_are_left_out_and_it_says_how_to_give_it(capsys, results, fill):
    code, out, err = tapeflow(capsys, fill, "--results", results)
    assert code == 0
    assert "└─ its trades: " in out
    assert err == (
        "tapeflow: no frames are shown, as the log is not given: name it by --tapes PATH "
        "(also an archive), --from-topics or --bootstrap HOST:PORT\n"
    )


def test_json_has_every_frame_of_the_bar(capsys, results, fill):
    code, out, _ = tapeflow(capsys, fill, *TAPES, "--results", results, "--json")
    assert code == 0
    node = json.loads(out)
    while node["kind"] != "trades":
        node = node["causes"][-1]
    assert len(node["frames"]) == node["row"]["records"]
    assert node["row"]["exact"]


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["ffffff"], 1, "tapeflow explain: no fact has an id that begins with ffffff; the nearest"),
        (["nothing"], 1, "tapeflow explain: nothing is no id: give an id or at least 6 of"),
        (["binance-0:99999999"], 1, "no fact names binance-0:99999999 as its record; name the log"),
        (["binance-0:99999999", "--tapes", GOLDEN], 1, "has binance-0 up to record"),
        (["binance-9:1", "--tapes", GOLDEN], 1, "the log that was given does not have binance-9"),
        (["abcdef", "--tapes", "a", "--bootstrap", "b:1"], 2, "not both"),
        (["abcdef", "--salvage"], 2, "--salvage is of tapes"),
        ([], 2, "missing: ID"),
        (["a", "b"], 2, "b is one argument too many"),
    ],
    ids=str,
)
def test_misuse_is_one_line(capsys, results, arguments, code, line):
    done, out, err = tapeflow(capsys, *arguments, "--results", results)
    assert (done, out) == (code, "")
    assert line in err.splitlines()[-1 if code == 1 else 0]


def test_results_that_are_not_there_are_one_line(capsys, tmp_path):
    code, out, err = tapeflow(capsys, "abcdef", "--results", tmp_path / "none.duckdb")
    assert (code, out) == (1, "")
    assert "does not exist: run `tapeflow replay` first" in err


def test_records_that_the_log_does_not_have_are_noted_and_fail(capsys, results, fill):
    part = GOLDEN / "coinbase-0.tape.gz"
    found = ResultsReader(results).rows("SELECT id FROM fills WHERE partition <> 'coinbase-0'")
    code, out, err = tapeflow(capsys, found[0]["id"], "--tapes", part, "--results", results)
    assert code == 1
    assert "FAULT: the log that was given does not have" in out
    assert err.endswith("not all of it is there, or agrees: see FAULT and the sums of bars\n")


def test_on_a_terminal_no_line_is_wider(results, fill):
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 72))
    command = [sys.executable, "-m", "tapeflow", "explain", fill, *TAPES]
    with subprocess.Popen(
        [*command, "--results", str(results)], cwd=ROOT, stdout=follower, stderr=follower
    ) as client:
        os.close(follower)
        shown = b""
        try:
            while part := os.read(leader, 65_536):
                shown += part
        except OSError:  # the other end is closed
            pass
        assert client.wait() == 0
    os.close(leader)
    lines = shown.decode().splitlines()
    assert len(lines) > 20
    assert max(map(len, lines)) <= 72


@pytest.mark.parametrize("live", [True, False])
def test_results_are_explained_while_a_run_writes_them_and_after(capsys, tmp_path, live):
    results = tmp_path / "results.duckdb"
    run = RunInfo("1", "replay", "{}", InstrumentTable.from_rows(()))
    paths = ResultPaths.for_stateless_run(results)
    part = ResultsSink(paths, run).build_part("r", "results", None)
    letter = DeadLetter("binance-0", 7, 1_700_000_000_000_000_000, "no JSON", b"\xff{", 2)
    part.write_batch([(letter,)])
    part.snapshot()
    if not live:
        part.close()
        complete(paths, keep=False)
    code, out, _ = tapeflow(capsys, "binance-0:7", "--results", results)
    if live:
        part.close()
    assert code == 0
    assert out.startswith("dead letter binance-0:7: no JSON; 2 bytes, 2023-11-14 22:13:20")


def test_the_tapes_of_the_demo_are_not_written_over_others(capsys, tmp_path):
    (tmp_path / "binance-0.tape").write_text("mine")
    results = tmp_path / "results.duckdb"
    assert main(["demo", "--tapes", str(tmp_path), "--results", str(results)]) == 2
    assert "is not empty: name a new folder" in capsys.readouterr().err
    assert (tmp_path / "binance-0.tape").read_text() == "mine"


@pytest.mark.slow
def test_the_page_shows_what_its_commands_print(tmp_path):
    shown = outputs.steps(PAGE)
    assert len(shown) == 5
    for _, command, text in shown:
        assert outputs.output(command, str(tmp_path)) == text, command
