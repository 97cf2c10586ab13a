"""HTML as text: escaped, numbers as people read them, and tables that a screen reader reads."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from html import escape as escape_html
from typing import Any

from msgspec import Struct

from tapeflow.flows.report.forms import FORMS

LONG = 24  # rows: a longer table scrolls in its box


class Column(Struct, frozen=True):
    """A column of a table: the key of its values, its head, and how they are shown."""

    key: str
    title: str
    form: str = "text"  # a key of FORMS
    meaning: str = ""  # below the table, for all to read


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def escape(value: object) -> str:
    """Return a value as HTML; Html stays as it is.

    >>> escape("a<b")
    'a&lt;b'
    """
    return value if isinstance(value, Html) else escape_html(str(value))


LEFT = {"text", "time", "link"}


def cell(value: Any, column: Column) -> str:
    """Return a cell; one of a number also has its value to sort by."""
    form, classes, attributes = column.form, [], ""
    if form not in LEFT:
        classes.append("n")
        attributes = f' data-value="{"" if value is None else escape(value)}"'
        if form == "signed" and value not in {None, ""}:
            sign = Decimal(str(value))
            classes.append("pos" if sign > 0 else "neg" if sign < 0 else "zero")
    shown = value if isinstance(value, Html) else escape(FORMS[form](value))
    named = f' class="{" ".join(classes)}"' if classes else ""
    return f"<td{named}{attributes}>{shown}</td>"


def table(
    caption: str,
    columns: Sequence[Column],
    rows: Iterable[dict[str, Any]],
    *,
    sortable: bool = False,
    empty: str = "none",
) -> Html:
    """Return a table in a box that scrolls; without rows a line that says so."""
    lines = [
        "<tr>" + "".join(cell(row.get(column.key), column) for column in columns) + "</tr>"
        for row in rows
    ]
    if not lines:
        return Html(f'<p class="empty">{escape(caption)}: {escape(empty)}.</p>')
    heads = "".join(head(column, sortable=sortable) for column in columns)
    return Html(
        f'<div class="scroll{" long" if len(lines) > LONG else ""}" tabindex="0" role="group" '
        f'aria-label="{escape(caption)}">'
        f"<table{' data-sortable' if sortable else ''}><caption>{escape(caption)}</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>\n{chr(10).join(lines)}\n</tbody></table></div>"
        f"{meanings(columns)}"
    )


def head(column: Column, *, sortable: bool) -> str:
    """Return the head of a column; a button sorts by it."""
    title = escape(column.title)
    sorts = sortable and column.form != "link"
    shown = f'<button type="button">{title}</button>' if sorts else title
    named = "" if column.form in LEFT else ' class="n"'
    return f'<th scope="col"{named}>{shown}</th>'


def meanings(columns: Sequence[Column]) -> str:
    """Return the meanings of columns, to be opened by anyone."""
    rows = "".join(
        f"<dt>{escape(column.title)}</dt><dd>{escape(column.meaning)}</dd>"
        for column in columns
        if column.meaning
    )
    return f"<details><summary>Definitions</summary><dl>{rows}</dl></details>" if rows else ""


def paragraph(text: str, kind: str = "note") -> Html:
    """Return a line of text; of kind "warn" one that says what is missing."""
    return Html(f'<p class="{kind}">{escape(text)}</p>')
