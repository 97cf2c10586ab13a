"""[warmup]: nothing is traded at the beginning of a log, what would have been is counted and said."""

import pytest

from tapeflow.connectors.duckdb.query import connect
from tapeflow.flows.cli.summary.trading_hints import find_held_back, find_refused
from tapeflow.flows.job import settings
from tapeflow.flows.job.warmup import Warmup, format_moment
from tapeflow.schemas.errors import UsageError
from tests import growing, laws
from tests.frames import MS, S, binance_trade, coinbase_match
from tests.plain_flow import JOB, desk_batches, flow_steps, interleave
from tests.test_laws import long_log
from tests.test_notices import BEGIN, job_of, rows, run, trend, write_tape

LISTED = {"BTC-USDT.BINANCE": {"tick": "0.01", "lot": "1"}}
PRICES = [100 + number % 2 for number in range(40)]  # trend trades each bar from the third on
FIRST_NS = BEGIN + 5 * MS


def decided(results):
    """Return seconds of log time since the first record, and reason, of each decision."""
    with connect(results) as con:
        found = con.execute("SELECT epoch_ns(time), reason FROM decisions ORDER BY 1").fetchall()
    return [((time_ns - FIRST_NS) // S, reason) for time_ns, reason in found]


@pytest.mark.parametrize("placement", ["columns", "merge"])
@pytest.mark.parametrize(
    "warmup", [{"for": "10s"}, {"until": format_moment(FIRST_NS + 10 * S)}, {}], ids=str
)
def test_what_is_decided_before_its_end_is_refused_and_the_rest_is_traded(
    tmp_path, warmup, placement
):
    tapes = write_tape(tmp_path / "tapes", PRICES)
    job = job_of(LISTED, warmup=warmup, strategies=[{**trend(), "placement": placement}])
    run(tapes, tmp_path / "r.duckdb", job)
    found = decided(tmp_path / "r.duckdb")
    assert len(found) > 30
    assert found == [(at, "WARM_UP" if warmup and at < 10 else "") for at, _ in found]
    assert rows(tmp_path / "r.duckdb", "SELECT count(*) FROM signals") == [(len(found),)]
    (first,) = rows(tmp_path / "r.duckdb", "SELECT min(epoch_ns(time)) FROM orders")[0]
    assert (first >= FIRST_NS + 10 * S) == bool(warmup)


def test_what_was_held_back_is_said_and_is_no_refusal_by_a_limit(tmp_path):
    tapes = write_tape(tmp_path / "tapes", PRICES)
    job = job_of(LISTED, warmup={"for": "10s"})
    run(tapes, tmp_path / "r.duckdb", job)
    with connect(tmp_path / "r.duckdb") as con:
        (line,) = find_held_back(con, {})
        assert [*find_refused(con, {})] == []
    held = sum(reason == "WARM_UP" for _, reason in decided(tmp_path / "r.duckdb"))
    assert line == (
        f"{held} intents of strategy trend came in the warm-up and were not traded: nothing is "
        "traded before 2026-01-05 08:00:10.005; see [warmup]"
    )


def test_a_whole_log_may_be_warm_up(tmp_path):
    tapes = write_tape(tmp_path / "tapes", PRICES)
    run(tapes, tmp_path / "r.duckdb", job_of(LISTED, warmup={"for": "1d"}))
    assert {reason for _, reason in decided(tmp_path / "r.duckdb")} == {"WARM_UP"}
    assert rows(tmp_path / "r.duckdb", "SELECT count(*) FROM orders") == [(0,)]


@pytest.mark.parametrize(("workers", "page"), [(1, 20_000), (1, 3), (2, 3)])
def test_it_begins_with_the_first_record_of_any_partition(tmp_path, workers, page):
    #   binance   8 ..            begins 4 s after the other, whose first record it is
    #   coinbase  0 ..
    tapes = tmp_path / "tapes"
    tapes.mkdir()
    for name, make, first in (("binance-0", binance_trade, 4), ("coinbase-0", coinbase_match, 0)):
        lines = [
            b"%d %b\n" % (at + 5 * MS, make(number, at=at, price=price))
            for number, price in enumerate(PRICES)
            for at in [BEGIN + (number + first) * S]
        ]
        (tapes / f"{name}.tape").write_bytes(b"".join(lines))
    job = job_of(
        {**LISTED, "BTC-USD.COINBASE": {"tick": "0.01", "lot": "1"}},
        warmup={"for": "10s"}, source={"page_records": page},
    )  # fmt: skip
    run(tapes, tmp_path / "r.duckdb", job, workers=workers)
    found = decided(tmp_path / "r.duckdb")
    assert found == [(at, "WARM_UP" if at < 10 else "") for at, _ in found]
    assert {at for at, _ in found} >= {9, 10}


WARM = flow_steps(JOB.model_copy(update={"warmup": Warmup.model_validate({"for": "70s"})}))


def test_a_desk_that_resumes_in_its_warm_up_knows_its_end():
    values = interleave(desk_batches(long_log(), [50], WARM), range(300))
    laws.same_when_resumed(WARM["desk"], values, 7)
    facts = laws.run(WARM["desk"], values)[1]
    reasons = {fact.reason == "WARM_UP" for fact in facts if type(fact).__name__ == "Decision"}
    assert reasons == {True, False}


def test_a_run_that_stops_in_its_warm_up_goes_on_in_it(tmp_path, monkeypatch):
    job = growing.job_of(
        [growing.BTC], [growing.strategy("trend", growing.BTC)], warmup={"for": "20s"}
    )
    tapes = growing.write_tape(tmp_path / "tapes", growing.records_of(["BTC"], 400))
    for name, stops in (("whole", ()), ("parts", (50, 150))):
        (tmp_path / name).mkdir()
        for records in stops:
            with growing.stop_at(records, monkeypatch):
                assert growing.run_on(tmp_path / name, tapes, job)[-1] == "stopped"
        growing.run_on(tmp_path / name, tapes, job)
    whole, parts = (growing.facts(tmp_path / name, "decisions") for name in ("whole", "parts"))
    assert whole == parts and whole
    assert 0 < sum("WARM_UP" in row for row in whole) < len(whole)


@pytest.mark.parametrize(
    ("warmup", "line"),
    [
        (
            'for = "2h"\nuntil = 2026-11-27T08:00:00Z',
            "for and until are two ends: write one of them",
        ),
        ("until = 2026-11-27T08:00:00", "is no time: write it with its zone"),
        ("until = 2026-11-27", "is no time: write it with its zone"),
        ('until = "soon"', "'soon' is no time: write it with its zone: 2026-11-27T08:00:00Z"),
        ("until = 1995-01-01T00:00:00Z", "is before 2000 or after 2199: no log is"),
        ('for = "two hours"', "'two hours' is no duration"),
        ('fro = "2h"', "warmup.fro is no setting: did you mean for?"),
    ],
)
def test_a_wrong_end_is_one_line(tmp_path, warmup, line):
    (tmp_path / "job.toml").write_text(
        f'[warmup]\n{warmup}\n[instruments]\n"BTC-USDT.BINANCE" = {{ tick = "0.01", lot = "1" }}\n'
    )
    with pytest.raises(UsageError) as caught:
        settings.load(tmp_path / "job.toml", {})
    assert line in str(caught.value) and "warmup" in str(caught.value)
    assert "\n" not in str(caught.value)
