"""HTML as text: escaped, numbers as people read them, and tables that a screen reader reads."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from html import escape as escape_html
from typing import Any

from msgspec import Struct

MINUS, NONE = "\u2212", "–"
SMALL = Decimal("0.01")  # below it a number is shown by its digits rather than by its places


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


def number(value: object, places: int = 2) -> str:
    """Return a number with separators and a real minus; a small one by its first digits.

    >>> number("-1234.5"), number("0.00123456"), number("0"), number(None)
    ('−1,234.50', '0.001235', '0.00', '–')
    """
    if value is None or value == "":
        return NONE
    exact = Decimal(str(value))
    if exact and abs(exact) < SMALL and places:
        digits = 3 - exact.adjusted()
        text = f"{exact:.{digits}f}".rstrip("0")
    else:
        text = f"{exact:,.{places}f}"
    zero = not any(digit in "123456789" for digit in text)
    return text.removeprefix("-") if zero else text.replace("-", MINUS)


def exact(value: object) -> str:
    """Return a price or size with all its digits.

    >>> exact("91459.82"), exact(None), exact(0.1)
    ('91,459.82', '–', '0.1')
    """
    if value is None or value == "":
        return NONE
    whole, point, rest = f"{Decimal(str(value)):f}".partition(".")
    rest = rest.rstrip("0")
    return f"{int(whole):,}".replace("-", MINUS) + (point + rest if rest else "")


def change(value: object) -> str:
    """Return a difference with its sign; of whole numbers without places.

    >>> change(5), change("-0.5"), change(0)
    ('+5', '−0.50', '0')
    """
    if value is None:
        return NONE
    text = number(value, 0 if isinstance(value, int) else 2)
    return f"+{text}" if Decimal(str(value)) > 0 else text


def share(value: object) -> str:
    """Return a share as a percentage.

    >>> share(0.123456)
    '12.35 %'
    """
    return NONE if value is None else f"{number(Decimal(str(value)) * 100)} %"


def moment(value: object) -> str:
    """Return a time to the millisecond; whole seconds without a fraction.

    >>> moment("2026-01-05 09:00:43.46336"), moment("2026-01-05 09:00:43")
    ('2026-01-05 09:00:43.463', '2026-01-05 09:00:43')
    """
    if value is None or value == "":
        return NONE
    second, _, fraction = str(value).partition(".")
    return f"{second}.{fraction[:3].ljust(3, '0')}" if fraction.strip("0") else second


def duration(value: object) -> str:
    """Return nanoseconds as a duration of two units.

    >>> duration(3_723_000_000_000), duration(250_000_000), duration(None)
    ('1 h 2 min', '250 ms', '–')
    """
    if value is None:
        return NONE
    ms = int(Decimal(str(value))) // 1_000_000
    if ms < 1000:
        return f"{ms} ms"
    if ms < 60_000:
        return f"{ms / 1000:.4g} s"
    for size, name, next_size, next_name in UNITS:
        if ms >= size:
            rest = ms % size // next_size
            return f"{ms // size} {name}" + (f" {rest} {next_name}" if rest else "")
    return NONE


UNITS = (
    (86_400_000, "d", 3_600_000, "h"),
    (3_600_000, "h", 60_000, "min"),
    (60_000, "min", 1000, "s"),
)
FORMS: dict[str, Callable[[Any], str]] = {
    "text": lambda value: NONE if value is None or value == "" else str(value),
    "money": number,
    "signed": number,
    "number": number,
    "change": change,
    "count": lambda value: number(value, 0),
    "exact": exact,
    "share": share,
    "time": moment,
    "duration": duration,
}
LEFT = {"text", "time"}


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
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(caption)}">'
        f"<table{' data-sortable' if sortable else ''}><caption>{escape(caption)}</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>\n{chr(10).join(lines)}\n</tbody></table></div>"
        f"{meanings(columns)}"
    )


def head(column: Column, *, sortable: bool) -> str:
    """Return the head of a column; a button sorts by it."""
    title = escape(column.title)
    shown = f'<button type="button">{title}</button>' if sortable else title
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
