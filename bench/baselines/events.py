"""What travels through the per-item flow: SPEC.md, sections 1 to 5."""

from typing import TypeAlias

from msgspec import Struct


class Line(Struct):
    """A record of a tape; without a frame a heartbeat."""

    partition: str
    offset: int
    log_ns: int
    frame: bytes


class End(Struct):
    """The end of a tape, at its last record."""

    partition: str
    records: int
    log_ns: int


class Trade(Struct):
    """A listed trade."""

    partition: str
    offset: int
    log_ns: int
    instrument: str
    trade_id: int
    price: float
    size: float
    event_ns: int


class Count(Struct):
    """A record that goes no further, by the reason; or a number of records."""

    what: str
    records: int = 1


class Bar(Struct):
    """A second of an instrument; open while trades may still come."""

    instrument: str
    start_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    notional: float
    count: int
    first_ns: int  # event times of what set open and close
    last_ns: int


class Signal(Struct):
    """A wish for one unit; an order once approved."""

    instrument: str
    bar_end_ns: int
    side: int
    price: float


class Numbered(Struct):
    """What a partition tells the desk, in the order of the log: None is a bar without a signal."""

    partition: str
    number: int
    log_ns: int
    what: Trade | Bar | Signal | End | None


Record: TypeAlias = Line | Trade | Count | End
