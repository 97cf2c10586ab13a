"""Nodes of an explanation: facts with their causes, and raw frames at its ends.

fill ─▶ record, order ─▶ decision ─▶ signal ─▶ bar ─▶ trades (frames)
"""

from typing import Any

from msgspec import Struct

Row = dict[str, Any]


class Frame(Struct):
    """A raw record, with its bytes as the log has them."""

    offset: int
    log_ns: int  # as it was written
    frame: bytes
    trades: list[Row] = []  # those that count in the bar which is explained


class Node(Struct):
    """A fact, and what led to it."""

    kind: str  # fill, order, decision, signal, bar, trades, record, ..
    id: str
    row: Row = {}  # as its table has it
    why: str = ""  # what it is to the fact above it
    tables: dict[str, list[Row]] = {}  # further rows about it, by title
    notes: list[str] = []
    faults: list[str] = []  # what is missing, or does not agree
    frames: list[Frame] = []
    causes: list["Node"] = []


def record_id(partition: str, offset: int) -> str:
    """Return the id of a record.

    >>> record_id("binance-0", 7)
    'binance-0:7'
    """
    return f"{partition}:{offset}"


def record(partition: str, offset: int, why: str, time: str | None = None) -> Node:
    """Return the node of a record, without its frame; `time` is its log time, where it is known."""
    row = {"partition": partition, "offset": offset, "log_time": time}
    return Node("record", record_id(partition, offset), row, why)
