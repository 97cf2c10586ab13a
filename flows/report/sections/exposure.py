"""Exposure of each account: long, short, gross and net, with the limits of the job."""

from tapeflow.flows.report.chart import exposure_chart
from tapeflow.flows.report.forms import exact
from tapeflow.flows.report.markup import Column, paragraph, table
from tapeflow.flows.report.section import Section, join, lacking
from tapeflow.flows.report.source import Source

ACCOUNTS_MAX = 6
NOTE = (
    "Notional of all positions after each fill, each at the mark of its own last fill, in the "
    "currencies at par; between fills it stays as it was. Dashed lines are limits of the job."
)
COLUMNS = (Column("account", "account"), Column("limit", "limit"), Column("value", "value"))


def section(source: Source) -> Section:
    """Return a chart for each account, and its limits."""
    if (line := lacking(source, "exposure")) is not None:
        return Section("exposure", "Exposure and limits", line)
    accounts = [
        name for (name,) in source.tuples("SELECT DISTINCT account FROM exposure ORDER BY ALL")
    ]
    left = len(accounts) - ACCOUNTS_MAX
    return Section(
        "exposure",
        "Exposure and limits",
        join(
            *(exposure_chart(source, name) for name in accounts[:ACCOUNTS_MAX]),
            paragraph(NOTE if accounts else "Nothing was held."),
            paragraph(f"{left} more accounts are not drawn.", "warn") if left > 0 else "",
            table("Limits of the job", COLUMNS, limits(source)),
        ),
    )


def limits(source: Source) -> list[dict[str, str]]:
    """Return all limits that the job declares: of accounts, and of other scopes."""
    rows = [
        {"account": f"account:{each['name']}", "limit": name, "value": each[name]}
        for each in source.job.get("accounts", [])
        for name in each
        if name.endswith("_max") and each[name] is not None
    ]
    for scope, declared in sorted((source.job.get("limits") or {}).items()):
        rows += [
            {"account": scope, "limit": name, "value": value}
            for name, value in declared.items()
            if value not in (None, [], {}, "", False)
        ]
    for row in rows:
        row["value"] = shown(row["value"])
    return rows


def shown(value: object) -> str:
    """Return a limit as text: a number with separators, anything else as it is."""
    try:
        return exact(value)
    except ArithmeticError:
        return str(value)
