"""Views of the market's data: what was off its step, recognised, or unlisted."""

from tapeflow.connectors.duckdb.views.view import View
from tapeflow.schemas.meanings import SHARED, column_meanings
from tapeflow.schemas.quality import UnlistedSymbol

# A value is off its step where the quotient is further from a whole number than float64 explains:
# prices are the float64 nearest to the venue's decimal, volumes are sums of such.
PRINTED_STEPS = """
    SELECT instrument, step_of, step, value,
        value > 0 AND quotient < 1e13 AND abs(quotient - round(quotient)) > 1e-9 + quotient * noise
            AS is_off
    FROM (
        SELECT instrument, step_of, step, value, noise, value / step::DOUBLE AS quotient
        FROM (
            SELECT instrument, 'tick' AS step_of, unnest([open, high, low, close]) AS value,
                1e-15 AS noise FROM bars
            UNION ALL SELECT instrument, 'tick', price::DOUBLE, 1e-15 FROM fills
            UNION ALL SELECT instrument, 'lot', volume, 1e-12 FROM bars
        )
        JOIN (
            SELECT id AS instrument, 'tick' AS step_of, tick AS step FROM instruments
            UNION ALL SELECT id, 'lot', lot FROM instruments
        ) USING (instrument, step_of)
    )
"""
OFF_STEP = View(
    "off_step",
    "A view: instruments whose market prints prices off the job's tick, or sizes off its lot.",
    {
        "instrument": SHARED["instrument"],
        "step_of": "`tick`, of the prices of bars and fills, or `lot`, of the volumes of bars",
        "step": "as the job has it",
        "printed": "number of prices or volumes",
        "off": "of these, no multiples of the step",
        "example": "the smallest of these",
    },
    f"""
    SELECT instrument, step_of, step, count(*) AS printed,
        count(*) FILTER (is_off) AS off, min(value) FILTER (is_off) AS example
    FROM ({PRINTED_STEPS}) GROUP BY ALL HAVING off > 0 ORDER BY ALL
    """,
)
RECOGNISED_CHANNELS = View(
    "recognised_channels",
    "A view of `metrics`: frames that were recognised, of which nothing is stored.",
    {
        "partition": SHARED["partition"],
        "channel": "the venue's name of it; `@arr`: of all symbols in one frame",
        "frames": "frames of the channel",
        "unread": "of these, with a trade of a listed instrument that the job does not read",
    },
    """
    SELECT partition, split_part(name, '.', 2) AS channel,
        sum(value) FILTER (name LIKE 'recognised.%')::BIGINT AS frames,
        coalesce(sum(value) FILTER (name LIKE 'unread.%'), 0)::BIGINT AS unread
    FROM metrics WHERE name LIKE 'recognised.%' OR name LIKE 'unread.%'
    GROUP BY ALL ORDER BY ALL
    """,
)
UNLISTED = View(
    "unlisted",
    "A view: the counts of `unlisted_minutes` over all minutes, most records first.",
    {name: text for name, text in column_meanings(UnlistedSymbol).items() if name != "time"},
    """
    SELECT partition, symbol, sum(records)::BIGINT AS records,
        min(first_log_time) AS first_log_time, max(last_log_time) AS last_log_time,
        min(first_offset) AS first_offset
    FROM unlisted_minutes GROUP BY ALL ORDER BY records DESC, partition, symbol
    """,
)
