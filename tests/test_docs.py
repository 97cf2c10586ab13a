"""What README says is what happens."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from docs import outputs
from tapeflow.flows.cli.main import build_parser
from tapeflow.flows.job import settings
from tests.running import ROOT

TEXT = outputs.README.read_text()
DOCUMENTS = [outputs.README, ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
TEXTS = "\n".join(each.read_text() for each in DOCUMENTS)


def test_readme_shows_what_its_commands_print(tmp_path):
    shown = [(command, text) for command, text in outputs.blocks() if "bench" not in command]
    assert len(shown) >= 5
    for command, text in shown:
        assert outputs.output(command, str(tmp_path)) == text, command


def test_every_example_in_the_documents_is_a_command():
    lines = re.findall(r"(?:^ {4}|&& )(tapeflow [^\n#&]+)", TEXTS, re.MULTILINE)
    assert len(lines) >= 8
    for line in lines:
        build_parser().parse(shlex.split(line)[1:])


def test_every_mention_of_a_command_is_of_one_there_is():
    mentions = re.findall(r"`(?:tapeflow |(?=run --))([a-z][^`\n]*)`", TEXTS)
    assert len(mentions) >= 8
    for mention in mentions:
        command, *arguments = shlex.split(mention)
        build_parser().commands[command].check_options(arguments)


def test_every_setting_in_the_documents_is_one_of_ours():
    mentions = re.findall(r"`\[([a-z]+)\] ([a-z_]+)", TEXTS)
    assert len(mentions) >= 8
    known = {*settings.variables().values()}
    assert {*mentions} <= known


def test_every_link_of_the_documents_leads_somewhere():
    for document in DOCUMENTS:
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


def made(*arguments):
    """Run make in the checkout; return what it prints."""
    done = subprocess.run(
        ["make", *arguments], check=True, cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout


@pytest.mark.parametrize(
    "target", ["setup", "demo", "test", "check-fast", "check", "docs", "bench"]
)
def test_make_knows_what_readme_and_ci_ask_of_it(target):
    assert made("-n", target)


def test_make_alone_lists_every_target_with_what_it_does():
    phony = re.search(r"^\.PHONY: (.+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    listed = re.findall(r"^  make ([a-z-]+) +\S.+$", made(), re.MULTILINE)
    assert sorted(listed) == sorted(phony)
    assert made("help") == made()


def test_ci_does_what_make_check_does():
    assert "exec make check" in Path(ROOT / ".ci" / "run").read_text()


def test_the_lock_names_no_host():
    assert "://" not in (ROOT / "requirements.lock").read_text()


def test_every_decision_is_in_their_index_with_title_and_status():
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text().splitlines()
    records = sorted(folder.glob("0*.md"))
    assert len(records) >= 12
    for record in records:
        head, _, status = record.read_text().splitlines()[:3]
        number, _, title = head.removeprefix("# ").partition(". ")
        assert int(number) == int(record.name[:4])
        assert re.fullmatch(r"Status: (accepted|superseded by \d+)", status), record.name
        row = f"| {number} | [{title}]({record.name}) | {status.removeprefix('Status: ')} |"
        assert row in index
