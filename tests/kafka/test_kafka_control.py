"""Commands to a run that follows its topics: written by the command line, answered by the desk."""

import itertools
import subprocess
import sys
import time

import pytest

from tapeflow.connectors.kafka.sink import ReliableProducer
from tapeflow.flows.cli.main import main
from tapeflow.flows.job import settings
from tapeflow.flows.run.topics import create_fact_topics, create_raw_topics
from tests.control_log import JOB
from tests.frames import MS, binance_trade
from tests.running import ROOT, digest, replay_topics, silent

pytestmark = pytest.mark.kafka
NUMBERS = itertools.count()


def test_a_run_answers_commands_while_its_control_topic_is_quiet(real, tmp_path, capsys):
    prefix, key = f"control{next(NUMBERS)}.", tmp_path / "alice.key"
    assert main(["control", "keygen", str(key)]) == 0
    public = capsys.readouterr().out.partition('"')[2].partition('"')[0]
    old = JOB.partition('alice = "')[2].partition('"')[0]
    config = tmp_path / "job.toml"
    kafka = f'[kafka]\nbootstrap = "{real.bootstrap}"\nraw_prefix = "{prefix}raw."\nfact_prefix = "{prefix}"\n'
    config.write_text(kafka + JOB.replace(old, public))
    job = settings.load(config, {})
    create_raw_topics(["binance-0", "control-0"], job, silent)
    create_fact_topics(job, silent)
    results = tmp_path / "results.duckdb"
    with (tmp_path / "stderr").open("wb") as errors:
        running = subprocess.Popen(
            [sys.executable, "-m", "tapeflow", "run", "--config", str(config), "--results", str(results),
             "--heartbeats"],
            cwd=ROOT, stdout=subprocess.DEVNULL, stderr=errors,
        )  # fmt: skip
    try:
        producer = ReliableProducer(real.bootstrap)
        for number in range(30):
            now_ns = time.time_ns()
            frame = binance_trade(number + 1, at=now_ns - 5 * MS, price="100.00")
            producer.send(f"{prefix}raw.binance", frame, None, 0, timestamp=now_ns // MS)
        producer.flush()
        command = ["--config", str(config), "--key-file", str(key), "--scope", "account:main"]
        assert main(["control", "halt", *command, "--wait", "60s"]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == "DONE"
        assert main(["control", "halt", *command, "--wait", "60s"]) == 1
        assert "REFUSED NOTHING_TO_DO" in capsys.readouterr().out
        assert (
            main(
                ["control", "set-limit", "limit=gross_max", "value=9999", *command, "--wait", "60s"]
            )
            == 1
        )
        assert "REFUSED OUT_OF_BOUNDS" in capsys.readouterr().out
    finally:
        running.terminate()
        running.wait(60)
    key.unlink()
    first = replay_topics(job, tmp_path / "a.duckdb")
    assert replay_topics(job, tmp_path / "b.duckdb", workers=2) == first
    assert digest(tmp_path / "a.duckdb") == first
    assert main(["control", "halt", *command[:1], str(config), "--scope", "portfolio"]) == 2
