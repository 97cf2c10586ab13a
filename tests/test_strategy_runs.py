"""Runs of strategies in every shape say what the oracle says: from tapes, by workers, by processes."""

import random
from decimal import Decimal

import duckdb
import pytest

from tapeflow.flows.job import portfolio
from tapeflow.flows.job.strategies import ClassStrategy
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.tape_files import find_tapes
from tests import frames
from tests.plain_flow import IDS, INSTRUMENTS, JOB
from tests.running import silent
from tests.strategy_desks import decided_of
from tests.strategy_oracle import Oracle, records_of

SPOT, COINBASE = "BTC-USDT.BINANCE", "BTC-USD.COINBASE"
SHAPES = [
    ({"workers": 1}, 5_000),
    ({"workers": 2}, 64),
    pytest.param({"processes": 2}, 64, marks=pytest.mark.slow),
]


def class_row(name, kind, account, **more):
    """Return a row of [[strategies]] with a class of tests/strategies/."""
    row = {"name": name, "kind": f"tests.strategies.{kind}", "account": account, "size": 1}
    return ClassStrategy.model_validate({**row, **more})


ROWS = (
    class_row(
        "spread", "pairs:Pairs", "main", first=SPOT, second=COINBASE, entry=0.5,
        instruments=[SPOT, COINBASE],
    ),
    class_row("again", "again:Again", "wide", distance="0.25"),
)  # fmt: skip


@pytest.fixture(scope="module")
def log():
    """Return a log of three partitions: some minutes of trades, quotes, copies, broken frames."""
    drawn = random.Random(14)
    return {
        name: frames.records_from_bytes(name, drawn.randbytes(3 * 1500), whole_seconds=False)
        for name in frames.PARTITIONS
    }


@pytest.fixture(scope="module")
def tapes(log, tmp_path_factory):
    """Return the folder of its tapes."""
    folder = tmp_path_factory.mktemp("tapes")
    for name, records in log.items():
        lines = [b"%d %s\n" % (log_ns, frame) for log_ns, frame in records]
        (folder / f"{name}.tape").write_bytes(b"".join(lines))
    return folder


@pytest.fixture(scope="module")
def expected(log):
    """Return the facts of the oracle, by account."""
    job = JOB.model_copy(update={"strategies": ROWS})
    settings = portfolio.desk_settings(job, INSTRUMENTS, sorted(frames.PARTITIONS))
    facts = Oracle(settings).run(records_of(decided_of(log, [100]), IDS))
    return {account: [each for each in facts[account]] for account in ("main", "wide")}


@pytest.mark.parametrize(("shape", "page_records"), SHAPES, ids=str)
def test_a_run_decides_and_fills_as_the_oracle(tapes, expected, shape, page_records, tmp_path):
    source = JOB.source.model_copy(update={"page_records": page_records})
    job = JOB.model_copy(update={"strategies": ROWS, "source": source})
    results = tmp_path / "results.duckdb"
    plan = Plan(command="t", log=find_tapes([tapes], job), job=job, results=results, **shape)
    run_plan(plan, silent, silent)
    for account, facts in expected.items():
        assert decisions(results, account) == [
            (*each[1:4], "BUY" if each[4] > 0 else "SELL", each[5], each[6])
            for each in facts if each[0] == "decision"
        ]  # fmt: skip
        assert fills(results, account) == [
            (*each[1], *each[2:4], "BUY" if each[4] > 0 else "SELL", *each[5:])
            for each in facts if each[0] == "fill"
        ]  # fmt: skip
        assert len(fills(results, account)) > 20


def decisions(results, account):
    """Return the decisions of an account, in their order."""
    return query(
        results,
        "SELECT epoch_ns(time), strategy, instrument, side, size, reason FROM decisions "
        "WHERE account = ? ORDER BY seq",
        account,
    )


def fills(results, account):
    """Return the fills of an account, in their order."""
    return query(
        results,
        'SELECT epoch_ns(log_time), partition, "offset", strategy, instrument, side, size, price '
        "FROM fills WHERE account = ? ORDER BY seq",
        account,
    )


def query(results, text, account):
    """Return rows; decimals without trailing zeros."""
    with duckdb.connect(str(results), read_only=True) as con:
        rows = con.execute(text, [account]).fetchall()
    return [
        tuple(each.normalize() + 0 if isinstance(each, Decimal) else each for each in row)
        for row in rows
    ]
