"""Alerts: what is wrong with a run now, the critical ones first. docs/monitor.md lists them."""

from collections.abc import Iterator
from typing import Literal

from tapeflow.flows.live.model import Alert, Partition, Snapshot
from tapeflow.flows.live.run_state import to_text
from tapeflow.flows.live.thresholds import Thresholds

LAG_S = 30.0  # behind the wall clock
FACTS_LAG_S = 180.0  # where log time is that of facts, which is up to two minutes old
LIMIT_SHARE = 0.9
LIMIT_NS = 300 * 10**9  # a check of longer ago says nothing of now
RESTART_S = 600.0
STATES: dict[str, Literal["warning", "critical"]] = {
    "HALTED": "critical",
    "KILLED": "critical",
    "REDUCING": "warning",
}


def find_alerts(snapshot: Snapshot, limits: Thresholds) -> list[Alert]:
    """Return what is wrong, the critical alerts first."""
    found = [*of_states(snapshot), *of_sums(snapshot)]
    if snapshot.run.state == "running":
        found += [*of_run(snapshot, limits), *of_log(snapshot, limits), *of_trading(snapshot)]
    elif snapshot.run.state == "gone":
        found.append(Alert(code="GONE", severity="critical", text=snapshot.run.line))
    elif snapshot.run.state == "starting":
        found.append(Alert(code="SILENT", severity="warning", text=snapshot.run.line))
    return sorted(found, key=lambda alert: alert.severity)


def of_states(snapshot: Snapshot) -> Iterator[Alert]:
    """Yield scopes that may not trade, and what does not come to its end."""
    for each in snapshot.states:
        by = " ".join(part for part in (each.cause, each.rule, each.by) if part)
        text = f"{each.scope} is {each.state} since {to_text(each.time_ns)}, by {by}"
        if each.event == "STUCK":
            yield Alert(code="STUCK", severity="critical", text=f"{text}: stuck: {each.detail}")
        elif each.state in STATES:
            yield Alert(code=each.state, severity=STATES[each.state], text=text)


def of_sums(snapshot: Snapshot) -> Iterator[Alert]:
    """Yield accounts whose sums lack something."""
    for each in snapshot.accounts:
        if each.unvalued:
            text = f"{each.account}: in no sum, as no price is known: {each.unvalued}"
            yield Alert(code="UNVALUED", severity="warning", text=text)


def of_run(snapshot: Snapshot, limits: Thresholds) -> Iterator[Alert]:
    """Yield late commits and restarts."""
    run = snapshot.run
    if run.commit_age_s is not None and run.commit_age_s > limits.commit_age_s:
        text = f"no fact was committed for {run.commit_age_s:,.0f} s"
        yield Alert(code="COMMIT_AGE", severity="critical", text=text)
    if run.restarts:
        text = f"processes failed and were started again: {run.restarts} times"
        yield Alert(code="RESTARTS", severity="warning", text=text)
    elif run.unclean_starts and (snapshot.taken_ns - run.started_ns) / 1e9 < RESTART_S:
        text = f"{run.unclean_starts} starts before this one ended by a kill or a failure"
        yield Alert(code="RESTARTS", severity="warning", text=text)


def of_log(snapshot: Snapshot, limits: Thresholds) -> Iterator[Alert]:
    """Yield partitions that hold or lag, and frames that could not be read."""
    for each in snapshot.partitions:
        yield from of_partition(each, limits)
    if snapshot.counts.dead_letters_minute:
        text = (
            f"{snapshot.counts.dead_letters_minute:,} dead letters in the last minute of log time,"
            f" {snapshot.counts.dead_letters:,} in all"
        )
        yield Alert(code="DEAD_LETTERS", severity="warning", text=text)


def of_partition(each: Partition, limits: Thresholds) -> Iterator[Alert]:
    """Yield what is wrong with a partition."""
    if each.holds_s is not None and each.holds_s > limits.stall_s:
        text = f"{each.name} has held the others for {each.holds_s:,.1f} s"
        yield Alert(code="STALLED", severity="critical", text=text)
    elif each.source == "facts" and (each.behind_s or 0) > FACTS_LAG_S:
        text = f"{each.name} is {each.behind_s:,.0f} s of log time behind the furthest partition"
        yield Alert(code="STALLED", severity="critical", text=text)
    if (each.lag_s or 0) > (LAG_S if each.source == "metrics" else FACTS_LAG_S):
        text = f"{each.name} is {each.lag_s:,.0f} s behind the wall clock"
        yield Alert(code="LAG", severity="warning", text=text)


def of_trading(snapshot: Snapshot) -> Iterator[Alert]:
    """Yield limits that are nearly used up, and orders with an alert."""
    for each in snapshot.limits:
        recent = each.time_ns > (snapshot.run.log_ns or 0) - LIMIT_NS
        if recent and (not each.passed or (each.used or 0) >= LIMIT_SHARE):
            scope = f" of {each.scope}" if each.scope else ""
            end = "" if each.passed else ": refused"
            text = f"{each.code}{scope} was at {each.observed} of {each.limit}{end}"
            yield Alert(code="LIMIT", severity="warning", text=text)
    if snapshot.counts.order_alerts:
        text = f"{snapshot.counts.order_alerts:,} order events with an alert in the last hour"
        yield Alert(code="ORDER", severity="critical", text=text)
