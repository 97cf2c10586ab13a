"""The life of an order: every cell of the table, and the laws that hold for any story."""

import os
import random
import re
from decimal import Decimal
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.operators.desk.actions import Amend, Cancel, Place
from tapeflow.operators.desk.life import LIFE, apply_report
from tapeflow.operators.desk.order_facts import command, order_event
from tapeflow.operators.desk.working import PHASES, Working, begin
from tapeflow.schemas.orders import Order, Report, ReportKind
from tapeflow.schemas.sides import BUY

STORIES = int(os.environ.get("TAPEFLOW_TEST_STORIES", "2000"))  # 100,000 outside of CI
KINDS = get_args(ReportKind)
FINAL = ("FILLED", "CANCELED", "EXPIRED", "REJECTED")


def an_order(size="10", **fields):
    return Order(
        1, "5f0c" * 6, "s", "main", "trend", "BTC-USD.X", BUY, "limit", Decimal(size), Decimal(100),
        5, 6, "x-0", 7, limit=Decimal(99), **fields,
    )  # fmt: skip


def report(kind, *, at=100, **fields):
    for name in {"price", "size", "limit", "trigger", "cumulative"} & fields.keys():
        fields[name] = None if fields[name] is None else Decimal(fields[name])
    position = (at, "x-0", 8)
    return Report("5f0c" * 6, kind, position, fields.pop("event_ns", at), record=position, **fields)


def fill(name, size, price="99", **fields):
    return report("FILL", execution_id=name, size=size, price=price, **fields)


def tell(working, *reports):
    return [apply_report(working, each) for each in reports]


def at_phase(phase, end="CANCELED"):
    """Return an order of 10, 4 of it filled unless nothing can be, in a phase."""
    working = begin(an_order())
    if phase != "HELD":
        tell(working, report("SENT"))
    if phase == "OPEN":
        tell(working, report("ACCEPTED"), fill("e1", 4))
    if phase == "DONE" and end == "DENIED":
        working = begin(an_order())
    if phase == "DONE":
        tell(working, *([fill("all", 10)] if end == "FILLED" else [report(end)]))
    assert (working.phase, working.end) == (phase, end if phase == "DONE" else "")
    return working


# --- the table ----------------------------------------------------------------------------

# Copied by hand from the design. A cell: phase, or phase/end, or phase*pending; then alerts.
# "." is no change, "!" ILLEGAL.
TABLE = """
kind            HELD                SENT                        OPEN                 DONE
SENT            SENT                SENT                        .                    .
ACCEPTED        !                   OPEN                        OPEN                 .
TRIGGERED       !                   OPEN                        OPEN                 .
FILL            OPEN                OPEN                        OPEN                 .
FILL-ALL        DONE/FILLED         DONE/FILLED                 DONE/FILLED          DONE/FILLED
FILL-KNOWN      -                   -                           .                    -
CANCELED        DONE/CANCELED       DONE/CANCELED               DONE/CANCELED        .
EXPIRED         DONE/EXPIRED        DONE/EXPIRED                DONE/EXPIRED         .
REJECTED        !                   DONE/REJECTED               DONE/REJECTED        .
AMENDED         !                   OPEN                        OPEN                 .
AMENDED-FULL    !                   OPEN                        DONE/FILLED          .
CANCEL_ASKED    DONE/CANCELED       SENT*CANCEL                 OPEN*CANCEL          .
AMEND_ASKED     HELD                SENT*AMEND                  OPEN*AMEND           .
CANCEL_REFUSED  !                   SENT                        OPEN                 .
AMEND_REFUSED   !                   SENT                        OPEN                 .
UNKNOWN         !                   SENT+UNKNOWN                .                    .
LOST            !                   DONE/LOST+LOST              .+CONTRADICTION      .
NOT_SENT        DONE/EXPIRED        DONE/EXPIRED                !                    .
DENIED          DONE/DENIED         !                           !                    .
"""
REPORTS = {
    "FILL": fill("e2", 1),
    "FILL-ALL": fill("e2", 10),
    "FILL-KNOWN": fill("e1", 4),
    "AMENDED": report("AMENDED", size="8", limit="98"),
    "AMENDED-FULL": report("AMENDED", size="4"),
    "AMEND_ASKED": report("AMEND_ASKED", size="8"),
}
CELLS = [
    (kind, phase, cell)
    for kind, *row in map(str.split, TABLE.split("\n")[2:-1])
    for phase, cell in zip(PHASES, row, strict=True)
    if cell != "-"
]


@pytest.mark.parametrize(("name", "phase", "cell"), CELLS)
def test_every_cell_of_the_table_is_as_it_was_designed(name, phase, cell):
    working = at_phase(phase)
    before = (working.phase, working.end, working.pending)
    given_report = REPORTS.get(name) or report(name)
    outcome = apply_report(working, given_report)
    after, _, alert = cell.replace("!", ".+ILLEGAL").partition("+")
    if name == "AMENDED-FULL" and phase == "SENT":
        assert working.size == 4
    if name == "FILL-ALL" and phase == "OPEN":
        alert = "OVERFILL"
    expected = before
    if after != ".":
        rest, _, pending = after.partition("*")
        rest, _, end = rest.partition("/")
        expected = (rest, end, pending)
    assert ((working.phase, working.end, working.pending), outcome.alert) == (expected, alert)
    assert (outcome.before, outcome.after) == (phase, working.phase)
    assert outcome.has_ended == (phase != "DONE" and working.phase == "DONE")


def test_the_table_has_a_row_for_each_kind_of_report_and_each_is_tested():
    assert set(LIFE) == set(KINDS) == {name.partition("-")[0] for name, _, _ in CELLS}


ENDS = ("LOST", "REJECTED", "EXPIRED", "CANCELED", "FILLED")  # the weakest first


@pytest.mark.parametrize("first", ENDS)
@pytest.mark.parametrize("second", ENDS[:-1])
def test_of_two_ends_the_stronger_wins_and_says_so(first, second):
    working = at_phase("DONE", first)
    outcome = apply_report(working, report(second))
    stronger = max(first, second, key=ENDS.index)
    assert working.end == (first if second == "LOST" else stronger)
    assert ("END_CHANGED" in outcome.alert) == (working.end != first)


@pytest.mark.parametrize("kind", ["ACCEPTED", "TRIGGERED"])
@pytest.mark.parametrize("end", ["LOST", "REJECTED", "EXPIRED", "CANCELED", "FILLED", "DENIED"])
def test_only_a_lost_order_is_found_again(kind, end):
    working = at_phase("HELD") if end == "DENIED" else at_phase("DONE", end)
    if end == "DENIED":
        tell(working, report("DENIED"))
    outcome = apply_report(working, report(kind))
    found = end == "LOST"
    assert working.phase == ("OPEN" if found else "DONE")
    assert outcome.alert == ("FOUND_AGAIN" if found else "")
    assert (working.end, working.done_ns) == (("", 0) if found else (end, 100))
    if found:
        tell(working, fill("e1", 4), report("CANCELED", at=300))
        assert (working.end, working.filled, working.done_ns) == ("CANCELED", 4, 300)


@pytest.mark.parametrize("end", ["LOST", "REJECTED", "EXPIRED", "CANCELED", "DENIED"])
def test_a_fill_after_the_end_counts_and_surprises_where_there_should_be_none(end):
    working = at_phase("HELD") if end == "DENIED" else at_phase("DONE", end)
    if end == "DENIED":
        tell(working, report("DENIED"))
    surprise = f"FILL_AFTER_{end}" if end in ("LOST", "REJECTED", "DENIED") else ""
    (outcome,) = tell(working, fill("late", 4))
    assert (working.phase, working.end, working.filled) == ("DONE", end, 4)
    assert (outcome.is_new_fill, outcome.has_ended, outcome.alert) == (True, False, surprise)
    (outcome,) = tell(working, fill("later", 6))
    assert (working.phase, working.end, working.filled) == ("DONE", "FILLED", 10)


# --- fills --------------------------------------------------------------------------------


def test_a_fill_that_is_known_changes_nothing_and_is_no_news():
    working = at_phase("OPEN")
    (outcome,) = tell(working, fill("e1", 4))
    assert (working.filled, outcome.is_new_fill, outcome.is_news) == (4, False, False)


@pytest.mark.parametrize("changed", [{"size": "5"}, {"size": "4", "price": "98"}])
def test_a_known_fill_of_another_size_or_price_is_not_counted_and_alerts(changed):
    working = at_phase("OPEN")
    (outcome,) = tell(working, fill("e1", **changed))
    assert (working.filled, working.notional) == (4, 396)
    assert (outcome.alert, outcome.is_news) == ("FILL_DIFFERS", True)


def test_more_than_the_order_is_counted_as_the_money_has_moved_and_alerts():
    working = at_phase("OPEN")
    (outcome,) = tell(working, fill("e2", "6.5"))
    assert (working.phase, working.end, working.filled) == ("DONE", "FILLED", Decimal("10.5"))
    assert (outcome.alert, working.leaves) == ("OVERFILL", 0)


@pytest.mark.parametrize(
    "broken", [{"size": None}, {"price": None}, {"size": "0"}, {"size": "-1"}, {"execution_id": ""}]
)
def test_a_fill_that_does_not_say_what_was_filled_is_illegal(broken):
    working = at_phase("OPEN")
    (outcome,) = tell(
        working, report("FILL", **{"execution_id": "e2", "size": "1", "price": "9"} | broken)
    )
    assert (working.filled, outcome.alert, outcome.is_new_fill) == (4, "ILLEGAL", False)


@pytest.mark.parametrize("kind", ["ACCEPTED", "FILL", "CANCELED", "AMENDED"])
def test_a_venue_that_says_it_filled_more_than_we_know_of_alerts(kind):
    working = at_phase("OPEN")
    more = {"execution_id": "e2", "size": "1", "price": "99"} if kind == "FILL" else {}
    (outcome,) = tell(working, report(kind, cumulative="6", **more))
    assert outcome.alert == "MISSED_FILL"
    working = at_phase("OPEN")
    (outcome,) = tell(working, report(kind, cumulative="5" if more else "4", **more))
    assert outcome.alert == ""


def test_a_report_of_a_kind_that_nobody_knows_is_illegal():
    working = at_phase("OPEN")
    (outcome,) = tell(working, report("NEWS"))
    assert (working.phase, outcome.alert) == ("OPEN", "ILLEGAL")


# --- amendments and cancels on their way --------------------------------------------------


def test_an_amendment_changes_size_and_prices_and_keeps_the_approval():
    working = at_phase("OPEN")
    tell(
        working,
        report("AMEND_ASKED", size="8"),
        report("AMENDED", size="8", limit="98", trigger="97"),
    )
    assert (working.size, working.terms.limit, working.terms.trigger) == (8, 98, 97)
    assert (working.order.size, working.order.limit, working.leaves) == (10, 99, 4)
    assert (working.pending, working.target, working.generation) == ("", 8, 1)


def test_an_amendment_to_what_is_filled_ends_the_order():
    working = at_phase("OPEN")
    (outcome,) = tell(working, report("AMENDED", size="3"))
    assert (working.phase, working.end, outcome.has_ended) == ("DONE", "FILLED", True)


def test_an_order_that_waits_takes_new_terms_at_once():
    working = at_phase("HELD")
    tell(working, report("AMEND_ASKED", size="3", limit="90"))
    assert (working.size, working.target, working.terms.limit) == (3, 3, 90)
    assert (working.phase, working.pending, working.generation) == ("HELD", "", 0)


def test_of_two_amendments_the_one_that_the_venue_made_later_holds_whichever_comes_first():
    sizes = set()
    early, late = report("AMENDED", size="8", event_ns=1), report("AMENDED", size="7", event_ns=2)
    limit = report("AMENDED", limit="98", event_ns=3)
    for story in ([early, late, limit], [limit, late, early], [late, limit, early, late]):
        working = at_phase("OPEN")
        tell(working, *story)
        sizes.add((working.size, working.terms.limit))
    assert sizes == {(7, 98)}


def test_a_refused_amendment_leaves_the_order_and_what_else_is_on_its_way():
    working = at_phase("OPEN")
    tell(working, report("AMEND_ASKED", size="8"), report("AMEND_ASKED", size="7"))
    tell(working, report("AMENDED", size="8"))
    assert (working.pending, working.size, working.target) == ("AMEND", 8, 7)
    (outcome,) = tell(working, report("AMEND_REFUSED", reason="ORDER_OVER"))
    assert (working.pending, working.size, working.target) == ("", 8, 8)
    assert outcome.is_news


def test_a_cancel_outweighs_an_amendment_that_is_on_its_way():
    working = at_phase("OPEN")
    tell(working, report("AMEND_ASKED", size="8"), report("CANCEL_ASKED", reason="OCO"))
    assert (working.pending, working.cancel_reason) == ("CANCEL", "OCO")
    tell(working, report("AMEND_ASKED", size="7"))
    assert working.pending == "CANCEL"
    tell(working, report("CANCEL_REFUSED"))
    assert working.pending == "AMEND"
    tell(working, report("AMENDED", size="8"), report("AMENDED", size="7", event_ns=101))
    assert (working.pending, working.size) == ("", 7)


def test_an_end_takes_with_it_what_was_on_its_way():
    working = at_phase("OPEN")
    tell(
        working,
        report("AMEND_ASKED", size="8"),
        report("CANCEL_ASKED"),
        report("EXPIRED", reason="GTD"),
    )
    assert (working.pending, working.target) == ("", 10)
    assert (working.end, working.reason, working.leaves) == ("EXPIRED", "GTD", 0)


def test_an_amendment_to_more_that_comes_after_the_fills_alerts_and_stays_done():
    working = begin(an_order("4"))
    tell(working, report("SENT"), fill("e1", 4))
    (outcome,) = tell(working, report("AMENDED", size="10"))
    assert (working.phase, working.end, outcome.alert) == ("DONE", "FILLED", "CONTRADICTION")
    (outcome,) = tell(working, report("CANCELED"))
    assert (working.end, outcome.alert) == ("CANCELED", "END_CHANGED")


def test_a_repeated_report_is_no_news_and_the_first_of_each_step_is():
    working = begin(an_order())
    steps = [report("SENT"), report("ACCEPTED"), report("TRIGGERED"), report("CANCEL_ASKED")]
    for step in [*steps, report("CANCELED")]:
        first, second = tell(working, step, step)
        assert (first.is_news, second.is_news) == (True, False)


# --- laws ---------------------------------------------------------------------------------

decimals = st.integers(-1, 12).map(Decimal)
reports = st.builds(
    report,
    st.sampled_from([*KINDS, "FILL", "FILL", "NEWS"]),
    at=st.integers(1, 9),
    execution_id=st.sampled_from(["", "a", "b", "c", "d"]),
    size=st.none() | decimals,
    price=st.none() | decimals,
    limit=st.none() | decimals,
    cumulative=st.none() | decimals,
    reason=st.sampled_from(["", "OCO"]),
)


@settings(max_examples=1000, deadline=None)
@given(st.lists(reports, max_size=14))
def test_any_reports_in_any_order_are_answered_and_money_moves_by_unique_executions(story):
    working, known, was_lost = begin(an_order()), {}, False
    for each in story:
        before, was_lost = working.phase, working.end == "LOST"
        (outcome,) = tell(working, each)
        new = each.kind == "FILL" and each.execution_id and each.execution_id not in known
        new = new and each.price is not None and each.size is not None and each.size > 0
        if new:
            known[each.execution_id] = each.size
        assert outcome.is_new_fill == bool(new)
        assert (
            working.filled
            == sum(known.values())
            == sum(size for size, _ in working.trades.values())
        )
        assert (working.phase == "DONE") == (working.end != "") == (working.leaves == 0)
        assert before != "DONE" or working.phase == "DONE" or was_lost
        assert (working.phase == "DONE") <= (working.pending == "")
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(working), type=Working) == working


def venue_story(draw):
    """Return what a venue did with an order: its size, and all reports of it, the last one final."""
    size = whole = draw.randint(1, 6)
    filled, at, story = 0, 100, [report("ACCEPTED")]
    if draw.random() < 0.1:
        return size, [report("REJECTED")]
    while filled < whole and draw.random() < 0.8:
        at += 1
        choice = draw.random()
        if choice < 0.2:
            whole = max(draw.randint(1, 8), filled)
            story.append(report("AMENDED", event_ns=at, size=str(whole)))
        elif choice < 0.3:
            story.append(report("AMENDED", event_ns=at, limit=str(draw.randint(90, 99))))
        else:
            part = draw.randint(1, whole - filled)
            filled += part
            story.append(fill(f"e{at}", part, event_ns=at))
    if filled < whole:
        story.append(report(draw.choice(["CANCELED", "EXPIRED"]), event_ns=at + 1))
    return size, story


NOISE = [report(kind) for kind in (
    "UNKNOWN", "LOST", "CANCEL_ASKED", "AMEND_ASKED", "CANCEL_REFUSED", "AMEND_REFUSED", "SENT",
    "TRIGGERED", "ACCEPTED",
)]  # fmt: skip


def hear(draw, size, story):
    """Return an order that was told a story out of order, doubled, with doubts between."""
    reports = [each for each in story for _ in range(draw.choice([1, 1, 2]))]
    draw.shuffle(reports)
    rejected = story[0].kind == "REJECTED"
    for each in NOISE[:7] if rejected else NOISE:
        if draw.random() < 0.25:
            reports.insert(draw.randint(0, len(reports)), each)
    working = begin(an_order(size))
    tell(working, report("SENT"), *reports)
    return working


def test_the_reports_of_a_venue_come_to_one_end_in_any_order_doubled_and_with_doubts_between():
    draw, ends = random.Random(13), set()
    for _ in range(STORIES):
        size, story = venue_story(draw)
        in_order = begin(an_order(size))
        tell(in_order, report("SENT"), *story)
        expected = (in_order.phase, in_order.end, in_order.filled, in_order.notional, in_order.size)
        assert expected[0] == "DONE" and in_order.end in FINAL
        ends.add((in_order.end, len(story) > 2))
        for _ in range(4):
            shuffled = hear(draw, size, story)
            actual = (
                shuffled.phase,
                shuffled.end,
                shuffled.filled,
                shuffled.notional,
                shuffled.size,
            )
            assert actual == expected, story
            assert shuffled.pending == ""
    assert {end for end, _ in ends} == set(FINAL)


# --- facts --------------------------------------------------------------------------------


def test_a_step_is_a_fact_with_the_order_after_it():
    working = begin(an_order())
    outcome = tell(working, report("SENT"), fill("e1", 4, price="98.5", at=200, event_ns=150))[-1]
    fact = order_event(31, working, outcome)
    assert (fact.seq, fact.account, fact.order_id, fact.kind) == (31, "main", "5f0c" * 6, "FILL")
    assert (fact.time_ns, fact.partition, fact.offset, fact.event_ns) == (200, "x-0", 8, 150)
    assert (fact.phase, fact.end, fact.filled, fact.leaves) == ("OPEN", "", 4, 6)
    assert (fact.price, fact.size, fact.alert) == (Decimal("98.5"), 4, "")


def test_a_command_names_the_order_its_generation_and_the_time_until_which_it_may_be_sent():
    working = begin(an_order(tif="GTD", expire_ns=900))
    place = command(1, working, Place(working.order, working.size), 10, 2_000)
    assert (place.action, place.wire_id) == ("PLACE", "5f0c" * 6 + "00000000")
    assert (place.time_ns, place.deadline_ns, place.size, place.limit) == (10, 2_010, 10, 99)
    assert (place.type, place.tif, place.expire_ns) == ("limit", "GTD", 900)
    tell(working, report("SENT"), report("AMEND_ASKED", size="8"))
    amend = command(2, working, Amend(working.order.id, size=Decimal(8)), 20, 2_000)
    assert (amend.action, amend.wire_id[-8:], amend.size, amend.limit) == (
        "AMEND",
        "00000001",
        8,
        99,
    )
    amend = command(3, working, Amend(working.order.id, limit=Decimal(98)), 20, 2_000)
    assert (amend.size, amend.limit, len(amend.wire_id)) == (8, 98, 32)
    cancel = command(4, working, Cancel(working.order.id, "OCO"), 30, 2_000)
    assert (cancel.action, cancel.wire_id[-8:]) == ("CANCEL", "00000001")


# --- the page -----------------------------------------------------------------------------


def test_the_page_of_orders_has_the_table_of_the_code():
    page = (Path(__file__).parents[1] / "docs" / "orders.md").read_text()
    rows: dict[str, list[str]] = {}
    for line in page.partition("## Life")[2].partition("\n\n- ")[0].splitlines():
        kinds, *words = [cell.strip() for cell in line.strip("|").split("|")]
        rows |= {kind: words for kind in kinds.split(", ") if len(words) == 4}
    assert rows.keys() - {"report", "---"} == LIFE.keys()
    for kind, of_code in LIFE.items():
        for shown, cell in zip(rows[kind], of_code, strict=True):
            if cell in (".", "!"):
                assert shown.partition(";")[0] == cell
            elif cell in PHASES:
                assert shown.startswith(cell)
            elif cell.startswith("+"):
                assert shown == f"alert `{cell[1:]}`"
            else:
                assert shown not in (".", "!") or (kind, cell) == ("AMEND_REFUSED", "refuse")


def test_the_page_of_orders_explains_each_alert():
    page = (Path(__file__).parents[1] / "docs" / "orders.md").read_text()
    code = "".join(
        (Path(__file__).parents[1] / "operators" / "desk" / name).read_text()
        for name in ("life.py", "requests.py")
    )
    in_cells = {cell[1:] for cells in LIFE.values() for cell in cells if cell.startswith("+")}
    alerts = in_cells | set(re.findall(r'append\(f?"([A-Z_]+)', code))
    assert len(alerts) >= 9
    assert all(f"`{alert}" in page for alert in alerts)
