"""The scenarios of docs/scenarios: golden tapes, told on pages; one answer in every shape and over kills."""

import os
import re
import signal
import subprocess
import sys

import pytest

from docs import outputs, scenarios
from docs.scenarios import frames
from docs.scenarios.renew import copy, output
from docs.scenarios.tapes import LOGS, tapes_of
from tapeflow.connectors.duckdb.query import query
from tapeflow.engine.recovery import resume_epoch
from tests.running import ROOT, job_of, loaded, replay_topics

REPLAY, DIGEST = "tapeflow replay tapes --config job.toml", "tapeflow digest results.duckdb"
HASTY = {  # more lies between: commits, pages
    "TAPEFLOW_RECOVERY_EPOCH": "10ms",
    "TAPEFLOW_SOURCE_PAGE_RECORDS": "20",
    "TAPEFLOW_SOURCE_MAX_LEAD": "1s",
}
KILL_AT = {  # seconds of the log: where it hurts
    "fat_finger": 8, "kill_while_partly_filled": 6.65, "restart_while_halted": 20, "runaway": 11.4,
    "flash_crash": 12.6, "dead_feed": 13, "venue_rejects": 8, "falling_together": 86.5,
}  # fmt: skip
every_scenario = pytest.mark.parametrize("name", scenarios.names())


def golden(name):
    """The digest on the page of a scenario."""
    return dict(outputs.blocks(scenarios.page(name)))[DIGEST].strip()


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """What a query finds in the results of a scenario: rows("runaway", "SELECT ..")."""
    folders = {}

    def found(name, sql):
        if name not in folders:
            folders[name] = copy(name, tmp_path_factory.mktemp("scenarios"))
            output(REPLAY, folders[name])
        return [tuple(row) for row in query(folders[name] / "results.duckdb", sql).rows]

    return found


# --- all of them ----------------------------------------------------------------------------------


def test_every_scenario_has_tapes_a_page_and_a_line_in_their_index():
    index = (scenarios.FOLDER / "README.md").read_text()
    assert re.findall(r"\]\((\w+)\.md\)", index) == [*LOGS]
    assert scenarios.names() == sorted(LOGS)
    assert {page.stem for page in scenarios.FOLDER.glob("*.md")} == {*LOGS, "README"}
    assert KILL_AT.keys() == LOGS.keys()


@every_scenario
def test_the_tapes_are_what_their_script_makes(name):
    tapes = scenarios.FOLDER / name / "tapes"
    assert {tape.name: tape.read_bytes() for tape in tapes.iterdir()} == tapes_of(name)


@every_scenario
def test_a_page_shows_what_its_commands_print(name, tmp_path):
    folder, blocks = copy(name, tmp_path), outputs.blocks(scenarios.page(name))
    assert [command for command, _ in blocks][:: len(blocks) - 1] == [REPLAY, DIGEST]
    page = scenarios.page(name).read_text()
    for command, text in blocks:
        assert output(command, folder) == text, command
        assert f"\n    {command}\n\n<!-- output: {command} -->" in page, "a reader does not see it"


@every_scenario
def test_two_workers_and_small_pages_give_the_golden_digest(name, tmp_path, monkeypatch):
    for key, value in HASTY.items():
        monkeypatch.setenv(key, value)
    folder = copy(name, tmp_path)
    output(f"{REPLAY} --workers 2", folder)
    assert output(DIGEST, folder).strip() == golden(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["flash_crash", "kill_while_partly_filled"])
def test_topics_packed_and_plain_give_the_golden_digest(name, tmp_path):
    folder = copy(name, tmp_path)
    with loaded(folder / "tapes", job_of(folder / "job.toml"), packed=(False, True)) as job:
        assert replay_topics(job, folder / "results.duckdb", workers=2) == golden(name)


@pytest.mark.slow
@every_scenario
def test_a_run_that_is_killed_and_resumed_gives_the_golden_digest(name, tmp_path, monkeypatch):
    for key, value in HASTY.items():
        monkeypatch.setenv(key, value)
    folder, armed = copy(name, tmp_path), tmp_path / "armed"
    armed.write_text(f"desk {frames.log_ns(KILL_AT[name])}")
    command = [sys.executable, "-m", *f"{REPLAY} --state state".split()]
    paths = f"{ROOT / 'tests' / 'faults'}{os.pathsep}{ROOT}"
    faulty = {**os.environ, "PYTHONPATH": paths, "ARMED": str(armed)}
    killed = subprocess.run(command, check=False, cwd=folder, env=faulty, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    stores = [*folder.glob("state/recovery/*.sqlite3")]
    assert (resume_epoch(stores) or 0) > 1, "nothing was committed before the kill"
    output(f"{REPLAY} --state state --workers 2", folder)
    assert output(DIGEST, folder).strip() == golden(name)


# --- what must hold in each, whatever is on its page ------------------------------------------------


def test_of_a_fat_finger_only_what_was_meant_is_filled(rows):
    sql = "SELECT reason FROM decisions WHERE reason <> '' ORDER BY seq"
    assert rows("fat_finger", sql) == [("SIZE_MAX",), ("NOTIONAL_MAX",), ("COLLAR",), ("COLLAR",)]
    sql = "SELECT side, size::FLOAT FROM fills ORDER BY seq"
    assert rows("fat_finger", sql) == [("BUY", pytest.approx(0.1)), ("SELL", pytest.approx(0.1))]


def test_a_runaway_opens_no_more_than_its_rate_and_its_exit_passes(rows):
    approved = "FROM decisions WHERE strategy = 'runaway' AND decision = 'APPROVED'"
    most = f"""SELECT max(orders) FROM (SELECT count(*) OVER (ORDER BY time RANGE BETWEEN
               INTERVAL 9999 MILLISECONDS PRECEDING AND CURRENT ROW) AS orders {approved} AND side = 'BUY')"""
    assert rows("runaway", most) == [(4,)]
    exit_at, refused_after = "time = TIMESTAMP '2026-01-05 09:00:15.305'", "reason = 'RATE_LIMIT'"
    assert rows("runaway", f"SELECT side {approved} AND {exit_at}") == [("SELL",)]
    sql = f"""SELECT count(*) FROM decisions WHERE {refused_after} AND time
              BETWEEN TIMESTAMP '2026-01-05 09:00:15' AND TIMESTAMP '2026-01-05 09:00:16'"""
    assert rows("runaway", sql)[0][0] >= 3, "its rate was not used up"
    sql = "SELECT scope, state, rule, observed FROM states"
    assert rows("runaway", sql) == [("strategy:runaway", "HALTED", "REPEATS", "10")]
    assert rows("runaway", "SELECT count(*) FROM fills WHERE strategy = 'runaway'") == [(10,)]
    assert (
        rows("runaway", "SELECT 1 FROM decisions WHERE strategy = 'steady' AND reason <> ''") == []
    )


def test_nothing_passes_between_a_halt_and_the_resume_and_something_does_after_it(rows):
    (halt,), (resume,) = rows("restart_while_halted", "SELECT time FROM states ORDER BY seq")
    sql = "SELECT time, reason FROM decisions ORDER BY seq"
    for time, reason in rows("restart_while_halted", sql):
        assert (reason == "STATE") == (halt <= time < resume)
    assert halt < rows("restart_while_halted", "SELECT max(time) FROM orders")[0][0] > resume


def test_a_kill_of_a_partly_filled_order_ends_flat_with_no_order_open(rows):
    name = "kill_while_partly_filled"
    states = rows(name, "SELECT event, state FROM states ORDER BY seq")
    assert states == [("CHANGED", "KILLED"), ("FLAT", "KILLED")]
    held = "SELECT sum(CASE side WHEN 'BUY' THEN size ELSE -size END)::FLOAT FROM fills"
    assert rows(name, held) == [(0,)]
    during = (
        "SELECT 1 FROM fills, states WHERE event = 'CHANGED' AND side = 'BUY' AND log_time > time"
    )
    assert rows(name, during), "nothing is filled while the cancel is on its way"
    ends = "SELECT count(*) FILTER (phase = 'SENT'), count(*) FILTER (phase = 'DONE') FROM order_events"
    ((sent, done),) = rows(name, ends)
    assert sent == done == 3


def test_nothing_is_bought_into_a_flash_crash(rows):
    fall, back = "TIMESTAMP '2026-01-05 09:00:12'", "TIMESTAMP '2026-01-05 09:00:22'"
    within = f"log_time > {fall} AND log_time < {back}"
    assert rows("flash_crash", f"SELECT DISTINCT side FROM fills WHERE {within}") == [("SELL",)]
    ((worst,),) = rows("flash_crash", "SELECT min(price)::FLOAT FROM fills")
    assert worst > 55_000
    sql = "SELECT rule, event FROM states WHERE cause = 'rule' ORDER BY seq"
    stop, loss = [("STOP", "LOCKED")], [("DAILY_LOSS", "CHANGED"), ("DAILY_LOSS", "CLOSING")]
    assert [each for each in rows("flash_crash", sql) if each in stop + loss] == stop + loss
    sql = f"SELECT DISTINCT strategy, reason FROM decisions WHERE time > {back} ORDER BY ALL"
    after = rows("flash_crash", sql)
    assert after == [("bidder", ""), ("bidder", "STATE"), ("holder", "LOCKED"), ("holder", "STATE")]


def test_nothing_is_opened_at_a_dead_feed_and_it_is_back_by_itself(rows):
    (stale, back) = rows("dead_feed", "SELECT time, state, cause, scope FROM states ORDER BY seq")
    assert (stale[1], back[1]) == ("REDUCING", "ACTIVE")
    assert (stale[2], back[2]) == ("rule", "calm")
    assert stale[3] == back[3] == "instrument:BTC-USDT.BINANCE"
    for time, instrument, reason in rows(
        "dead_feed", "SELECT time, instrument, reason FROM decisions"
    ):
        is_dead = instrument.endswith("BINANCE") and stale[0] <= time < back[0]
        assert reason == ("STATE" if is_dead else "")
    bids = """SELECT o.instrument, e."end" FROM order_events e JOIN orders o ON o.id = e.order_id
              WHERE o.type = 'limit' AND e."end" <> '' ORDER BY ALL"""
    ends = [("BTC-USD.COINBASE", "FILLED"), ("BTC-USDT.BINANCE", "CANCELED")]
    assert rows("dead_feed", bids) == ends


def test_a_venue_that_rejects_everything_is_halted_and_the_other_goes_on(rows):
    sql = "SELECT scope, state, cause FROM states ORDER BY seq"
    scope = "venue:BINANCE"
    expected = [(scope, "HALTED", "rule"), (scope, "ACTIVE", "command")]
    assert rows("venue_rejects", sql) == expected
    rejected = "SELECT count(*) FROM order_events WHERE kind = 'REJECTED'"
    assert rows("venue_rejects", rejected) == [(4,)]
    refused = "SELECT DISTINCT instrument, reason FROM decisions WHERE reason <> ''"
    assert rows("venue_rejects", refused) == [("BTC-USDT.BINANCE", "STATE")]


def test_the_third_of_what_moves_together_is_refused_and_what_moves_alone_is_not(rows):
    sql = """SELECT instrument, reason FROM decisions WHERE side = 'BUY' AND reason <> 'STATE'
             GROUP BY ALL ORDER BY ALL"""
    assert rows("falling_together", sql) == [
        ("BTC-USDT.BINANCE", ""), ("ETH-USDT.BINANCE", ""), ("PAXG-USDT.BINANCE", ""),
        ("SOL-USD.COINBASE", "CORRELATED"),
    ]  # fmt: skip


def test_what_falls_together_is_closed_at_the_drawdown_and_stays_so(rows):
    ((halted, scope, rule),) = rows(
        "falling_together", "SELECT time, scope, rule FROM states WHERE event = 'CHANGED'"
    )
    assert (scope, rule) == ("portfolio", "DRAWDOWN")
    held = """SELECT instrument, sum(CASE side WHEN 'BUY' THEN size ELSE -size END)::FLOAT AS held,
              max(log_time) FILTER (side = 'BUY') FROM fills GROUP BY instrument"""
    for _, size, bought in rows("falling_together", held):
        assert size == 0 and bought < halted


# --- and what would be without ----------------------------------------------------------------------

HARM = {  # what is left out of the job, or of the log; and a query that finds what must not be
    "fat_finger": ("size_max|notional_max|collar_bps", "SELECT 1 FROM fills WHERE size > 0.1"),
    "runaway": (
        "orders_max = 5 |repeats_max",
        "SELECT 1 FROM fills WHERE strategy = 'runaway' GROUP BY strategy HAVING count(*) > 50",
    ),
    "restart_while_halted": (
        frames.CONTROL_TAPE,
        """SELECT 1 FROM orders WHERE time BETWEEN TIMESTAMP '2026-01-05 09:00:13'
           AND TIMESTAMP '2026-01-05 09:00:27'""",
    ),
    "kill_while_partly_filled": (
        frames.CONTROL_TAPE,
        "SELECT 1 FROM fills WHERE side = 'BUY' GROUP BY side HAVING sum(size) > 2.5",
    ),
    "flash_crash": (
        "daily_loss",
        """SELECT 1 FROM fills WHERE side = 'BUY' AND log_time BETWEEN
           TIMESTAMP '2026-01-05 09:00:12' AND TIMESTAMP '2026-01-05 09:00:22'""",
    ),
    "dead_feed": (
        "feed_age",
        """SELECT 1 FROM orders WHERE instrument = 'BTC-USDT.BINANCE' AND time BETWEEN
           TIMESTAMP '2026-01-05 09:00:13' AND TIMESTAMP '2026-01-05 09:00:22'""",
    ),
    "venue_rejects": (
        "rejects_max",
        "SELECT 1 FROM order_events WHERE kind = 'REJECTED' GROUP BY kind HAVING count(*) > 4",
    ),
    "falling_together": (
        "correlated_max",
        "SELECT 1 FROM fills WHERE instrument = 'SOL-USD.COINBASE'",
    ),
}


@every_scenario
def test_without_what_acts_the_same_log_ends_in_harm(name, rows, tmp_path):
    absent, harm = HARM[name]
    folder = copy(name, tmp_path)
    if absent == frames.CONTROL_TAPE:
        (folder / "tapes" / f"{absent}.tape").write_bytes(b"")
    else:
        job = folder / "job.toml"
        text, count = re.subn(rf"^(?:{absent}).*\n", "", job.read_text(), flags=re.MULTILINE)
        assert count >= len(absent.split("|")), "the job has no such limit"
        job.write_text(text)
    output(REPLAY, folder)
    assert query(folder / "results.duckdb", harm).rows
    assert not rows(name, harm)
