"""Orders have an output of their own, which the engine runs before what follows from the same ticks."""

from pathlib import Path

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main

from tapeflow.connectors.source.progress import Progress
from tapeflow.flows import trade
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.topic_partition import TopicPartition
from tapeflow.operators.records import order_records, records
from tapeflow.schemas.registry import BY_TYPE, identity
from tests.plain_flow import IDS, JOB
from tests.test_laws import facts_by_table, long_log


def built(*, publish):
    """Return the ids of the outer steps of the flow, in the order in which they are built."""
    log = {"binance-0": TopicPartition("raw.binance", 0, None)}
    plan = Plan(command="test", log=log, job=JOB, results=Path("none"), publish=publish)
    flow = trade.dataflow(plan, Progress(("binance-0",), 0), print)
    return [step.step_id for step in flow.substeps]


def test_orders_leave_right_behind_the_desk_and_before_every_other_branch():
    ids = built(publish=True)
    behind = ids.index("trade.desk")
    assert ids[behind + 1 : behind + 3] == ["trade.order_records", "trade.orders"]
    assert ids.index("trade.orders") < min(
        ids.index(f"trade.{name}") for name in ("batch_facts", "quality", "results", "records")
    )
    assert "trade.orders" not in built(publish=False)


@pytest.fixture(scope="module")
def sent():
    """Every fact of the long log, and the records of both outputs."""
    facts = [fact for rows in facts_by_table(long_log(), [100]).values() for fact in rows]
    outputs = ([], [])
    flow = Dataflow("both")
    stream = op.input("facts", flow, TestingSource([("main", tuple(facts)), ("main", ())]))
    op.output(
        "orders", order_records("order_records", stream, prefix="t."), TestingSink(outputs[0])
    )
    others = records("records", stream, prefix="t.", instruments=IDS)
    op.output("others", others, TestingSink(outputs[1]))
    run_main(flow)
    return facts, *([each for _, several in output for each in several] for output in outputs)


def test_the_two_outputs_are_sent_every_fact_once(sent):
    facts, orders, others = sent
    expected = sorted(("t." + BY_TYPE[type(fact)].topic, identity(fact)) for fact in facts)
    assert sorted((topic, fact_id.decode()) for topic, _, _, fact_id in orders + others) == expected
    assert len(orders) > 10


def test_only_orders_are_on_the_output_of_orders(sent):
    _, orders, others = sent
    assert {topic for topic, *_ in orders} == {"t.orders"}
    assert "t.orders" not in {topic for topic, *_ in others}


def test_a_batch_without_orders_sends_nothing_to_their_output():
    found = []
    flow = Dataflow("none")
    stream = op.input("facts", flow, TestingSource([("main", ())]))
    op.output("orders", order_records("order_records", stream, prefix=""), TestingSink(found))
    run_main(flow)
    assert found == []
