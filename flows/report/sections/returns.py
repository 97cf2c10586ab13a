"""Returns by month and day, their distribution, rolling Sharpe ratio and volatility."""

from decimal import Decimal

from tapeflow.flows.report.figure import Line, Points, lines
from tapeflow.flows.report.forms import exact
from tapeflow.flows.report.heat import heat_map
from tapeflow.flows.report.histogram import histogram
from tapeflow.flows.report.markup import Html, paragraph
from tapeflow.flows.report.section import Section, join, lacking
from tapeflow.flows.report.series import capital
from tapeflow.flows.report.source import Source
from tapeflow.flows.report.statistics import DAYS_MIN
from tapeflow.flows.report.sums import find_obstacle

WINDOW = 30  # days of a rolling statistic
DAILY = "SELECT day, sum(profit)::DOUBLE AS profit FROM pnl_daily GROUP BY day ORDER BY day"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
ROLLING = f"""
    WITH daily AS ({DAILY})
    SELECT epoch_ns(day::TIMESTAMP) AS t, avg(profit) OVER w / nullif(stddev_samp(profit) OVER w, 0)
        * sqrt(365) AS sharpe, stddev_samp(profit) OVER w * sqrt(365) AS volatility
    FROM daily WINDOW w AS (ORDER BY day ROWS {WINDOW - 1} PRECEDING)
    QUALIFY count(*) OVER w = {WINDOW} ORDER BY t
"""


def section(source: Source) -> Section:
    """Return the charts of returns; of a short log a line that says what is not defined."""
    title = "Returns"
    if (line := lacking(source, "pnl_daily")) is not None:
        return Section("returns", title, line)
    if obstacle := find_obstacle(source):
        return Section("returns", title, paragraph(f"{obstacle} See the statistics of each."))
    daily = source.tuples(f"SELECT epoch_ns(day::TIMESTAMP), profit FROM ({DAILY})")
    declared, origin = capital(source)
    invested = declared if origin == "the capital of the job" else None
    scale, percent = (1.0, False) if invested is None else (1 / float(invested), True)
    parts = [paragraph(unit_of(invested)), months(source, scale, percent=percent)]
    if len(daily) < DAYS_MIN:
        parts.append(
            paragraph(
                f"Daily returns, their distribution, rolling Sharpe ratio and volatility: not "
                f"defined: fewer than {DAYS_MIN} days."
            )
        )
    else:
        values: Points = [(time, value * scale * (100 if percent else 1)) for time, value in daily]
        name = "daily return, %" if percent else "daily profit"
        parts += [
            lines("Daily returns", [Line(name, values, "accent", "histogram")], height=200),
            histogram(
                "Distribution of daily returns",
                [v * scale for _, v in daily],
                "days",
                percent=percent,
            ),
            rolling(source, scale, percent=percent),
        ]
    return Section("returns", title, join(*parts))


def unit_of(invested: Decimal | None) -> str:
    """Return of what a return is a share."""
    if invested is None:
        return "The job declares no capital: returns are profits after fees, in money. UTC days."
    return (
        f"Returns are profits after fees over the capital of the job, {exact(invested)}, not "
        "compounded. UTC days."
    )


def months(source: Source, scale: float, *, percent: bool) -> Html:
    """Return the profit of each month, a row a year."""
    found = {
        (int(year), int(month)): profit * scale
        for year, month, profit in source.tuples(
            f"SELECT year(day), month(day), sum(profit) FROM ({DAILY}) GROUP BY ALL ORDER BY ALL"
        )
    }
    years = sorted({year for year, _ in found})
    values = {(str(year), MONTHS[month - 1]): value for (year, month), value in found.items()}
    for year in years:
        values[str(year), "year"] = sum(v for (each, _), v in found.items() if each == year)
    return heat_map(
        "Monthly returns", [str(year) for year in years], [*MONTHS, "year"], values, "year",
        percent=percent,
    )  # fmt: skip


def rolling(source: Source, scale: float, *, percent: bool) -> Html:
    """Return Sharpe ratio and volatility of the last days at each day."""
    rows = source.tuples(ROLLING)
    if not rows:
        return paragraph(f"Rolling Sharpe ratio: not defined: fewer than {WINDOW} days.")
    by = scale * (100 if percent else 1)
    series = [
        Line(
            "Sharpe ratio", [(t, sharpe) for t, sharpe, _ in rows if sharpe is not None], "accent"
        ),
        Line(
            "volatility, % a year" if percent else "volatility a year",
            [(t, volatility * by) for t, _, volatility in rows],
            "c1",
            pane=1,
        ),
    ]
    label = f"Rolling Sharpe ratio and volatility of {WINDOW} days, times sqrt(365)"
    return Html(f"<h3>{label}</h3>{lines(label, series, height=300)}")
