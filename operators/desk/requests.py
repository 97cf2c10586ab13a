"""Cancels and amendments that are on their way to the venue, or came back: rules of life.py.

    AMEND_ASKED ──▶ pending AMEND ──▶ AMENDED: new size, limit, trigger | AMEND_REFUSED: as before

Of two amendments the one with the later venue time holds; at one time, the one that came last.
"""

from msgspec import structs

from tapeflow.operators.desk.working import OPEN, Working
from tapeflow.schemas.orders import Report
from tapeflow.schemas.time import MIN_NS


def await_answer(working: Working, report: Report, alerts: list[str]) -> None:
    """Remember a cancel or an amendment that is on its way; a cancel outweighs an amendment."""
    if report.kind == "CANCEL_ASKED":
        working.pending, working.cancel_reason = "CANCEL", report.reason
        return
    working.pending = working.pending or "AMEND"
    working.amendments += 1
    working.generation += 1
    if report.size is not None:
        working.target = report.size
    note_whole(working, report)


def note_whole(working: Working, report: Report) -> None:
    """Remember a size that is requested, and not for the sake of a link: those give a reason."""
    if report.kind == "AMEND_ASKED" and report.size is not None and not report.reason:
        working.whole = report.size


def refuse_request(working: Working, report: Report, alerts: list[str]) -> None:
    """Forget a request that was refused: it says nothing about the order."""
    if report.kind == "AMEND_REFUSED":
        forget_amendment(working)
    elif working.pending == "CANCEL":
        working.pending = "AMEND" if working.amendments else ""


def forget_amendment(working: Working) -> None:
    """Count an amendment that is not on its way any more."""
    working.amendments = max(working.amendments - 1, 0)
    if not working.amendments:
        working.target = working.size
        working.pending = "" if working.pending == "AMEND" else working.pending


def amend_order(working: Working, report: Report, alerts: list[str]) -> None:
    """Take over an amendment that the venue confirms."""
    change_terms(working, report)
    forget_amendment(working)
    working.phase = OPEN


def resize(working: Working, report: Report, alerts: list[str]) -> None:
    """Take over an amendment that was reported after the end: the order may not be full."""
    change_terms(working, report)
    forget_amendment(working)
    if not working.is_full and not working.reported_end:
        alerts.append("CONTRADICTION")  # it seems to live on; DONE stays DONE


def change_terms(working: Working, report: Report, alerts: list[str] | None = None) -> None:
    """Change size, limit and trigger, each unless a later amendment has changed it."""
    note_whole(working, report)
    for name in ("size", "limit", "trigger"):
        value = getattr(report, name)
        if value is None or report.event_ns < working.amended_ns.get(name, MIN_NS):
            continue
        if report.kind == "AMENDED":
            working.amended_ns[name] = report.event_ns
        if name == "size":
            working.size = value
            working.target = value if not working.amendments else working.target
        else:
            working.terms = structs.replace(working.terms, **{name: value})
