"""The reference job: our answer equals the oracle's, from tapes and through Kafka."""

import duckdb
import pytest

from bench.reference import export
from tapeflow.connectors.kafka import packs as kafka_packs
from tapeflow.flows.cli.verify import check_topics
from tests.running import REFERENCE, generated, job_of, loaded, replay, replay_topics, script

GOLDEN = [REFERENCE / "golden", REFERENCE / "golden-heartbeat"]


def check_answer(expected, results, out):
    export(results, out)
    done = script("check.py", out, expected)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.name)
@pytest.mark.parametrize("workers", [1, 2])
def test_the_golden_tapes_give_the_golden_answer(golden, workers, tmp_path):
    replay(golden, tmp_path / "results.duckdb", workers=workers)
    check_answer(golden / "expected", tmp_path / "results.duckdb", tmp_path / "out")


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.name)
def test_kafka_gives_the_same_answer_as_tapes(golden, tmp_path):
    tapes = replay(golden, tmp_path / "tapes.duckdb")
    with loaded(golden) as job:
        assert replay_topics(job, tmp_path / "topics.duckdb") == tapes
        assert replay_topics(job, tmp_path / "topics.duckdb", workers=2, publish=True) == tapes
    check_answer(golden / "expected", tmp_path / "topics.duckdb", tmp_path / "out")


@pytest.mark.parametrize(
    "packed", [(True,), (False, True), (True, False, True)], ids=["packs", "half", "mixed"]
)
@pytest.mark.parametrize("pack_bytes", [20_000, kafka_packs.PACK_BYTES])
def test_packs_give_the_same_answer_as_tapes(packed, pack_bytes, tmp_path, monkeypatch):
    monkeypatch.setattr(kafka_packs, "PACK_BYTES", pack_bytes)
    tapes = replay(GOLDEN[1], tmp_path / "tapes.duckdb")
    with loaded(GOLDEN[1], packed=packed) as job:
        assert replay_topics(job, tmp_path / "topics.duckdb") == tapes
        small = job.model_copy(
            update={"source": job.source.model_copy(update={"page_records": 77})}
        )
        assert replay_topics(small, tmp_path / "topics.duckdb", workers=2) == tapes


@pytest.mark.parametrize("page", [1, 7, 1000, 20_000])
def test_pages_of_any_size_give_the_same_digest(page, tmp_path):
    golden = GOLDEN[1]
    expected = replay(golden, tmp_path / "usual.duckdb")
    job = job_of(source={"page_records": page})
    assert replay(golden, tmp_path / "other.duckdb", job) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("--seed", 101, "--rate", 400),
        ("--seed", 102, "--rate", 60, "--heartbeat-ms", 100, "--silence"),
        ("--seed", 103, "--rate", 300, "--partitions-per-venue", 4),
        ("--seed", 104, "--rate", 5000, "--silence", "--heartbeat-ms", 50),
        ("--seed", 105, "--rate", 90, "--partitions-per-venue", 2, "--heartbeat-ms", 20),
    ],
    ids=str,
)
def test_fresh_tapes_give_the_oracles_answer(options, tmp_path):
    tapes, expected = generated(tmp_path, 40_000, *options)
    results = tmp_path / "results.duckdb"
    tape_digest = replay(tapes, results, workers=3)
    check_answer(expected, results, tmp_path / "out")
    with loaded(tapes) as job:
        assert replay_topics(job, results, workers=2) == tape_digest
    check_answer(expected, results, tmp_path / "kafka")


def test_the_topics_without_their_duplicates_equal_the_tables(tmp_path):
    results = tmp_path / "results.duckdb"
    with loaded(GOLDEN[1]) as job:
        for _ in range(2):  # the second time writes every fact once more
            replay_topics(job, results, publish=True)
        checks = check_topics(results, job, print)
        assert all(check.equal for check in checks), checks
        [fills] = [check for check in checks if check.topic == "fills"]
        assert fills.facts > 10
        assert fills.records == 2 * fills.facts
        with duckdb.connect(str(results)) as con:
            con.execute(
                "DELETE FROM internal.fills WHERE seq = (SELECT max(seq) FROM internal.fills)"
            )
        equal = {check.topic: check.equal for check in check_topics(results, job, print)}
        assert not equal["fills"]
        assert equal["bars"]
