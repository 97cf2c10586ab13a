"""Running the flow in tests: from tapes, or through the embedded Kafka."""

import subprocess
import sys
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from tapeflow.connectors.duckdb import query as duckdb_query
from tapeflow.connectors.kafka.embedded import EMBEDDED_CONSUMER, EmbeddedBroker
from tapeflow.flows.job import settings
from tapeflow.flows.run.log import reader_factories
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.raw_topics import find_topics
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.flows.run.topics import fact_topics, load_pages, partition_counts, read_pages

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "tests" / "reference"
JOB = ROOT / "jobs" / "reference.toml"


def silent(_line):
    pass


def job_of(path=JOB, **sections):
    """The job, with some settings changed: job_of(source={"page_records": 7})."""
    job = settings.load(path, {})
    changed = {name: getattr(job, name).model_copy(update=to) for name, to in sections.items()}
    return job.model_copy(update=changed)


def job_text(before="", *, source=""):
    """The text of the job: sections before it, and lines added to its section `source`."""
    return before + JOB.read_text().replace("[source]\n", f"[source]\n{source}")


def replay(tapes, results, job=None, workers=1):
    """Replay tapes; the digest of what came of them."""
    job = job or job_of()
    log = find_tapes([tapes], job)
    plan = Plan(command="test", log=log, job=job, results=results, workers=workers)
    run_plan(plan, silent, silent)
    return digest(results)


def digest(results):
    return duckdb_query.digest(duckdb_query.digests(results))


@contextmanager
def loaded(tapes, job=None, packed=(False,)):
    """The tapes in the raw topics of an embedded broker: the job that reads them there.

    In as many parts as `packed` says, one behind the other: packed or not.
    """
    job = job or job_of()
    with EmbeddedBroker() as broker:
        job = job.model_copy(
            update={
                "kafka": job.kafka.model_copy(
                    update={"bootstrap": broker.bootstrap, "client": EMBEDDED_CONSUMER}
                )
            }
        )
        log = find_tapes([tapes], job)
        for topic, partitions in {**partition_counts(log, job), **fact_topics(job)}.items():
            broker.create_topic(topic, partitions)
        load_parts(log, job, packed)
        yield job


def load_parts(log, job, packed):
    """Load a log in parts, each behind the one before: packed or not."""
    small = job.model_copy(update={"source": job.source.model_copy(update={"page_records": 50})})
    factories = reader_factories(log, small if len(packed) > 1 else job, silent)
    pages = {name: list(read_pages(factory)) for name, factory in factories.items()}
    for number, pack in enumerate(packed):
        parts = {name: in_parts(several, len(packed))[number] for name, several in pages.items()}
        load_pages(parts, job, silent, append=number > 0, pack=pack)


def in_parts(items, count):
    """The items in so many runs of about the same length."""
    edges = [len(items) * number // count for number in range(count + 1)]
    return [items[lo:hi] for lo, hi in pairwise(edges)]


def replay_topics(job, results, workers=1, publish=False):
    """Replay the raw topics to their ends; the digest of what came of them."""
    log = find_topics(job, silent, tail=False)
    plan = Plan(command="test", log=log, job=job, results=results, workers=workers, publish=publish)
    run_plan(plan, silent, silent)
    return digest(results)


def script(name, *arguments):
    """Run a script of the reference job."""
    command = [sys.executable, str(REFERENCE / name), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def generated(folder, records, *options):
    """Fresh tapes of the reference job and their expected answer."""
    made = script("gen.py", records, folder / "tapes", *options)
    assert made.returncode == 0, made.stderr
    oracle = script("oracle.py", folder / "tapes", folder / "expected")
    assert oracle.returncode == 0, oracle.stderr
    return folder / "tapes", folder / "expected"
