"""What README says is what happens."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from docs import outputs
from tapeflow.flows.cli.main import build_parser
from tests.running import ROOT

TEXT = outputs.README.read_text()


def test_readme_shows_what_its_commands_print(tmp_path):
    shown = [(command, text) for command, text in outputs.blocks() if "bench" not in command]
    assert len(shown) >= 5
    for command, text in shown:
        assert outputs.output(command, str(tmp_path)) == text, command


def test_every_tapeflow_command_in_the_documents_is_one_of_ours():
    lines = re.findall(r"(?:^ {4}|`|&& )(tapeflow [^`\n#&]+)", TEXT, re.MULTILINE)
    assert len(lines) >= 5
    for line in lines:
        build_parser().parse_args(shlex.split(line)[1:])


def test_every_link_of_the_documents_leads_somewhere():
    for document in [outputs.README, *ROOT.glob("docs/**/*.md")]:
        for link in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            if "://" not in link:
                assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_the_picture_in_readme_is_that_of_the_flow():
    def boxes(text):
        return re.findall(r"[a-z_]+(?= ─)|(?<=▶ )[a-z_]+", text)

    flow = (ROOT / "flows" / "trade.py").read_text().split('"""')[1]
    assert boxes(flow.split("The facts")[0]) == [
        box for box in boxes(TEXT.split("```")[1]) if box not in {"DuckDB"}
    ]


@pytest.mark.parametrize("target", ["setup", "demo", "test", "check", "bench"])
def test_make_knows_what_readme_and_ci_ask_of_it(target):
    done = subprocess.run(["make", "-n", target], check=False, cwd=ROOT, capture_output=True)
    assert done.returncode == 0


def test_ci_does_what_make_check_does():
    assert "exec make check" in Path(ROOT / ".ci" / "run").read_text()


def test_the_lock_names_no_host():
    assert "://" not in (ROOT / "requirements.lock").read_text()
