"""Execution: slippage against mid and decision price, and latency from decision to fill."""

from tapeflow.flows.report.markup import Column, paragraph, table
from tapeflow.flows.report.section import Section, join, lacking
from tapeflow.flows.report.source import Source

BPS = ("decision_bps", "decision_mid_bps", "fill_mid_bps")


def costs(*keys: str) -> str:
    """Return SQL of costs and latency of fills, grouped by some columns of `slippage`."""
    weighted = ", ".join(
        f"sum({name} * notional) FILTER ({name} IS NOT NULL) / "
        f"nullif(sum(notional) FILTER ({name} IS NOT NULL), 0) AS {name}"
        for name in BPS
    )
    names = ", ".join(keys)
    return f"""
        SELECT {names}, count(*) AS fills, count(fill_mid_bps) AS quoted,
            sum(abs(notional))::DOUBLE AS notional, sum(cost) AS cost, {weighted},
            quantile_cont(latency_ns, 0.5) AS p50, quantile_cont(latency_ns, 0.99) AS p99,
            max(latency_ns) AS longest
        FROM (SELECT *, split_part(instrument, '.', 2) AS venue FROM (
            SELECT * REPLACE (abs(notional)::DOUBLE AS notional) FROM slippage))
        GROUP BY ALL ORDER BY {names}
    """


FIGURES = (
    Column("fills", "fills", "count"),
    Column("notional", "notional", "money"),
    Column("decision_bps", "vs decision bps", "number", (
        "price of the fill against the price at the decision, in basis points; above 0 is worse; "
        "mean weighted by notional"
    )),
    Column("decision_mid_bps", "vs decision mid bps", "number", (
        "the same against the mid of the quote at the decision; empty without a quote"
    )),
    Column("fill_mid_bps", "vs fill mid bps", "number", (
        "the same against the mid of the quote at the fill: half of the spread, and impact"
    )),
    Column("cost", "cost", "number", "of all fills against the price at the decision, in money"),
    Column("quoted", "with a quote", "count", "fills of which the quote at the fill is known"),
    Column("p50", "latency p50", "duration", "log time from decision to fill: half of them"),
    Column("p99", "p99", "duration", "99 of 100 are not slower"),
    Column("longest", "longest", "duration"),
)  # fmt: skip
PAIRS = (Column("account", "account"), Column("strategy", "strategy"))


def section(source: Source) -> Section:
    """Return costs of execution by strategy, instrument and venue."""
    title = "Slippage and latency"
    if (line := lacking(source, "slippage")) is not None:
        return Section("execution", title, line)
    venue, name = Column("venue", "venue"), Column("instrument", "instrument")
    by_name = source.rows(costs("instrument"))
    quoted = sum(row["quoted"] for row in by_name)
    fills = sum(row["fills"] for row in by_name)
    return Section(
        "execution",
        title,
        join(
            paragraph(
                f"{quoted:,} of {fills:,} fills have a quote of their own time; the others are in "
                "no figure against a mid. Fills of resting orders have the time that they rested "
                "in their latency."
            ),
            table("By strategy", (*PAIRS, *FIGURES), source.rows(costs("account", "strategy"))),
            table("By venue", (venue, *FIGURES), source.rows(costs("venue"))),
            table("By instrument", (name, *FIGURES), by_name, sortable=True),
        ),
    )
