"""The command as a user meets it: output, exit codes, one clear line when something is wrong."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from functools import partial
from importlib.metadata import version

import duckdb
import pytest

from bench.real_kafka import broker as real_kafka
from bench.real_kafka.broker import RealBroker
from tapeflow.connectors.kafka.embedded import EmbeddedBroker
from tapeflow.flows.cli.main import build_parser, main
from tests.running import JOB, REFERENCE, ROOT, digest

GOLDEN = REFERENCE / "golden-heartbeat"
COMMANDS = [*build_parser().commands]


def tapeflow(capsys, *arguments):
    """Run a command; return its exit code, output and errors."""
    code = main([str(argument) for argument in arguments])
    written = capsys.readouterr()
    return code, written.out, written.err


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    path = tmp_path_factory.mktemp("results") / "results.duckdb"
    tapes = [str(tape) for tape in sorted(GOLDEN.glob("*.tape.gz"))]
    command = ["replay", *tapes, "--config", str(JOB), "--results", str(path), "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "tapeflow", *command],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert json.loads(done.stdout)["bars"] > 1000
    assert done.stderr == ""
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(capsys, command):
    code, out, _ = tapeflow(capsys, command, "-h")
    assert code == 0
    (example,) = re.findall(r"^example: tapeflow (.+)$", out, re.MULTILINE)
    assert shlex.split(example.partition(" >>")[0])[0] == command
    build_parser().parse(shlex.split(example.partition(" >>")[0]))
    assert tapeflow(capsys, command, "--help") == tapeflow(capsys, "help", command) == (0, out, "")


def test_without_a_command_the_help_names_them_all(capsys):
    code, out, _ = tapeflow(capsys)
    assert code == 0
    assert re.findall(r"^  ([a-z]+)  ", out, re.MULTILINE) == COMMANDS
    assert tapeflow(capsys, "help") == tapeflow(capsys, "--help") == (0, out, "")


def test_the_version_is_that_of_the_package(capsys):
    assert tapeflow(capsys, "--version") == (0, f"tapeflow {version('tapeflow')}\n", "")


@pytest.mark.parametrize(
    ("arguments", "line", "hint"),
    [
        (["replya"], "tapeflow: replya is no command: did you mean replay?", "tapeflow"),
        (["frobnicate"], "tapeflow: frobnicate is no command", "tapeflow"),
        (["help", "quary"], "tapeflow: quary is no command: did you mean query?", "tapeflow"),
        (["--versoin"], "tapeflow: --versoin is no option: did you mean --version?", "tapeflow"),
        (
            ["replay", "x", "--worker=2"],
            "tapeflow replay: --worker is no option: did you mean --workers?",
            "tapeflow replay",
        ),
        (["digest", "-x"], "tapeflow digest: -x is no option", "tapeflow digest"),
        (["digest", "a", "b"], "tapeflow digest: b is one argument too many", "tapeflow digest"),
        (["query"], "tapeflow query: missing: SQL", "tapeflow query"),
        (["run", "--workers"], "tapeflow run: --workers: needs a value", "tapeflow run"),
        (
            ["query", "SELECT 1", "--format", "xml"],
            "tapeflow query: --format: 'xml' is not one of table, csv, json",
            "tapeflow query",
        ),
        (
            ["replay", "x", "--from-topics"],
            "tapeflow replay: name TAPES or give --from-topics, one of them",
            "tapeflow replay",
        ),
    ],
)
def test_wrong_use_is_one_line_and_where_to_read_more(capsys, arguments, line, hint):
    assert tapeflow(capsys, *arguments) == (2, "", f"{line}\ntry: {hint} --help\n")


def test_sql_may_begin_with_a_comment(capsys, results):
    code, out, _ = tapeflow(
        capsys, "query", "-- one\nSELECT 1 AS n", "--results", results, "--format", "csv"
    )
    assert (code, out) == (0, "n\n1\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["re"], ["replay", "report"]),
        (["--v"], ["--version"]),
        (["replay", "--w"], ["--workers"]),
        (["replay", "REA"], []),  # bash then completes file names
        (["query", "--format", ""], ["table", "csv", "json"]),
        (["replay", "--workers", ""], []),
        (["help", "ver"], ["verify"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
    ],
)
def test_bash_completes_commands_options_and_values(tmp_path, capsys, words, expected):
    script = tmp_path / "completion.bash"
    script.write_text(tapeflow(capsys, "completion", "bash")[1])
    line = shlex.join(["tapeflow", *words])
    completed = f"COMP_WORDS=({line}); COMP_CWORD={len(words)}; _tapeflow; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(
        ["bash", "--norc", "-uc", f". {script}; {completed}"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == expected
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("shell", "begin"),
    [
        ("zsh", "        {command}) _arguments "),
        ("fish", "complete -c tapeflow -n '__fish_seen_subcommand_from {command}'"),
    ],
)
def test_scripts_of_other_shells_know_every_command(tmp_path, capsys, shell, begin):
    code, out, _ = tapeflow(capsys, "completion", shell)
    assert code == 0
    for command in COMMANDS:
        line = next(
            line for line in out.splitlines() if line.startswith(begin.format(command=command))
        )
        assert "help" in line
    if shutil.which(shell):
        (tmp_path / "script").write_text(out)
        subprocess.run([shell, "-n", tmp_path / "script"], check=True)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away_ends_a_query_in_silence(results, unbuffered):
    with subprocess.Popen(
        [sys.executable, "-m", "tapeflow", "query", "SELECT 1", "--results", str(results)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    ) as running:
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 1


def test_a_query_is_a_table_for_people(capsys, results):
    code, out, _ = tapeflow(
        capsys,
        "query",
        "SELECT 1 AS n, DECIMAL '1.50' AS price, NULL AS none",
        "--results",
        results,
    )
    assert code == 0
    assert out.splitlines() == ["n  price  none", "-  -----  ----", "1    1.5", "(1 row)"]


def test_a_query_is_exact_in_csv_and_json(capsys, results):
    sql = "SELECT open_time, close, count FROM bars ORDER BY ALL LIMIT 1"
    _, out, _ = tapeflow(capsys, "query", sql, "--results", results, "--format", "csv")
    assert out.splitlines()[0] == "open_time,close,count"
    _, out, _ = tapeflow(capsys, "query", sql, "--results", results, "--format", "json")
    (row,) = json.loads(out)
    assert row["open_time"].startswith("2023-11-14 22:13:")
    assert isinstance(row["count"], int)


def test_nanoseconds_survive_a_query(capsys, results):
    sql = "SELECT make_timestamp_ns(1700000000123456789) AS t"
    _, out, _ = tapeflow(capsys, "query", sql, "--results", results, "--format", "csv")
    assert out.splitlines()[1] == "2023-11-14 22:13:20.123456789"


def test_results_cannot_be_changed_by_a_query(capsys, results):
    before = digest(results)
    code, _, err = tapeflow(capsys, "query", "DELETE FROM fills", "--results", results)
    assert code == 1
    assert "read-only" in err
    assert digest(results) == before


def test_the_digest_is_one_line_and_in_json_one_for_each_table(capsys, results):
    code, out, _ = tapeflow(capsys, "digest", results)
    assert code == 0
    assert len(out.strip()) == 64
    _, text, _ = tapeflow(capsys, "digest", results, "--json")
    assert json.loads(text)["digest"] == out.strip()
    assert "fills" in json.loads(text)["tables"]


def test_a_digest_sees_the_smallest_change(results, tmp_path):
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(results.read_bytes())
    with duckdb.connect(str(copy)) as con:
        con.execute("UPDATE internal.bars SET close = nextafter(close, 1e9) WHERE rowid = 17")
    assert digest(copy) != digest(results)


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["replay"], 2, "name TAPES or give --from-topics"),
        (["replay", "nowhere"], 2, "nowhere does not exist"),
        (["replay", "tests/reference/check.py"], 2, "is no tape"),
        (["replay", "docs"], 2, "no tapes in docs"),
        (["replay", GOLDEN, "--config", "nowhere.toml"], 2, "nowhere.toml: cannot be read"),
        (["replay", GOLDEN, "--workers", "0"], 2, "no whole number above zero"),
        (["replay", GOLDEN, "--speed", "fast"], 2, "write max, 1x or 60x"),
        (["query", "SELEC 1", "--results", "nowhere.duckdb"], 1, "nowhere.duckdb does not exist"),
        (["digest", "README.md"], 1, "README.md"),
        (["demo", "--seed", "-1"], 2, "no whole number"),
        (["run", "--bootstrap", "127.0.0.1:1"], 1, "127.0.0.1:1"),
    ],
)
def test_an_error_is_one_clear_line_without_a_traceback(capsys, monkeypatch, arguments, code, part):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("TAPEFLOW_KAFKA_CONNECT_TIMEOUT", "100ms")
    got, _, err = tapeflow(capsys, *arguments)
    assert got == code
    line = err.partition("\ntry: ")[0].strip().splitlines()[-1]
    assert line.startswith(f"tapeflow {arguments[0]}: ")
    assert part in line
    assert "Traceback" not in err


def test_a_file_that_holds_no_results_is_never_replaced(capsys, tmp_path):
    path = tmp_path / "other.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE precious AS SELECT 42 AS answer")
    before = path.read_bytes()
    code, _, err = tapeflow(capsys, "replay", GOLDEN, "--config", JOB, "--results", path)
    assert code == 1
    assert "holds no results of Tapeflow" in err
    assert path.read_bytes() == before


def test_one_instrument_in_two_partitions_is_refused(capsys, tmp_path):
    frame = b'{"e":"trade","s":"BTCUSDT","t":%d,"p":"1","q":"1","T":1700000000000,"m":true}'
    for number in range(2):
        line = b"1700000000000000000 " + frame % number + b"\n"
        (tmp_path / f"binance-{number}.tape").write_bytes(line * 3)
    arguments = ("replay", tmp_path, "--config", JOB, "--results", tmp_path / "r.duckdb")
    code, _, err = tapeflow(capsys, *arguments, "--workers", 2)
    assert code == 1
    assert "BTC-USDT.BINANCE comes from two partitions" in err.strip().splitlines()[-1]


def test_a_broken_tape_ends_the_run_with_its_name_and_record(capsys, tmp_path):
    (tmp_path / "binance-0.tape").write_bytes(b"1700000000000000000 {}\nrubbish\n")
    arguments = ("replay", tmp_path, "--config", JOB, "--results", tmp_path / "r.duckdb")
    code, _, err = tapeflow(capsys, *arguments)
    assert code == 1
    assert "binance-0.tape: record 1 begins with b'rubbish'" in err.strip().splitlines()[-1]


def test_doctor_finds_what_is_wrong(capsys, tmp_path):
    assert tapeflow(capsys, "doctor", "--config", JOB)[0] == 0
    bad = tmp_path / "bad.toml"
    bad.write_text("[instruments]\n[barz]\n")
    code, out, _ = tapeflow(capsys, "doctor", "--config", bad)
    assert code == 1
    assert "FAIL job" in out


@pytest.mark.parametrize(
    "bootstrap",
    ["localhost", "localhost:1", "127.0.0.1:1, 127.0.0.1:2", "[::1]:1", "PLAINTEXT://127.0.0.1:1"],
)
def test_doctor_reads_brokers_as_a_run_does_and_fails_where_a_named_one_is_away(
    capsys, monkeypatch, bootstrap
):
    monkeypatch.setenv("TAPEFLOW_KAFKA_CONNECT_TIMEOUT", "100ms")
    code, out, err = tapeflow(capsys, "doctor", "--config", JOB, "--bootstrap", bootstrap)
    (line,) = [line for line in out.splitlines() if " kafka: " in line]
    if line.startswith("ok"):
        pytest.skip("a broker runs on this machine")
    assert line.startswith(f"FAIL kafka: no answer from a broker at {bootstrap}")
    assert (code, err) == (1, "")


def test_doctor_asks_for_the_topics_that_a_run_needs(capsys, monkeypatch):
    with EmbeddedBroker() as broker:
        arguments = ("doctor", "--config", JOB, "--bootstrap", broker.bootstrap)
        broker.create_topic("raw.binance", 1)
        code, out, _ = tapeflow(capsys, *arguments)
        assert code == 1
        assert "FAIL kafka: no topic raw.coinbase" in out
        broker.create_topic("raw.coinbase", 2)
        code, out, _ = tapeflow(capsys, *arguments)
        assert code == 0
        assert "it holds binance-0, coinbase-0, coinbase-1" in out


def test_doctor_says_where_results_cannot_be_written(capsys, tmp_path):
    (tmp_path / "file").touch()
    where = tmp_path / "file" / "r.duckdb"
    code, out, _ = tapeflow(capsys, "doctor", "--config", JOB, "--results", where)
    assert code == 1
    assert "FAIL results" in out


def test_a_second_kafka_on_the_same_records_or_port_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(real_kafka, "jars", lambda: tmp_path)
    monkeypatch.setattr(RealBroker, "_format", lambda _: None)
    first = RealBroker(tmp_path / "data")
    with pytest.raises(RuntimeError, match="a Kafka runs on"):
        RealBroker(tmp_path / "data")
    first.lock.close()
    server = socket.create_server(("127.0.0.1", 0))
    with server, pytest.raises(RuntimeError, match="is in use: does another Kafka run there"):
        RealBroker(tmp_path / "other", server.getsockname()[1])


@pytest.mark.parametrize(
    ("command", "slow"),
    [
        (
            "--help",
            ["numba", "bytewax", "confluent_kafka", "pyarrow", "duckdb", "numpy", "pydantic"],
        ),
        ("query", ["numba", "bytewax", "confluent_kafka", "pydantic", "pyarrow.parquet"]),
        ("digest", ["numba", "bytewax", "confluent_kafka", "pydantic", "pyarrow.parquet"]),
    ],
)
def test_a_command_imports_only_what_it_needs(results, command, slow):
    arguments = {"query": ["SELECT 1", "--results", str(results)], "digest": [str(results)]}
    code = (
        "import sys; from tapeflow.flows.cli.main import main\n"
        f"main({[command, *arguments.get(command, [])]})\n"
        f"print([name for name in {slow} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_everything_works_without_numba(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\n_find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'numba' else _find(name, *a)\n"
        "import sys\nsys.modules['numba'] = None\n"
    )
    paths = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "TAPEFLOW_KERNELS": "python"}
    results = tmp_path / "results.duckdb"
    command = ["replay", str(GOLDEN), "--config", str(JOB), "--results", str(results)]
    done = subprocess.run(
        [sys.executable, "-m", "tapeflow", *command],
        check=False, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **paths},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("numba is not installed") == 1
    with_numba = tmp_path / "with.duckdb"
    assert main(["replay", str(GOLDEN), "--config", str(JOB), "--results", str(with_numba)]) == 0
    assert digest(results) == digest(with_numba)


INTERRUPTED = """
import os, signal, sys, threading, time
import duckdb
from tapeflow.connectors.duckdb import query
from tapeflow.flows.cli.main import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background jobs

def digests(*_):
    con = duckdb.connect()
    stop = lambda: os.kill(os.getpid(), int(sys.argv[1]))
    threading.Timer(1, stop).start()
    while True:
        con.execute("SELECT count(*) FROM range(1000000) WHERE range % 7 = 3")

query.digests = digests
sys.exit(main(["digest"]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda each: each.name)
def test_a_command_that_is_stopped_while_it_reads_results_was_stopped_and_has_not_failed(
    number, tmp_path
):
    line = [sys.executable, "-c", INTERRUPTED, str(int(number))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = partial(subprocess.run, cwd=tmp_path, env=environment, check=False)
    ended = run(line, capture_output=True, text=True, timeout=30)
    assert ended.stderr == f"tapeflow digest: interrupted by {number.name}\n"
    assert ended.returncode == 128 + number
