"""Explanations whose frames come from topics: the same as from tapes, plain and packed."""

import itertools

import pytest

from tapeflow.connectors.duckdb.reading import ResultsReader
from tapeflow.flows.cli.main import main
from tapeflow.flows.explain import json_text, pages, topic
from tapeflow.flows.explain.explain import explain
from tapeflow.flows.explain.frames import Frames
from tapeflow.flows.run.log import reader_factories
from tapeflow.flows.run.raw_topics import find_topics
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.flows.run.topics import create_raw_topics, load_pages, read_pages
from tests.running import REFERENCE, job_of, loaded, replay, silent

GOLDEN = REFERENCE / "golden-heartbeat"
FORMS = [(False,), (True,), (False, True), (True, False)]
SOME = "SELECT id FROM fills ORDER BY hash(id) LIMIT 12"
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Return the results of a replay of the tapes."""
    path = tmp_path_factory.mktemp("explain") / "results.duckdb"
    replay(GOLDEN, path)
    return path


def explain_whole(reader, name, frames):
    """Return an explanation as JSON; all of its frames are there."""
    node = explain(reader, name)
    assert frames.fetch(node)
    return json_text.to_json(node)


def compare(results, job, tapes=GOLDEN):
    """Explain some fills and records from tapes and from the topics of a job: they are equal."""
    reader = ResultsReader(results)
    from_tapes = Frames(find_tapes([tapes], job), job, silent)
    from_topics = Frames(find_topics(job, silent, tail=False), job, silent)
    names = [row["id"] for row in reader.rows(SOME)]
    assert len(names) == 12
    for name in (*names, "binance-0:0", "binance-0:777"):
        found = explain_whole(reader, name, from_topics)
        assert found == explain_whole(reader, name, from_tapes)
        assert '"frame' in found


@pytest.mark.parametrize("packed", FORMS, ids=str)
def test_frames_of_topics_are_those_of_the_tapes(results, packed):
    with loaded(GOLDEN, packed=packed) as job:
        compare(results, job)


def test_a_topic_without_the_record_says_how_far_it_goes(results):
    with loaded(GOLDEN) as job:
        frames = Frames(find_topics(job, silent, tail=False), job, silent)
        node = explain(ResultsReader(results), "binance-0:9999999")
        assert not frames.fetch(node)
        assert "has binance-0 up to record" in node.faults[-1]


@pytest.fixture
def real_job(real):
    """Return the reference job, whose topics are on Apache Kafka."""
    prefix = f"explain{next(NUMBERS)}.raw."
    kafka = {"bootstrap": real.bootstrap, "raw_prefix": prefix}
    return job_of(kafka=kafka, source={"page_records": 100})


def load(job, *, pack):
    """Load the golden tapes into the topics of a job."""
    factories = reader_factories(find_tapes([GOLDEN], job), job, silent)
    create_raw_topics(factories, job, silent)
    pages = {name: read_pages(factory) for name, factory in factories.items()}
    load_pages(pages, job, silent, pack=pack)


@pytest.mark.kafka
@pytest.mark.parametrize("pack", [False, True])
def test_frames_of_apache_kafka_are_those_of_the_tapes(results, real_job, pack):
    load(real_job, pack=pack)
    compare(results, real_job)


@pytest.mark.kafka
def test_a_topic_without_packs_is_read_from_the_record_on(results, real_job, monkeypatch):
    """Of a topic without packs a record is read at its offset, and few behind it."""
    load(real_job, pack=False)
    read = []
    pages_of = pages.pages_of

    def count_records(reader):
        for page in pages_of(reader):
            read.append(len(page.log_ns))
            yield page

    monkeypatch.setattr(topic, "pages_of", count_records)
    reader = ResultsReader(results)
    dead = reader.rows('SELECT partition, "offset" AS o FROM dead_letters ORDER BY o DESC LIMIT 1')
    assert dead[0]["o"] > 2 * real_job.source.page_records
    node = explain(reader, f"{dead[0]['partition']}:{dead[0]['o']}")
    frames = Frames(find_topics(real_job, silent, tail=False), real_job, silent)
    assert frames.fetch(node)
    assert sum(read) <= 2 * real_job.source.page_records


@pytest.mark.kafka
def test_the_command_reads_the_topics_of_a_broker(results, real_job, tmp_path, capsys):
    path = tmp_path / "results.duckdb"
    load(real_job, pack=False)
    replay(GOLDEN, path, real_job)
    name = ResultsReader(path).rows(SOME)[0]["id"]
    broker = ["--bootstrap", real_job.kafka.bootstrap, "--results", str(path)]
    assert main(["explain", name, *broker]) == 0
    from_topics = capsys.readouterr().out
    assert main(["explain", name, "--from-topics", "--results", str(path)]) == 0
    assert capsys.readouterr().out == from_topics
    assert main(["explain", name, "--tapes", str(GOLDEN), "--results", str(path)]) == 0
    assert capsys.readouterr().out == from_topics
