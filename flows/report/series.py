"""Series over time from SQL: equity, drawdown, buy-and-hold, exposure.

Sums are of exact decimals, over the last values of all strategies at each time.
"""

from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct

from tapeflow.flows.report.figure import Points
from tapeflow.flows.report.source import Source

HELD_TIMES = 2_000  # at which buy-and-hold is valued, at most


class Drawdown(Struct, frozen=True):
    """A fall from a high of equity until the high is reached again."""

    begin_ns: int
    end_ns: int | None  # None: not yet
    low_ns: int
    depth: float  # below 0
    length_ns: int  # to its end, or to the end of the series


def sum_of(
    column: str, where: str = "true", zero: str = "(SELECT min(open_time) FROM bars)"
) -> str:
    """Return SQL of a column of `equity` summed over strategies at each time, from 0 at `zero`."""
    return f"""
        SELECT epoch_ns(time), (sum(sum(change)) OVER (ORDER BY time))::DOUBLE FROM (
            SELECT time, {column} - coalesce(lag({column}) OVER (
                PARTITION BY account, strategy ORDER BY seq), 0) AS change
            FROM equity WHERE {where}
            UNION ALL SELECT {zero}, 0 WHERE {zero} < (SELECT min(time) FROM equity)
        ) GROUP BY time ORDER BY time
    """


def total_equity(source: Source) -> Points:
    """Return equity of all accounts and strategies; it starts at 0 with the first bar."""
    return source.tuples(sum_of("equity"))


def sampled_equity(source: Source) -> Points:
    """Return equity of all accounts and strategies at its samples, as the view `tearsheet` does."""
    return source.tuples(sum_of("equity", zero="NULL::TIMESTAMP_NS"))


def equity_of(source: Source) -> Iterator[tuple[str, Points]]:
    """Yield name and equity of each strategy, with its account where there are several."""
    pairs = source.tuples("SELECT DISTINCT account, strategy FROM equity ORDER BY ALL")
    several = len({account for account, _ in pairs}) > 1
    points: dict[tuple[str, str], Points] = {pair: [] for pair in pairs}
    for account, strategy, time, value in source.tuples(
        "SELECT account, strategy, epoch_ns(time), equity::DOUBLE FROM equity ORDER BY account, seq"
    ):
        points[account, strategy].append((time, value))
    begin = source.tuples(
        "SELECT epoch_ns(min(open_time)), 0::DOUBLE FROM bars HAVING count(*) > 0"
    )
    for (account, strategy), found in points.items():
        if begin and begin[0][0] < found[0][0]:
            found.insert(0, begin[0])
        yield (f"{account} / {strategy}" if several else strategy), found


def drawdown(points: Points) -> Points:
    """Return equity less its highest value so far, which is 0 at least."""
    high, falls = 0.0, []
    for time, value in points:
        high = max(high, value)
        falls.append((time, value - high))
    return falls


def drawdowns(points: Points) -> list[Drawdown]:
    """Return all falls from a high, the longest first; of equal length the deeper one."""
    found: list[Drawdown] = []
    high, high_ns = 0.0, points[0][0] if points else 0
    low, low_ns = 0.0, 0
    for time, value in points:
        if value >= high:
            if low < 0:
                found.append(Drawdown(high_ns, time, low_ns, low, time - high_ns))
            high, high_ns, low = value, time, 0.0
        elif value - high < low:
            low, low_ns = value - high, time
    if low < 0:
        found.append(Drawdown(high_ns, None, low_ns, low, points[-1][0] - high_ns))
    return sorted(found, key=lambda each: (-each.length_ns, each.depth, each.begin_ns))


def capital(source: Source) -> tuple[Decimal | None, str]:
    """Return the capital that buy-and-hold invests, and where it is from."""
    declared = [each.get("capital") for each in source.job.get("accounts", [])]
    if declared and all(each is not None for each in declared):
        return sum((Decimal(str(each)) for each in declared), Decimal(0)), "the capital of the job"
    gross = max((value for _, value in source.tuples(sum_of("gross"))), default=0.0)
    return (Decimal(str(gross)) if gross else None), (
        "the largest gross at a sample of equity, as the job declares no capital"
    )


def buy_and_hold(source: Source, invested: Decimal) -> Points:
    """Return the profit of holding the traded instruments in equal parts since the first bar."""
    every = source.count("equity") // HELD_TIMES + 1
    return source.tuples(f"""
        WITH traded AS (SELECT DISTINCT instrument FROM fills),
        sampled AS (
            SELECT time FROM (SELECT DISTINCT time FROM equity)
            QUALIFY (row_number() OVER (ORDER BY time DESC) - 1) % {every} = 0
        ),
        first AS (
            SELECT instrument, arg_min(open, open_time) AS price
            FROM bars JOIN traded USING (instrument) GROUP BY ALL
        )
        SELECT epoch_ns(s.time), avg(coalesce(b.close / f.price, 1) - 1) * {invested}::DOUBLE
        FROM sampled AS s CROSS JOIN first AS f
        ASOF LEFT JOIN bars AS b ON b.instrument = f.instrument AND b.close_time <= s.time
        GROUP BY s.time
        UNION ALL SELECT epoch_ns(min(open_time)), 0::DOUBLE FROM bars HAVING count(*) > 0
        ORDER BY ALL
    """)
