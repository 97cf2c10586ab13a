"""A table whose cells are coloured by their values: red below zero, green above."""

from collections.abc import Mapping, Sequence

from tapeflow.flows.report.forms import NONE, number, share
from tapeflow.flows.report.markup import Html, escape

STRONGEST = 45  # per cent of the colour in the ground of the largest value: letters stay readable


def heat_map(  # a table has that many names
    caption: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Mapping[tuple[str, str], float | None],
    corner: str,
    *,
    percent: bool = False,
) -> Html:
    """Return the table; a cell without a value is empty."""
    if not rows:
        return Html(f'<p class="empty">{escape(caption)}: none.</p>')
    most = max((abs(value) for value in values.values() if value is not None), default=0) or 1
    heads = "".join(f'<th scope="col" class="n">{escape(name)}</th>' for name in columns)
    lines = "".join(
        f'<tr><th scope="row">{escape(row)}</th>'
        + "".join(cell(values.get((row, column)), most, percent=percent) for column in columns)
        + "</tr>"
        for row in rows
    )
    return Html(
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(caption)}">'
        f'<table class="heat"><caption>{escape(caption)}</caption><thead><tr>'
        f'<th scope="col">{escape(corner)}</th>{heads}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )


def cell(value: float | None, most: float, *, percent: bool) -> str:
    """Return a cell, its ground by its share of the largest value."""
    if value is None:
        return f'<td class="n">{NONE}</td>'
    sign = "gain" if value > 0 else "loss" if value < 0 else "zero"
    strength = STRONGEST * abs(value) / most
    shown = share(value) if percent else number(value)
    return f'<td class="n {sign}" style="--heat:{strength:.1f}%">{shown}</td>'
