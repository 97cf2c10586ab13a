"""A chart as a fragment of HTML: its data, its name, its legend, and a table in its place.

The scripts of `assets` draw it. Without them, and for a screen reader, the table is the chart.
"""

import json
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from tapeflow.flows.report.forms import number
from tapeflow.flows.report.markup import Column, Html, escape, table
from tapeflow.flows.report.planes import pack_json

POINTS_MAX = 5_000  # of a line; more are thinned
FAR = 4  # times the largest value: a level beyond would press the lines flat
TABLE_MAX = 60  # rows of the table in place of a chart

Points = list[tuple[int, float]]  # time in ns, value


class Line(Struct):
    """A line of a chart: its points, and how it is drawn."""

    name: str
    points: Points
    colour: str  # a token of base.css: accent, up, down, muted, c0 .. c7
    kind: str = "line"  # area, baseline, histogram
    pane: int = 0
    dashed: bool = False
    stepped: bool = False


class Level(Struct):
    """A horizontal line, such as a limit."""

    name: str
    value: float
    pane: int = 0


def thin(points: Points, most: int = POINTS_MAX) -> Points:
    """Return the points, or of each part of many its first, lowest, highest and last one.

    >>> len(thin([(n, float(n % 7)) for n in range(1000)], 100)) <= 100
    True
    """
    if len(points) <= most:
        return points
    parts = most // 4
    chosen: list[int] = []
    for part in range(parts):
        span = range(len(points) * part // parts, len(points) * (part + 1) // parts)
        low = min(span, key=lambda index: points[index][1])
        high = max(span, key=lambda index: points[index][1])
        chosen += sorted({span[0], low, high, span[-1]})
    return [points[index] for index in chosen]


def lines(
    label: str,
    series: Sequence[Line],
    levels: Sequence[Level] = (),
    *,
    height: int = 280,
    places: int = 2,
) -> Html:
    """Return a chart of lines over time, in panes; `label` says what it shows.

    A line of many points is thinned, which its caption says.
    """
    seen = [is_near(each, series) for each in levels]
    thinned = [each for each in series if len(each.points) > POINTS_MAX]
    data = {
        "places": places,
        "series": [series_data(each) for each in series],
        "levels": [
            {"name": each.name, "value": each.value, "pane": each.pane, "seen": in_sight}
            for each, in_sight in zip(levels, seen, strict=True)
        ],
    }
    caption = "".join(
        f" {escape(each.name)}: {len(each.points):,} points, drawn by the first, lowest, highest "
        f"and last of each part."
        for each in thinned
    )
    return Html(
        f'<figure class="chart" data-kind="lines">{legend(series, levels, seen)}'
        f'<div class="plot" style="height:{height}px" role="img" aria-label="{escape(label)}">'
        f'</div><script type="text/plain" class="packed">{pack_json(data)}</script>'
        + (f"<figcaption>{caption.strip()}</figcaption>" if caption else "")
        + f"{as_table(label, series, places)}</figure>"
    )


def series_data(line: Line) -> dict[str, Any]:
    """Return a line as data of the page: times in ms, each once; values to 12 digits.

    The last digits of a sum of DOUBLE depend on the order in which threads add it.
    """
    last = {time // 1_000_000: float(f"{value:.12g}") for time, value in thin(line.points)}
    return {
        "name": line.name,
        "kind": line.kind,
        "colour": line.colour,
        "pane": line.pane,
        "dashed": line.dashed,
        "stepped": line.stepped,
        "times": list(last),
        "values": list(last.values()),
    }


def legend(series: Sequence[Line], levels: Sequence[Level], seen: Sequence[bool]) -> str:
    """Return a button for each line, which hides it, with its colour and a place for its value."""
    items = "".join(
        f'<li><button type="button" data-series="{index}" aria-pressed="true">'
        f'<span class="swatch{" dashed" if each.dashed else ""}" '
        f'style="--swatch:var(--{each.colour})"></span>{escape(each.name)}</button> '
        f'<output data-series="{index}" aria-hidden="true"></output></li>'
        for index, each in enumerate(series)
    ) + "".join(
        f'<li><span class="swatch dashed" style="--swatch:var(--limit)"></span>'
        f"{escape(each.name)} {number(each.value)}{'' if in_sight else ' (beyond the chart)'}</li>"
        for each, in_sight in zip(levels, seen, strict=True)
    )
    return f'<ul class="legend">{items}</ul>'


def is_near(level: Level, series: Sequence[Line]) -> bool:
    """Return whether a level is near enough to the lines of its pane to be in sight with them."""
    values = [abs(value) for each in series if each.pane == level.pane for _, value in each.points]
    return abs(level.value) <= FAR * max(values, default=0)


def as_table(label: str, series: Sequence[Line], places: int = 2) -> str:
    """Return the chart as a table: of many points some, as its caption says."""
    times = sorted({time for each in series for time, _ in each.points})
    if not times:
        return ""
    step = -(-len(times) // TABLE_MAX)
    shown = sorted({*times[::step], times[-1]})
    rows: list[dict[str, Any]] = [{"time": format_ns(time)} for time in shown]
    for index, each in enumerate(series):
        for row, value in zip(rows, values_at(each.points, shown), strict=True):
            row[str(index)] = None if value is None else number(value, places)
    head = [Column("time", "time, UTC")] + [
        Column(str(index), each.name) for index, each in enumerate(series)
    ]
    some = f"; {len(shown)} of {len(times):,} times" if step > 1 else ""
    return f"<details><summary>As a table</summary>{table(f'{label}{some}', head, rows)}</details>"


def values_at(points: Points, times: Sequence[int]) -> list[float | None]:
    """Return the last value at or before each of the sorted times; None before the first."""
    found: list[float | None] = []
    index = 0
    for time in times:
        while index < len(points) and points[index][0] <= time:
            index += 1
        found.append(points[index - 1][1] if index else None)
    return found


def format_ns(time_ns: int) -> str:
    """Return a time in UTC to the second.

    >>> format_ns(1767603642_250_000_000)
    '2026-01-05 09:00:42'
    """
    from datetime import UTC, datetime  # noqa: PLC0415  # few charts have a table

    return f"{datetime.fromtimestamp(time_ns // 10**9, UTC):%Y-%m-%d %H:%M:%S}"


def json_script(value: Any, attributes: str) -> str:
    """Return a script element that holds JSON, which no text in it can close."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    safe = text.replace("<", "\\u003c")
    return f'<script type="application/json" {attributes}>{safe}</script>'
