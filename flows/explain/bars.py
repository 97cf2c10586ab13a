"""Explains a bar: what is missing in it, the record that closed it, and its trades."""

from tapeflow.flows.explain import near
from tapeflow.flows.explain.chain import Chain
from tapeflow.flows.explain.compared import COMPARED
from tapeflow.flows.explain.find import find_bar
from tapeflow.flows.explain.node import Node, Row
from tapeflow.schemas.bar import bar_id
from tapeflow.schemas.errors import TapeflowError

OF_TRADES = ("instrument", "partition", "first_offset", "last_offset", "open_ns", "close_ns",
             "count", "volume")  # of a bar, by which its trades are found  # fmt: skip

OF_QUOTES = ("instrument", "partition", "kind", "offset", "open_ns", "close_ns", "complete",
             *COMPARED)  # fmt: skip


def bar_with_id(chain: Chain, name: str) -> Node:
    """Explain the bar with an id; a note says where its row is not there."""
    try:
        row = find_bar(chain.reader, name)
    except TapeflowError as error:
        return Node("bar", name, faults=[str(error)])
    return explain_bar(chain, row)


def explain_bar(chain: Chain, row: Row) -> Node:
    """Explain a bar; `row` has its times in ns too."""
    kind = row.get("kind")
    name = bar_id(row["instrument"], row["open_ns"], row["close_ns"]) + (f"/{kind}" if kind else "")
    chain.seen.add(("bar", name))
    node = Node("bar", name, {key: row[key] for key in row if key not in {"open_ns", "close_ns"}})
    node.tables["gaps"] = near.gaps_of(chain, row)
    node.tables["late trades, in no bar"] = near.late_by_time(chain, row)
    if not row["complete"]:
        node.notes.append(
            "trades of it are missing or came late, or the log began, ended or paused in it"
        )
    node.causes += chain.records(row, "closed it", row["log_time"])
    node.causes.append(trades_node(chain, row, name))
    return node


def trades_node(chain: Chain, row: Row, name: str) -> Node:
    """Return the node of the trades of a bar, without frames."""
    kind = row.get("kind") or ""
    if kind.startswith("quote:"):
        return Node("quotes", name, {key: row[key] for key in OF_QUOTES}, "its quotes")
    known = {key: row[key] for key in OF_TRADES}
    known["late"] = near.late_by_record(chain, row)
    known["by_time"] = ":" not in kind  # else a bar begins where the one before is full
    return Node("trades", name, known, "its trades")
