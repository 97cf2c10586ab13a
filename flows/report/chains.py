"""The causes of fills and refusals as data of the page: fill, order, decision, signal, bar.

The page opens them in a panel; down to the raw frames it is the command `tapeflow explain`.
"""

import shlex
from typing import Any

from tapeflow.flows.report.markup import Html, escape
from tapeflow.flows.report.planes import pack_json
from tapeflow.flows.report.source import Source

FILLS_MAX, DENIED_MAX = 2_000, 500  # the latest ones
STEPS = {  # table, columns, column of the id
    "fill": ("fills", "id", "id, order_id, account, strategy, instrument, side, size, price, fee, "
             "fee_currency, liquidity, log_time, trade_id, beyond"),
    "order": ("orders", "id", 'id, signal_id, side, type, size, "limit", "trigger", trail, '
              "trail_unit, tif, role, parent, time, active_time, ref_price"),
    "decision": ("decisions", "order_id", "order_id, signal_id, account, strategy, instrument, "
                 "side, size, wanted_size, decision, reason, detail, checks, time"),
    "signal": ("signals", "id", "id, strategy, instrument, side, strength, bar_id, ref_price, "
               "time, partition, \"offset\""),
}  # fmt: skip
CHOSEN = f"""
    fill AS (SELECT id, order_id FROM fills ORDER BY log_time DESC, account, seq DESC
        LIMIT {FILLS_MAX}),
    denied AS (SELECT order_id FROM decisions WHERE decision = 'DENIED'
        ORDER BY time DESC, account, seq DESC LIMIT {DENIED_MAX}),
    example AS (SELECT min(order_id) AS order_id FROM decisions WHERE decision = 'DENIED'
        GROUP BY account, strategy, instrument, reason),
    "order" AS (SELECT order_id AS id FROM fill UNION
        SELECT parent FROM orders WHERE id IN (SELECT order_id FROM fill) AND parent <> ''),
    decision AS (SELECT id FROM "order" UNION SELECT order_id FROM denied
        UNION SELECT order_id FROM example {{examples}}),
    signal AS (SELECT signal_id AS id FROM orders WHERE id IN (SELECT id FROM "order") UNION
        SELECT signal_id FROM decisions WHERE order_id IN (SELECT id FROM decision))
"""
BARS = """
    SELECT DISTINCT s.bar_id AS id, b.open_time, b.close_time, b.open, b.high, b.low, b.close,
        b.volume, b.count, b.complete, b.partition, b.first_offset, b.last_offset
    FROM signals AS s JOIN bars AS b ON b.instrument = s.instrument
        AND b.open_time = make_timestamp_ns(
            try_cast(split_part(split_part(s.bar_id, '@', 2), '+', 1) AS BIGINT))
    WHERE s.bar_id LIKE '%@%+%' AND s.bar_id NOT LIKE '%/%'
        AND s.id IN (SELECT id FROM signal) ORDER BY s.bar_id
"""


def chains(source: Source) -> Html:
    """Return the causes of the latest fills and refusals as one script of packed data."""
    seen = "UNION SELECT example FROM refusals_by_reason"
    chosen = CHOSEN.format(examples=seen if "refusals_by_reason" in source.names else "")
    tables: dict[str, Any] = {}
    for step, (name, key, columns) in STEPS.items():
        tables[step] = as_columns(
            source.rows(
                f'WITH {chosen} SELECT {key} AS "key", {columns} FROM {name} '
                f'WHERE {key} IN (SELECT id FROM "{step}") ORDER BY {key}'
            ),
            "key",
        )
    tables["bar"] = as_columns(source.rows(f"WITH {chosen} {BARS}"), "id")
    command = f"tapeflow explain ID --results {shlex.quote(str(source.results))} --tapes TAPES"
    packed = pack_json({"command": command, "tables": tables})
    return Html(f'<script type="text/plain" id="chains">{packed}</script>')


def as_columns(rows: list[dict[str, Any]], key: str) -> dict[str, Any]:
    """Return rows as names and, by id, values; NaN and infinity as text."""
    names = [name for name in rows[0] if name != "key"] if rows else []
    return {
        "names": names,
        "rows": {str(row[key]): [plain(row[name]) for name in names] for row in rows},
    }


def plain(value: Any) -> Any:
    """Return a value that JSON has."""
    return str(value) if isinstance(value, float) and value - value != 0 else value


def link(name: str | None, text: str, of: str) -> Html:
    """Return a link that opens the explanation of a fill or refusal; nothing without an id."""
    if not name:
        return Html("")
    return Html(
        f'<a href="#why-{escape(name)}" aria-label="explain {escape(of)}">{escape(text)}</a>'
    )
