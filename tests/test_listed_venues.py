"""A run reads the partitions of the venues that its job lists, from tapes and from topics alike."""

import pytest

from tapeflow.connectors.duckdb import query
from tapeflow.connectors.kafka.embedded import EMBEDDED_CONSUMER, EmbeddedBroker
from tapeflow.flows.cli import main
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.raw_topics import find_topics
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.flows.run.topics import fact_topics
from tapeflow.schemas.errors import UsageError
from tests.running import digest, load_parts, silent

T = 1_700_000_000_000  # ms
ROW = {"tick": "0.01", "lot": "0.1"}


@pytest.fixture
def tapes(tmp_path):
    folder = tmp_path / "tapes"
    folder.mkdir()
    lines = [
        b'%d {"e":"trade","E":%d,"s":"BTCUSDT","t":%d,"p":"1","q":"1","T":%d,"m":true,"M":true}\n'
        % (time_ms * 10**6, time_ms, number, time_ms)
        for number in range(20)
        for time_ms in [T + number * 1000]
    ]
    (folder / "binance-0.tape").write_bytes(b"".join(lines))
    (folder / "coinbase-0.tape").write_bytes(b'%d {"type":"subscriptions"}\n%d oops\n' % (
        T * 10**6, T * 10**6 + 1,
    ))  # fmt: skip
    return folder


def job_on(bootstrap="there:1", *names):
    kafka = {"bootstrap": bootstrap, "client": EMBEDDED_CONSUMER}
    instruments = dict.fromkeys(names or ("BTC-USDT.BINANCE",), ROW)
    return Job.model_validate({"instruments": instruments, "kafka": kafka})


def answer(log, job, results, **shape):
    run_plan(Plan(command="t", log=log, job=job, results=results, **shape), silent, silent)
    return digest(results)


@pytest.mark.parametrize("shape", [{}, {"workers": 2}], ids=str)
def test_tapes_and_topics_of_a_venue_that_the_job_does_not_list_are_not_read_and_named(
    tmp_path, tapes, shape
):
    with EmbeddedBroker() as broker:
        job = job_on(broker.bootstrap)
        for topic in ("raw.binance", "raw.coinbase", *fact_topics(job)):
            broker.create_topic(topic, 1)
        load_parts(find_tapes([tapes], job, all_venues=True), job, (False,))
        lines: dict[str, list[str]] = {"tapes": [], "topics": []}
        logs = {
            "tapes": find_tapes([tapes], job, lines["tapes"].append),
            "topics": find_topics(job, lines["topics"].append, tail=False),
        }
        answers = {
            door: answer(log, job, tmp_path / f"{door}.duckdb", **shape)
            for door, log in logs.items()
        }
    assert answers["tapes"] == answers["topics"]
    assert lines == {
        "tapes": ["not read: coinbase-0: the job lists no instrument of coinbase"],
        "topics": ["not read: raw.coinbase: the job lists no instrument of its venue"],
    }
    rows = query.query(
        tmp_path / "tapes.duckdb", "SELECT partition, records FROM data_quality"
    ).rows
    assert [tuple(row) for row in rows] == [("binance-0", 20)]


def test_a_venue_that_is_not_listed_changes_no_answer(tmp_path, tapes):
    job = job_on()
    alone = answer(find_tapes([tapes / "binance-0.tape"], job), job, tmp_path / "alone")
    assert answer(find_tapes([tapes], job), job, tmp_path / "both") == alone
    both = job_on("there:1", "BTC-USDT.BINANCE", "BTC-USD.COINBASE")
    assert set(find_tapes([tapes], both)) == {"binance-0", "coinbase-0"}


def test_tapes_of_which_none_is_of_a_listed_venue_are_refused(tapes, tmp_path, capsys):
    line = "not read: coinbase-0: the job lists no instrument of coinbase"
    with pytest.raises(UsageError, match=line):
        find_tapes([tapes / "coinbase-0.tape"], job_on())
    job = tmp_path / "job.toml"
    job.write_text('[instruments]\n"BTC-USDT.BINANCE" = { tick = "0.01", lot = "0.1" }\n')
    tape = str(tapes / "coinbase-0.tape")
    assert main.main(["replay", tape, "--config", str(job), "--results", str(tmp_path / "r")]) == 2
    assert line in capsys.readouterr().err
