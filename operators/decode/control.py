"""Frames of a control partition become commands, or dead letters with a reason.

They are few: each is read by itself, and its signature is verified, which takes 0.1 ms. What is no
frame of a command is a dead letter; what is one but not signed as it should be is a command that
the desk refuses.
"""

from collections.abc import Mapping

import numpy as np

from tapeflow.operators.decode.messages import MalformedError, parse_message, require
from tapeflow.schemas.batches import Batch, Page
from tapeflow.schemas.control import (
    CONTROL,
    FIELDS,
    NUMBER_MAX,
    TEXTS,
    VERSION,
    Doubt,
    SignedCommand,
    command_id,
    signed_text,
    verify,
)
from tapeflow.schemas.market import DECODED, HEARTBEAT, MALFORMED, Market
from tapeflow.schemas.quality import DeadLetter

Keys = Mapping[str, bytes]  # public, by who holds the private one
NO_KEYS: Keys = {}
FRAME_BYTES_MAX = 65_536  # of a command; a longer frame is none


def decode_controls(page: Page, keys: Keys) -> Batch:
    """Decode a page of a control partition."""
    status = np.full(len(page.log_ns), HEARTBEAT, np.int64)
    commands, dead_letters = list[SignedCommand](), list[DeadLetter]()
    for number in np.flatnonzero(page.ends > page.starts).tolist():
        data = page.frame(number)
        try:
            commands.append(read_command(data, page, number, keys))
            status[number] = DECODED
        except MalformedError as error:
            dead_letters.append(
                DeadLetter(
                    page.partition, page.first_offset + number, int(page.log_ns[number]),
                    str(error), data[:FRAME_BYTES_MAX], len(data),
                )
            )  # fmt: skip
            status[number] = MALFORMED
    return Batch(
        partition=page.partition,
        first_offset=page.first_offset,
        log_ns=page.log_ns,
        status=status,
        record_instrument=np.full(len(status), -1, np.int64),
        end_of_log=page.end_of_log,
        market=Market(),
        dead_letters=tuple(dead_letters),
        written_ns=page.written_ns,
        controls=tuple(commands),
    )


def read_command(data: bytes, page: Page, number: int, keys: Keys) -> SignedCommand:
    """Read a frame, the record `number` of a page.

    Raises MalformedError where it is no frame of a command.
    """
    require(len(data) <= FRAME_BYTES_MAX, "a control frame is too long")
    frame = parse_message(data)
    require(isinstance(frame, dict) and set(frame) == FIELDS, "no control frame: other fields")
    assert isinstance(frame, dict)
    is_ours = type(frame["v"]) is int and frame["v"] == VERSION and frame["k"] == CONTROL
    require(is_ours, "no control frame of version 1")
    require(all(type(frame[name]) is str for name in TEXTS), "a field of a control frame: no text")
    count, args = frame["n"], frame["args"]
    require(type(count) is int and 0 < count <= NUMBER_MAX, "n is no number of a command")
    is_texts = isinstance(args, dict) and all(type(each) is str for each in args.values())
    require(is_texts, "args: not texts by name")
    try:
        text = signed_text(frame)
    except UnicodeEncodeError:
        raise MalformedError("a control frame is not UTF-8") from None
    return SignedCommand(
        command_id(text), frame["who"], count, frame["do"], frame["scope"], args,
        find_doubt(data, frame, keys), int(page.log_ns[number]), page.partition,
        page.first_offset + number,
    )  # fmt: skip


def find_doubt(data: bytes, frame: dict[str, object], keys: Keys) -> Doubt:
    """Return why a frame is not believed, or ""."""
    key = keys.get(str(frame["who"]))
    if key is None:
        return "UNKNOWN_KEY"
    return "" if verify(data, frame, key) else "BAD_SIGNATURE"
