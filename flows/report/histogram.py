"""The distribution of values as bars: an image that scales, with its numbers in a table."""

import math
from collections.abc import Sequence

from tapeflow.flows.report.forms import number
from tapeflow.flows.report.markup import Column, Html, escape, paragraph, table

BINS_MAX, WIDTH, HEIGHT, FOOT = 24, 480, 150, 18


def histogram(title: str, values: Sequence[float], unit: str, *, percent: bool = False) -> Html:
    """Return bars of how many values are in each of equal intervals; 0 is an edge of them."""
    if not values:
        return paragraph(f"{title}: none.", "empty")
    edges = edges_of(values)
    counts = [0] * (len(edges) - 1)
    for value in values:
        index = math.floor((value - edges[0]) / (edges[1] - edges[0]))
        counts[min(max(index, 0), len(counts) - 1)] += 1
    names = [name(edge, edges[1] - edges[0], percent=percent) for edge in edges]
    rows = [
        {"from": names[index], "to": names[index + 1], "count": count}
        for index, count in enumerate(counts)
    ]
    columns = (Column("from", "from"), Column("to", "to, not part"), Column("count", unit, "count"))
    return Html(
        f'<figure class="histogram"><figcaption>{escape(title)}</figcaption>'
        f"{bars(title, counts, names, edges)}"
        f"<details><summary>As a table</summary>{table(title, columns, rows)}</details></figure>"
    )


def edges_of(values: Sequence[float]) -> list[float]:
    """Return edges of 1, 2 or 5 times a power of ten, which hold all values.

    >>> edges_of([-3.0, 14.0])[:3]
    [-3.0, -2.0, -1.0]
    """
    low, high = min(values), max(values)
    span = max(high - low, abs(high) * 1e-6, 1e-9)
    step = nice(span / min(BINS_MAX, max(6, 2 * math.isqrt(len(values)) + 16)))
    first, last = math.floor(low / step), math.floor(high / step) + 1
    return [round(index * step, 12) for index in range(first, last + 1)]


def nice(least: float) -> float:
    """Return the least of 1, 2, 5 times a power of ten that is no less.

    >>> nice(0.3), nice(1.2), nice(4)
    (0.5, 2.0, 5.0)
    """
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= least)


def name(edge: float, step: float, *, percent: bool) -> str:
    """Return an edge as text, with as many places as the steps have."""
    scale = 100 if percent else 1
    places = max(0, -math.floor(math.log10(step * scale) + 1e-9))
    return number(edge * scale, places) + (" %" if percent else "")


def bars(title: str, counts: list[int], names: list[str], edges: list[float]) -> str:
    """Return the image: a bar for each interval, losses and profits in their colours."""
    wide, most = WIDTH / len(counts), max(counts)
    tall = HEIGHT - FOOT
    shapes = "".join(
        f'<rect class="{"gain" if edges[index] >= 0 else "loss"}" x="{index * wide + 1:.2f}" '
        f'y="{tall - count / most * (tall - 16):.2f}" width="{wide - 2:.2f}" '
        f'height="{count / most * (tall - 16):.2f}"><title>{names[index]} to {names[index + 1]}: '
        f"{count}</title></rect>"
        f'<text x="{(index + 0.5) * wide:.2f}" y="{tall - count / most * (tall - 16) - 4:.2f}" '
        f'text-anchor="middle">{count}</text>'
        for index, count in enumerate(counts)
        if count
    )
    every = -(-len(names) // 7)
    middle = min(range(len(edges)), key=lambda index: abs(edges[index]))  # 0 has a name
    ticks = "".join(
        f'<text x="{index * wide:.2f}" y="{HEIGHT - 4}" text-anchor="{anchor}">'
        f"{names[index]}</text>"
        for index in range(middle % every, len(names), every)
        for anchor in ["start" if index == 0 else "end" if index == len(counts) else "middle"]
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}, as bars; the '
        f'table below has the numbers">{shapes}<line x1="0" x2="{WIDTH}" y1="{tall}" y2="{tall}"/>'
        f"{ticks}</svg>"
    )
