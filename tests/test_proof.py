"""A state goes on only in the log that it has read: tapes and topics replaced under it are refused."""

import gzip
import itertools
import pickle
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.connectors.kafka.embedded import EMBEDDED_CONSUMER
from tapeflow.connectors.source import source
from tapeflow.connectors.source.proof import FRAMES, Trail
from tapeflow.flows.run import log
from tapeflow.flows.run.log import open_reader
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.raw_topics import find_topics
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.tape_files import TapeFiles, find_tapes
from tapeflow.flows.run.topics import fact_topics, load_pages, read_pages
from tapeflow.schemas.batches import Page
from tapeflow.schemas.errors import StoppedError, TapeflowError
from tests.kafka.faulty_broker import FaultyBroker
from tests.running import digest, job_of, load_parts, replay, silent

T = 1_700_000_000_000  # ms
RECORDS = 200
FRESH = r"fresh --state"


def trade(number, price=37000, quantity="0.01"):
    time_ms = T + number * 1000
    return (
        b'{"e":"trade","E":%d,"s":"BTCUSDT","t":%d,"p":"%d.00","q":"%b","T":%d,"m":true,"M":true}'
        % (time_ms, number, price, quantity.encode(), time_ms)
    )


def records(count=RECORDS, change=lambda _number, frame: frame, beats=1):
    """So many trades, one a second, and `beats` heartbeats behind each: log times and frames."""
    out = []
    for number in range(count):
        log_ns = (T + number * 1000 + 40) * 10**6
        out.append((log_ns, change(number, trade(number))))
        out += [(log_ns + (beat + 1) * 10**6, b"") for beat in range(beats)]
    return out


def as_text(path, rows):
    text = b"".join(b"%d %b\n" % row if row[1] else b"%d\n" % row[0] for row in rows)
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


def as_parquet(path, rows, group=70):
    columns = {"log_ns": [row[0] for row in rows], "frame": pa.array([row[1] for row in rows])}
    pq.write_table(pa.table(columns), path, row_group_size=group)


FORMS = {"binance-0.tape": as_text, "binance-0.tape.gz": as_text, "binance-0.parquet": as_parquet}


def change_prices(number, frame):
    return frame.replace(b"37000", b"38000")


def other_quantities(number, frame):
    return frame.replace(b"0.01", b"0.011")


# --- one reader ---------------------------------------------------------------------------------


def reader_of(path, position=None, notify=silent, page=33):
    job = job_of(source={"page_records": page})
    return open_reader("binance-0", TapeFiles((path,)), job, notify, position)


def read_some(reader, pages):
    """Read so many pages: offset, log time and frame of each record."""
    rows = []
    for _ in range(pages):
        page = reader.read()
        if page is None:
            break
        rows += rows_of(page)
    return rows


def rows_of(page):
    return [
        (page.first_offset + row, int(page.log_ns[row]), page.frame(row))
        for row in range(len(page.log_ns))
    ]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("pages", [0, 1, 5, 100])
@pytest.mark.parametrize("page", [1, 7, 500])
def test_an_unchanged_tape_goes_on_anywhere_also_in_other_pages(tmp_path, form, pages, page):
    path = tmp_path / form
    FORMS[form](path, records())
    whole = read_some(reader_of(path), 999)
    assert len(whole) == 2 * RECORDS
    reader = reader_of(path)
    before = read_some(reader, pages)
    position = pickle.loads(pickle.dumps(reader.position()))
    again = reader_of(path, position if before else None, page=page)
    assert before + read_some(again, 999) == whole
    assert again.ended


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("change", [change_prices, other_quantities])
def test_a_tape_of_other_content_is_refused_in_one_line(tmp_path, form, change):
    path = tmp_path / form
    FORMS[form](path, records())
    for pages in (1, 3, 100):
        reader = reader_of(path)
        read_some(reader, pages)
        FORMS[form](path, records(change=change))
        with pytest.raises(TapeflowError, match=FRESH) as raised:
            read_some(reader_of(path, reader.position()), 999)
        assert "\n" not in str(raised.value) and form in str(raised.value)
        FORMS[form](path, records())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("beats", [0, 1, 40])
def test_heartbeats_of_the_same_clock_prove_nothing(tmp_path, form, beats):
    path = tmp_path / form
    FORMS[form](path, records(beats=beats))
    reader = reader_of(path, page=1)
    read_some(reader, 3 * (beats + 1))
    FORMS[form](path, records(beats=beats, change=change_prices))
    with pytest.raises(TapeflowError, match=r"record \d+ differs"):
        read_some(reader_of(path, reader.position()), 999)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("left", [0, 1, 60, 131])
def test_a_tape_cut_before_the_position_is_refused_in_one_line(tmp_path, form, left):
    path = tmp_path / form
    FORMS[form](path, records())
    reader = reader_of(path)
    read_some(reader, 4)
    FORMS[form](path, records()[:left])
    with pytest.raises(TapeflowError, match=FRESH) as raised:
        read_some(reader_of(path, reader.position()), 999)
    assert "\n" not in str(raised.value) and form in str(raised.value)


@pytest.mark.parametrize("form", FORMS)
def test_a_tape_cut_at_the_position_or_grown_behind_it_goes_on(tmp_path, form):
    path = tmp_path / form
    FORMS[form](path, records())
    reader = reader_of(path)
    read_some(reader, 4)
    for count in (132, 300, 2 * RECORDS):
        FORMS[form](path, records()[:count])
        assert len(read_some(reader_of(path, reader.position()), 999)) == count - 132


def test_a_position_in_another_form_is_refused_and_a_compressed_one_is_not(tmp_path):
    for form, write in FORMS.items():
        write(tmp_path / form, records())
    reader = reader_of(tmp_path / "binance-0.tape")
    read_some(reader, 3)
    assert len(read_some(reader_of(tmp_path / "binance-0.tape.gz", reader.position()), 999)) == 301
    for one, other in (("tape", "parquet"), ("parquet", "tape.gz")):
        reader = reader_of(tmp_path / f"binance-0.{one}")
        read_some(reader, 3)
        with pytest.raises(TapeflowError, match=r"^partition binance-0: the state has read .*now:"):
            reader_of(tmp_path / f"binance-0.{other}", reader.position())


def test_row_groups_are_no_content(tmp_path):
    path = tmp_path / "binance-0.parquet"
    as_parquet(path, records())
    reader = reader_of(path)
    before = read_some(reader, 3)
    as_parquet(path, records(), group=11)
    assert len(before + read_some(reader_of(path, reader.position()), 999)) == 2 * RECORDS


@pytest.mark.parametrize("form", FORMS)
def test_parts_that_are_gone_or_come_before_are_refused_and_new_ones_behind_are_read(
    tmp_path, form
):
    ending = form.partition(".")[2]
    rows = records()
    parts = [tmp_path / f"binance-0.{number}.{ending}" for number in range(4)]
    for number, part in enumerate(parts):
        FORMS[form](part, rows[number * 100 : number * 100 + 100])
    job = job_of(source={"page_records": 33})

    def open_files(files, position=None):
        return open_reader("binance-0", TapeFiles(tuple(files)), job, silent, position)

    reader = open_files(parts[:2])
    before = read_some(reader, 5)
    assert 100 < len(before) < 200
    assert before + read_some(open_files(parts, reader.position()), 999) == read_some(
        open_files(parts), 99
    )
    for files in (parts[:1], parts[1:], [parts[2], *parts[:2]], [parts[0], parts[2], parts[3]]):
        with pytest.raises(TapeflowError, match=FRESH) as raised:
            read_some(open_files(files, reader.position()), 999)
        assert "\n" not in str(raised.value)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, 3).map(lambda size: b"x" * size), min_size=1, max_size=80),
    st.lists(st.integers(1, 30), min_size=1, max_size=9),
)
def test_a_trail_keeps_the_last_frames_and_where_to_read_them_again(frames, sizes):
    trail, at = Trail(), 0
    for size in itertools.islice(itertools.cycle(sizes), 100):
        part = frames[at : at + size]
        if not part:
            break
        trail.add(Page.from_frames("p-0", at, [at + row for row in range(len(part))], part), at)
        at += len(part)
    offsets = [offset for offset, _ in trail.hashes()]
    framed = [offset for offset, frame in enumerate(frames) if frame]
    assert offsets == sorted({*framed[-FRAMES:], len(frames) - 1})
    assert trail.origin() <= offsets[0]


# --- a whole run --------------------------------------------------------------------------------

JOB = job_of(source={"page_records": 20}, recovery={"epoch": 10_000_000})


def stop_after(monkeypatch, records):
    """Stop the run once the first partition was read so far, as a signal would."""
    opened = log.open_reader

    def counting(name, *arguments):
        reader = opened(name, *arguments)
        inner, left = reader.read, [records]

        def read():
            page = inner()
            left[0] -= len(page.log_ns) if page is not None else 0
            if name == "binance-0" and left[0] <= 0:
                source.STOP_REQUESTED.set()
            return page

        reader.read = read
        return reader

    monkeypatch.setattr(log, "open_reader", counting)


def run_on(folder, logs, job=JOB, notify=silent, **shape):
    results = folder / "results.duckdb"
    plan = Plan(command="t", log=logs, job=job, results=results, state=folder / "state", **shape)
    run_plan(plan, silent, notify)
    return digest(results)


def stopped(folder, logs, monkeypatch, job=JOB, records=100):
    with monkeypatch.context() as patch, pytest.raises(StoppedError):
        stop_after(patch, records)
        run_on(folder, logs, job)


def write_tapes(folder, form="binance-0.tape", **changes):
    folder.mkdir(exist_ok=True)
    FORMS[form](folder / form, records(**changes))
    as_text(folder / "coinbase-0.tape", records())  # of frames that are not Coinbase's
    return folder


SHAPES = [("binance-0.tape", {"processes": 2}), *((form, {"workers": 2}) for form in FORMS)]


@pytest.mark.parametrize(("form", "shape"), SHAPES, ids=str)
def test_a_tape_replaced_under_a_state_is_refused_in_every_shape(
    tmp_path, monkeypatch, form, shape
):
    tapes = write_tapes(tmp_path / "tapes", form)
    expected = replay(tapes, tmp_path / "whole.duckdb", JOB)
    stopped(tmp_path, find_tapes([tapes], JOB), monkeypatch)
    write_tapes(tapes, form, change=change_prices)
    with pytest.raises(TapeflowError, match=rf"{form} is not the log .*{FRESH}"):
        run_on(tmp_path, find_tapes([tapes], JOB), **shape)
    write_tapes(tapes, form)
    assert run_on(tmp_path, find_tapes([tapes], JOB), **shape) == expected


def test_a_tape_that_was_read_to_its_end_is_proven_too(tmp_path, monkeypatch):
    tapes = write_tapes(tmp_path / "tapes")
    log_of = find_tapes([tapes], JOB)
    run_on(tmp_path, log_of)
    write_tapes(tapes, change=change_prices)
    with pytest.raises(TapeflowError, match=rf"is not the log .*{FRESH}"):
        run_on(tmp_path, log_of)
    write_tapes(tapes, count=RECORDS - 1)
    with pytest.raises(TapeflowError, match=rf"is not the log .*{FRESH}"):
        run_on(tmp_path, log_of)
    lines = []
    write_tapes(tapes, count=RECORDS + 1)
    run_on(tmp_path, log_of, notify=lines.append)
    assert any("binance-0.tape has grown since" in line for line in lines)


# --- topics -------------------------------------------------------------------------------------


@pytest.fixture
def topics():
    """A broker, and the job that reads from it."""
    with FaultyBroker() as broker:
        kafka = {"bootstrap": broker.bootstrap, "client": EMBEDDED_CONSUMER}
        job = job_of(source={"page_records": 20}, recovery={"epoch": 10_000_000}, kafka=kafka)
        for topic, partitions in fact_topics(job).items():
            broker.create_topic(topic, partitions)
        for venue in ("binance", "coinbase"):
            broker.create_topic(f"raw.{venue}", 1)
        yield broker, job


def load_again(broker, job, tapes, packed):
    for venue in ("binance", "coinbase"):
        broker.delete_topic(f"raw.{venue}")
        broker.create_topic(f"raw.{venue}", 1)
    load_parts(find_tapes([tapes], job), job, packed)


@pytest.mark.parametrize(
    ("packed", "shape"),
    [((False,), {"processes": 2}), ((True,), {}), ((False, True), {"workers": 2})],
    ids=str,
)
def test_a_topic_made_anew_with_the_same_times_is_refused(
    tmp_path, monkeypatch, topics, packed, shape
):
    broker, job = topics
    tapes = write_tapes(tmp_path / "tapes")
    expected = replay(tapes, tmp_path / "whole.duckdb", job)
    load_parts(find_tapes([tapes], job), job, packed)
    stopped(tmp_path, find_topics(job, silent, tail=False), monkeypatch, job)
    for changes in (
        {"change": change_prices},
        {"change": change_prices, "count": RECORDS + 50},
        {"count": 9},
    ):
        load_again(broker, job, write_tapes(tmp_path / "other", **changes), packed)
        with pytest.raises(TapeflowError, match=FRESH) as raised:
            run_on(tmp_path, find_topics(job, silent, tail=False), job, **shape)
        assert "\n" not in str(raised.value) and "raw.binance" in str(raised.value)
    load_again(broker, job, tapes, packed)
    assert run_on(tmp_path, find_topics(job, silent, tail=False), job, **shape) == expected


def test_a_shorter_topic_is_refused_where_it_is_followed(tmp_path, monkeypatch, topics):
    broker, job = topics
    load_parts(find_tapes([write_tapes(tmp_path / "tapes")], job), job, (False,))
    stopped(tmp_path, find_topics(job, silent, tail=False), monkeypatch, job)
    load_again(broker, job, write_tapes(tmp_path / "other", count=25), (False,))
    with pytest.raises(TapeflowError, match=rf"raw.binance.*created again.*{FRESH}"):
        run_on(tmp_path, find_topics(job, silent, tail=True), job)


@pytest.mark.parametrize("before", [20, 60, 100])
def test_a_topic_whose_read_records_are_deleted_goes_on_and_says_what_is_not_proven(
    tmp_path, monkeypatch, topics, before
):
    broker, job = topics
    tapes = write_tapes(tmp_path / "tapes")
    expected = replay(tapes, tmp_path / "whole.duckdb", job)
    load_parts(find_tapes([tapes], job), job, (False,))
    stopped(tmp_path, find_topics(job, silent, tail=False), monkeypatch, job)
    broker.delete_records("raw.binance", 0, before)
    lines = []
    assert run_on(tmp_path, find_topics(job, silent, tail=False), job, lines.append) == expected
    notified = [line for line in lines if "nothing proves" in line]
    assert len(notified) == (before > 68)


def test_a_topic_whose_next_record_is_deleted_is_refused(tmp_path, monkeypatch, topics):
    broker, job = topics
    load_parts(find_tapes([write_tapes(tmp_path / "tapes")], job), job, (False,))
    stopped(tmp_path, find_topics(job, silent, tail=False), monkeypatch, job)
    broker.delete_records("raw.binance", 0, 150)
    with pytest.raises(TapeflowError, match="older records were deleted"):
        run_on(tmp_path, find_topics(job, silent, tail=False), job)


def test_tapes_appended_to_a_topic_must_follow_what_is_there(tmp_path, topics):
    _, job = topics
    tapes = find_tapes([write_tapes(tmp_path / "tapes")], job)
    load_parts(tapes, job, (False,))
    with pytest.raises(
        TapeflowError, match=r"raw\.\w+ partition 0 has reached .*Nothing is loaded"
    ):
        load_appended(tapes, job)
    bounds = {name: part.end for name, part in find_topics(job, silent, tail=False).items()}
    assert bounds == {"binance-0": 2 * RECORDS, "coinbase-0": 2 * RECORDS}


def load_appended(tapes, job):
    factories = log.reader_factories(tapes, job, silent)
    pages = {name: read_pages(factory) for name, factory in factories.items()}
    load_pages(pages, job, silent, append=True)


def test_the_copies_of_a_tape_are_one_content(tmp_path, monkeypatch):
    tapes = write_tapes(tmp_path / "tapes")
    expected = replay(tapes, tmp_path / "whole.duckdb", JOB)
    stopped(tmp_path, find_tapes([tapes], JOB), monkeypatch)
    shutil.copytree(tapes, tmp_path / "copy")
    assert run_on(tmp_path, find_tapes([tmp_path / "copy"], JOB)) == expected
