"""Determine whether a run goes on, and how it ended: from its row in `runs` and its lock."""

from datetime import UTC, datetime

from tapeflow.flows.live.model import RunState, State
from tapeflow.flows.live.source import Row

FOLLOWS = {"run"}  # commands whose log has no end


def state_of(row: Row, *, is_live: bool, is_locked: bool) -> State:
    """Return the state of the last run of some results."""
    if is_live:
        return "running"
    if row["finished_ns"] is not None:
        return "finished"
    if row["stopped_ns"] is not None:
        return "stopped"
    return "starting" if is_locked else "gone"


def run_state(
    row: Row, state: State, wall_ns: int, gone_ns: int | None, page_values: dict[str, float]
) -> RunState:
    """Return the state of a run at a moment of the wall clock.

    `gone_ns`: when it was first seen gone; `page_values`: of its metrics page.
    """
    ends = {"finished": row["finished_ns"], "stopped": row["stopped_ns"], "gone": gone_ns}
    ended_ns, committed_ns = ends.get(state), row["committed_ns"]
    age_s = None
    if state == "running":
        age_s = max(wall_ns - (committed_ns or row["started_ns"]), 0) / 1e9
    restarts = page_values.get("tapeflow_restarts_total")
    return RunState(
        id=row["id"],
        command=row["command"],
        version=row["version"],
        state=state,
        started_ns=row["started_ns"],
        committed_ns=committed_ns,
        commit_age_s=age_s,
        ended_ns=ended_ns,
        follows=row["command"] in FOLLOWS,
        read_ratio=page_values.get("tapeflow_read_ratio"),
        restarts=None if restarts is None else int(restarts),
        unclean_starts=row["unclean_starts"],
        line=describe(row, state, ended_ns),
    )


def describe(row: Row, state: State, ended_ns: int | None) -> str:
    """Return what a run does or how it ended, in one sentence."""
    start = f"the {row['command']} started {to_text(row['started_ns'])}"
    if state == "running":
        return f"{start} is running"
    if state == "starting":
        return f"{start} does not answer yet: it is starting, or at its end"
    if state == "gone":
        seen = "" if ended_ns is None else f", seen at {to_text(ended_ns)}"
        return f"{start} was killed or failed{seen}; last commit {to_text(row['committed_ns'])}"
    return f"{start} {'has ' if state == 'finished' else 'was '}{state} at {to_text(ended_ns)}"


def to_text(time_ns: int | None) -> str:
    """Return a time to the second, in UTC.

    >>> to_text(0), to_text(None)
    ('1970-01-01 00:00:00', 'never')
    """
    if time_ns is None:
        return "never"
    return f"{datetime.fromtimestamp(time_ns // 10**9, UTC):%Y-%m-%d %H:%M:%S}"
