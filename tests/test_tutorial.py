"""The tutorial does what it says: each of its files is written, each of its commands run."""

import re

import pytest

from docs import outputs
from tests.running import ROOT

TUTORIAL = ROOT / "docs" / "tutorial.md"


@pytest.mark.slow
def test_the_tutorial_shows_what_its_commands_print(tmp_path):
    done = {"output": 0, "file": 0, "added to": 0}
    for kind, name, text in outputs.steps(TUTORIAL):
        done[kind] += 1
        if kind == "output":
            assert outputs.output(name, str(tmp_path)) == text, name
        else:
            outputs.write_file(kind, tmp_path / name, text)
    assert done == {"output": 9, "file": 4, "added to": 1}


def test_the_tutorial_is_what_readme_links_first():
    links = re.findall(r"\]\(([^)]+)\)", outputs.README.read_text())
    assert next(link for link in links if "://" not in link) == "docs/tutorial.md"


def test_the_tutorial_shows_every_command_and_every_name_of_a_file():
    """What is run stands in comments, which a reader of the page does not see."""
    text = TUTORIAL.read_text()
    for kind, name, _ in outputs.steps(TUTORIAL):
        before = text[: text.index(f"<!-- {kind}: {name} -->")].rstrip().splitlines()[-1]
        command = before.strip()
        assert f"`{name}`" in before if kind != "output" else command in name, name
        assert kind != "output" or before.startswith("    "), name
