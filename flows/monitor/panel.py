"""A panel of the live view: one table with a title, which scrolls where it has more rows."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.events import Resize
from textual.widgets import Static

from tapeflow.flows.monitor.table import GAP, Column, Table, fit

SCROLLBAR = 1
STATE_STYLES = {
    "critical": "bold red",
    "warning": "yellow",
    "HALTED": "bold red",
    "KILLED": "bold red",
    "REDUCING": "yellow",
    "ACTIVE": "green",
}


class Panel(VerticalScroll, can_focus=True):
    """A table of the snapshot."""

    DEFAULT_CSS: ClassVar[str] = """
        Panel { height: auto; max-height: 14; border: round ansi_bright_black; padding: 0 1;
            border-title-color: ansi_default; background: ansi_default;
            scrollbar-size-vertical: 1; scrollbar-background: ansi_default; }
        Panel:focus { border: round ansi_blue; }
        Panel.empty { border: none; padding: 0 2; }
    """

    def __init__(self, name: str) -> None:
        """Show nothing yet; `name` is that of the table."""
        super().__init__(id=name)
        self.table: Table | None = None
        self.drawn: tuple[Table, int] | None = None

    def compose(self) -> ComposeResult:
        """Yield the text of the table."""
        yield Static()

    def show(self, table: Table) -> None:
        """Show another state of the table."""
        self.table = table
        self.set_class(not table.rows, "empty")
        self.can_focus = bool(table.rows)
        self.draw()

    def on_resize(self, _event: Resize) -> None:
        """Draw the table for another width."""
        self.draw()

    def draw(self) -> None:
        """Draw the table into the width of now, where something has changed."""
        width = self.content_size.width
        if self.table is None or width <= 0 or self.drawn == (self.table, width):
            return
        self.drawn = (self.table, width)
        note = f" ({self.table.note})" if self.table.note and self.table.rows else ""
        count = f" {len(self.table.rows)}" if self.table.rows else ""
        self.border_title = f"{self.table.title}{count}{note}"
        self.query_one(Static).update(table_text(self.table, width - SCROLLBAR))


def table_text(table: Table, width: int) -> Text:
    """Return a table that fits a width, with colours."""
    if not table.rows:
        return Text(f"{table.title}: {table.empty}", style="dim")
    if table.wraps:
        return sentences(table)
    fitted = fit(table, width)
    text = Text((" " * GAP).join(fitted.header()).rstrip(), style="dim", no_wrap=True)
    for row in fitted.rows:
        text.append("\n", style="not dim")
        for index, (column, value) in enumerate(zip(fitted.columns, row, strict=True)):
            text.append(" " * GAP if index else "", style="not dim")
            text.append(value, style=f"not dim {style_of(column, value)}".strip())
    return text


def sentences(table: Table) -> Text:
    """Return rows of words, each of which may take several lines."""
    text = Text()
    for number, row in enumerate(table.rows):
        text.append("\n" if number else "")
        for index, (column, value) in enumerate(zip(table.columns, row, strict=True)):
            text.append("  " if index else "")
            text.append(value, style=style_of(column, value))
    return text


def style_of(column: Column, value: str) -> str:
    """Return the colour of a value: amounts by their sign, states by what they mean."""
    value = value.strip()
    if column.tone == "sign":
        if not value.strip("-0.,"):
            return ""  # nothing, or not known
        return "red" if value.startswith("-") else "green"
    return STATE_STYLES.get(value, "") if column.tone == "state" else ""
