"""The queries of a snapshot: each reads the newest rows, and returns few.

Where a table grows for ever its time column bounds what is read: DuckDB skips the rows before.
Running number, not time, orders the facts of an account: several have one log time.
"""

from tapeflow.connectors.duckdb.views.days import DAY_OF_SAMPLE

ROWS_MAX = 200  # positions and open orders
LAST = 20  # fills and refusals
CHECKED = 200  # newest decisions whose checks are read

RUN = """
    SELECT id, command, version, epoch_ns(started) AS started_ns, job->>'$.bars.width' AS bar_width,
        epoch_ns(committed) AS committed_ns, epoch_ns(stopped) AS stopped_ns,
        epoch_ns(finished) AS finished_ns, job->'$.metrics' AS metrics,
        job->>'$.source.stall_warning' AS stall_warning,
        job->>'$.market.mark_prices' AS mark_prices,
        job->>'$.results.order_events' AS order_events,
        (SELECT count(*) FROM runs WHERE stopped IS NULL AND finished IS NULL
            AND id < (SELECT max(id) FROM runs)) AS unclean_starts
    FROM runs ORDER BY id DESC LIMIT 1
"""
BAR_TIMES = """
    SELECT partition, epoch_ns(max(log_time)) AS log_ns FROM bars
    WHERE log_time > (SELECT max(log_time) FROM bars) - INTERVAL 10 MINUTE GROUP BY partition
"""
MINUTES = """
    SELECT partition, sum(records)::BIGINT AS records, epoch_ns(max(time)) AS minute_ns,
        arg_max(records, time)::BIGINT AS last_records
    FROM (
        SELECT partition, time, sum(records) AS records FROM data_quality_minutes GROUP BY ALL
    ) GROUP BY partition
"""
CLOSES = """
    SELECT instrument, arg_max(close, close_time) AS close, epoch_ns(max(close_time)) AS close_ns
    FROM bars WHERE log_time > (SELECT max(log_time) FROM bars) - INTERVAL 10 MINUTE
    GROUP BY instrument
"""
LATENCY = """
    SELECT count(*) AS fills, quantile_cont(waited, 0.5) / 1e6 AS p50_ms,
        quantile_cont(waited, 0.99) / 1e6 AS p99_ms
    FROM (
        SELECT epoch_ns(fills.log_time) - epoch_ns(orders.time) AS waited
        FROM fills JOIN orders ON orders.id = fills.order_id
        WHERE orders.type = 'market'
            AND orders.time >= (SELECT max(time) FROM orders) - INTERVAL 1 HOUR
            AND fills.log_time >= (SELECT max(time) FROM orders) - INTERVAL 1 HOUR
    )
"""
EQUITY = f"""
    SELECT account, sum(last.equity)::DECIMAL(38, 12) AS equity,
        sum(last.equity - coalesce(before, 0))::DECIMAL(38, 12) AS today,
        sum(last.realized)::DECIMAL(38, 12) AS realized,
        sum(last.unrealized)::DECIMAL(38, 12) AS unrealized,
        sum(last.fees)::DECIMAL(38, 12) AS fees, sum(last.gross)::DECIMAL(38, 12) AS gross,
        epoch_ns(max(last.time)) AS time_ns,
        coalesce(string_agg(last.unvalued, ', ') FILTER (last.unvalued <> ''), '') AS unvalued
    FROM (
        SELECT account, strategy, arg_max({{
                'equity': equity, 'realized': realized, 'unrealized': unrealized, 'fees': fees,
                'gross': gross, 'time': time, 'unvalued': unvalued
            }}, seq) AS last,
            arg_max(equity, seq) FILTER (
                {DAY_OF_SAMPLE} < (SELECT max({DAY_OF_SAMPLE}) FROM equity)) AS before
        FROM equity GROUP BY account, strategy
    ) GROUP BY account ORDER BY account
"""
POSITIONS = f"""
    SELECT account, strategy, instrument, quantity, cost, entry_price, realized, positions.fees,
        currency, unrealized, mark, epoch_ns(mark_time) AS mark_ns, multiplier, contract, kind
    FROM positions SEMI JOIN (
        SELECT account, max(seq) AS seq FROM positions GROUP BY account, strategy, instrument
    ) AS newest USING (account, seq)
    LEFT JOIN instruments ON instruments.id = instrument
    WHERE quantity <> 0 ORDER BY account, strategy, instrument LIMIT {ROWS_MAX + 1}
"""
OPEN_ORDERS = f"""
    WITH living AS (
        SELECT id, account, strategy, instrument, side, type, role, size, "limit", trigger, time,
            seq
        FROM orders ANTI JOIN (SELECT order_id FROM order_events WHERE "end" <> '') AS ended
            ON ended.order_id = orders.id
        ORDER BY time DESC, seq DESC LIMIT {ROWS_MAX + 1}
    )
    SELECT id AS order_id, living.account, strategy, instrument, side, type, role, size,
        coalesce(last.filled, 0)::DECIMAL(38, 12) AS filled,
        coalesce(last.leaves, size)::DECIMAL(38, 12) AS leaves, "limit", trigger,
        coalesce(last.phase, 'HELD') AS phase, epoch_ns(time) AS time_ns
    FROM living LEFT JOIN (
        SELECT order_id,
            arg_max({{'filled': filled, 'leaves': leaves, 'phase': phase}}, seq) AS last
        FROM order_events WHERE order_id IN (SELECT id FROM living) GROUP BY order_id
    ) AS events ON events.order_id = id
    ORDER BY time DESC, seq DESC
"""
OPEN_WITHOUT_EVENTS = f"""
    SELECT order_id, states.account, states.strategy, states.instrument, states.side, type,
        states.role, states.size, filled, leaves, "limit", trigger, phase,
        epoch_ns(time) AS time_ns
    FROM order_states AS states JOIN orders ON orders.id = order_id
    WHERE "end" = '' ORDER BY time DESC, states.seq DESC LIMIT {ROWS_MAX + 1}
"""
CHECKS = f"""
    SELECT instrument, checks, epoch_ns(time) AS time_ns FROM decisions
    WHERE time >= (SELECT max(time) FROM decisions) - INTERVAL 1 DAY
    ORDER BY time DESC, seq DESC LIMIT {CHECKED}
"""
STATES = """
    SELECT scope, last.state AS state, last.event AS event, last.cause AS cause,
        last.rule AS rule, last."by" AS "by", last.detail AS detail, epoch_ns(last.time) AS time_ns
    FROM (
        SELECT scope, arg_max({
            'state': state, 'event': event, 'cause': cause, 'rule': rule, 'by': "by",
            'detail': detail, 'time': time
        }, seq) AS last FROM states GROUP BY scope
    ) ORDER BY scope
"""
FILLS = f"""
    SELECT id, account, strategy, instrument, side, price, size, fee, fee_currency,
        epoch_ns(log_time) AS time_ns
    FROM fills ORDER BY log_time DESC, seq DESC LIMIT {LAST}
"""
REFUSALS = f"""
    SELECT order_id, account, strategy, instrument, side, size, reason, detail,
        epoch_ns(time) AS time_ns
    FROM decisions WHERE reason <> '' ORDER BY time DESC, seq DESC LIMIT {LAST}
"""
COUNTS = """
    SELECT (SELECT count(*) FROM bars) AS bars, (SELECT count(*) FROM signals) AS signals,
        (SELECT count(*) FROM orders) AS orders, (SELECT count(*) FROM fills) AS fills,
        (SELECT count(*) FROM decisions WHERE reason <> '') AS refusals,
        (SELECT count(*) FROM dead_letters) AS dead_letters,
        (SELECT count(*) FROM dead_letters WHERE log_time
            > (SELECT max(log_time) FROM bars) - INTERVAL 1 MINUTE) AS dead_letters_minute,
        (SELECT count(*) FROM late_trades) AS late_trades,
        (SELECT count(*) FROM order_events WHERE alert <> '' AND time
            > (SELECT max(log_time) FROM bars) - INTERVAL 1 HOUR) AS order_alerts
"""
