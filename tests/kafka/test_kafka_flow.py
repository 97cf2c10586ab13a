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
from tapeflow.flows.run.log import reader_factories
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.flows.run.topics import create_raw_topics, load_pages, read_pages
from tapeflow.schemas.errors import TapeflowError
from tests.running import (
    JOB,
    REFERENCE,
    ROOT,
    digest,
    job_of,
    job_text,
    replay,
    replay_topics,
    silent,
)

pytestmark = pytest.mark.kafka
GOLDEN = REFERENCE / "golden-heartbeat"
JOB_NUMBERS = itertools.count()


@pytest.fixture
def job(real):
    """Return the reference job, with its tapes loaded into topics of its own."""
    number = next(JOB_NUMBERS)
    kafka = job_of().kafka.model_copy(
        update={
            "bootstrap": real.bootstrap,
            "raw_prefix": f"flow{number}.raw.",
            "fact_prefix": f"flow{number}.",
        }
    )
    job = job_of().model_copy(update={"kafka": kafka})
    factories = reader_factories(find_tapes([GOLDEN], job), job, silent)
    create_raw_topics(factories, job, silent)
    load_pages({name: read_pages(factory) for name, factory in factories.items()}, job, silent)
    return job


def start_run(folder, job, *options, command="replay"):
    """Start a run in a process of its own."""
    config = folder / "job.toml"
    config.write_text(
        job_text(
            '[recovery]\nepoch = "100ms"\n[kafka]\n'
            f'bootstrap = "{job.kafka.bootstrap}"\nraw_prefix = "{job.kafka.raw_prefix}"\n'
            f'fact_prefix = "{job.kafka.fact_prefix}"\n',
            source='page_records = 50\nmax_lead = "2s"\n',
        )
    )
    arguments = [
        sys.executable, "-m", "tapeflow", command, "--config", config, "--state", folder / "state",
        "--results", folder / "results.duckdb", *options,
    ]  # fmt: skip
    with (folder / "stderr").open("ab") as errors:
        return subprocess.Popen(
            list(map(str, arguments)), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=errors
        )


def test_a_real_kafka_gives_the_same_digest_as_tapes_and_keeps_all_facts(job, tmp_path):
    expected = replay(GOLDEN, tmp_path / "tapes.duckdb")
    results = tmp_path / "results.duckdb"
    assert replay_topics(job, results, workers=2, publish=True) == expected
    verdicts = check_topics(results, job, silent)
    assert all(verdict.equal for verdict in verdicts), verdicts


def test_packs_loaded_by_the_command_give_the_same_digest_as_tapes(real, tmp_path, capsys):
    expected = replay(GOLDEN, tmp_path / "tapes.duckdb")
    raw = f"packs{next(JOB_NUMBERS)}.raw."
    config = tmp_path / "job.toml"
    config.write_text(
        f'[kafka]\nbootstrap = "{real.bootstrap}"\nraw_prefix = "{raw}"\n' + JOB.read_text()
    )
    assert main(["load", str(GOLDEN), "--pack", "--config", str(config)]) == 0
    notices = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in notices] == [f"{raw}binance-0", f"{raw}coinbase-0"]
    assert all(re.search(r": \d+,\d{3} frames in \d records$", line) for line in notices), notices
    assert (
        replay_topics(settings.load(config, {}), tmp_path / "packs.duckdb", workers=2) == expected
    )
    load = ["load", str(GOLDEN), "--pack", "--json", "--config", str(config)]
    assert main([*load, "--append"]) == 1, "the log would go back to its beginning"
    assert "Nothing is loaded" in capsys.readouterr().err
    config.write_text(config.read_text().replace(raw, f"other.{raw}"))
    assert main(load) == 0
    counts = json.loads(capsys.readouterr().out)
    assert counts["binance-0"]["frames"] > 1000 * counts["binance-0"]["records"] > 0


@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_waits_for_a_broker_that_goes_away(job, real, tmp_path, processes):
    expected = replay(GOLDEN, tmp_path / "tapes.duckdb")
    options = ("--from-topics", "--speed", "15x", "--processes", processes)
    running = start_run(tmp_path, job, *options)
    time.sleep(4)
    real.stop()
    time.sleep(3)
    assert running.poll() is None
    real.start()
    assert running.wait(60) == 0, (tmp_path / "stderr").read_text()
    assert digest(tmp_path / "results.duckdb") == expected


def test_a_topic_whose_head_retention_has_deleted_is_read_from_what_is_there(job, real, tmp_path):
    real.delete_records(f"{job.kafka.raw_prefix}binance", 0, 100)
    assert start_run(tmp_path, job, "--from-topics").wait(60) == 0
    assert (
        f"{job.kafka.raw_prefix}binance partition 0 is read from offset 100, the first one there: "
        "those before have been deleted" in (tmp_path / "stderr").read_text()
    )


def test_new_partitions_of_a_topic_are_reported_at_the_next_start(job, real, tmp_path):
    assert start_run(tmp_path, job, "--from-topics").wait(60) == 0
    before = digest(tmp_path / "results.duckdb")
    topic = f"{job.kafka.raw_prefix}binance"
    real.admin().create_partitions([NewPartitions(topic, 2)])[topic].result()
    time.sleep(1)
    assert start_run(tmp_path, job, "--from-topics").wait(60) == 0
    assert "partition binance-1 is new to this state" in (tmp_path / "stderr").read_text()
    assert digest(tmp_path / "results.duckdb") == before


def test_a_state_refuses_a_recreated_log(job, real, tmp_path):
    assert start_run(tmp_path, job, "--from-topics").wait(60) == 0
    recreated = job.model_copy(
        update={
            "kafka": job.kafka.model_copy(update={"raw_prefix": f"{job.kafka.raw_prefix}again."})
        }
    )
    factories = reader_factories(find_tapes([REFERENCE / "golden"], recreated), recreated, silent)
    create_raw_topics(factories, recreated, silent)
    pages = {name: read_pages(factory) for name, factory in factories.items()}
    load_pages(
        {name: itertools.islice(several, 1) for name, several in pages.items()}, recreated, silent
    )
    running = start_run(tmp_path, recreated, "--from-topics")
    assert running.wait(60) == 1
    assert "beyond the end" in (tmp_path / "stderr").read_text().strip().splitlines()[-1]


def test_the_error_of_an_unknown_topic_lists_the_known_ones(job, tmp_path):
    wrong = job.model_copy(update={"kafka": job.kafka.model_copy(update={"raw_prefix": "wrong."})})
    with pytest.raises(TapeflowError, match=r"no topic wrong\.binance .*; the topics there: "):
        replay_topics(wrong, tmp_path / "results.duckdb")
