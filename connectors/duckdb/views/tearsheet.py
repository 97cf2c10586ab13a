"""The view of statistics: of each strategy, and of each account as a whole, with definitions."""

from tapeflow.connectors.duckdb.views.days import JOB_TERMS
from tapeflow.connectors.duckdb.views.view import View
from tapeflow.schemas.meanings import SHARED

LEAST_DAYS = 3  # returns of which a ratio is computed, as in `variants`
# name: (expression, definition)
STATISTICS = {
    "net_profit": ("equity", "equity at the end: realized + unrealized - fees + funding"),
    "return": ("gain", "net_profit / capital of the account; NULL: the job declares no capital"),
    "cagr": (
        "cagr",
        "(1 + return) ^ (365 / UTC days of the log) - 1; NULL: no capital, or all of it is lost",
    ),
    "volatility": (
        "deviation / capital * sqrt(365)",
        "standard deviation (ddof 1) of daily returns * sqrt(365); a daily return is the change "
        "of equity in a UTC day / capital; NULL: no capital, or one day",
    ),
    "sharpe": (
        f"if(days >= {LEAST_DAYS} AND deviation > 1e-12 * scale, "
        "mean / deviation * sqrt(365), NULL)",
        "mean / standard deviation (ddof 1) of daily returns * sqrt(365), without a risk-free "
        f"rate; needs no capital; NULL: fewer than {LEAST_DAYS} days, or all returns are equal",
    ),
    "sortino": (
        f"if(days >= {LEAST_DAYS}, mean / nullif(downside, 0) * sqrt(365), NULL)",
        "mean / downside deviation of daily returns * sqrt(365), where that is the square root of "
        "the mean over all days of min(return, 0) ^ 2; NULL: fewer than "
        f"{LEAST_DAYS} days, or none lost",
    ),
    "calmar": (
        "cagr / nullif(drawdown_share, 0)",
        "cagr / max_drawdown_share; NULL: no capital, or no drawdown",
    ),
    "max_drawdown": (
        "drawdown",
        "greatest fall of equity from a high, over all samples; equity begins at 0",
    ),
    "max_drawdown_share": (
        "drawdown_share",
        "greatest fall of equity from a high / (capital + that high); NULL: no capital",
    ),
    "max_drawdown_days": (
        "under_ns / 86400e9",
        "longest time from a high to the sample that is back at it, or to the last one, in days",
    ),
    "profit_factor": (
        "if(at_par, won / nullif(lost, 0), NULL)",
        "sum of the profits of trips that won / sum of the losses of those that lost; "
        "NULL: none lost, or a trip settles in a currency that is not at par",
    ),
    "expectancy": (
        "if(at_par, trip_mean, NULL)",
        "mean profit of a round trip that has ended, after fees; "
        "NULL: none, or one in a currency that is not at par",
    ),
    "hit_rate": ("wins / nullif(trips, 0)", "trips with a profit above 0 / trips; NULL: no trip"),
    "average_win": (
        "if(at_par, won / nullif(wins, 0), NULL)",
        "mean profit of the trips that won; NULL: none, or as expectancy",
    ),
    "average_loss": (
        "if(at_par, -lost / nullif(losses, 0), NULL)",
        "mean profit of the trips that lost, below 0; NULL: none, or as expectancy",
    ),
    "max_consecutive_losses": (
        "coalesce(streak, 0)",
        "most trips in a row that lost, in the order of exit; one of profit 0 is left out",
    ),
    "turnover": (
        "if(coalesce(fills_at_par, true), coalesce(turnover, 0), NULL)",
        "sum of size * multiplier * price of all fills (of inverse contracts size * multiplier); "
        "NULL: one is in a currency that is not at par",
    ),
    "exposure_share": (
        "exposed",
        "part of the samples of equity, from the first fill on, at which something is held",
    ),
    "trips": ("coalesce(trips, 0)", "round trips that have ended"),
    "fees": ("fees", "fees paid"),
}
# Samples of an account are those of its strategies, in the order of their names, one after the
# other: a round begins where the name is not behind the one before, or the time is another.
SAMPLES = """
    SELECT account, strategy, seq, time, equity, fees, gross FROM equity
    UNION ALL
    SELECT account, '', max(seq), time, sum(equity), sum(fees), sum(gross)
    FROM (
        SELECT *, sum(begins::INT) OVER (PARTITION BY account ORDER BY seq) AS round
        FROM (
            SELECT *, coalesce(lag(strategy) OVER each >= strategy OR lag(time) OVER each <> time,
                true) AS begins
            FROM equity WINDOW each AS (PARTITION BY account ORDER BY seq)
        )
    )
    GROUP BY account, round, time
"""
CURVES = """
    SELECT account, strategy, arg_max(equity, seq)::DOUBLE AS equity,
        arg_max(fees, seq)::DOUBLE AS fees, avg((gross > 0)::INT) AS exposed,
        max(high - equity)::DOUBLE AS drawdown,
        max((high - equity)::DOUBLE / nullif(capital + high, 0)::DOUBLE) AS drawdown_share,
        coalesce(max(time_ns - high_ns) FILTER (is_under OR was_under), 0) AS under_ns,
        any_value(capital)::DOUBLE AS capital
    FROM (
        SELECT *, epoch_ns(time) AS time_ns, lag(is_under) OVER owner AS was_under,
            coalesce(max(epoch_ns(time)) FILTER (NOT is_under) OVER (owner
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), first_ns) AS high_ns
        FROM (
            SELECT *, equity < high AS is_under, min(epoch_ns(time)) OVER owner AS first_ns
            FROM (
                SELECT *, greatest(max(equity) OVER (PARTITION BY account, strategy ORDER BY seq),
                    0) AS high FROM samples
            )
            WINDOW owner AS (PARTITION BY account, strategy ORDER BY seq)
        )
        WINDOW owner AS (PARTITION BY account, strategy ORDER BY seq)
    )
    LEFT JOIN terms USING (account) GROUP BY account, strategy
"""
DAILY = """
    SELECT account, strategy, count(*) AS days, avg(profit) AS mean, stddev_samp(profit)
        AS deviation, max(abs(profit)) AS scale, sqrt(avg(least(profit, 0) ** 2)) AS downside
    FROM (
        SELECT account, strategy, profit::DOUBLE AS profit FROM pnl_daily
        UNION ALL SELECT account, '', sum(profit)::DOUBLE FROM pnl_daily GROUP BY account, day
    ) GROUP BY account, strategy
"""
ENDED = """
    SELECT account, unnest([strategy, '']) AS strategy, instrument, number, exit_time, profit,
        list_contains(at_par, currency) AS is_at_par
    FROM round_trips LEFT JOIN terms USING (account) WHERE exit_time IS NOT NULL
"""
TRIPS = """
    SELECT account, strategy, count(*) AS trips, count(*) FILTER (profit > 0) AS wins,
        count(*) FILTER (profit < 0) AS losses, avg(profit) AS trip_mean,
        coalesce(sum(profit) FILTER (profit > 0), 0)::DOUBLE AS won,
        coalesce(-sum(profit) FILTER (profit < 0), 0)::DOUBLE AS lost,
        bool_and(coalesce(is_at_par, false)) AS at_par
    FROM ended GROUP BY account, strategy
"""
STREAKS = """
    SELECT account, strategy, max(length) AS streak FROM (
        SELECT account, strategy, count(*) AS length FROM (
            SELECT account, strategy, profit, sum((profit > 0)::INT) OVER (
                PARTITION BY account, strategy ORDER BY exit_time, instrument, number) AS won_before
            FROM ended WHERE profit <> 0
        ) WHERE profit < 0 GROUP BY account, strategy, won_before
    ) GROUP BY account, strategy
"""
TURNOVER = """
    SELECT account, coalesce(strategy, '') AS strategy, sum(value) AS turnover,
        bool_and(fills_at_par) AS fills_at_par
    FROM (
        SELECT fills.account AS account, fills.strategy AS strategy,
            sum(size::DOUBLE * multiplier::DOUBLE
                * if(contract = 'inverse', 1, price::DOUBLE)) AS value,
            bool_and(coalesce(list_contains(at_par, if(contract = 'quanto', settle, quote)), false))
                AS fills_at_par
        FROM fills LEFT JOIN instruments ON instruments.id = instrument
        LEFT JOIN terms ON terms.account = fills.account
        GROUP BY fills.account, fills.strategy
    ) GROUP BY GROUPING SETS ((account, strategy), (account))
"""
FIGURES = """
    SELECT *, if(1 + gain > 0, (1 + gain) ** (365.0 / days) - 1, NULL) AS cagr
    FROM (SELECT *, equity / nullif(capital, 0) AS gain FROM curves)
    LEFT JOIN daily USING (account, strategy) LEFT JOIN trips USING (account, strategy)
    LEFT JOIN streaks USING (account, strategy) LEFT JOIN traded USING (account, strategy)
"""
ROWS = ", ".join(
    f"{{'place': {place}, 'statistic': '{name}', 'value': ({expression})::DOUBLE, "
    f"'definition': '{definition}'}}"
    for place, (name, (expression, definition)) in enumerate(STATISTICS.items())
)
TEARSHEET = View(
    "tearsheet",
    "A view: the statistics of each strategy, and of each account as a whole.",
    {
        "account": SHARED["account"],
        "strategy": "name of the strategy; '': the whole account",
        "statistic": "its name",
        "value": "in the currencies at par where it is money; NULL: `definition` says where",
        "definition": "how it is computed",
    },
    f"""
    WITH {JOB_TERMS}, samples AS ({SAMPLES}), curves AS ({CURVES}), daily AS ({DAILY}),
    ended AS MATERIALIZED ({ENDED}), trips AS ({TRIPS}), streaks AS ({STREAKS}),
    traded AS ({TURNOVER})
    SELECT account, strategy, found.statistic AS statistic,
        if(isfinite(found.value), found.value, NULL) AS value, found.definition AS definition
    FROM (SELECT account, strategy, unnest([{ROWS}]) AS found FROM ({FIGURES}))
    ORDER BY account, strategy, found.place
    """,
)
