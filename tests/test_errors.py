"""Every wrong use is one line that says what and where, an exit code, and nothing lost."""

import os
import re
import subprocess
import sys

import pytest

from tapeflow.flows.cli.main import main
from tests.error_uses import ENGINE, JOB, USES, Use
from tests.running import ROOT

SHAPES = ["", " --workers 2", " --processes 2"]
NOTE = re.compile(
    r"tapeflow: (not read|no folder|numba|created|broker at .* away|.*: record \d+ was written|.* is empty)"
)
BEFORE = b"an earlier file"


def lay_out(folder, use):
    """Write the job and the files of a use; return all that is there."""
    text = JOB
    for old, new in use.job:
        assert old in text
        text = text.replace(old, new, 1)
    (folder / "job.toml").write_text(text)
    for name, data in use.files.items():
        path = folder / name
        (path if data is None else path.parent).mkdir(parents=True, exist_ok=True)
        if data is not None:
            path.write_bytes(data)
    (folder / "precious.txt").write_bytes(BEFORE)
    return contents(folder)


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def check(use, code, error, before, after):
    """One line of ours, the exit code, and what was there is there."""
    lines = [line for line in error.split("\n") if line and not NOTE.match(line)]
    if lines and lines[-1].startswith("try: "):
        assert code == 2
        lines.pop()
    assert len(lines) == 1, error
    assert lines[0].startswith("tapeflow")
    assert re.search(use.says, lines[0]), lines[0]
    assert code == use.code
    assert "Traceback" not in error
    assert "panicked" not in error
    assert not re.search(r"unexpected \w+(Error|Exception)", error), "not a bug, but a wrong use"
    assert {name: after.get(name) for name in before} == before, "something is lost"
    ours = ("s/", "results.duckdb")  # state, and unfinished results
    new = {name for name in after.keys() - before.keys() if not name.startswith(ours)}
    assert not new, "something is left behind"


def named(use):
    return f"{use.command[:40]} -> {use.says[:40]}".encode(errors="replace").decode()


@pytest.mark.parametrize("use", USES, ids=named)
def test_a_wrong_use_is_one_line_an_exit_code_and_nothing_lost(tmp_path, monkeypatch, capfd, use):
    before = lay_out(tmp_path, use)
    monkeypatch.chdir(tmp_path)
    for name, value in use.variables.items():
        monkeypatch.setenv(name, value)
    code = main(use.command.split(" "))
    written = capfd.readouterr()
    assert written.out == ""
    check(use, code, written.err, before, contents(tmp_path))


def run(folder, use, shape="", variables=None):
    """Run a use in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tapeflow", *(use.command + shape).split(" ")],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(variables or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("shape", SHAPES[:2])
@pytest.mark.parametrize("use", ENGINE, ids=named)
def test_what_the_engine_meets_is_one_line_with_threads(tmp_path, monkeypatch, capsys, use, shape):
    before = lay_out(tmp_path, use)
    monkeypatch.chdir(tmp_path)
    code = main((use.command + shape).split(" "))
    line = capsys.readouterr().err.splitlines()[-1]  # what the engine prints is hidden: see below
    check(use, code, line, before, contents(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("use", [*ENGINE[:1], ENGINE[2], *ENGINE[-2:]], ids=named)
def test_what_the_engine_meets_is_one_line_in_every_shape(tmp_path, use, shape):
    before = lay_out(tmp_path, use)
    failed = run(tmp_path, use, shape)
    check(use, failed.returncode, failed.stderr, before, contents(tmp_path))


def test_the_table_holds_a_hundred_uses():
    assert len(USES) + len(ENGINE) >= 100
    assert all(isinstance(use, Use) for use in USES)
