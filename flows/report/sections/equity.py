"""Equity and drawdown: the chart, and the five longest falls from a high."""

from tapeflow.flows.report.chart import STRATEGIES_MAX, equity_chart
from tapeflow.flows.report.figure import format_ns
from tapeflow.flows.report.forms import exact
from tapeflow.flows.report.markup import Column, Html, paragraph, table
from tapeflow.flows.report.section import Section, join
from tapeflow.flows.report.series import capital, drawdowns, sampled_equity
from tapeflow.flows.report.source import Source
from tapeflow.flows.report.sums import find_obstacle

LONGEST = 5
COLUMNS = (
    Column("begin", "from", "time", "the high before it; UTC"),
    Column("end", "until", "text", "when that high was reached again"),
    Column("low", "lowest at", "time"),
    Column("depth", "depth", "signed", "equity at the lowest sample less the high, in money"),
    Column(
        "length", "length", "duration", "from the high, or first sample, until it is back at it"
    ),
)


def section(source: Source) -> Section:
    """Return the chart of equity, and the longest drawdowns."""
    if obstacle := find_obstacle(source):
        parts = (equity_chart(source), paragraph(obstacle), *warnings(source))
        return Section("equity", "Equity", join(*parts))
    falls = drawdowns(sampled_equity(source))
    rows = [
        {
            "begin": format_ns(each.begin_ns),
            "end": "not yet" if each.end_ns is None else format_ns(each.end_ns),
            "low": format_ns(each.low_ns),
            "depth": each.depth,
            "length": each.length_ns,
        }
        for each in falls[:LONGEST]
    ]
    return Section(
        "equity",
        "Equity and drawdown",
        join(
            equity_chart(source),
            paragraph(notes(source)),
            *warnings(source),
            table("The five longest drawdowns", COLUMNS, rows),
        ),
    )


def warnings(source: Source) -> list[Html]:
    """Return lines on samples whose value is not all known."""
    stale, unvalued, samples = source.tuples(
        "SELECT count(stale_mark_time), count(*) FILTER (unvalued <> ''), count(*) FROM equity"
    )[0]
    lines = []
    if stale:
        lines.append(f"{stale:,} of {samples:,} samples of equity use a mark that was stale.")
    if unvalued:
        lines.append(
            f"{unvalued:,} of {samples:,} samples of equity leave out amounts in currencies of "
            "which no price was known: see `unvalued` of the table equity."
        )
    return [paragraph(line, "warn") for line in lines]


def notes(source: Source) -> str:
    """Return of what the lines are, and what is left out."""
    interval = (source.job.get("results") or {}).get("equity_interval", "the equity interval")
    invested, origin = capital(source)
    held = (
        "Buy and hold is left out: nothing was invested."
        if invested is None
        else f"Buy and hold: {exact(round(invested, 2))} ({origin}) in equal parts in the traded "
        "instruments from the open of their first bar, without fees."
    )
    strategies = source.tuples("SELECT count(DISTINCT (account, strategy)) FROM equity")[0][0]
    left = strategies - STRATEGIES_MAX
    more = f" {left} more strategies have no line here: see the tables." if left > 0 else ""
    return (
        f"Profit after fees, in the currencies at par, sampled every {interval} of log time; "
        f"it starts at 0 with the first bar. {held}{more}"
    )
