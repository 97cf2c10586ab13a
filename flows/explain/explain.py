"""Collects the causes of a fact from the results, and names the raw records that prove them."""

from tapeflow.connectors.duckdb.reading import ResultsReader
from tapeflow.flows.explain import accounts, bars, orders, quality, records, signals, states
from tapeflow.flows.explain.chain import Chain, Explain
from tapeflow.flows.explain.find import find
from tapeflow.flows.explain.node import Node

KINDS: dict[str, Explain] = {
    "fill": orders.explain_fill,
    "order": orders.explain_order,
    "decision": orders.explain_decision,
    "event": orders.explain_event,
    "command": orders.explain_command,
    "signal": signals.explain_signal,
    "bar": bars.explain_bar,
    "record": records.explain_record,
    "position": accounts.explain_position,
    "equity": accounts.explain_equity,
    "funding": accounts.explain_funding,
    "state": states.explain_state,
    "control": states.explain_control,
    "gap": quality.explain_gap,
    "late trade": quality.explain_late,
    "unlisted": quality.explain_unlisted,
}


def explain(reader: ResultsReader, text: str) -> Node:
    """Return what an id names with the chain of its causes, frames left out.

    Raises TapeflowError where the id is unknown, or of several facts.
    """
    kind, row = quality.find_quality(reader, text) or find(reader, text)
    return Chain(reader, KINDS).explain(kind, row)
