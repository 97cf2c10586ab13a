"""Frames as JSON: one complete value in UTF-8, an object or an array, and why another is none."""

import json
import re
from typing import Any, NoReturn

import msgspec
import numpy as np

STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
OPENING, CLOSING = np.frombuffer(b"{[", np.uint8), np.frombuffer(b"}]", np.uint8)
DEPTH_MAX = 500  # well within what Python's own JSON reader can nest
INTEGER_DIGITS_MAX = 4300  # digits
NAMING = ("e", "type", "channel", "stream")  # fields by which venues name a channel

Message = dict[str, Any] | list[Any]


class MalformedError(Exception):
    """A frame that is not what its venue promises; the message says why."""


def require(condition: bool, reason: str) -> None:
    """Raise MalformedError with a reason unless `condition`."""
    if not condition:
        raise MalformedError(reason)


def refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity."""
    raise MalformedError(f"{name} is not JSON")


def read_int(digits: str) -> int:
    """Read an integer no longer than Python reads by default, whatever the process is set to."""
    require(len(digits) <= INTEGER_DIGITS_MAX, "an integer is too long")
    return int(digits)


JSON = json.JSONDecoder(parse_constant=refuse_constant, parse_int=read_int)


read_quickly = msgspec.json.Decoder().decode  # what it reads, it reads as `read_exactly` does


def parse_message(frame: bytes) -> Message:
    """Parse one complete JSON object or array in UTF-8; of a repeated key the last one counts."""
    require(len(frame) <= DEPTH_MAX or depth(frame) <= DEPTH_MAX, "nested too deeply")
    try:
        value = read_quickly(frame)
    except (ValueError, RecursionError):
        value = read_exactly(frame)
    if not isinstance(value, dict | list):
        raise MalformedError("not a JSON object or array")
    return value


def read_exactly(frame: bytes) -> Any:
    """Read one JSON value; MalformedError where it is none."""
    try:
        return JSON.decode(frame.decode())
    except ValueError:
        raise MalformedError("not one complete JSON value in UTF-8") from None


def depth(frame: bytes) -> int:
    """Return an upper bound of the nesting of objects and arrays; 0 where it is small."""
    if frame.count(b"{") + frame.count(b"[") <= DEPTH_MAX:
        return 0
    text = np.frombuffer(STRING.sub(b"", frame), np.uint8)
    steps = np.isin(text, OPENING).astype(np.int64) - np.isin(text, CLOSING)
    return int(np.cumsum(steps).max(initial=0))


def describe_channel(message: Message) -> str:
    """Return the values of the fields by which venues name a channel, as text.

    >>> describe_channel({"stream": "btcusdt@trade", "data": {"e": "news"}})
    ": stream is 'btcusdt@trade', with e is 'news'"
    >>> describe_channel([{"e": "24hrTicker"}, {"e": "news"}])
    ": an array of e is '24hrTicker' and e is 'news'"
    """
    if isinstance(message, list):
        kinds = dict.fromkeys(names_of(each) or f"{str(each)[:40]!r}" for each in message)
        return f": an array of {' and '.join([*kinds][:3]) or 'nothing'}"
    inner = message.get("data") if "stream" in message else None
    named = names_of(message)
    if isinstance(inner, dict | list):
        named += describe_channel(inner).replace(": ", ", with ", 1)
    return f": {named}" if named else ""


def names_of(message: Any) -> str:
    """Return the naming fields of an object as text; "" where it has none, or is no object."""
    if not isinstance(message, dict):
        return ""
    return ", ".join(f"{name} is {str(message[name])[:40]!r}" for name in NAMING if name in message)
