"""Candles of instruments with fills, signals and stop levels, as one chart that shows one of them.

Each instrument is a script of its own, opened when it is chosen. What is left out, its note says.
"""

from typing import Any

import numpy as np
from msgspec import Struct

from tapeflow.connectors.duckdb.reading import to_sql
from tapeflow.flows.report.figure import json_script
from tapeflow.flows.report.forms import exact, moment
from tapeflow.flows.report.marks import Marks
from tapeflow.flows.report.markup import Html, escape
from tapeflow.flows.report.planes import pack_bars
from tapeflow.flows.report.source import Source

BARS_MAX = 100_000  # of an instrument; more become wider bars
TOOLS = (
    ("earlier", "←", "earlier"),
    ("later", "→", "later"),
    ("closer", "+", "closer"),
    ("wider", "−", "wider"),
    ("whole", "all", "all bars"),
)


class Instrument(Struct):
    """An instrument with bars: how many, how wide, and what is marked in them."""

    name: str
    bars: int
    width_ns: int
    incomplete: int
    tick: float
    fills: int


def instruments(source: Source) -> list[Instrument]:
    """Return the instruments with bars, those with most fills first."""
    rows = source.rows(
        "SELECT b.instrument AS name, b.bars, b.width_ns, b.incomplete, "
        "coalesce(i.tick::DOUBLE, 1e-8) AS tick, coalesce(f.fills, 0) AS fills FROM ("
        "  SELECT instrument, count(*) AS bars, count(*) FILTER (NOT complete) AS incomplete, "
        "  min(epoch_ns(close_time) - epoch_ns(open_time)) AS width_ns FROM bars GROUP BY ALL"
        ") AS b LEFT JOIN instruments AS i ON i.id = b.instrument LEFT JOIN ("
        "  SELECT instrument, count(*) AS fills FROM fills GROUP BY ALL"
        ") AS f ON f.instrument = b.instrument ORDER BY fills DESC, name"
    )
    return [Instrument(**row) for row in rows]


def candles(source: Source, names: list[str] | None = None, *, height: int = 440) -> Html:
    """Return the chart of some instruments, or of all; a line where there are no bars."""
    found = [each for each in instruments(source) if names is None or each.name in names]
    if not found:
        return Html('<p class="empty">No bars are stored.</p>')
    marks = Marks(source)
    scripts = "\n".join(
        json_script(data, f'class="instrument" data-name="{escape(each.name)}"')
        for each in found
        for data in [instrument_data(source, each, marks)]
    )
    return Html(
        f'<figure class="chart" data-kind="candles">{controls(found)}'
        f'<div class="plot" style="height:{height}px" role="img" aria-label="candles"></div>'
        f'<output class="bar" aria-hidden="true"></output><figcaption></figcaption>'
        f"\n{scripts}</figure>"
    )


def controls(found: list[Instrument]) -> str:
    """Return what chooses an instrument, what is marked, and what is in sight."""
    options = "".join(
        f'<option value="{escape(each.name)}">{escape(each.name)}'
        + (f" ({each.fills:,} fills)" if each.fills else "")
        + "</option>"
        for each in found
    )
    boxes = "".join(
        f'<label><input type="checkbox" name="{name}" checked> {name}</label>'
        for name in ("fills", "signals", "trips", "stops")
    )
    buttons = "".join(
        f'<button type="button" data-move="{name}" aria-label="{label}">{sign}</button>'
        for name, sign, label in TOOLS
    )
    return (
        f'<div class="controls"><label class="pick">Instrument <select>{options}</select></label>'
        f'<fieldset><legend class="hidden">Marks</legend>{boxes}</fieldset>'
        f'<div role="group" aria-label="what is in sight">{buttons}</div></div>'
    )


def instrument_data(source: Source, instrument: Instrument, marks: Marks) -> dict[str, Any]:
    """Return all that the chart draws of an instrument."""
    factor = -(-instrument.bars // BARS_MAX)
    times, prices, volume = read_bars(source, instrument, factor)
    packed = pack_bars(times, prices, volume, instrument.tick)
    step = packed["step"] or instrument.tick
    drawn, notes = marks.of(instrument.name)
    return {
        "bars": packed,
        "places": max(0, min(12, round(-np.log10(step) + 0.49))),
        **drawn,
        "label": label_of(instrument, times, prices),
        "note": " ".join([*bar_notes(instrument, factor, len(times)), *notes]),
    }


def read_bars(source: Source, instrument: Instrument, factor: int) -> tuple[Any, Any, Any]:
    """Return open times in ns, four rows of prices, and volumes; `factor` bars become one."""
    wide = instrument.width_ns * factor
    rows = source.tuples(
        f"SELECT min(epoch_ns(open_time)) AS t, arg_min(open, open_time), max(high), min(low), "
        f"arg_max(close, open_time), sum(volume) FROM bars "
        f"WHERE instrument = {to_sql(instrument.name)} "
        f"GROUP BY epoch_ns(open_time) // {wide} ORDER BY t"
        if factor > 1
        else "SELECT epoch_ns(open_time), open, high, low, close, volume FROM bars "
        f"WHERE instrument = {to_sql(instrument.name)} ORDER BY open_time"
    )
    columns = list(zip(*rows, strict=True))
    times = np.array(columns[0], dtype=np.int64)
    prices = np.array(columns[1:5], dtype=np.float64)
    return times, prices, np.array(columns[5], dtype=np.float64)


def label_of(instrument: Instrument, times: Any, prices: Any) -> str:
    """Return the chart in words, for those who do not see it."""
    first, last = (str(np.datetime64(int(each), "ns"))[:19] for each in (times[0], times[-1]))
    values = [
        exact(each) for each in (prices[0][0], prices[1].max(), prices[2].min(), prices[3][-1])
    ]
    return (
        f"Candles of {instrument.name}, {instrument.bars:,} bars from {moment(first)} to "
        f"{moment(last)} UTC: open {values[0]}, high {values[1]}, low {values[2]}, "
        f"close {values[3]}; {instrument.fills:,} fills, which the table of fills lists"
    )


def bar_notes(instrument: Instrument, factor: int, drawn: int) -> list[str]:
    """Return what is not as it was stored."""
    notes = [f"{instrument.bars:,} bars of {instrument.width_ns / 1e9:g} s."]
    if factor > 1:
        notes.append(f"Drawn as {drawn:,} bars of {factor} of them each, so that the page opens.")
    if instrument.incomplete:
        notes.append(f"{instrument.incomplete:,} are not complete: see data quality.")
    return notes
