"""Snapshots as plain text or JSON, one after the other: where there is no terminal, for scripts."""

from collections.abc import Callable
from time import monotonic, sleep

from msgspec import json, structs

from tapeflow.flows.live.model import Snapshot
from tapeflow.flows.live.snapshot import LiveWatch
from tapeflow.flows.monitor.text import write_block

SHOWN_AGAIN_S = 60.0  # a snapshot in which nothing has changed is written so often


def follow(
    watch: LiveWatch, write: Callable[[str], object], every_s: float, *, as_json: bool
) -> None:
    """Write snapshots until an interrupt; one that says nothing new is left out.

    Raises TapeflowError where there are neither results nor a run.
    """
    last: Snapshot | None = None
    written_s = 0.0
    while True:
        began_s = monotonic()
        snapshot = watch.refresh()
        if says_more(snapshot, last) or began_s - written_s > SHOWN_AGAIN_S:
            write(to_text(snapshot, as_json=as_json))
            last, written_s = snapshot, began_s
        sleep(max(every_s - (monotonic() - began_s), 0.0))


def says_more(snapshot: Snapshot, last: Snapshot | None) -> bool:
    """Return whether a snapshot differs from the last one in more than its time."""
    if last is None or snapshot.run.state == "running":
        return True
    return structs.replace(snapshot, taken_ns=0, ages_s={}) != structs.replace(
        last, taken_ns=0, ages_s={}
    )


def to_text(snapshot: Snapshot, *, as_json: bool) -> str:
    """Return a snapshot as a line of JSON, or a block of text."""
    return json.encode(snapshot).decode() + "\n" if as_json else write_block(snapshot)
