"""`tapeflow archive` over Kafka: in any shape, stopped, killed and continued, replayed."""

import os
import random
import signal
import threading
import time

import pytest

from bench.crashing import FAULTS
from bench.processes import children_of
from tapeflow.connectors.kafka.loader import Loader
from tapeflow.flows.run import topics
from tapeflow.schemas.batches import slice_page
from tests.archiving import HOURS, archive, empty_topics, finish, hours_in, printed
from tests.running import ROOT, job_of, replay, replay_topics, silent

SHAPES = [(1, 1), (1, 2), (2, 1), (2, 2)]  # processes, workers


def shape_of(processes, workers):
    return "--processes", processes, "--workers", workers


@pytest.fixture(scope="module")
def loaded_market():
    """A job over topics that hold six hours, packed here and there."""
    with empty_topics() as (pages, job):
        topics.load_pages(parts(pages, 0, 3), job, silent)
        topics.load_pages(parts(pages, 1, 3), job, silent, append=True, pack=True)
        topics.load_pages(parts(pages, 2, 3), job, silent, append=True)
        yield job


def parts(pages, number, count):
    """One of so many parts of the pages of each partition."""
    found = {}
    for name, several in pages.items():
        rows = sum(len(page.log_ns) for page in several)
        begin, end = rows * number // count, rows * (number + 1) // count
        found[name] = [
            slice_page(page, slice(max(begin - page.first_offset, 0), end - page.first_offset))
            for page in several
            if page.first_offset < end and page.next_offset > begin
        ]
    return found


@pytest.fixture(scope="module")
def unbroken(loaded_market, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken") / "archive"
    finish(archive(folder, loaded_market, "--to-end"), folder)
    return folder


def test_a_replay_of_an_archive_gives_the_digest_of_its_topics(unbroken, loaded_market, tmp_path):
    expected = replay_topics(loaded_market, tmp_path / "topics.duckdb")
    assert replay(unbroken, tmp_path / "archive.duckdb", job_of()) == expected
    (tmp_path / "renamed").symlink_to(unbroken)
    assert replay(tmp_path / "renamed", tmp_path / "link.duckdb", job_of(), workers=2) == expected


def test_every_hour_of_every_partition_is_a_file(unbroken):
    hours = hours_in(unbroken)
    assert len(hours) == 2 * HOURS
    assert "coinbase-0/2023-11-14T22.parquet" in hours
    assert {name.partition("/")[0] for name in hours} == {"binance-0", "coinbase-0"}


@pytest.mark.parametrize(("processes", "workers"), SHAPES[1:])
def test_an_archive_is_the_same_in_any_shape(unbroken, loaded_market, tmp_path, processes, workers):
    folder = tmp_path / "archive"
    shape = shape_of(processes, workers)
    finish(archive(folder, loaded_market, "--to-end", *shape), folder)
    assert hours_in(folder) == hours_in(unbroken)


def test_records_after_an_end_are_archived_by_the_next_run(tmp_path):
    folder = tmp_path / "archive"
    with empty_topics() as (pages, job):
        written = []
        for number in range(3):
            topics.load_pages(parts(pages, number, 3), job, silent, append=number > 0)
            finish(archive(folder, job, "--to-end", "--json"), folder)
            written.append(printed(folder))
        finish(archive(folder, job, "--to-end", "--json"), folder)
        assert printed(folder) == {"files": 0, "records": 0, "bytes": 0}
        whole = tmp_path / "whole"
        finish(archive(whole, job, "--to-end", "--json"), whole)
    assert hours_in(folder) == hours_in(whole)
    files = sum(each["files"] for each in written)
    assert 2 * HOURS < files <= 2 * HOURS + 4, "an hour that an end cuts is written again"
    assert written[0]["records"] > 4000


def test_without_its_state_an_archive_continues_after_its_last_file(
    unbroken, loaded_market, tmp_path
):
    folder = tmp_path / "archive"
    for name in hours_in(unbroken):
        if name < "binance-0/2023-11-15T01":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((unbroken / name).read_bytes())
    inodes = {name: (folder / name).stat().st_ino for name in hours_in(folder)}
    finish(archive(folder, loaded_market, "--to-end"), folder)
    assert hours_in(folder) == hours_in(unbroken)
    assert len(inodes) == 3
    assert {name: (folder / name).stat().st_ino for name in inodes} == inodes


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "workers"), [(1, 1), (2, 1)])
def test_a_stopped_archive_continues_and_waits_for_no_silent_partition(
    tmp_path, processes, workers
):
    folder = tmp_path / "archive"
    shape = shape_of(processes, workers)
    with empty_topics() as (pages, job):
        silence = {name: [] for name in pages if name == "coinbase-0"}
        topics.load_pages({**parts(pages, 0, 2), **silence}, job, silent)
        running = archive(folder, job, *shape)
        wait_for_hours(running, folder, HOURS // 2 - 1)
        running.send_signal(signal.SIGTERM)
        finish(running, folder, 10)
        assert not any("coinbase" in name for name in hours_in(folder))
        topics.load_pages({name: pages[name] for name in silence}, job, silent)
        running = archive(folder, job, *shape[2:])
        wait_for_hours(running, folder, HOURS // 2 - 1 + HOURS - 1)
        running.terminate()
        finish(running, folder, 10)
        finish(archive(folder, job, "--to-end"), folder)
        whole = tmp_path / "whole"
        finish(archive(whole, job, "--to-end"), whole)
    assert hours_in(folder) == hours_in(whole)


def wait_for_hours(running, folder, count):
    deadline = time.monotonic() + 60
    while len(hours_in(folder)) < count:
        assert time.monotonic() < deadline and running.poll() is None, "the hours never came"
        time.sleep(0.05)


class Growing(threading.Thread):
    """A log that is written while it is read."""

    def __init__(self, pages, job, seconds):
        super().__init__()
        self.loader = Loader(job.kafka.bootstrap, topics.kafka_partitions(pages, job), silent)
        self.pages, self.step_s = pages, seconds / 200

    def run(self):
        for number in range(200):
            for several in parts(self.pages, number, 200).values():
                for page in several:
                    self.loader.write(page)
            time.sleep(self.step_s)
        self.loader.finish()


@pytest.mark.slow
def test_ten_kills_of_an_archive_of_a_growing_log_change_nothing(tmp_path):
    draw, kills, folder = random.Random(11), 0, tmp_path / "archive"
    with empty_topics() as (pages, job):
        growing = Growing(pages, job, seconds=20)
        growing.start()
        while kills < 10:
            running = archive(folder, job, *shape_of(*draw.choice(SHAPES)))
            time.sleep(draw.uniform(1.0, 3.0))
            assert running.poll() is None, folder.with_suffix(".err").read_text()[-2000:]
            children = children_of(running.pid)
            if children and draw.random() < 0.4:  # one alone: the supervisor starts all again
                os.kill(draw.choice(children), signal.SIGKILL)
                kills += 1
                time.sleep(draw.uniform(1.0, 2.0))
            for child in [*children_of(running.pid), running.pid]:
                os.kill(child, signal.SIGKILL)
            running.wait()
            kills += 1
        growing.join()
        finish(archive(folder, job, "--to-end"), folder)
        expected = replay_topics(job, tmp_path / "topics.duckdb")
        whole = tmp_path / "whole"
        finish(archive(whole, job, "--to-end"), whole)
    assert hours_in(folder) == hours_in(whole)
    assert replay(folder, tmp_path / "archive.duckdb", job_of()) == expected


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_kills_at_any_system_call_of_the_archive_change_nothing(
    unbroken, loaded_market, tmp_path, seed
):
    draw, deaths, folder = random.Random(seed), 0, tmp_path / "archive"
    armed = tmp_path / "armed"
    paths = os.pathsep.join([str(FAULTS), str(ROOT)])
    environment = {"ARMED": str(armed), "PYTHONPATH": paths}
    while deaths < 8:
        armed.write_text(f"archive {draw.randint(1, 15)}")
        shape = shape_of(*draw.choice(SHAPES))
        running = archive(folder, loaded_market, "--to-end", *shape, environment=environment)
        code = running.wait(120)
        if armed.read_text():
            break  # it came to the end first
        deaths += 1
        assert code in (0, -signal.SIGKILL), folder.with_suffix(".err").read_text()[-2000:]
    finish(archive(folder, loaded_market, "--to-end"), folder)
    assert deaths >= 3
    assert hours_in(folder) == hours_in(unbroken)
