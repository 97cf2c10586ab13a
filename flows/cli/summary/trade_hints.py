"""Hints about trades: those that are late, ahead of their log, or missing."""

from collections.abc import Iterator
from typing import Any

from tapeflow.flows.cli.summary.log_hints import NOTABLE, Hint
from tapeflow.flows.cli.summary.tables import Counts
from tapeflow.flows.cli.summary.wording import names, seconds, share_of
from tapeflow.flows.job.duration import format_duration, parse_duration

FEW = 10  # so many trades say nothing about a feed


def find_late(con: Any, partitions: dict[str, Counts], job: dict[str, Any]) -> Iterator[str]:
    """Yield which partitions lost many trades because their bars had closed."""
    for name, counts in partitions.items():
        trades = sum(
            counts[verdict] for verdict in ("accepted", "duplicate", "late", "history", "ahead")
        )
        if counts["late"] < FEW or counts["late"] <= NOTABLE * trades:
            continue
        lost = share_of(counts["late"], trades, "trade")
        yield f"{name}: {lost} late: {why_late(con, name, parse_duration(job['bars']['lateness']))}"


def why_late(con: Any, partition: str, lateness_ns: int) -> str:
    """Return the delay of a partition's late trades, and what has closed their bars before."""
    (delay_ns,) = con.execute(
        "SELECT median(epoch_ns(log_time) - epoch_ns(event_time))::BIGINT FROM late_trades "
        "WHERE partition = ?",
        [partition],
    ).fetchone()
    if delay_ns > lateness_ns:
        return (
            f"half of them were logged {seconds(delay_ns)} or more after their event time, and "
            f"[bars] lateness is {format_duration(lateness_ns)}: raise it, or find the slow feed"
        )
    newest = con.execute(
        "SELECT instrument, strftime(open_time, '%Y-%m-%d %H:%M:%S') FROM bars "
        "WHERE partition = ? ORDER BY open_time DESC LIMIT 1",
        [partition],
    ).fetchone()
    return (
        f"half of them were logged within {seconds(delay_ns)}, so an event time far ahead has "
        f"closed their bars: look for an odd clock; {newest[0]} has the newest bar, {newest[1]}"
    )


def find_ahead(con: Any, partitions: dict[str, Counts], job: dict[str, Any]) -> Iterator[str]:
    """Yield which partitions hold many trades with event times ahead of their log time."""
    for name, counts in partitions.items():
        trades = counts["accepted"] + counts["ahead"]
        if counts["ahead"] >= FEW and counts["ahead"] > NOTABLE * trades:
            yield (
                f"{name}: {share_of(counts['ahead'], trades, 'trade')} ahead of log time by more "
                "than [bars] ahead: is the recorder's clock behind, or the venue's wrong?"
            )


def find_gaps(con: Any, partitions: dict[str, Counts], job: dict[str, Any]) -> Iterator[str]:
    """Yield how many trades the venues numbered that the log does not hold."""
    found = {name: counts["missing"] for name, counts in partitions.items() if counts["missing"]}
    if found:
        parts = [f"{name} {missing:,}" for name, missing in found.items()]
        yield (
            f"{sum(found.values()):,} trades are missing between others, by the venue's numbers: "
            f"{names(parts)}; their bars are not complete: see the table gaps"
        )


HINTS: tuple[Hint, ...] = (find_late, find_ahead, find_gaps)
