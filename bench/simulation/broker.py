"""An embedded broker in a process of its own, with the log of a case in its raw topics."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.simulation.case import Case
from tapeflow.connectors.kafka.embedded import EMBEDDED_CONSUMER, EmbeddedBroker
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run import topics
from tapeflow.schemas.batches import Page

BYTES_MAX = 2_000_000  # of frames: the embedded broker forgets older ones


def fits(case: Case) -> bool:
    """Return whether a broker can hold the log of a case: Kafka's time begins at 1 ms."""
    records = [each for several in case.log.values() for each in several]
    begins = min((each.log_ns for each in records), default=0)
    return begins >= 10**6 and sum(len(each.frame) for each in records) < BYTES_MAX


@contextmanager
def loaded_broker(case: Case, job: Job, packed: tuple[bool, ...]) -> Iterator[str]:
    """Run a broker with the log of a case; yield its address.

    The log is written in as many parts as `packed` says: packed or not.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        serve(case, job, packed, writing)
    os.close(writing)
    try:
        with os.fdopen(reading) as pipe:
            address = pipe.readline().strip()
        assert address, "the broker has not started"
        yield address
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def serve(case: Case, job: Job, packed: tuple[bool, ...], pipe: int) -> None:
    """Load the topics, send the broker's address through a pipe, and serve until killed."""
    try:
        with EmbeddedBroker() as broker:
            kafka = {"bootstrap": broker.bootstrap, "client": EMBEDDED_CONSUMER}
            job = job.model_copy(update={"kafka": job.kafka.model_copy(update=kafka)})
            for topic, partitions in topics.partition_counts(case.log, job).items():
                broker.create_topic(topic, partitions)
            for number, pack in enumerate(packed):
                part = {name: pages_of(case, name, number, len(packed)) for name in case.log}
                topics.load_pages(part, job, lambda _: None, append=number > 0, pack=pack)
            os.write(pipe, f"{broker.bootstrap}\n".encode())
            os.close(pipe)
            while True:
                time.sleep(60)
    finally:
        os._exit(1)


def pages_of(case: Case, name: str, number: int, parts: int) -> list[Page]:
    """Return one of several parts of a partition, as at most one page."""
    records = case.log[name]
    begin, end = (len(records) * each // parts for each in (number, number + 1))
    several = records[begin:end]
    if not several:
        return []
    times, frames = [each.log_ns for each in several], [each.frame for each in several]
    return [Page.from_frames(name, begin, times, frames)]


def with_broker(job: dict[str, Any], address: str) -> dict[str, Any]:
    """Return a job that reads from a broker."""
    client = {f'"{key}"': value for key, value in EMBEDDED_CONSUMER.items()}
    return {**job, "kafka": {"bootstrap": address, "client": client}}
