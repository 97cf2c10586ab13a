"""A step as the engine runs it: outputs, snapshots with their version, and the versions of a flow."""

from pathlib import Path
from typing import ClassVar

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic
from bytewax.testing import TestingSink, TestingSource, run_main
from msgspec import Struct

from tapeflow.connectors.source.progress import Progress
from tapeflow.engine.errors import CAPTURED
from tapeflow.engine.fold import fold, state_versions
from tapeflow.flows import trade
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.schemas.errors import TapeflowError
from tests.plain_flow import JOB

GOLDEN = Path(__file__).parent / "reference" / "golden"


class RunningSum(Struct, frozen=True):
    """Sums numbers; sends (number, sum) for even numbers only. The state is changed in place."""

    VERSION: ClassVar[int] = 3

    begin: int = 0

    def initial(self):
        return [self.begin]

    def step(self, state, value):
        state[0] += value
        return state, [(value, state[0])] if value % 2 == 0 else []

    def snapshot(self, state):
        return state[0]

    def restore(self, snapshot):
        return [snapshot]


@pytest.fixture(autouse=True)
def captured():
    """The errors that the engine would lose, for one test."""
    CAPTURED.clear()
    yield CAPTURED
    CAPTURED.clear()


def test_a_fold_begins_at_the_initial_state_and_sends_each_output():
    logic = fold(RunningSum(begin=100))(None)
    assert logic.on_batch([1, 2, 3, 4]) == ([(2, 103), (4, 110)], StatefulBatchLogic.RETAIN)
    assert logic.on_batch([6]) == ([(6, 116)], StatefulBatchLogic.RETAIN)


def test_with_emit_batches_the_outputs_of_one_call_are_one_item():
    logic = fold(RunningSum(), emit_batches=True)(None)
    assert logic.on_batch([2, 3, 4]) == ([((2, 2), (4, 9))], StatefulBatchLogic.RETAIN)
    assert logic.on_batch([1, 1]) == ([], StatefulBatchLogic.RETAIN)  # and no empty tuple


def test_a_snapshot_has_the_version_and_a_fold_resumes_from_it():
    logic = fold(RunningSum())(None)
    logic.on_batch([2, 4])
    snapshot = logic.snapshot()
    logic.on_batch([100])
    assert snapshot == (3, 6)
    resumed = fold(RunningSum())(snapshot)
    assert resumed.on_batch([2]) == ([(2, 8)], StatefulBatchLogic.RETAIN)


@pytest.mark.parametrize("version", [2, 4])
def test_a_snapshot_of_another_version_is_refused(captured, version):
    with pytest.raises(TapeflowError) as refused:
        fold(RunningSum())((version, 6))
    assert str(refused.value) == (
        f"the state holds RunningSum in version {version}, this is version 3: "
        "start with a fresh --state"
    )
    assert captured == [refused.value]


def test_the_end_of_input_retains_the_state():
    logic = fold(RunningSum())(None)
    logic.on_batch([2])
    assert logic.on_eof() == ([], StatefulBatchLogic.RETAIN)
    assert logic.snapshot() == (3, 2)


def test_an_error_of_a_step_is_captured(captured):
    logic = fold(RunningSum())(None)
    with pytest.raises(TypeError):
        logic.on_batch(["not a number"])
    assert [type(each) for each in captured] == [TypeError]


def sums(values, *, emit_batches=False, step_id="sums"):
    """A flow that sums the values of each key; return it and what it sends."""
    sent: list = []
    flow = Dataflow("test")
    numbers = op.input("numbers", flow, TestingSource(values))
    outputs = op.stateful_batch(step_id, numbers, fold(RunningSum(), emit_batches=emit_batches))
    op.output("sent", outputs, TestingSink(sent))
    return flow, sent


@pytest.mark.parametrize("emit_batches", [False, True])
def test_in_the_engine_each_key_has_its_own_state(emit_batches):
    flow, sent = sums([("a", 2), ("b", 10), ("a", 4), ("b", 20)], emit_batches=emit_batches)
    run_main(flow)
    if emit_batches:
        sent = [(key, each) for key, outputs in sent for each in outputs]
    by_key = {name: [each for key, each in sent if key == name] for name in "ab"}
    assert by_key == {"a": [(2, 2), (4, 6)], "b": [(10, 10), (20, 30)]}


def test_the_versions_of_a_flow_are_by_step_id():
    flow, _ = sums([])
    assert state_versions(flow) == {"test.sums": 3}


def test_the_versions_of_a_flow_name_its_sources_and_sinks_too():
    class VersionedSource(TestingSource):
        VERSION = 7

    class VersionedSink(TestingSink):
        VERSION = 8

    flow = Dataflow("test")
    items = op.input("log", flow, VersionedSource([]))
    op.output("results", items, VersionedSink([]))
    assert state_versions(flow) == {"test.log": 7, "test.results": 8}


@pytest.mark.parametrize("publish", [False, True])
def test_the_trade_flow_lists_the_version_of_all_its_state(publish):
    log = find_tapes([GOLDEN], JOB)
    plan = Plan(command="test", log=log, job=JOB, results=Path("none"), publish=publish)
    flow = trade.dataflow(plan, Progress(tuple(log), 1), lambda _: None)
    named = trade.STATE_VERSIONS
    assert state_versions(flow) == {k: named[k] for k in named if k not in trade.OPTIONAL_STEPS}
