"""What a state was made with: versions, settings, partitions; and how those of a run differ."""

import json
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

FORMAT = 4  # of the manifest
VALUE_CHARS = 80  # of a differing value in a line


Rows = dict[str, dict[str, dict[str, Any]]]  # section -> name of a row -> its settings by name


class Manifest(Struct, frozen=True):
    """The versions and settings that a state depends on."""

    format: int
    flow: str  # name of the flow
    engine: str  # version of bytewax: the snapshots are in its format
    states: dict[str, int]  # step id -> version of its state
    fixed_settings: dict[str, Any]  # with which it must go on
    source: str  # tapes or topics: a position in one means nothing in the other
    partitions: tuple[str, ...]  # in the order of the source; new ones come last
    fixed_rows: Rows = {}  # which may come and go; those that stay must stay as they are
    notified_rows: Rows = {}  # which may change too; all that is said


def differences(was: dict[str, Any], now: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, old and new value of what differs, in order of names; None where it is not."""
    for name in sorted(was.keys() | now.keys()):
        if was.get(name) != now.get(name):
            yield name, was.get(name), now.get(name)


def row_differences(was: Rows, now: Rows) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, old and new value of the settings that differ in rows which are in both."""
    for section in sorted(was.keys() & now.keys()):
        for row in sorted(was[section].keys() & now[section].keys()):
            yield from differences(was[section][row], now[section][row])


def describe_changes(was: Manifest, now: Manifest) -> Iterator[str]:
    """Yield a line for each section whose rows come or go, and each setting that changes."""
    note = "what was read before keeps what it has led to"
    for old, new in ((was.fixed_rows, now.fixed_rows), (was.notified_rows, now.notified_rows)):
        for section in sorted(old.keys() | new.keys()):
            before, after = old.get(section, {}).keys(), new.get(section, {}).keys()
            parts = [f"{', '.join(sorted(after - before))} added"] if after - before else []
            parts += [f"{', '.join(sorted(before - after))} removed"] if before - after else []
            if parts:
                yield f"under this state {section}: {'; '.join(parts)}: {note}"
    for name, before, after in row_differences(was.notified_rows, now.notified_rows):
        yield (
            f"under this state {describe_setting(name, before)} changes to "
            f"{describe_setting(name, after)}: {note}"
        )


def describe_version(step: str, number: int | None) -> str:
    """Describe the version of a step's state in an error line.

    >>> describe_version("trade.bars.state", 3)
    'state of step trade.bars.state in version 3'
    """
    return f"state of step {step} in version {json.dumps(number)}"


def describe_setting(name: str, value: Any) -> str:
    """Describe a setting in a line, cut to VALUE_CHARS.

    >>> describe_setting("bars.width", "1s"), describe_setting("market.trades.binance", None)
    ('bars.width = "1s"', 'no market.trades.binance')
    """
    if value is None:
        return f"no {name}"
    text = json.dumps(value)
    short = text if len(text) <= VALUE_CHARS else f"{text[: VALUE_CHARS - 3]}..."
    return f"{name} = {short}"


def to_json_dict(manifest: Manifest, partition_order: tuple[str, ...]) -> dict[str, Any]:
    """Return a manifest's fields as they are written, with the partitions in this order."""
    return {
        "format": manifest.format,
        "flow": manifest.flow,
        "engine": manifest.engine,
        "states": manifest.states,
        "fixed_settings": manifest.fixed_settings,
        "fixed_rows": manifest.fixed_rows,
        "notified_rows": manifest.notified_rows,
        "source": manifest.source,
        "partitions": partition_order,
    }
