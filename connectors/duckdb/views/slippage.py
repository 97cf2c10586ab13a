"""The view of slippage: the price of each fill against that of its decision, and the mid."""

from tapeflow.connectors.duckdb.views.view import View
from tapeflow.schemas.meanings import SHARED

DECISION_QUOTE = "NULL::DOUBLE AS decision_bid, NULL::DOUBLE AS decision_ask"  # of decisions
FILL_QUOTE = "NULL::DOUBLE AS fill_bid, NULL::DOUBLE AS fill_ask"  # of fills
BPS = "if(side = 'BUY', 1, -1) * (price::DOUBLE / nullif({0}, 0) - 1) * 10000"
# An exit waits at the venue for its own price; that of the decision about its entry is of long ago.
DECISION_PRICE = """CASE WHEN placed.role = 'exit' THEN coalesce(placed.trigger, placed."limit")
    ELSE nullif(placed.ref_price, 0) END"""
SLIPPAGE = View(
    "slippage",
    "A view of `fills`, `orders` and `decisions`: each fill against the price that was aimed at.",
    {
        "fill_id": SHARED["fill_id"],
        "order_id": SHARED["order_id"],
        "account": SHARED["account"],
        "strategy": SHARED["strategy"],
        "instrument": SHARED["instrument"],
        "side": SHARED["side"],
        "type": SHARED["type"],
        "role": "entry, exit or child of the order that was filled",
        "liquidity": "`TAKER` or `MAKER`",
        "size": SHARED["size"],
        "price": SHARED["price"],
        "time": "log time of the record that filled it",
        "decision_time": "log time of the decision; of a slice, that about its order",
        "decision_price": "`ref_price` of the decision; of an exit its trigger, or its limit; "
        "NULL: it has none, as a trailing stop",
        "decision_mid": "(bid + ask) / 2 at the decision; NULL: no quote, or an exit",
        "decision_bid": "best bid at the decision; NULL: no quote, or an exit",
        "decision_ask": "best ask at the decision; NULL: no quote, or an exit",
        "fill_mid": "(bid + ask) / 2 at the fill; NULL: no quote",
        "fill_bid": "best bid at the fill; NULL: no quote",
        "fill_ask": "best ask at the fill; NULL: no quote",
        "decision_bps": "price against `decision_price` in bps; above 0: worse",
        "decision_mid_bps": "price against `decision_mid` in bps; above 0: worse",
        "fill_mid_bps": "price against `fill_mid` in bps; above 0: worse",
        "notional": "size * multiplier * price; of inverse contracts size * multiplier; not exact",
        "cost": "what `decision_bps` are in `currency`; above 0: lost; not exact",
        "currency": "of `cost`, in which the instrument settles",
        "latency_ns": "from the decision to the fill, in ns; NULL: an exit",
    },
    f"""
    SELECT fill_id, order_id, account, strategy, instrument, side, type, role, liquidity, size,
        price, time, decision_time, decision_price,
        (decision_bid + decision_ask) / 2 AS decision_mid, decision_bid, decision_ask,
        (fill_bid + fill_ask) / 2 AS fill_mid, fill_bid, fill_ask,
        {BPS.format("decision_price::DOUBLE")} AS decision_bps,
        {BPS.format("decision_mid")} AS decision_mid_bps,
        {BPS.format("fill_mid")} AS fill_mid_bps,
        if(contract = 'inverse', units, units * price::DOUBLE) AS notional,
        units * if(side = 'BUY', 1, -1) * if(contract = 'inverse',
            1 / decision_price::DOUBLE - 1 / nullif(price::DOUBLE, 0),
            price::DOUBLE - decision_price::DOUBLE) AS cost,
        coalesce(nullif(settle, ''), quote) AS currency,
        if(is_exit, NULL, epoch_ns(time) - epoch_ns(decision_time)) AS latency_ns
    FROM (
        SELECT filled.id AS fill_id, filled.order_id, filled.account, filled.strategy,
            filled.instrument, filled.side, orders.type, orders.role, filled.liquidity, filled.size,
            filled.price, log_time AS time, placed.time AS decision_time, filled.seq,
            {DECISION_PRICE} AS decision_price, placed.role = 'exit' AS is_exit,
            if(is_exit, NULL, decision_bid) AS decision_bid,
            if(is_exit, NULL, decision_ask) AS decision_ask, fill_bid, fill_ask,
            filled.size::DOUBLE * multiplier::DOUBLE AS units, contract, settle, quote
        FROM (SELECT *, {FILL_QUOTE} FROM fills) AS filled
        LEFT JOIN orders ON orders.id = filled.order_id
        LEFT JOIN orders AS placed
            ON placed.id = if(orders.role = 'child', orders.parent, orders.id)
        LEFT JOIN (
            SELECT order_id AS decided_id, {DECISION_QUOTE} FROM decisions
            WHERE decision = 'APPROVED'
        ) ON decided_id = placed.id
        LEFT JOIN instruments ON instruments.id = filled.instrument
    )
    ORDER BY account, seq
    """,
)
