"""Hints about risk at the end of the results: what is stopped, what could not be closed."""

from collections.abc import Iterator
from typing import Any

STOPPED = """
    SELECT scope, arg_max(state, seq) AS state, arg_max(cause, seq) AS cause,
        arg_max(rule, seq) AS rule, arg_max("by", seq) AS who,
        strftime(max(time), '%Y-%m-%d %H:%M:%S')
    FROM states WHERE event = 'CHANGED' GROUP BY scope HAVING state <> 'ACTIVE' ORDER BY max(seq)
"""
UNFINISHED = """
    SELECT scope, arg_max(event, seq) AS event, arg_max(rule, seq), arg_max(detail, seq)
    FROM states WHERE state = 'KILLED' OR event NOT IN ('CHANGED', 'LOCKED')
    GROUP BY scope HAVING event NOT IN ('FLAT', 'REDUCED', 'ENDED') ORDER BY max(seq)
"""


def find_stopped(con: Any, job: dict[str, Any]) -> Iterator[str]:
    """Yield the scopes in which not everything may be traded, and how that ends."""
    for scope, state, cause, rule, who, time in con.execute(STOPPED).fetchall():
        by = f"by {who}" if cause == "command" else f"by {rule}"
        if rule == "STALE_FEED":
            yield f"{scope} is {state} {by} since {time}: its feed was silent, and is not back"
        else:
            resume = f"`tapeflow control resume --scope {scope}` ends it"
            fresh = "[control] of the job lists no keys, so only a fresh --state ends it"
            end = resume if job.get("control", {}).get("keys") else fresh
            yield f"{scope} is {state} {by} since {time}: {end}"


def find_unfinished(con: Any, job: dict[str, Any]) -> Iterator[str]:
    """Yield what was being closed and is not flat, and why."""
    for scope, event, rule, detail in con.execute(UNFINISHED).fetchall():
        why = detail if event == "STUCK" else "the log ended before its orders were filled"
        yield f"{scope} was being closed for {rule}, and is not done: {why}"


HINTS = (find_stopped, find_unfinished)
