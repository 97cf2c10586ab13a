"""Hints about trading: strategies in their warm-up, without trades, refused; ticks and lots."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from tapeflow.connectors.duckdb import off_step
from tapeflow.flows.cli.summary.tables import counts_by
from tapeflow.flows.cli.summary.wording import Hint, names
from tapeflow.schemas.venues import venue_of

MOST_BARS = "SELECT instrument, count(*) FROM bars GROUP BY 1"
SIGNALS = "SELECT strategy, count(*) FROM signals GROUP BY 1"
REFUSED = """
    SELECT strategy, count(*), mode(reason), count(*) FILTER (reason = most)
    FROM (
        SELECT *, mode(reason) OVER (PARTITION BY strategy) AS most
        FROM decisions WHERE reason != 'WARM_UP'
    )
    GROUP BY strategy HAVING count(*) FILTER (reason = '') = 0 ORDER BY strategy
"""
HELD_BACK = """
    SELECT strategy, count(*), any_value(detail)
    FROM decisions WHERE reason = 'WARM_UP' GROUP BY strategy ORDER BY strategy
"""
MOST_LINES = 5  # of instruments off their tick or lot
MEANS = {  # of a step: what it is of, and what follows from a wrong one
    "tick": ("price", "fills have the printed price"),
    "lot": ("volume", "orders stay multiples of the lot"),
}


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
    """Return the bars of an instrument before the first signal can come, and the setting behind.

    Of a class nobody knows.
    """
    if strategy["kind"] == "ema_cross":
        return strategy["slow"] + 1, f"slow = {strategy['slow']}"
    if strategy["kind"] != "reversion":
        return 0, ""
    window = job["normalise"]["window"]
    return window + 2, f"[normalise] window = {window}"


def find_held_back(con: Any, job: dict[str, Any]) -> Iterator[str]:
    """Yield how many intents of each strategy were refused because they came in the warm-up."""
    for strategy, intents, detail in con.execute(HELD_BACK).fetchall():
        yield (
            f"{intents:,} intents of strategy {strategy} came in the warm-up and were not traded: "
            f"{detail.removeprefix('WARM_UP: ')}; see [warmup]"
        )


def find_refused(con: Any, job: dict[str, Any]) -> Iterator[str]:
    """Yield which strategies had all their intents refused."""
    for strategy, intents, reason, count in con.execute(REFUSED).fetchall():
        yield (
            f"all {intents:,} intents of strategy {strategy} were refused, {count:,} of them by "
            f"{reason}; see its account's limits in [[accounts]], and `detail` in the table "
            "decisions"
        )


def find_off_steps(con: Any, job: dict[str, Any]) -> Iterator[str]:
    """Yield which ticks and lots do not fit what the market printed, and which ones would."""
    found = off_step.find_off_steps(con)
    yield from map(off_step_line, found[:MOST_LINES])
    if len(found) > MOST_LINES:
        rest = len(found) - MOST_LINES
        yield f"{rest} more ticks and lots do not fit their market: SELECT * FROM off_step"


def off_step_line(found: off_step.OffStep) -> str:
    """Return the line about one tick or lot that does not fit."""
    fits = (
        "the tables hold no step as fine"
        if found.fits is None
        else f"the coarsest that fits is {found.fits.normalize():f}"
    )
    what, consequence = MEANS[found.step_of]
    return (
        f"{found.instrument}: the job's {found.step_of} {found.step.normalize():f} does not fit "
        f"its market: {found.off:,} of {found.printed:,} {what}s are no multiples of it, such as "
        f"{found.example.normalize():f}; {fits} ({consequence})"
    )


def instruments_of(strategy: dict[str, Any], ids: Any) -> list[str]:
    """Return those ids that a strategy trades."""
    patterns = strategy["instruments"]
    return [name for name in ids if any(fnmatchcase(name, pattern) for pattern in patterns)]


HINTS: tuple[Hint, ...] = (
    find_untraded,
    find_warm_up,
    find_held_back,
    find_refused,
    find_off_steps,
)
