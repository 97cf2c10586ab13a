"""Candles of each instrument with fills, signals and stop levels."""

from tapeflow.flows.report.chart import candle_chart
from tapeflow.flows.report.markup import paragraph
from tapeflow.flows.report.section import Section, join
from tapeflow.flows.report.source import Source

LEGEND = (
    "Arrows are fills (up: bought, down: sold), dots are signals. Lines lead from the entry to the "
    "exit of a round trip, green with a profit after fees; dotted ones are the triggers of stops "
    "and take-profits while they wait. A click on an arrow explains the fill; closer in, each has "
    "its size and price. Bars follow one another: time without trades takes no room."
)


def section(source: Source) -> Section:
    """Return the chart of candles."""
    return Section("candles", "Candles", join(candle_chart(source), paragraph(LEGEND)))
