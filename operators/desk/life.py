"""The life of an order: one table says what a report changes; nothing else changes an order.

    HELD ──▶ SENT ──▶ OPEN ──▶ DONE         FILLED, CANCELED, EXPIRED, REJECTED, DENIED or LOST
    waits    in flight  at the venue         beside the phase: a CANCEL or an AMEND that is pending

Laws (tests/test_life.py): any report in any state is an answer, never an exception; the reports of
a venue in any order, doubled, come to one (phase, end, filled) once the last is there; filled is
the sum over unique executions; what is DONE lives again only from LOST.
"""

from collections.abc import Callable

from tapeflow.operators.desk.requests import (
    amend_order,
    await_answer,
    change_terms,
    refuse_request,
    resize,
)
from tapeflow.operators.desk.working import DONE, OPEN, PHASES, Outcome, Working
from tapeflow.schemas.orders import Report

# A cell is the next phase; "." no change; "!" no change, alert ILLEGAL; "+CODE" no change, alert
# CODE; or the name of one of the RULES below: "end" is DONE with an end of ENDS.
LIFE: dict[str, tuple[str, str, str, str]] = {
    #                 HELD      SENT        OPEN              DONE
    "SENT":           ("SENT",   "SENT",     ".",              "."),
    "ACCEPTED":       ("!",      "OPEN",     "OPEN",           "find"),
    "TRIGGERED":      ("!",      "OPEN",     "OPEN",           "find"),
    "FILL":           ("fill",   "fill",     "fill",           "fill"),
    "CANCELED":       ("end",    "end",      "end",            "end"),
    "EXPIRED":        ("end",    "end",      "end",            "end"),
    "REJECTED":       ("!",      "end",      "end",            "end"),
    "AMENDED":        ("!",      "amend",    "amend",          "resize"),
    "CANCEL_ASKED":   ("end",    "await",    "await",          "."),
    "AMEND_ASKED":    ("change", "await",    "await",          "."),
    "CANCEL_REFUSED": ("!",      "refuse",   "refuse",         "."),
    "AMEND_REFUSED":  ("!",      "refuse",   "refuse",         "refuse"),
    "UNKNOWN":        ("!",      "+UNKNOWN", ".",              "."),
    "LOST":           ("!",      "end",      "+CONTRADICTION", "."),
    "NOT_SENT":       ("end",    "end",      "!",              "."),
    "DENIED":         ("end",    "!",        "!",              "."),
}  # fmt: skip
CELLS = {
    (kind, phase): cell
    for kind, cells in LIFE.items()
    for phase, cell in zip(PHASES, cells, strict=True)
}
ENDS = {  # end of an order, by the report that ends it
    "CANCELED": "CANCELED", "EXPIRED": "EXPIRED", "REJECTED": "REJECTED", "DENIED": "DENIED",
    "LOST": "LOST", "CANCEL_ASKED": "CANCELED", "NOT_SENT": "EXPIRED",
}  # fmt: skip
STRENGTH = ("", "LOST", "REJECTED", "EXPIRED", "CANCELED", "DENIED", "FILLED")  # the weakest first
NEVER_FILLED = ("REJECTED", "LOST", "DENIED")  # ends after which a fill is a surprise


def apply_report(working: Working, report: Report) -> Outcome:
    """Change an order by a report about it, as LIFE says; return what changed."""
    before, leaves, was = working.phase, working.leaves, signature(working)
    executions = len(working.trades)
    cell = CELLS.get((report.kind, before), "!")
    alerts: list[str] = []
    if cell == "!":
        alerts.append("ILLEGAL")
    elif cell.startswith("+"):
        alerts.append(cell[1:])
    elif cell in RULES:
        RULES[cell](working, report, alerts)
    elif cell != ".":
        working.phase = cell
    if cell != "!":
        note_details(working, report, alerts)
        settle_end(working, report, alerts)
    changed = was != signature(working) or report.kind.endswith("_REFUSED")
    return Outcome(
        report=report,
        before=before,
        after=working.phase,
        leaves_before=leaves,
        is_new_fill=len(working.trades) > executions,
        is_news=changed or bool(alerts),
        alert=" ".join(alerts),
    )


def signature(working: Working) -> tuple[object, ...]:
    """Return what is news when it changes."""
    return (
        working.phase, working.end, working.pending, working.filled, working.size, working.terms,
        working.triggered, working.generation, working.venue_id,
    )  # fmt: skip


def count_fill(working: Working, report: Report, alerts: list[str]) -> None:
    """Count an execution once."""
    size, price, name = report.size, report.price, report.execution_id
    if size is None or price is None or size <= 0 or not name:
        alerts.append("ILLEGAL")  # nobody could say what was filled
        return
    if name in working.trades:
        if working.trades[name] != (size, price):
            alerts.append("FILL_DIFFERS")
        return
    working.trades[name] = (size, price)
    working.filled += size
    working.notional += price * size
    if working.filled > working.size:
        alerts.append("OVERFILL")
    if working.end in NEVER_FILLED:
        alerts.append(f"FILL_AFTER_{working.end}")
    if working.phase != DONE:
        working.phase = OPEN


def end_order(working: Working, report: Report, alerts: list[str]) -> None:
    """End an order, or replace its end by a stronger one."""
    end = ENDS[report.kind]
    if STRENGTH.index(end) > STRENGTH.index(working.reported_end):
        working.reported_end, working.reason = end, report.reason
    if report.kind == "CANCEL_ASKED":
        working.cancel_reason = report.reason
    if end == "LOST":
        alerts.append("LOST")
    working.phase = DONE


def find_again(working: Working, report: Report, alerts: list[str]) -> None:
    """Open an order that was LOST and turns up."""
    if working.end == "LOST":
        working.phase, working.end, working.reported_end, working.reason = OPEN, "", "", ""
        working.done_ns = 0
        alerts.append("FOUND_AGAIN")


def note_details(working: Working, report: Report, alerts: list[str]) -> None:
    """Remember what any report may say beside its kind."""
    working.venue_id = report.venue_id or working.venue_id
    working.triggered |= report.kind == "TRIGGERED"
    if report.cumulative is not None and report.cumulative > working.filled:
        alerts.append("MISSED_FILL")


def settle_end(working: Working, report: Report, alerts: list[str]) -> None:
    """Settle phase and end: an order that is full is FILLED, whatever else was reported."""
    if working.is_full:
        working.phase = DONE
    if working.phase != DONE:
        return
    end = "FILLED" if working.is_full or not working.reported_end else working.reported_end
    if working.end and end != working.end and report.kind != "FILL":
        alerts.append("END_CHANGED")
    working.end, working.pending = end, ""
    working.target = working.size
    working.reason = "" if end == "FILLED" else working.reason
    working.done_ns = working.done_ns or report.position[0]


RULES: dict[str, Callable[[Working, Report, list[str]], None]] = {
    "fill": count_fill,
    "end": end_order,
    "find": find_again,
    "await": await_answer,
    "refuse": refuse_request,
    "change": change_terms,
    "amend": amend_order,
    "resize": resize,
}
