"""The first hour of a new user: an empty folder, the wheel, and the pages as they are written.

wheel ─▶ README: demo, queries ─▶ tutorial: tapes, job, strategy, replay, sweep
                                    └─▶ report ─▶ tapeflow.open
"""

import os
import subprocess
import sys

import pytest

from docs import outputs
from tests.installing import BARE, Install, pip_install, run_checked
from tests.running import ROOT

TUTORIAL = ROOT / "docs" / "tutorial.md"
OF_CHECKOUT = ("make ", "python -m bench")  # commands of README that need the sources
READ = """
import tapeflow

with tapeflow.open("results.duckdb") as results:
    print(results)
    print("fills", len(results.fills.fetchall()), results.digest())
    print("frame" if "<iframe" in results.equity_chart()._repr_html_() else "nothing")
    try:
        results.fills.df()
    except Exception as error:  # DuckDB's own
        print(error)
"""


@pytest.fixture(scope="module")
def user(wheel, tmp_path_factory):
    """What a user has after `pip install tapeflow`, and nothing else."""
    folder = tmp_path_factory.mktemp("user")
    run_checked([sys.executable, "-m", "venv", folder / "venv"])
    (folder / "home").mkdir()
    made = Install(folder / "venv" / "bin" / "python", folder / "home")
    pip_install(made.python, wheel)
    return made


def shell(user, folder, command):
    """Run a command as it is written, in a folder; what it prints, without spaces at line ends."""
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env={**BARE, "PATH": f"{user.python.parent}:{os.defpath}", "HOME": str(user.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    lines = done.stdout.strip("\n").splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"


@pytest.mark.slow
def test_readme_works_in_an_empty_folder(user, tmp_path):
    commands = [
        (command, shown)
        for command, shown in outputs.blocks()
        if not command.startswith(OF_CHECKOUT)
    ]
    assert commands[0][0] == "tapeflow demo"
    for command, shown in commands:
        assert shell(user, tmp_path, command) == shown, command


@pytest.mark.slow
def test_the_tutorial_leads_to_a_report_and_results_in_python(user, tmp_path):
    for kind, name, text in outputs.steps(TUTORIAL):
        if kind == "output":
            assert shell(user, tmp_path, name) == text, name
        else:
            outputs.write_file(kind, tmp_path / name, text)
    assert "report.html" in shell(user, tmp_path, "tapeflow report")
    page = (tmp_path / "report.html").read_text()
    assert page.startswith("<!doctype html>") and "default-src 'none'" in page

    (tmp_path / "read.py").write_text(READ)
    lines = shell(user, tmp_path, "python read.py").splitlines()
    digest = shell(user, tmp_path, "tapeflow digest results.duckdb").strip()
    assert lines[0].startswith("<results results.duckdb: bars from 2026-01-05 09:00:00 to ")
    assert lines[1:3] == [f"fills 33 {digest}", "frame"]
    assert "'pandas' is required" in lines[3]
