"""Explains a record of the log: what became of it."""

from tapeflow.flows.explain.chain import Chain
from tapeflow.flows.explain.node import Node, Row, record, record_id

LED_TO = {  # what a record led to: (table, what identifies a row of it)
    "fill": ("fills", "id"),
    "order": ("orders", "id"),
    "signal": ("signals", "id"),
    "event of an order": ("order_events", "order_id"),
    "late trade": ("late_trades", "trade_id"),
    "gap found": ("gaps", "first_id"),
    "change of state": ("states", "seq"),
    "control command": ("control", "id"),
}
BARS = ("bars", "other_bars")


def explain_record(chain: Chain, row: Row) -> Node:
    """Explain a record; that of a frame which could not be read says why."""
    partition, offset = row["partition"], row["offset"]
    node = record(partition, offset, "")
    letters = chain.reader.rows(
        "SELECT * REPLACE (hex(frame) AS frame) FROM dead_letters "
        f"WHERE partition = '{partition}' AND \"offset\" = {offset}"
    )
    if letters:
        letter = letters[0]
        node.kind = "dead letter"
        node.row = letter | {"frame": None}
        node.row["stored"] = letter["frame"]
    else:
        node.tables["led to"] = led_to(chain, partition, offset)
        if not node.tables["led to"]:
            node.notes.append(f"no fact names {record_id(partition, offset)} as its record")
    return node


def led_to(chain: Chain, partition: str, offset: int) -> list[Row]:
    """Return the facts that name a record."""
    found = [
        {"fact": kind, "id": str(each[column]), "instrument": each.get("instrument")}
        for kind, (table, column) in LED_TO.items()
        for each in chain.reader.where(table, partition=partition, offset=offset)
    ]
    for table in BARS:
        for each in chain.reader.where(table, partition=partition, offset=offset):
            time = each["open_time"].replace(" ", "T")
            found.append({"fact": "bar closed", "id": f"{each['instrument']}@{time}"})
    return found
