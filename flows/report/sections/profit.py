"""Profit by strategy, account, instrument, and hour of the day; and what is open at the end."""

from tapeflow.flows.report.markup import Column, paragraph, table
from tapeflow.flows.report.section import Section, join, lacking
from tapeflow.flows.report.source import Source

# The last position of a strategy in an instrument has all that it made there.
LAST = """
    FROM positions QUALIFY row_number() OVER (
        PARTITION BY account, strategy, instrument ORDER BY seq DESC) = 1
"""


def by(*keys: str) -> str:
    """Return SQL of fills, realized profit and fees of the last positions, and of their trips."""
    names = ", ".join(keys)
    of_fills = ", ".join(f"fills.{key}" for key in keys)
    return f"""
        WITH last AS ({LAST}),
        made AS (
            SELECT {names}, sum(realized) AS realized, sum(fees) AS fees, sum(funding) AS funding,
                count(*) FILTER (quantity <> 0) AS open FROM last GROUP BY ALL
        ),
        filled AS (
            SELECT {of_fills}, count(*) AS fills, sum(size::DOUBLE * multiplier::DOUBLE
                * if(contract = 'inverse', 1, price::DOUBLE)) AS turnover
            FROM fills JOIN instruments ON instruments.id = instrument GROUP BY ALL
        ),
        trips AS (
            SELECT {names}, sum(trips)::BIGINT AS trips, sum(wins)::BIGINT AS wins,
                sum(wins) / nullif(sum(trips), 0) AS hit_rate,
                sum(expectancy * trips) / nullif(sum(trips), 0) AS expectancy
            FROM hit_rate GROUP BY ALL
        )
        SELECT * FROM made LEFT JOIN filled USING ({names}) LEFT JOIN trips USING ({names})
        ORDER BY {names}
    """


FIGURES = (
    Column("fills", "fills", "count"),
    Column(
        "turnover",
        "turnover",
        "money",
        "sum of size * multiplier * price of the fills; of inverse contracts without the price",
    ),
    Column("realized", "realized", "signed", "profit of what was closed, before fees"),
    Column("fees", "fees", "money"),
    Column("funding", "funding", "signed", "received, less what was paid"),
    Column("trips", "round trips", "count", "from flat to flat, ended"),
    Column("hit_rate", "hit rate", "share", "round trips with a profit after fees"),
    Column("expectancy", "expectancy", "signed", "mean profit of a round trip after fees"),
    Column("open", "open", "count", "positions that are open at the end"),
)
OPEN = f"""
    SELECT account, strategy, instrument, quantity, entry_price, mark, mark_time, unrealized,
        realized, fees, currency, time FROM ({LAST}) WHERE quantity <> 0
    ORDER BY account, strategy, instrument
"""
OPEN_COLUMNS = (
    Column("account", "account"),
    Column("strategy", "strategy"),
    Column("instrument", "instrument"),
    Column("quantity", "quantity", "exact"),
    Column("entry_price", "entry price", "price", "average of the open quantity"),
    Column("mark", "mark", "exact", "at which the account valued it after its last fill"),
    Column("unrealized", "unrealized", "signed", "at that mark"),
    Column("realized", "realized", "signed"),
    Column("fees", "fees", "money"),
    Column("time", "last fill", "time"),
)
HOURS = """
    SELECT hour(exit_time) AS hour, count(*) AS trips, sum(profit) AS profit,
        count(*) FILTER (profit > 0) / count(*) AS hit_rate
    FROM round_trips WHERE exit_time IS NOT NULL GROUP BY ALL ORDER BY hour
"""
HOUR_COLUMNS = (
    Column("hour", "hour of exit, UTC", "count"),
    Column("trips", "round trips", "count"),
    Column("profit", "profit", "signed", "after fees"),
    Column("hit_rate", "hit rate", "share"),
)


def section(source: Source) -> Section:
    """Return the tables of profit."""
    title = "Strategies, accounts, instruments"
    if (line := lacking(source, "hit_rate", "round_trips")) is not None:
        return Section("profit", title, line)
    account, strategy = Column("account", "account"), Column("strategy", "strategy")
    name = Column("instrument", "instrument")
    return Section(
        "profit",
        title,
        join(
            table(
                "Strategies", (account, strategy, *FIGURES), source.rows(by("account", "strategy"))
            ),
            table("Accounts", (account, *FIGURES), source.rows(by("account"))),
            table("Instruments", (name, *FIGURES), source.rows(by("instrument")), sortable=True),
            paragraph(
                "Each row is in its settlement currency; a sum over several takes them at par."
            ),
            table("Open positions", OPEN_COLUMNS, source.rows(OPEN)),
            table("Round trips by hour of the day", HOUR_COLUMNS, source.rows(HOURS)),
        ),
    )
