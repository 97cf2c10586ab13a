"""docs/reference/ says what the code is: made from it, and made again here."""

import re
import sys

import pytest

from docs.generate import FOLDER, box, pages, tables
from tapeflow.flows.cli.main import build_parser
from tapeflow.flows.job import kinds, settings
from tapeflow.schemas.meanings import SHARED, field_comments
from tapeflow.schemas.registry import FACT_TYPES

PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_what_the_code_says(name):
    assert (FOLDER / name).read_text() == PAGES[name], "run `make docs`"


def test_there_is_no_other_page():
    assert {path.name for path in FOLDER.iterdir()} == PAGES.keys()


def test_every_setting_has_a_variable_or_is_in_a_list():
    text = PAGES["configuration.md"]
    assert set(re.findall(r"`(TAPEFLOW_\w+)` \|", text)) == settings.variables().keys()
    for row in re.findall(r"^\| `\w+` \|.*", text.split("## `[channels]`")[0], re.MULTILINE):
        assert re.search(r"\| [A-Z`][^|]+\. \|$", row), f"no meaning: {row}"


def test_every_table_of_the_results_is_described():
    shown = re.findall(r"^## ([a-z_]+)$", PAGES["tables.md"], re.MULTILINE)
    assert sorted(shown) == sorted(tables.database_columns())
    assert {fact.table for fact in FACT_TYPES} < set(shown)


def test_a_column_without_a_meaning_is_refused(monkeypatch):
    monkeypatch.delitem(SHARED, "trade_id")
    with pytest.raises(KeyError, match=r"late_trades\.trade_id has no meaning"):
        tables.page()


def test_every_command_is_described():
    shown = re.findall(r"^## tapeflow (\w+)$", PAGES["commands.md"], re.MULTILINE)
    assert shown == [*build_parser().commands]


BOXED = """
from decimal import Decimal
from typing import Annotated, Literal
from msgspec import Meta
from tapeflow import Ns, Strategy

class Boxed(Strategy):
    \"\"\"Buys and sells.\"\"\"
    depth: float  # how deep
    wait: Ns = 5_000_000_000  # how long
    count: Annotated[int, Meta(ge=2)] = 3  # how many
    sides: tuple[str, ...] = ("BUY",)  # which
    share: Decimal | None = None  # how much
"""


def test_a_strategy_in_the_box_is_described_by_its_fields(tmp_path, monkeypatch):
    (tmp_path / "boxed_of_pages.py").write_text(BOXED)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.setattr(kinds, "BOX", {"boxed": "boxed_of_pages:Boxed"})
    (section,) = box.sections()
    assert section.startswith('## `[[strategies]]` with `kind = "boxed"`\n\nBuys and sells.\n')
    assert section.splitlines()[-5:] == [
        "| `depth` | number | required | How deep. |",
        '| `wait` | duration | `"5s"` | How long. |',
        "| `count` | whole number, >= 2 | `3` | How many. |",
        '| `sides` | list of text | `["BUY"]` | Which. |',
        "| `share` | decimal |  | How much. |",
    ]


class Commented:
    """A type, as schemas have them."""

    plain: int
    unit: int  # ns since 1970 UTC
    text: str = "# no comment"

    @property
    def other(self):
        return self.plain  # of no field


def test_the_meaning_of_a_field_is_the_comment_on_its_line():
    assert field_comments(Commented) == {"plain": "", "unit": "ns since 1970 UTC", "text": ""}
