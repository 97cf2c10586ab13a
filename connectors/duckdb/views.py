"""Views of the results that are computed when they are queried, and what they mean."""

from msgspec import Struct

from tapeflow.schemas.meanings import SHARED, column_meanings
from tapeflow.schemas.quality import UnlistedSymbol


class View(Struct, frozen=True):
    """A view of the results file."""

    name: str
    title: str
    meanings: dict[str, str]  # of its columns
    sql: str


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
# Without events it is not known whether an order has ended unfilled. The fills of an order in
# slices are those of its children.
ORDER_STATES = View(
    "order_states",
    "A view of `orders`, `order_events` and `fills`: what has become of each order so far.",
    {
        "order_id": SHARED["order_id"],
        "account": SHARED["account"],
        "strategy": SHARED["strategy"],
        "instrument": SHARED["instrument"],
        "side": SHARED["side"],
        "role": "entry, exit or child",
        "size": "as approved",
        "filled": "so far",
        "leaves": "what may still be filled",
        "phase": "HELD, SENT, OPEN or DONE; NULL: not known, as there are no order events",
        "end": 'FILLED, CANCELED, EXPIRED, REJECTED, DENIED, LOST, or "" while it lives',
        "reason": "code of its end",
        "seq": "that of the order",
    },
    """
    SELECT id AS order_id, account, strategy, instrument, side, role, size,
        coalesce(last.filled, executed, 0)::DECIMAL(38, 12) AS filled,
        coalesce(last.leaves, greatest(size - coalesce(executed, 0), 0))::DECIMAL(38, 12) AS leaves,
        CASE WHEN last IS NOT NULL THEN last.phase WHEN executed >= size THEN 'DONE'
            WHEN EXISTS (FROM order_events) THEN 'HELD' END AS phase,
        coalesce(last."end", if(executed >= size, 'FILLED', '')) AS end,
        coalesce(last.reason, '') AS reason, seq
    FROM orders
    LEFT JOIN (
        SELECT order_id, arg_max({
            'filled': filled, 'leaves': leaves, 'phase': phase, 'end': "end", 'reason': end_reason
        }, seq) AS last FROM (
            SELECT *, first_value(reason) OVER (PARTITION BY order_id, "end" ORDER BY seq)
                AS end_reason FROM order_events
        ) GROUP BY order_id
    ) AS events ON orders.id = events.order_id
    LEFT JOIN (
        SELECT if(role = 'child', parent, orders.id) AS executed_id, sum(fills.size) AS executed
        FROM fills JOIN orders ON orders.id = fills.order_id GROUP BY ALL
        UNION ALL
        SELECT orders.id, sum(fills.size)
        FROM fills JOIN orders ON orders.id = fills.order_id WHERE role = 'child' GROUP BY ALL
    ) ON orders.id = executed_id
    ORDER BY account, seq
    """,
)
VIEWS = (ORDER_STATES, OFF_STEP, RECOGNISED_CHANNELS, UNLISTED)
