"""Alerts of committed facts: changes of trading states, and minutes with many dead letters.

Their ids follow from the facts, which are the same after a crash and in any shape of the run.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from tapeflow.connectors.duckdb.reading import to_sql
from tapeflow.flows.alerts.alert import Alert, Place, Severity, make_alert

STATES = "states"  # track of the changes of trading states
LETTERS = "dead_letters:"  # and the partition: track of its minutes
ROW = "SELECT {} AS kind, {} AS number, {} AS text "
STATE_JSON = (
    "json_object('scope', scope, 'before', before, 'state', state, 'event', event, 'cause', cause, "
    "'rule', rule, 'by', \"by\", 'observed', observed, 'limit', \"limit\", 'detail', detail, "
    "'log_time', time::VARCHAR, 'partition', partition, 'offset', \"offset\")::VARCHAR"
)
STATES_MAX = 500  # read at a time
NEWEST = "FROM runs WHERE id = (SELECT max(id) FROM runs)"
SEVERITY: dict[str, Severity] = {  # by state, where the event is a change
    "ACTIVE": "info",
    "REDUCING": "warning",
    "HALTED": "critical",
    "KILLED": "critical",
}
OF_EVENT: dict[str, Severity] = {"CLOSING": "warning", "LOCKED": "warning", "STUCK": "critical",
                                 "KILLED": "critical", "REDUCING": "warning"}  # fmt: skip


def facts_query(reached: dict[str, int], letters_max: int) -> str:
    """Return the query of what is newer than the places reached: rows of kind, number and text."""
    minutes = (
        "SELECT partition, time_bucket(INTERVAL 1 MINUTE, log_time) AS minute, count(*) AS n "
        f"FROM dead_letters GROUP BY ALL HAVING n > {letters_max}"
    )
    since = " ".join(
        f"WHEN {to_sql(track.removeprefix(LETTERS))} THEN {number}"
        for track, number in reached.items()
        if track.startswith(LETTERS)
    )
    newer = f"epoch_ns(minute) > CASE partition {since} ELSE -1 END" if since else "true"
    letters = "json_object('partition', partition, 'minute', minute::VARCHAR, 'frames', n)::VARCHAR"
    # without an order, DuckDB 2.0 may hang on the LIMIT that a running flow puts around a query
    return "FROM (" + " UNION ALL ".join(
        [
            ROW.format("'run'", "id", "''") + NEWEST,
            "(" + ROW.format("'state'", "seq", STATE_JSON)
            + f"FROM states WHERE seq > {reached.get(STATES, -1)} ORDER BY seq LIMIT {STATES_MAX})",
            ROW.format("'letters'", "epoch_ns(minute)", letters)
            + f"FROM ({minutes}) WHERE {newer}",
        ]
    ) + ") ORDER BY ALL"  # fmt: skip


def make_alerts(name: str, rows: list[Any]) -> Iterator[Alert]:
    """Yield the alerts of rows, in the order of their numbers; `name` is that of the state."""
    makers: dict[str, Callable[[str, int, dict[str, Any]], Alert]] = {
        "state": alert_of_state,
        "letters": alert_of_letters,
    }
    for kind, number, text in sorted(rows, key=lambda row: (row[0], row[1])):
        if kind in makers:
            yield makers[kind](name, number, json.loads(text))


def alert_of_state(name: str, seq: int, row: dict[str, Any]) -> Alert:
    """Return the alert of a row of `states`."""
    event, state, scope = row["event"], row["state"], row["scope"]
    severity = SEVERITY.get(state, "warning") if event == "CHANGED" else OF_EVENT.get(event, "info")
    what = f"{row['before']} -> {state}" if event == "CHANGED" else event
    why = " ".join(filter(None, (row["rule"], row["by"] and f"by {row['by']}")))
    found = f": observed {row['observed']}, limit {row['limit']}" if row["limit"] else ""
    detail = f": {row['detail']}" if row["detail"] else ""
    text = f"{scope}: {what} ({why}){found}{detail}"
    identity = (name, seq, scope, row["log_time"])
    return make_alert("state", severity, text, identity, {"seq": seq, **row}, Place(STATES, seq))


def alert_of_letters(name: str, minute_ns: int, row: dict[str, Any]) -> Alert:
    """Return the alert of a minute with many dead letters."""
    partition, minute = row["partition"], row["minute"]
    text = f"{partition}: {row['frames']} frames or more could not be read in the minute {minute}"
    place = Place(f"{LETTERS}{partition}", minute_ns)
    return make_alert("dead_letters", "warning", text, (name, partition, minute), row, place)
