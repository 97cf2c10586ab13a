"""docs/views.md: what it shows is what its commands print, and it shows every view of trading."""

import re

import pytest

from docs import outputs
from tests.running import ROOT

PAGE = ROOT / "docs" / "views.md"


@pytest.mark.slow
def test_the_page_shows_what_its_commands_print(tmp_path):
    shown = outputs.steps(PAGE)
    assert len(shown) == 9
    for _, command, text in shown:
        assert outputs.output(command, str(tmp_path)) == text, command


def test_each_view_of_the_page_has_a_query_and_rows():
    sections = PAGE.read_text().split("\n## ")[1:]
    listed = re.findall(r"^\| `([a-z_]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(each.partition("\n")[0] for each in sections) == sorted(listed)
    for section in sections:
        name = section.partition("\n")[0]
        assert re.search(rf"<!-- output: tapeflow query .*FROM {name}\b", section), name
        assert re.search(r"^\([1-9]\d* rows?\)$", section, re.MULTILINE), name
