"""One log with a clock that steps gives one answer: as text, Parquet, topics, packs or archive."""

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tapeflow.connectors.tapes.text import TapeReader
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.raw_topics import find_topics
from tapeflow.flows.run.run import run_plan
from tests.running import job_of, loaded, replay, replay_topics, silent

T = 1_700_000_000_000  # ms
STEP = {"step": 600 * 10**9}
COUNTS = "SELECT sum(accepted), sum(stepped_back), sum(stepped_ahead) FROM data_quality_minutes"


def trade(number, time_ms):
    return (
        b'{"e":"trade","E":%d,"s":"BTCUSDT","t":%d,"p":"37000.00","q":"0.01","T":%d,"m":true,"M":true}'
        % (time_ms, number, time_ms)
    )


def write_tape(path, odd):
    """Two hundred trades, one a second; the log times of some are off by so many ms."""
    lines = [
        b"%d000000 %b"
        % (T + number * 1000 + 40 + odd.get(number, 0), trade(number, T + number * 1000))
        for number in range(200)
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")


LOGS = {
    "three a little back": {31: -1500, 32: -2500, 100: -59_000},
    "one far back": {50: -300_000},
    "one a year ahead": {50: 365 * 86_400_000},
    "the first a year ahead": {0: 365 * 86_400_000},
    "the last a year ahead": {199: 365 * 86_400_000},
}


@pytest.fixture(params=LOGS, scope="module")
def tapes(request, tmp_path_factory):
    """Tapes of a log, named by the fixture's parameter."""
    folder = tmp_path_factory.mktemp("tapes")
    write_tape(folder / "binance-0.tape", LOGS[request.param])
    write_tape(folder / "coinbase-0.tape", {})  # of frames that are not Coinbase's
    return folder


def as_parquet(tapes, folder):
    for path in tapes.iterdir():
        page = TapeReader("b", (path,), 1000, None).read()
        frames = [page.frame(number) for number in range(len(page.log_ns))]
        times = pa.array(page.log_ns // 1000).cast(pa.timestamp("us"))
        table = pa.table({"log_ns": times, "frame": frames})
        pq.write_table(table, folder / f"{path.stem}.parquet", row_group_size=70)
    return folder


def test_every_door_gives_the_same_answer_and_counts_what_was_held(request, tapes, tmp_path):
    believed = request.node.callspec.params["tapes"] == "the last a year ahead"
    job = job_of(source={**STEP, "page_records": 33}, bars={"lateness": 0})
    expected = replay(tapes, tmp_path / "text.duckdb", job)
    with duckdb.connect(str(tmp_path / "text.duckdb")) as con:
        accepted, back, ahead = con.execute(COUNTS).fetchone()
        (newest,) = con.execute("SELECT max(time) FROM data_quality_minutes").fetchone()
    assert accepted == 200
    assert (back, ahead) in ({(0, 0)} if believed else {(3, 0), (1, 0), (0, 1)})
    assert newest.year == (2024 if believed else 2023)
    (tmp_path / "parquet").mkdir()
    parquet = as_parquet(tapes, tmp_path / "parquet")
    small = job_of(source={**STEP, "page_records": 7}, bars={"lateness": 0})
    assert replay(parquet, tmp_path / "parquet.duckdb", small, workers=2) == expected
    for number, packed in enumerate([(False,), (True,), (False, True)]):
        with loaded(tapes, job, packed) as topics:
            result = tmp_path / f"{number}.duckdb"
            assert replay_topics(topics, result) == expected
            folder = tmp_path / f"archive-{number}"
            log = find_topics(topics, silent, tail=False)
            plan = Plan(flow="archive", command="archive", log=log, job=topics, results=folder)
            run_plan(plan, silent, silent)
            assert replay(folder, tmp_path / f"archive-{number}.duckdb", small) == expected


@pytest.mark.parametrize(("digits", "unit_ns"), [(13, 10**6), (16, 10**3)])
def test_a_tape_in_another_unit_gives_the_same_answer(tapes, tmp_path, digits, unit_ns):
    page = TapeReader("b", (tapes / "binance-0.tape",), 1000, None).read()
    digests = set()
    for scale in (1, unit_ns):
        folder = tmp_path / str(scale)
        folder.mkdir()
        written = (page.log_ns // scale).tolist()
        assert len(str(written[0])) == (digits if scale > 1 else 19)
        lines = [b"%d %b" % (time, page.frame(number)) for number, time in enumerate(written)]
        (folder / "binance-0.tape").write_bytes(b"\n".join(lines))
        digests.add(replay(folder, tmp_path / f"{scale}.duckdb", job_of(source=STEP)))
    assert len(digests) == 1
