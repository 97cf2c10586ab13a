"""An explanation as JSON, for programs.

    {"kind": "fill", "id": .., "row": {..}, "causes": [{"kind": "record", "frames": [..]}, ..]}

A frame that is no UTF-8 is there as base64 alone.
"""

import base64
import json
import math
from typing import Any

from msgspec.structs import asdict

from tapeflow.flows.explain.node import Frame, Node
from tapeflow.schemas.time import format_time


def to_json(node: Node, *, whole: bool | None = None, indent: int | None = 2) -> str:
    """Return an explanation as JSON with all of its frames; `whole`: None without the log."""
    return json.dumps({"whole": whole} | to_object(node), indent=indent)


def to_object(node: Node) -> dict[str, Any]:
    """Return a node as plain values; NaN and infinity become null."""
    return {
        "kind": node.kind,
        "id": node.id,
        "why": node.why,
        "row": plain(node.row),
        "tables": {title: plain(rows) for title, rows in node.tables.items() if rows},
        "notes": node.notes,
        "faults": node.faults,
        "frames": [frame_object(each) for each in node.frames],
        "causes": [to_object(each) for each in node.causes],
    }


def frame_object(frame: Frame) -> dict[str, Any]:
    """Return a frame as plain values."""
    known = asdict(frame) | {"log_time": format_time(frame.log_ns)}
    raw = known.pop("frame")
    try:
        return known | {"frame": raw.decode()}
    except UnicodeDecodeError:
        return known | {"frame_base64": base64.b64encode(raw).decode()}


def plain(value: Any) -> Any:
    """Return a value without numbers that JSON does not have."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
