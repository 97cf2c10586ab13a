"""Hints about trading: strategies in their warm-up, without trades, refused; prices off tick."""

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from tapeflow.flows.cli.summary.tables import counts_by
from tapeflow.flows.cli.summary.wording import names
from tapeflow.schemas.venues import venue_of

Hint = Callable[[Any, dict[str, Any]], Iterator[str]]

MOST_BARS = "SELECT instrument, count(*) FROM bars GROUP BY 1"
SIGNALS = "SELECT strategy, count(*) FROM signals GROUP BY 1"
REFUSED = """
    SELECT strategy, count(*), mode(reason), count(*) FILTER (reason = most)
    FROM (SELECT *, mode(reason) OVER (PARTITION BY strategy) AS most FROM decisions)
    GROUP BY strategy HAVING count(*) FILTER (reason = '') = 0 ORDER BY strategy
"""
ORDERS = "SELECT count(*), (SELECT count(*) FROM fills) FROM orders"
# A double holds a price of some 15 digits: where a tick is a 10^9th of it, nothing can be said.
OFF_TICK = """
    SELECT instrument, count(*), first(price), any_value(tick)
    FROM (SELECT instrument, close AS price, tick, close / tick::DOUBLE AS ticks
          FROM bars JOIN (SELECT id, tick FROM instruments) ON instrument = id)
    WHERE ticks < 1e9 AND abs(ticks - round(ticks)) > 1e-5
    GROUP BY instrument ORDER BY 2 DESC, 1
"""


def find_untraded(con: Any, job: dict[str, Any]) -> Iterator[str]:
    """Yield which strategies had no instrument with a trade, and which instruments had no tick."""
    counts = counts_by(con, "instrument")
    listed = [row[0] for row in con.execute("SELECT id FROM instruments ORDER BY id").fetchall()]
    for strategy in job["strategies"]:
        own = instruments_of(strategy, listed)
        if not any(name in counts and counts[name]["accepted"] for name in own):
            yield (
                f"strategy {strategy['name']} had nothing to trade: the log holds no trade of "
                f"{names(own)}"
            )
    read = {
        venue_of(name)
        for name, counts in counts_by(con, "partition").items()
        if counts["with_ticks"]
    }
    silent = [
        name for name in listed if name not in counts and name.partition(".")[2].lower() in read
    ]
    if silent:
        yield (
            f"{len(silent):,} of {len(listed):,} instruments had no tick, though their venue was "
            f"read: {names(silent)}; is the venue_symbol right?"
        )


def find_warm_up(con: Any, job: dict[str, Any]) -> Iterator[str]:
    """Yield which strategies made no signal because no instrument had enough bars."""
    bars = dict(con.execute(MOST_BARS).fetchall())
    signals = dict(con.execute(SIGNALS).fetchall())
    for strategy in job["strategies"]:
        own = instruments_of(strategy, bars)
        needed, why = bars_needed(strategy, job)
        most = max((bars[name] for name in own), default=0)
        if own and strategy["name"] not in signals and most < needed:
            yield (
                f"strategy {strategy['name']} made no signal: it needs {needed:,} bars of an "
                f"instrument ({why}), and the most is {most:,}; replay a longer log, or shorten "
                "[bars] width"
            )


def bars_needed(strategy: dict[str, Any], job: dict[str, Any]) -> tuple[int, str]:
    """Return the bars of an instrument before the first signal can come, and the setting behind."""
    if strategy["kind"] == "ema_cross":
        return strategy["slow"] + 1, f"slow = {strategy['slow']}"
    window = job["normalise"]["window"]
    return window + 2, f"[normalise] window = {window}"


def find_refused(con: Any, job: dict[str, Any]) -> Iterator[str]:
    """Yield which strategies had all their intents refused, and orders that nothing filled."""
    for strategy, intents, reason, count in con.execute(REFUSED).fetchall():
        yield (
            f"all {intents:,} intents of strategy {strategy} were refused, {count:,} of them by "
            f"{reason}; see its account's limits in [[accounts]], and `detail` in the table "
            "decisions"
        )
    orders, fills = con.execute(ORDERS).fetchone()
    if orders and not fills:
        yield (
            f"none of {orders:,} orders was filled: behind them the log holds no trade that could "
            "fill one"
        )


def find_off_tick(con: Any, job: dict[str, Any]) -> Iterator[str]:
    """Yield which instruments trade at prices that are no multiple of their tick."""
    rows = con.execute(OFF_TICK).fetchall()
    if rows:
        examples = [
            f"{name} (tick {tick.normalize():f}, traded at {price!r})"
            for name, _, price, tick in rows
        ]
        yield (
            f"{sum(row[1] for row in rows):,} bars close at a price off the tick of their "
            f"instrument: {names(examples)}; set the venue's tick under [instruments]"
        )


def instruments_of(strategy: dict[str, Any], ids: Any) -> list[str]:
    """Return those ids that a strategy trades."""
    patterns = strategy["instruments"]
    return [name for name in ids if any(fnmatchcase(name, pattern) for pattern in patterns)]


HINTS: tuple[Hint, ...] = (find_untraded, find_warm_up, find_refused, find_off_tick)
