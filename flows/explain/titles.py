"""Titles of facts, by kind, and the lines below them."""

from collections.abc import Callable, Iterator

from tapeflow.flows.explain import log_titles
from tapeflow.flows.explain.node import Node, Row
from tapeflow.flows.explain.values import all_values, strategy_line

EVENTS = {  # with which a strategy is called
    "timer": "a timer",
    "price": "a price watch, met at that record,",
    "order": "a report on an order",
}
TERMS = ("limit", "trigger", "trail", "activate", "display", "expire_time")


def title(node: Node) -> str:
    """Return the line of a fact."""
    kind, row = node.kind, node.row
    make = TITLES.get(kind)
    if kind in log_titles.SPANS:
        return log_titles.SPANS[kind](row)
    return f"{kind} {node.id}" + (f": {make(row)}" if make is not None and row else "")


def body(node: Node) -> Iterator[str]:
    """Yield the lines below a title."""
    make = BODIES.get(node.kind)
    if make is not None and node.row:
        yield from make(node.row)


def trade_title(row: Row) -> str:
    """Return side, size and instrument of a fill, order or decision."""
    return f"{row['side']} {row['size']} {row['instrument']}"


def fill_title(row: Row) -> str:
    """Return what was traded, and at which price."""
    return f"{trade_title(row)} at {row['price']}"


def fill_body(row: Row) -> Iterator[str]:
    """Yield whose fill it is, and what it cost."""
    fee = f"fee {row['fee']} {row['fee_currency']}"
    yield f"{row['strategy']} of {row['account']}, {row['log_time']}; {row['liquidity']}, {fee}"
    if row["trade_id"] >= 0:
        yield f"made by the public trade {row['trade_id']}"
    else:
        yield "it took from a quote: no public trade made it"
    if row.get("beyond") not in {None, "0"}:
        yield f"{row['beyond']} of it is more than the log showed ([paper] slip)"


def order_title(row: Row) -> str:
    """Return type, side, size, instrument and prices of an order."""
    prices = "".join(f", {name} {row[name]}" for name in TERMS if row[name] is not None)
    flags = "".join(f", {name}" for name in ("post_only", "reduce_only") if row[name])
    return f"{row['type']} {trade_title(row)}{prices}, {row['tif']}{flags}, {row['role']}"


def order_body(row: Row) -> Iterator[str]:
    """Yield whose order it is, and when it goes to the venue."""
    yield (
        f"{row['strategy']} of {row['account']}, decided {row['time']} at {row['ref_price']}, "
        f"at the venue from {row['active_time']}"
    )
    if row["group"]:
        yield f"linked by {row['rule'] or 'no rule'} in group {row['group']}"


def decision_title(row: Row) -> str:
    """Return the verdict on an order."""
    verdict = f"{row['decision']} {row['reason']}".rstrip()
    return f"{verdict}, {trade_title(row)} at {row['ref_price']}"


def decision_body(row: Row) -> Iterator[str]:
    """Yield when it was decided, and what the checks say."""
    yield f"{row['strategy']} of {row['account']}, {row['time']}"
    if row.get("wanted_size") is not None:
        yield f"cut from {row['wanted_size']}"
    if row.get("approved_by"):
        yield f"approved by {row['approved_by']}"
    if row["detail"] and "observed=" not in row["detail"]:
        yield row["detail"]


def signal_title(row: Row) -> str:
    """Return the forecast of a strategy."""
    strength = f"strength {row['strength']:.6g}"
    return f"{row['strategy']} {row['side']} {row['instrument']}, {strength} at {row['ref_price']}"


def signal_body(row: Row) -> Iterator[str]:
    """Yield when it was made."""
    ended = "" if row["close_time"] == row["time"] else f", of what ended at {row['close_time']}"
    yield f"{row['time']}{ended}"
    if "declared" in row:
        yield f"strategy {row['strategy']}: {strategy_line(row['declared'])}"
    if row.get("recomputed", {}).get("equal"):
        yield f"its strength is {row['recomputed']['formula']}, recomputed from the bars: equal"


def position_title(row: Row) -> str:
    """Return what is held."""
    return f"{row['strategy']} of {row['account']}: {row['quantity']} {row['instrument']}"


def state_title(row: Row) -> str:
    """Return which scope changed its state, or what else happened to it."""
    changed = f"{row['before']} -> {row['state']}" if row["event"] == "CHANGED" else row["event"]
    return f"{row['scope']} {changed}, by {row['cause']} {row['rule']}"


def control_title(row: Row) -> str:
    """Return who wanted what, and what became of it."""
    what = f"{row['who']}: {row['action']} {row['scope']} {row['args']}"
    return f"{what}, {row['verdict']} {row['reason']}".rstrip()


def funding_title(row: Row) -> str:
    """Return what a position received or paid."""
    amount = "an amount that is not known" if row["amount"] is None else row["amount"]
    return f"{amount} {row['currency']} on {row['quantity']} {row['instrument']}"


def event_title(row: Row) -> str:
    """Return what happened to which order."""
    end = f" {row['end']}" if row.get("end") else ""
    return f"{row['kind']} of order {row['order_id']}, {row['phase']}{end}"


def command_title(row: Row) -> str:
    """Return what was sent of which order."""
    return f"{row['action']} of order {row['order_id']}, {row['time']}"


def call_title(row: Row) -> str:
    """Return what a strategy was called with."""
    what = EVENTS.get(row["event"], row["event"])
    return f"{what} of {row['strategy']}, its call {row['number']}"


TITLES: dict[str, Callable[[Row], str]] = {
    "fill": fill_title, "order": order_title, "decision": decision_title,
    "signal": signal_title, "position": position_title, "state": state_title,
    "control": control_title, "call": call_title, "funding": funding_title,
    "event": event_title, "command": command_title, **log_titles.TITLES,
}  # fmt: skip
BODIES: dict[str, Callable[[Row], Iterator[str]]] = {
    "fill": fill_body, "order": order_body, "decision": decision_body, "signal": signal_body,
    "position": all_values, "equity": all_values, "state": all_values,
    "control": all_values, "event": all_values, "command": all_values, "funding": all_values,
    **log_titles.BODIES,
}  # fmt: skip
