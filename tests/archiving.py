"""Archiving in tests: a log of six hours in an embedded Kafka, and the command in a process."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

from msgspec.structs import replace

from tapeflow.connectors.kafka.embedded import EMBEDDED_CONSUMER, EmbeddedBroker
from tapeflow.flows.run import log, topics
from tapeflow.flows.run.tape_files import find_tapes
from tests.running import REFERENCE, ROOT, job_of, job_text, silent

GOLDEN = REFERENCE / "golden-heartbeat"
HOURS, STRETCH = 6, 150  # from 22:13 to 03:25


def pages_of_hours():
    """The golden tapes by partition, as if they had been recorded slowly, over six hours."""
    job = job_of()
    found = {}
    for name, factory in log.reader_factories(find_tapes([GOLDEN], job), job, silent).items():
        pages = list(topics.read_pages(factory))
        begin = int(pages[0].log_ns[0])
        found[name] = [
            replace(page, log_ns=begin + (page.log_ns - begin) * STRETCH) for page in pages
        ]
    return found


@contextmanager
def empty_topics():
    """The pages of six hours by partition, and a job whose broker has empty topics for them."""
    job, pages = job_of(), pages_of_hours()
    with EmbeddedBroker() as broker:
        kafka = {"bootstrap": broker.bootstrap, "client": EMBEDDED_CONSUMER}
        job = job.model_copy(update={"kafka": job.kafka.model_copy(update=kafka)})
        for topic, partitions in topics.partition_counts(pages, job).items():
            broker.create_topic(topic, partitions)
        yield pages, job


def archive(folder, job, *options, environment=()):
    """Start `tapeflow archive` on a folder; what it writes is in `folder`.out and .err."""
    config = folder.with_name("archive-job.toml")
    config.write_text(job_text('[recovery]\nepoch = "200ms"\n', source="page_records = 100\n"))
    command = [
        sys.executable, "-m", "tapeflow", "archive", folder, "--config", config,
        "--bootstrap", job.kafka.bootstrap, *options,
    ]  # fmt: skip
    with (
        folder.with_suffix(".out").open("ab") as output,
        folder.with_suffix(".err").open("ab") as errors,
    ):
        return subprocess.Popen(
            list(map(str, command)), cwd=ROOT, stdout=output, stderr=errors,
            start_new_session=True, env={**os.environ, **dict(environment)},
        )  # fmt: skip


def finish(running, folder, patience_s=120):
    """Wait for the end of the command: its exit code has to be 0."""
    try:
        code = running.wait(patience_s)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        raise AssertionError(f"it hangs: {folder.with_suffix('.err').read_text()}") from None
    assert code == 0, f"{code}: {folder.with_suffix('.err').read_text()[-2000:]}"


def hours_in(folder):
    """The bytes of every closed hour by name."""
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("[!.]*/*.parquet")
    }


def printed(folder):
    """The last line that the command printed, as JSON."""
    return json.loads(folder.with_suffix(".out").read_text().splitlines()[-1])
