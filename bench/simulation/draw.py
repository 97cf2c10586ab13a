"""What random frames are made of."""

import json
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from bench.simulation.case import ROWS, QuoteRow, Record, TradeRow


class Draw(NamedTuple):
    """What frames are made of: numbers and names drawn for one partition."""

    random: random.Random
    venue: str
    old: float  # part of trades that are history, or not of the market
    in_us: float  # part of the frames whose integer times are in us
    symbol: Callable[[], str]
    price: Callable[[str], str]
    size: Callable[[], str]
    trade_id: Callable[[str], int]  # the next one of a symbol
    old_id: Callable[[str], int]  # one that has come, is missing, or is to come

    def time(self, event_ns: int) -> tuple[int, int]:
        """Return an event time as Binance writes it, in ms or us, and in ns."""
        unit = 1000 if self.random.random() < self.in_us else 10**6
        return event_ns // unit, event_ns // unit * unit


def to_json(value: Any, draw: random.Random) -> str:
    """Return JSON with a random order of keys, spacing and escaping."""
    space = draw.choice(["", "", " "])
    if isinstance(value, dict):
        items = list(value.items())
        if draw.random() < 0.3:
            draw.shuffle(items)
        fields = (f"{json.dumps(key)}:{space}{to_json(each, draw)}" for key, each in items)
        return "{" + ("," + space).join(fields) + "}"
    if isinstance(value, list):
        return "[" + ("," + space).join(to_json(each, draw) for each in value) + "]"
    return json.dumps(value, ensure_ascii=draw.random() < 0.5)


def rows_record(
    draw: Draw,
    log_ns: int,
    channel: str,
    fields: Any,
    rows: Sequence[TradeRow | QuoteRow],
    times: Sequence[int] = (),
) -> Record:
    """Return a frame of rows; its keys keep their order where rows depend on it."""
    text = json.dumps(fields) if "events" in fields else to_json(fields, draw.random)
    return Record(log_ns, text.encode(), ROWS, channel, tuple(rows), tuple(times))


def iso(ns: int, draw: random.Random) -> str:
    """Return a time as Coinbase writes it, with zeros at its end or without."""
    seconds, fraction = divmod(ns, 10**9)
    text = f"{fraction:09d}"
    if draw.random() < 0.5:
        text = text.rstrip("0")
    time = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{time}{'.' if text else ''}{text}Z"
