"""Round trips, from flat to flat, and how often they win.

    fill         quantity   trip
    buy 2             2     1 LONG    begins
    sell 1            1     1         a part of it is closed
    sell 3           -2     1 ends, 2 SHORT begins: the fee is split by size
    buy 2             0     2 ends

Less than a lot, which a fee in base leaves, is flat: no order can sell it. What is paid or earned
by it counts in the trip that left it.
"""

from tapeflow.connectors.duckdb.views.view import View
from tapeflow.schemas.meanings import SHARED

# The position after each fill, before it, and before that one.
CHANGES = """
    SELECT account, strategy, instrument, positions.seq, fill_id, quantity, lot, contract,
        coalesce(nullif(currency, ''), quote) AS currency,
        coalesce(lag(quantity) OVER owner, 0) AS before,
        coalesce(lag(quantity, 2) OVER owner, 0) AS earlier,
        realized - coalesce(lag(realized) OVER owner, 0) AS gained,
        fees - coalesce(lag(fees) OVER owner, 0) AS paid,
        funding - coalesce(lag(funding) OVER owner, 0) AS received
    FROM positions LEFT JOIN instruments ON instruments.id = instrument
    WINDOW owner AS (PARTITION BY account, strategy, instrument ORDER BY positions.seq)
"""
# A fill of a flat position begins a trip. One that turns the position does so in two parts: 0 ends
# a trip, 1 begins the next.
IS_FLAT = "{0} = 0 OR coalesce(abs({0}) < lot AND abs({0}) < abs({1}), false)"
STEPS = f"""
    SELECT *, (sum((begins OR turns)::INT) OVER owner)::BIGINT AS begun,
        unnest(if(turns, [0, 1], [1])) AS part
    FROM (
        SELECT *, was_flat AND abs(quantity) > abs(before) AS begins,
            NOT was_flat AND NOT is_flat AND sign(before) * sign(quantity) < 0 AS turns
        FROM (
            SELECT *, {IS_FLAT.format("quantity", "before")} AS is_flat,
                {IS_FLAT.format("before", "earlier")} AS was_flat FROM changes
        )
    )
    WINDOW owner AS (PARTITION BY account, strategy, instrument ORDER BY seq)
"""
PARTS = """
    SELECT steps.*, begun - (turns AND part = 0)::BIGINT AS number,
        if((begins OR turns) AND part = 1, sign(quantity), sign(before)) AS direction,
        if(side = 'BUY', 1, -1) = direction AS is_entry,
        log_time, price, order_id,
        CASE WHEN NOT turns THEN size WHEN part = 0 THEN abs(before) ELSE size - abs(before) END
            AS traded,
        round(paid::DOUBLE * abs(before)::DOUBLE / size::DOUBLE, 12)::DECIMAL(38, 12)
            AS closing_fee,
        CASE WHEN NOT turns THEN paid WHEN part = 0 THEN closing_fee ELSE paid - closing_fee END
            AS fee_part,
        part = 0 OR is_flat AS ends
    FROM steps JOIN fills ON fills.id = fill_id
"""
PRICE = """CASE
    WHEN min(price) FILTER ({0}) = max(price) FILTER ({0}) THEN min(price) FILTER ({0})
    WHEN any_value(contract) = 'inverse'
        THEN sum(traded::DOUBLE) FILTER ({0}) / sum(traded::DOUBLE / price::DOUBLE) FILTER ({0})
    ELSE sum(traded::DOUBLE * price::DOUBLE) FILTER ({0}) / sum(traded::DOUBLE) FILTER ({0})
END::DECIMAL(38, 12)"""
TRIPS = f"""
    SELECT account, strategy, instrument, number, any_value(currency) AS currency,
        any_value(direction) AS direction, arg_max(ends, seq) AS ended,
        min(log_time) AS entry_time, max(log_time) AS last_time,
        max(if(part = 0, 0, abs(quantity))) AS largest,
        {PRICE.format("is_entry")} AS entry_price, {PRICE.format("NOT is_entry")} AS exit_price,
        sum(if(turns AND part = 1, 0, gained)) AS realized, sum(fee_part) AS fees,
        sum(if(turns AND part = 1, 0, received)) AS received,
        count(*) AS fills, arg_min(fill_id, seq) AS entry_fill_id,
        arg_max(fill_id, seq) AS last_fill_id, arg_max(order_id, seq) AS last_order_id
    FROM parts GROUP BY account, strategy, instrument, number
"""
# Funding that came after the last fill is not in `positions`: it is that of the last trip.
LATE_FUNDING = """if(trips.number = max(trips.number) OVER owner,
    coalesce(paid_in - sum(received) OVER owner, 0), 0)"""
# Why the order of the last fill was there: a slice is there for the reason of its order.
EXIT_REASON = """CASE
    WHEN NOT ended THEN ''
    WHEN starts_with(exits.signal_id, 'states/')
        THEN coalesce(if(states.cause = 'command', action, states.rule), 'closing')
    WHEN NOT (exits.role = 'exit' OR exits.reduce_only) THEN 'signal'
    WHEN exits.type IN ('stop', 'stop_limit') THEN 'stop'
    WHEN exits.type IN ('take_profit', 'take_profit_limit') THEN 'take_profit'
    WHEN exits.type IN ('trailing', 'limit') THEN exits.type
    ELSE 'signal'
END"""
ROUND_TRIPS = View(
    "round_trips",
    "A view of `positions` and `fills`: what was held of an instrument, from flat to flat.",
    {
        "account": SHARED["account"],
        "strategy": SHARED["strategy"],
        "instrument": SHARED["instrument"],
        "number": "of the trip, from 1, in the order of entry: of this strategy in this instrument",
        "side": "`LONG` or `SHORT`",
        "entry_time": "log time of the first fill",
        "exit_time": "log time of the fill that made it flat, or turned it; NULL: it is open",
        "size": "the largest that was held",
        "entry_price": "average price of the fills that enlarged it, of inverse contracts harmonic",
        "exit_price": "the same of the fills that reduced it; NULL: there is none",
        "realized": "profit of what was closed, before fees, in `currency`",
        "fees": "in `currency`; that of a fill which turned the position is split by size",
        "profit": "realized - fees",
        "funding": "received, less what was paid; not in `profit`",
        "currency": "in which the instrument settles",
        "fills": "number of fills; one that turns the position counts in both trips",
        "duration_ns": "from entry to exit, in ns; NULL: it is open",
        "entry_fill_id": "id of the first fill",
        "exit_fill_id": "id of the fill that ended it; NULL: it is open",
        "exit_reason": "`signal`, `stop`, `take_profit`, `trailing`, `limit`, the code of the rule "
        "or the command that closed it; '' while it is open",
    },
    f"""
    WITH changes AS ({CHANGES}), steps AS ({STEPS}), parts AS ({PARTS}), trips AS ({TRIPS})
    SELECT trips.account, trips.strategy, trips.instrument, trips.number,
        if(direction > 0, 'LONG', 'SHORT') AS side, entry_time,
        if(ended, last_time, NULL) AS exit_time, largest AS size, entry_price, exit_price,
        realized, fees, realized - fees AS profit,
        received + {LATE_FUNDING} AS funding,
        currency, fills,
        if(ended, epoch_ns(last_time) - epoch_ns(entry_time), NULL) AS duration_ns, entry_fill_id,
        if(ended, last_fill_id, NULL) AS exit_fill_id, {EXIT_REASON} AS exit_reason
    FROM trips LEFT JOIN (
        SELECT account, strategy, instrument, sum(amount) AS paid_in FROM funding GROUP BY ALL
    ) AS paid USING (account, strategy, instrument)
    LEFT JOIN orders AS last_orders ON last_orders.id = last_order_id
    LEFT JOIN orders AS exits
        ON exits.id = if(last_orders.role = 'child', last_orders.parent, last_orders.id)
    LEFT JOIN states ON exits.signal_id = 'states/' || states.seq
    LEFT JOIN control ON states.cause = 'command' AND control.id = states.rule
    WINDOW owner AS (PARTITION BY trips.account, trips.strategy, trips.instrument)
    ORDER BY trips.account, trips.strategy, trips.instrument, trips.number
    """,
)
HIT_RATE = View(
    "hit_rate",
    "A view of `round_trips` that have ended: how often they win, and how much.",
    {
        "account": SHARED["account"],
        "strategy": SHARED["strategy"],
        "instrument": SHARED["instrument"],
        "trips": "that have ended",
        "wins": "of these, with a profit above 0",
        "losses": "of these, with a profit below 0",
        "hit_rate": "wins / trips",
        "average_win": "mean profit of the wins; NULL: there is none",
        "average_loss": "mean profit of the losses, below 0; NULL: there is none",
        "profit_factor": "sum of the wins / -(sum of the losses); NULL: there is no loss",
        "expectancy": "mean profit of a trip",
        "currency": "of the profits, in which the instrument settles",
    },
    """
    SELECT account, strategy, instrument, count(*) AS trips,
        count(*) FILTER (profit > 0) AS wins, count(*) FILTER (profit < 0) AS losses,
        wins / trips AS hit_rate, avg(profit) FILTER (profit > 0) AS average_win,
        avg(profit) FILTER (profit < 0) AS average_loss,
        coalesce(sum(profit) FILTER (profit > 0), 0)::DOUBLE
            / -(sum(profit) FILTER (profit < 0))::DOUBLE AS profit_factor,
        avg(profit) AS expectancy, any_value(currency) AS currency
    FROM round_trips WHERE exit_time IS NOT NULL
    GROUP BY account, strategy, instrument ORDER BY account, strategy, instrument
    """,
)
