"""The whole flow on Apache Kafka: end to end, and through the faults of a broker."""

import itertools
import json
import re
import subprocess
import sys
import time

import pytest
from confluent_kafka.admin import NewPartitions  # type: ignore[attr-defined]

from tapeflow.flows.cli.main import main
from tapeflow.flows.cli.verify import check_topics
from tapeflow.flows.job import settings
from tapeflow.flows.run import log as logs
from tapeflow.flows.run import topics as loading
from tapeflow.schemas.errors import TapeflowError
from tests.running import JOB, REFERENCE, ROOT, digest, job_of, replay, replay_topics, silent

pytestmark = pytest.mark.kafka
GOLDEN = REFERENCE / "golden-heartbeat"
NUMBERS = itertools.count()


@pytest.fixture
def job(real):
    """The reference job, its tapes in topics of their own on the real broker."""
    number = next(NUMBERS)
    kafka = job_of().kafka.model_copy(
        update={
            "bootstrap": real.bootstrap,
            "raw_prefix": f"flow{number}.raw.",
            "fact_prefix": f"flow{number}.",
        }
    )
    made = job_of().model_copy(update={"kafka": kafka})
    reader_factories = logs.reader_factories(logs.tapes([GOLDEN], made), made, silent)
    loading.create(reader_factories, made, silent)
    loading.load(
        {name: loading.pages_of(opened) for name, opened in reader_factories.items()}, made, silent
    )
    return made


def started(folder, job, *more, command="replay"):
    """A run in a process of its own."""
    config = folder / "job.toml"
    config.write_text(
        '[recovery]\nepoch = "100ms"\n[source]\npage_records = 50\nmax_lead = "2s"\n'
        f'[kafka]\nbootstrap = "{job.kafka.bootstrap}"\nraw_prefix = "{job.kafka.raw_prefix}"\n'
        f'fact_prefix = "{job.kafka.fact_prefix}"\n' + JOB.read_text()
    )
    line = [
        sys.executable, "-m", "tapeflow", command, "--config", config, "--state", folder / "state",
        "--results", folder / "results.duckdb", *more,
    ]  # fmt: skip
    with (folder / "stderr").open("ab") as errors:
        return subprocess.Popen(
            list(map(str, line)), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=errors
        )


def test_a_real_kafka_gives_the_answer_of_tapes_and_keeps_all_facts(job, tmp_path):
    expected = replay(GOLDEN, tmp_path / "tapes.duckdb")
    results = tmp_path / "results.duckdb"
    assert replay_topics(job, results, workers=2, publish=True) == expected
    verdicts = check_topics(results, job, silent)
    assert all(verdict.equal for verdict in verdicts), verdicts


def test_packs_loaded_by_the_command_give_the_answer_of_tapes(real, tmp_path, capsys):
    expected = replay(GOLDEN, tmp_path / "tapes.duckdb")
    raw = f"packs{next(NUMBERS)}.raw."
    config = tmp_path / "job.toml"
    config.write_text(
        f'[kafka]\nbootstrap = "{real.bootstrap}"\nraw_prefix = "{raw}"\n' + JOB.read_text()
    )
    assert main(["load", str(GOLDEN), "--pack", "--config", str(config)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in said] == [f"{raw}binance-0", f"{raw}coinbase-0"]
    assert all(re.search(r": \d+,\d{3} frames in \d records$", line) for line in said), said
    assert (
        replay_topics(settings.load(config, {}), tmp_path / "packs.duckdb", workers=2) == expected
    )
    assert main(["load", str(GOLDEN), "--append", "--pack", "--json", "--config", str(config)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["binance-0"]["frames"] > 1000 * told["binance-0"]["records"] > 0


@pytest.mark.parametrize("processes", [1, 2])
def test_a_broker_that_goes_away_in_mid_run_is_waited_for(job, real, tmp_path, processes):
    expected = replay(GOLDEN, tmp_path / "tapes.duckdb")
    shape = ("--from-topics", "--speed", "15x", "--processes", processes)
    running = started(tmp_path, job, *shape)
    time.sleep(4)
    real.stop()
    time.sleep(3)
    assert running.poll() is None
    real.start()
    assert running.wait(60) == 0, (tmp_path / "stderr").read_text()
    assert digest(tmp_path / "results.duckdb") == expected


def test_records_lost_to_retention_end_the_run_loudly(job, real, tmp_path):
    real.delete_records(f"{job.kafka.raw_prefix}binance", 0, 100)
    running = started(tmp_path, job, "--from-topics")
    assert running.wait(60) == 1
    (line,) = (tmp_path / "stderr").read_text().strip().splitlines()[-1:]
    assert f"{job.kafka.raw_prefix}binance partition 0: offset 0 should come next" in line
    assert "deleted" in line


def test_a_topic_with_new_partitions_is_said_at_the_next_start(job, real, tmp_path):
    assert started(tmp_path, job, "--from-topics").wait(60) == 0
    before = digest(tmp_path / "results.duckdb")
    topic = f"{job.kafka.raw_prefix}binance"
    real.admin().create_partitions([NewPartitions(topic, 2)])[topic].result()
    time.sleep(1)
    assert started(tmp_path, job, "--from-topics").wait(60) == 0
    assert "partition binance-1 is new to this state" in (tmp_path / "stderr").read_text()
    assert digest(tmp_path / "results.duckdb") == before


def test_a_log_that_was_made_anew_under_a_state_is_refused(job, real, tmp_path):
    assert started(tmp_path, job, "--from-topics").wait(60) == 0
    fewer = job.model_copy(
        update={
            "kafka": job.kafka.model_copy(update={"raw_prefix": f"{job.kafka.raw_prefix}again."})
        }
    )
    reader_factories = logs.reader_factories(
        logs.tapes([REFERENCE / "golden"], fewer), fewer, silent
    )
    loading.create(reader_factories, fewer, silent)
    pages = {name: loading.pages_of(opened) for name, opened in reader_factories.items()}
    loading.load(
        {name: itertools.islice(several, 1) for name, several in pages.items()}, fewer, silent
    )
    running = started(tmp_path, fewer, "--from-topics")
    assert running.wait(60) == 1
    assert "beyond the end" in (tmp_path / "stderr").read_text().strip().splitlines()[-1]


def test_a_topic_that_is_not_there_is_named_with_those_that_are(job, tmp_path):
    wrong = job.model_copy(update={"kafka": job.kafka.model_copy(update={"raw_prefix": "wrong."})})
    with pytest.raises(TapeflowError, match=r"no topic wrong\.binance .*; the topics there: "):
        replay_topics(wrong, tmp_path / "results.duckdb")
