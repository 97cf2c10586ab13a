"""Views of orders: what has become of each, and why it is there."""

from tapeflow.connectors.duckdb.views.view import View
from tapeflow.schemas.meanings import SHARED

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
WHY_ORDER = View(
    "why_order",
    "A view: each order, and each intent that was refused, with its decision and its cause.",
    {
        "order_id": SHARED["order_id"],
        "account": SHARED["account"],
        "strategy": SHARED["strategy"],
        "instrument": SHARED["instrument"],
        "side": SHARED["side"],
        "type": SHARED["type"] + "; NULL: it was refused",
        "size": "as approved, or refused",
        "filled": "so far",
        "average_price": "of its fills, weighted by size; NULL: there is none",
        "phase": "HELD, SENT, OPEN or DONE; NULL: it was refused, or there are no order events",
        "end": 'FILLED, CANCELED, EXPIRED, REJECTED, DENIED, LOST, or "" while it lives; '
        "NULL: it was refused",
        "end_reason": "code of its end",
        "decided": "log time of the decision; of a slice, that about its order, as all of it",
        "decision": "`APPROVED` or `DENIED`, the last one about it",
        "reason": "code of the check that denied, or ''",
        "detail": "limit and observed value of that check",
        "signal_id": "id of the signal; states/SEQ: a row of `states` closes a position",
        "strength": "of the signal; NULL: there is none",
        "bar_id": "of the bar, fill, order, timer or price watch that caused the signal",
        "ref_price": SHARED["ref_price"],
        "first_fill_time": "log time of its first fill; NULL: there is none",
        "last_fill_time": "log time of its last fill",
        "role": "entry, exit or child; NULL: it was refused",
        "parent": "order whose fills release it, or of which it is a slice",
    },
    """
    WITH decided AS (
        SELECT order_id, arg_max({
            'time': time, 'decision': decision, 'reason': reason, 'detail': detail
        }, seq) AS last
        FROM decisions GROUP BY order_id
    ), executed AS (
        SELECT executed_id, min(log_time) AS first_fill_time, max(log_time) AS last_fill_time,
            if(min(price) = max(price), min(price), (sum(price::DOUBLE * size::DOUBLE)
                / sum(size::DOUBLE))::DECIMAL(38, 12)) AS average_price
        FROM (
            SELECT unnest(if(role = 'child', [id, parent], [id])) AS executed_id, order_id
            FROM (SELECT orders.id, role, parent, orders.id AS order_id FROM orders)
        ) JOIN fills USING (order_id) GROUP BY executed_id
    ), refused AS (
        SELECT order_id, arg_max(decisions, seq) AS last FROM decisions
        ANTI JOIN orders ON orders.id = order_id GROUP BY order_id
    )
    SELECT orders.id AS order_id, orders.account, orders.strategy, orders.instrument, orders.side,
        orders.type, orders.size, filled, average_price, phase, "end", order_states.reason AS
        end_reason, last.time AS decided, last.decision, last.reason, last.detail,
        orders.signal_id, strength, bar_id, orders.ref_price, first_fill_time, last_fill_time,
        orders.role, orders.parent
    FROM orders JOIN order_states ON order_states.order_id = orders.id
    LEFT JOIN decided ON decided.order_id = if(orders.role = 'child', orders.parent, orders.id)
    LEFT JOIN executed ON executed_id = orders.id
    LEFT JOIN signals ON signals.id = orders.signal_id
    UNION ALL
    SELECT order_id, last.account, last.strategy, last.instrument, last.side, NULL, last.size,
        0, NULL, NULL, NULL, NULL, last.time, last.decision, last.reason, last.detail,
        last.signal_id, strength, bar_id, last.ref_price, NULL, NULL, NULL, NULL
    FROM refused LEFT JOIN signals ON signals.id = last.signal_id
    ORDER BY account, decided, order_id
    """,
)
REFUSALS_BY_REASON = View(
    "refusals_by_reason",
    "A view of `decisions`: how often each check refused what a strategy wanted.",
    {
        "account": SHARED["account"],
        "strategy": SHARED["strategy"],
        "instrument": SHARED["instrument"],
        "reason": "code of the check that denied",
        "refusals": "decisions that denied for this reason",
        "first_time": "log time of the first",
        "last_time": "log time of the last",
        "example": "`order_id` of the last",
        "example_detail": "limit and observed value of the last",
    },
    """
    SELECT account, strategy, instrument, reason, count(*) AS refusals,
        min(time) AS first_time, max(time) AS last_time,
        arg_max(order_id, seq) AS example, arg_max(detail, seq) AS example_detail
    FROM decisions WHERE decision = 'DENIED'
    GROUP BY account, strategy, instrument, reason
    ORDER BY account, strategy, refusals DESC, instrument, reason
    """,
)
