"""Hints about orders: unfilled, without a market, filled beyond what was shown, contradictory."""

from collections.abc import Iterator
from typing import Any

from tapeflow.flows.cli.summary.wording import Hint, names

NO_MARKET = """
    SELECT instrument, count(*) FROM order_states WHERE "end" = 'EXPIRED' AND reason = 'NO_MARKET'
    GROUP BY 1 ORDER BY 2 DESC, 1
"""
BEYOND = """
    SELECT instrument, count(*) FILTER (beyond > 0), count(*), sum(beyond), sum(size) FROM fills
    GROUP BY 1 ORDER BY sum(beyond) / sum(size) DESC, 1
"""
# A fill of which we hear after a later one is missed for a moment only.
ALERTS = """
    SELECT alert, count(*) FROM order_events AS event WHERE alert <> '' AND NOT (
        alert = 'MISSED_FILL' AND EXISTS (
            FROM order_events AS later
            WHERE later.order_id = event.order_id AND later.seq > event.seq AND later.kind = 'FILL'
        )
    ) GROUP BY 1 ORDER BY 2 DESC, 1
"""
UNFILLED = """
    SELECT count(*), count(*) FILTER (type = 'market'), (SELECT count(*) FROM fills) FROM orders
"""
ENDED = """
    SELECT trim("end" || ' ' || reason) AS end, count(*) AS orders FROM order_states
    WHERE phase = 'DONE' GROUP BY ALL ORDER BY orders DESC, 1
"""


def find_no_market(con: Any, job: dict[str, Any]) -> Iterator[str]:
    """Yield how many orders waited for a market in vain."""
    found = con.execute(NO_MARKET).fetchall()
    if found:
        total = sum(count for _, count in found)
        yield (
            f"{orders(total)} expired with NO_MARKET: nothing that could fill them was seen within "
            f"[paper] patience, {job['paper']['patience']}: "
            f"{names(f'{name} {count:,}' for name, count in found)}"
        )


def find_beyond(con: Any, job: dict[str, Any]) -> Iterator[str]:
    """Yield how much was filled beyond what the log showed, and at which price."""
    found = con.execute(BEYOND).fetchall()
    larger, total = sum(row[1] for row in found), sum(row[2] for row in found)
    if not larger:
        return
    slip = job["paper"]["slip"]
    price = f"{slip} ticks worse" if slip else "at no worse price"
    parts = names(
        f"{name} {beyond.normalize():f} of {size.normalize():f} ({100 * beyond / size:.0f} %)"
        for name, count, _, beyond, size in found
        if count
    )
    yield (
        f"{larger:,} of {total:,} fills took more than the log showed, the rest {price} by "
        f"[paper] slip: {parts}"
    )


def find_alerts(con: Any, job: dict[str, Any]) -> Iterator[str]:
    """Yield which reports of orders contradict what was known of them."""
    found = con.execute(ALERTS).fetchall()
    if found:
        yield (
            f"reports of orders contradict what was known: "
            f"{names(f'{count:,} {alert}' for alert, count in found)}; "
            "SELECT * FROM order_events WHERE alert <> ''"
        )


def find_unfilled(con: Any, job: dict[str, Any]) -> Iterator[str]:
    """Yield that no order was filled at all."""
    total, at_market, fills = con.execute(UNFILLED).fetchone()
    if not total or fills:
        return
    ended = [f"{count:,} ended {end}" for end, count in con.execute(ENDED).fetchall()]
    waiting = "behind them the log holds no trade that could fill one"
    if at_market < total:
        waiting = "the market did not reach their prices"
    yield f"none of {orders(total)} was filled: {', '.join(ended) or waiting}"


def orders(count: int) -> str:
    """Return a number of orders in words.

    >>> orders(1), orders(1200)
    ('1 order', '1,200 orders')
    """
    return f"{count:,} order{'s' * (count != 1)}"


HINTS: tuple[Hint, ...] = (find_unfilled, find_no_market, find_beyond, find_alerts)
