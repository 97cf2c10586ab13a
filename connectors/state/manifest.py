"""What a state was made with: versions, settings, partitions; and how those of a run differ."""

import json
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

FORMAT = 3  # of the manifest
VALUE_CHARS = 80  # of a differing value in a line


class Manifest(Struct, frozen=True):
    """The versions and settings that a state depends on."""

    format: int
    flow: str  # name of the flow
    engine: str  # version of bytewax: the snapshots are in its format
    states: dict[str, int]  # step id -> version of its state
    fixed_settings: dict[str, Any]  # with which it must go on
    source: str  # tapes or topics: a position in one means nothing in the other
    partitions: tuple[str, ...]  # in the order of the source; new ones come last
    notified_settings: dict[str, Any] = {}  # which may change, and are said then


def differences(was: dict[str, Any], now: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, old and new value of what differs, in order of names; None where it is not."""
    for name in sorted(was.keys() | now.keys()):
        if was.get(name) != now.get(name):
            yield name, was.get(name), now.get(name)


def describe_changes(was: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each setting that changes under a state.

    Those of a row that comes or goes are not named: the list of the rows' names is.
    """
    for name, old, new in differences(was, now):
        if old is None or new is None:
            continue
        yield (
            f"under this state {describe_setting(name, old)} changes to "
            f"{describe_setting(name, new)}: what was read before keeps what it has led to"
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
        "notified_settings": manifest.notified_settings,
        "source": manifest.source,
        "partitions": partition_order,
    }
