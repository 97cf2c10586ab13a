"""Views of profit by UTC day, and of what was held when."""

from tapeflow.connectors.duckdb.views.view import View
from tapeflow.schemas.meanings import SHARED

# Capital and currencies at par of each account of the last job; a stored variant of a sweep is an
# account, and has those of the account of its strategy.
TERMS = """
    SELECT account, capital, at_par FROM accounts
    UNION ALL
    SELECT variant, any_value(capital), any_value(at_par)
    FROM (SELECT DISTINCT variant, strategy FROM variants WHERE facts)
    JOIN (
        SELECT strategies->>'name' AS strategy, strategies->>'account' AS account
        FROM (SELECT unnest(from_json(job->'strategies', '["JSON"]')) AS strategies FROM last_job)
    ) USING (strategy) JOIN accounts USING (account)
    WHERE variant NOT IN (SELECT account FROM accounts) GROUP BY variant
"""
JOB_TERMS = f"""
    last_job AS (SELECT job FROM runs ORDER BY id DESC LIMIT 1),
    accounts AS (
        SELECT accounts->>'name' AS account, (accounts->>'capital')::DECIMAL(38, 12) AS capital,
            coalesce(from_json(accounts->'at_par', '["VARCHAR"]'), []) AS at_par
        FROM (SELECT unnest(from_json(job->'accounts', '["JSON"]')) AS accounts FROM last_job)
    ),
    terms AS ({TERMS})
"""
# The UTC day of a time in ns. A cast to DATE would round to microseconds, up into the next day.
DAY = "(DATE '1970-01-01' + (({0}) // 86400000000000)::INTEGER)"
# A sample at midnight is of the day that ends then, a fill of the day that begins.
DAY_OF_SAMPLE = DAY.format("epoch_ns(time) - 1")
# The first and the last day of the log.
LOG_DAYS = f"""
    SELECT min(first_day) AS first_day, max(last_day) AS last_day FROM (
        SELECT min({DAY_OF_SAMPLE}) AS first_day, max({DAY_OF_SAMPLE}) AS last_day FROM equity
        UNION ALL SELECT min(time)::DATE, max(time)::DATE FROM data_quality_minutes
    )
"""
PNL_DAILY = View(
    "pnl_daily",
    "A view of `equity` and `fills`: what each strategy made on each UTC day of the log.",
    {
        "day": "UTC day, from the first to the last of the log",
        "account": SHARED["account"],
        "strategy": SHARED["strategy"],
        "equity": "at the end of the day: of its last sample; without one, as the day before",
        "profit": "change of equity on this day",
        "fees": "paid on this day",
        "realized": "on this day, before fees",
        "funding": "received on this day, less what was paid",
        "fills": "number of fills on this day",
        "return_": "profit / capital of the account; NULL: the job declares none",
    },
    f"""
    WITH {JOB_TERMS},
    closes AS (
        SELECT account, strategy, {DAY_OF_SAMPLE} AS day, arg_max({{
            'equity': equity, 'fees': fees, 'realized': realized, 'funding': funding
        }}, seq) AS close
        FROM equity GROUP BY ALL
    ),
    days AS (
        SELECT account, strategy, unnest(generate_series(first_day, last_day, INTERVAL 1 DAY))::DATE
            AS day
        FROM (SELECT DISTINCT account, strategy FROM closes), ({LOG_DAYS})
    ),
    held AS (
        SELECT account, strategy, day, last_value(close IGNORE NULLS) OVER (
            PARTITION BY account, strategy ORDER BY day) AS close
        FROM days LEFT JOIN closes USING (account, strategy, day)
    ),
    counts AS (
        SELECT account, strategy, {DAY.format("epoch_ns(log_time)")} AS day, count(*) AS fills
        FROM fills GROUP BY ALL
    )
    SELECT day, account, strategy, coalesce(close.equity, 0) AS equity,
        coalesce(close.equity, 0) - coalesce(lag(close.equity) OVER owner, 0) AS profit,
        coalesce(close.fees, 0) - coalesce(lag(close.fees) OVER owner, 0) AS fees,
        coalesce(close.realized, 0) - coalesce(lag(close.realized) OVER owner, 0) AS realized,
        coalesce(close.funding, 0) - coalesce(lag(close.funding) OVER owner, 0) AS funding,
        coalesce(fills, 0) AS fills, profit::DOUBLE / nullif(capital, 0)::DOUBLE AS return_
    FROM held LEFT JOIN counts USING (account, strategy, day) LEFT JOIN terms USING (account)
    WINDOW owner AS (PARTITION BY account, strategy ORDER BY day)
    ORDER BY account, strategy, day
    """,
)
EXPOSURE = View(
    "exposure",
    "A view of `positions`: what a strategy held after each fill, in money. Of an account see "
    "`gross` of `equity`.",
    {
        "time": "log time of the fill",
        "account": SHARED["account"],
        "strategy": SHARED["strategy"],
        "instrument": SHARED["instrument"],
        "quantity": "signed; 0: flat",
        "net": "quantity of the account, over all strategies",
        "price": "mark at which it is valued; without one the average entry price; NULL: flat",
        "notional": "quantity * multiplier * price, signed; of inverse contracts quantity * "
        "multiplier; not exact",
        "currency": "of `notional`: quote, of quanto contracts in which they settle",
        "fill_id": SHARED["fill_id"],
        "seq": SHARED["seq"],
    },
    """
    SELECT time, account, strategy, instrument, quantity, net,
        coalesce(mark, nullif(entry_price, 0)) AS price,
        quantity::DOUBLE * multiplier::DOUBLE
            * CASE WHEN contract = 'inverse' OR quantity = 0 THEN 1
                ELSE coalesce(mark, nullif(entry_price, 0))::DOUBLE END AS notional,
        if(contract = 'quanto', settle, quote) AS currency, fill_id, positions.seq
    FROM positions LEFT JOIN instruments ON instruments.id = instrument
    ORDER BY account, positions.seq
    """,
)
