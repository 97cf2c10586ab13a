"""Statistics of accounts and strategies, with the definition of each in its row."""

from tapeflow.flows.report.markup import Column, paragraph, table
from tapeflow.flows.report.section import Section, join, lacking
from tapeflow.flows.report.source import Source
from tapeflow.flows.report.statistics import Statistics, title_of

SCOPES_MAX = 12
NOTE = (
    "Daily statistics are of UTC days: mean and standard deviation (ddof 1) of daily returns, "
    "times sqrt(365) for a year."
)


def section(source: Source) -> Section:
    """Return a row for each statistic, a column for each account and strategy."""
    if (line := lacking(source, "tearsheet", "pnl_daily")) is not None:
        return Section("statistics", "Statistics", line)
    statistics = Statistics(source)
    scopes = statistics.scopes[:SCOPES_MAX]
    several = len(statistics.accounts) > 1
    columns = [Column("name", "statistic")]
    for account, strategy in scopes:
        whole = strategy or "whole account"
        columns.append(Column(f"{account}/{strategy}", f"{account}: {whole}" if several else whole))
    columns.append(Column("definition", "definition"))
    rows = [
        {
            "name": title_of(name),
            "definition": statistics.definitions[name],
            **{f"{a}/{s}": statistics.cell(a, s, name) for a, s in scopes},
        }
        for name in statistics.names
    ]
    left = len(statistics.scopes) - len(scopes)
    return Section(
        "statistics",
        "Statistics",
        join(
            paragraph(NOTE),
            table("Statistics of accounts and strategies", columns, rows),
            paragraph(f"{left} more are in the view tearsheet.", "warn") if left > 0 else "",
        ),
    )
