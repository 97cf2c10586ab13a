"""Explains a record of the log: what became of it."""

import json

from tapeflow.flows.explain.chain import Chain
from tapeflow.flows.explain.node import Frame, Node, Row, record, record_id
from tapeflow.flows.explain.quality import quality_id

LED_TO = {  # what a record led to: (table, what identifies a row of it)
    "fill": ("fills", "{id}"),
    "order": ("orders", "{id}"),
    "signal": ("signals", "{id}"),
    "event of an order": ("order_events", "order_events/{account}/{seq}"),
    "change of state": ("states", "states/{seq}"),
    "control command": ("control", "{id}"),
}
OF_LOG = {"late trade": "late_trades", "gap found": "gaps"}
BARS = ("bars", "other_bars")


def explain_record(chain: Chain, row: Row) -> Node:
    """Explain a record; that of a frame which could not be read says why."""
    partition, offset = row["partition"], row["offset"]
    node = record(partition, offset, "")
    letters = chain.reader.rows(
        "SELECT * REPLACE (hex(frame) AS frame), epoch_ns(log_time) AS log_ns FROM dead_letters "
        f"WHERE partition = '{partition}' AND \"offset\" = {offset}"
    )
    if letters:
        explain_letter(node, letters[0])
        return node
    node.tables["led to"] = led_to(chain, partition, offset)
    if not node.tables["led to"]:
        node.notes.append(f"no fact names {record_id(partition, offset)} as its record")
    return node


def explain_letter(node: Node, letter: Row) -> None:
    """Explain a frame that could not be read: why, where its fault is, and its bytes."""
    frame = bytes.fromhex(letter["frame"])
    node.kind = "dead letter"
    node.row = {name: value for name, value in letter.items() if name not in {"frame", "log_ns"}}
    node.row |= {"stored": letter["frame"], "fault": describe_fault(frame)}
    node.frames = [Frame(letter["offset"], letter["log_ns"], frame)]
    if len(frame) < letter["length"]:
        node.notes.append(f"the results have the first {len(frame)} bytes of it")


def describe_fault(frame: bytes) -> str:
    """Return where a frame stops to be one JSON value in UTF-8; "" where it is one.

    >>> describe_fault(b'{"a":1'), describe_fault(b'{"a":1}')
    ('it ends at byte 6, inside its JSON value', '')
    """
    try:
        text = frame.decode()
        json.loads(text)
    except UnicodeDecodeError as error:
        return f"byte {error.start} is no UTF-8"
    except json.JSONDecodeError as error:
        place = len(error.doc[: error.pos].encode())
        if not error.doc[error.pos :].strip() or error.msg.startswith("Unterminated"):
            return f"it ends at byte {len(frame)}, inside its JSON value"
        return f"byte {place} is no JSON: {error.msg}"
    except (ValueError, RecursionError) as error:
        return f"it is no JSON that can be read: {type(error).__name__}"
    return ""


def led_to(chain: Chain, partition: str, offset: int) -> list[Row]:
    """Return the facts that name a record."""
    found = [
        {"fact": kind, "id": form.format(**each), "instrument": each.get("instrument")}
        for kind, (table, form) in LED_TO.items()
        for each in chain.reader.where(table, partition=partition, offset=offset)
    ]
    for kind, table in OF_LOG.items():
        for each in chain.reader.where(table, partition=partition, offset=offset):
            name = quality_id(table, each)
            found.append({"fact": kind, "id": name, "instrument": each["instrument"]})
    for table in BARS:
        for each in chain.reader.where(table, partition=partition, offset=offset):
            time, of_kind = each["open_time"].replace(" ", "T"), each.get("kind")
            name = f"{each['instrument']}@{time}" + (f"/{of_kind}" if of_kind else "")
            found.append({"fact": "bar closed", "id": name, "instrument": each["instrument"]})
    return found
