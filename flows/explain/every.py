"""Explains every fact of a kind, to audit results: is each whole, down to the frames of the log?

fills   chain, chain, .. ─500 at a time─▶ frames, each partition read once ─▶ whole or not
"""

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from tapeflow.connectors.duckdb.reading import ResultsReader
from tapeflow.flows.explain.chain import Chain
from tapeflow.flows.explain.explain import KINDS
from tapeflow.flows.explain.find import WITH_NS
from tapeflow.flows.explain.frames import WITH_FRAMES, Frames, has_frames, is_whole, walk
from tapeflow.flows.explain.log_titles import SPANS
from tapeflow.flows.explain.node import Node, Row
from tapeflow.flows.explain.titles import title
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.notify import Notify

AT_ONCE = 500  # facts whose frames are in memory at one time
QUERIES_MAX = 5000  # whose rows are in memory at one time
NOT_COMPARED = "not compared: no log"
BY_NUMBER = "account, seq"
FACTS = {  # by the name of what is explained: (kind of node, SQL of its rows)
    "fills": ("fill", f"SELECT * FROM fills ORDER BY {BY_NUMBER}"),
    "orders": ("order", f"SELECT * FROM orders ORDER BY {BY_NUMBER}"),
    "order_events": ("event", f"SELECT * FROM order_events ORDER BY {BY_NUMBER}"),
    "commands": ("command", f"SELECT * FROM commands ORDER BY {BY_NUMBER}"),
    "decisions": ("decision", f"SELECT * FROM decisions ORDER BY {BY_NUMBER}"),
    "refusals": (
        "decision",
        f"SELECT * FROM decisions WHERE decision = 'DENIED' ORDER BY {BY_NUMBER}",
    ),
    "signals": ("signal", 'SELECT * FROM signals ORDER BY time, partition, "offset", id'),
    "positions": ("position", f"SELECT * FROM positions ORDER BY {BY_NUMBER}"),
    "equity": ("equity", f"SELECT * FROM equity ORDER BY {BY_NUMBER}"),
    "funding": ("funding", f"SELECT * FROM funding ORDER BY {BY_NUMBER}"),
    "states": ("state", "SELECT * FROM states ORDER BY seq"),
    "control": ("control", 'SELECT * FROM control ORDER BY time, "offset"'),
    "dead_letters": (
        "record",
        'SELECT partition, "offset" FROM dead_letters ORDER BY partition, "offset"',
    ),
    "late_trades": ("late trade", 'SELECT * FROM late_trades ORDER BY partition, "offset"'),
    "gaps": ("gap", 'SELECT * FROM gaps ORDER BY partition, "offset", first_id'),
    "unlisted": ("unlisted", "SELECT * FROM unlisted ORDER BY partition, symbol"),
    "bars": ("bar", f'{WITH_NS} bars ORDER BY partition, "offset", close_time, instrument'),
    "other_bars": (
        "bar",
        f'{WITH_NS} other_bars ORDER BY partition, "offset", close_time, kind, instrument',
    ),
}


class Count(Struct):
    """How many facts of a kind were explained."""

    facts: str
    explained: int = 0
    whole: int = 0  # of these: nothing is missing, and all agrees; 0 without the log
    frames: int = 0  # that were found, the same ones in several explanations each time
    checked: int = 0  # bars, gaps and payments that agree with their frames
    strengths: int = 0  # of signals that follow from features


class CachedReader(ResultsReader):
    """Results that many explanations read: each query once, of the last QUERIES_MAX."""

    def __init__(self, results: Path, notify: Notify = lambda _: None) -> None:
        """Open results, as `ResultsReader`."""
        self.known: dict[str, list[Row]] = {}
        super().__init__(results, notify)

    def rows(self, sql: str) -> list[Row]:
        """Return the rows of a query, by column; they are not to be changed."""
        if len(self.known) > QUERIES_MAX:
            self.known.clear()
        if sql not in self.known:
            self.known[sql] = super().rows(sql)
        return self.known[sql]


def explain_every(
    reader: CachedReader, facts: str, frames: Frames | None, keep: int | None, count: Count
) -> Iterator[Node]:
    """Yield the explanation of each fact of a kind, in the order of its table, and count them.

    `frames`: the log; None: they are left out. `keep`: first and last frames of a bar that stay.
    """
    kind, sql = FACTS[facts]
    if table_of(sql) not in reader.names:
        return
    shared, rows = Chain(reader, KINDS), reader.rows(sql)
    for begin in range(0, len(rows), AT_ONCE):
        nodes = [shared.anew().explain(kind, row) for row in rows[begin : begin + AT_ONCE]]
        if frames is not None:
            frames.fetch_all(nodes, keep)
        for node in nodes:
            add_to(count, node, has_log=frames is not None)
            yield node


def table_of(sql: str) -> str:
    """Return the table of a query of `FACTS`."""
    return sql.partition(" FROM ")[2].split()[0]


def reasons(root: Node, *, has_log: bool) -> list[str]:
    """Return why an explanation is not whole, each reason once; none of one that is."""
    found: dict[str, None] = {}
    for each in walk(root):
        found |= dict.fromkeys(each.faults)
        is_absent = each.kind in WITH_FRAMES and bool(each.row) and not has_frames(each)
        if has_log and is_absent and not each.faults:
            found[f"{each.kind}: {title(each)}"] = None
    return [*found]


def count_lines(counts: list[Count], *, has_log: bool) -> list[str]:
    """Return the counts as an aligned table, kinds without a fact left out."""
    absent = {} if has_log else {"whole": NOT_COMPARED}
    names = {"facts": "facts", "explained": "explained", "whole": "whole", "frames": "frames",
             "checked": "bars that agree", "strengths": "strengths that follow"}  # fmt: skip
    known = [each for each in counts if each.explained]
    rows = [[absent.get(name, str(getattr(each, name))) for name in names] for each in known]
    widths = [max(map(len, column)) for column in zip(names.values(), *rows, strict=True)]
    lines = [
        "  ".join(map(str.ljust, line, widths)).rstrip() for line in ([*names.values()], *rows)
    ]
    return lines if known else ["nothing to explain: the results have no such facts"]


def add_to(count: Count, root: Node, *, has_log: bool) -> None:
    """Count an explanation."""
    nodes = [*walk(root)]
    count.explained += 1
    count.whole += has_log and is_whole(root)
    count.frames += sum(each.row.get("records", len(each.frames)) for each in nodes if each.frames)
    count.checked += sum(
        each.kind in SPANS and bool(each.row) and has_frames(each) for each in nodes
    )
    count.strengths += sum(each.row.get("recomputed", {}).get("equal", False) for each in nodes)


def check_facts(names: list[str]) -> list[str]:
    """Return the facts that names mean, `all` for all of them, each once. Raises TapeflowError."""
    unknown = [each for each in names if each not in (*FACTS, "all")]
    if unknown:
        raise TapeflowError(f"{unknown[0]} cannot be explained: name all, or {', '.join(FACTS)}")
    return [*FACTS] if "all" in names else [*dict.fromkeys(names)]
