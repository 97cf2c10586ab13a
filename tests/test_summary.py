"""The summary: every record's fate, figures that add up, and hints where something is odd."""

import json
import re
from argparse import Namespace
from collections import Counter

import duckdb
import pytest

from tapeflow.connectors.source.source import STOP_REQUESTED
from tapeflow.flows.cli import summary
from tapeflow.flows.cli.main import main
from tapeflow.flows.cli.summary.log_hints import find_unread
from tapeflow.flows.cli.summary.text import format_summary
from tapeflow.flows.cli.summary.trade_hints import find_ahead, find_gaps
from tapeflow.flows.job import settings
from tapeflow.flows.run import log
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.schemas.errors import StoppedError
from tests.frames import BEGIN, MS, S, binance_trade, coinbase_match
from tests.fuzz_frames import KLINE
from tests.running import REFERENCE, digest, job_of, silent

GOLDEN = REFERENCE / "golden-heartbeat"
JOB = """
[bars]
width = "1s"
lateness = "200ms"

[instruments]
"BTC-USDT.BINANCE" = { tick = "0.01", lot = "0.001" }
"BTC-USD.COINBASE" = { tick = "0.01", lot = "0.001" }
"""
ACCOUNT = """
[[accounts]]
name = "main"
position_max = 10
gross_max = 1000000
orders_max = 100
orders_window = "1s"
"""
TREND = """
[[strategies]]
name = "trend"
kind = "ema_cross"
fast = 1
slow = 2
account = "main"
size = 1
instruments = ["BTC-USDT.BINANCE"]
"""


def trades(count, *, first_id=1, every=S, price=lambda number: 100.0 + number % 7, **more):
    """Trades of Binance, one each `every` ns, each logged 5 ms after it happened."""
    return [
        (at + 5 * MS, binance_trade(first_id + number, at=at, price=price(number), **more))
        for number in range(count)
        for at in [BEGIN + number * every]
    ]


def write(folder, job=JOB, **partitions):
    """Write a job, and a tape of each partition: binance_0=[(log_ns, frame), ...]."""
    (folder / "tapes").mkdir(exist_ok=True)
    (folder / "job.toml").write_text(job)
    for name, records in partitions.items():
        lines = b"".join(b"%d %s\n" % record for record in records)
        (folder / "tapes" / f"{name.replace('_', '-')}.tape").write_bytes(lines)


def run_command(capsys, folder, *options):
    """Replay what `write` wrote; return what is printed, and what is said."""
    command = ["replay", folder / "tapes", "--config", folder / "job.toml"]
    more = ["--results", folder / "results.duckdb", *options]
    assert main([str(each) for each in [*command, *more]]) == 0
    return capsys.readouterr()


def replay(capsys, folder, *options):
    """Replay what `write` wrote; return what is printed where nothing is said."""
    out, err = run_command(capsys, folder, *options)
    assert err == ""
    return out


def hints_of(text):
    return re.findall(r"^hint: (.+)$", text, re.MULTILINE)


def numbers(text, name):
    """The number of a line of the summary, and those of the counts behind it."""
    line = re.search(rf"^{name} +([\d,]+)(.*)$", text, re.MULTILINE)
    parts = re.findall(r"([\d,]+) [a-zA-Z]", line[2])
    return int(line[1].replace(",", "")), [int(part.replace(",", "")) for part in parts]


# --- it adds up ---------------------------------------------------------------------------


def a_log_of_everything():
    """Records of every fate: 20 trades of 24, and eight that hold no tick of ours."""
    fine = trades(20)
    late = (fine[-1][0], binance_trade(500, at=BEGIN))
    return [
        *fine,
        fine[-1],  # a duplicate
        late,
        (late[0], b""),
        (late[0], b""),
        (late[0], b'{"result":null,"id":1}'),
        (late[0], b"{"),
        (late[0], binance_trade(501, at=BEGIN, symbol="XRPUSDT")),
    ]


def test_every_line_of_the_summary_is_the_sum_of_its_parts(capsys, tmp_path):
    write(tmp_path, binance_0=a_log_of_everything())
    text = replay(capsys, tmp_path)
    assert numbers(text, "records") == (27, [22, 2, 1, 1, 1])
    assert numbers(text, "ticks") == (20, [20])
    assert numbers(text, "set aside") == (4, [1, 1, 1, 1])
    assert "1 duplicate, 1 late, 1 unlisted, 1 dead letters" in text.replace(" (5 %)", "")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_golden_replay_adds_up(capsys, tmp_path, workers):
    arguments = ["replay", GOLDEN, "--config", "jobs/reference.toml", "--workers", workers]
    assert main([str(a) for a in [*arguments, "--results", tmp_path / "r.duckdb"]]) == 0
    text = capsys.readouterr().out
    for line in ("records", "ticks", "set aside", "refusals"):
        total, parts = numbers(text, line)
        assert total == sum(parts) > 0, line
    assert hints_of(text) == []


def stopped_after(pages, monkeypatch):
    """Let the log be stopped when so many pages were read, as by a signal."""
    open_reader, left = log.open_reader, [pages]

    def opened(*arguments):
        reader = open_reader(*arguments)
        read = reader.read

        def read_one():
            left[0] -= 1
            if not left[0]:
                STOP_REQUESTED.set()
            return read()

        monkeypatch.setattr(reader, "read", read_one)
        return reader

    monkeypatch.setattr(log, "open_reader", opened)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("stateful", [True, False], ids=["state", "no state"])
def test_a_stopped_run_counts_every_record_that_it_has_read(
    tmp_path, monkeypatch, stateful, workers
):
    job, results = job_of(source={"page_records": 100}), tmp_path / "results.duckdb"
    plan = Plan(
        command="test",
        log=find_tapes([GOLDEN], job),
        job=job,
        results=results,
        workers=workers,
        state=tmp_path / "state" if stateful else None,
    )
    with monkeypatch.context() as patched, pytest.raises(StoppedError) as stopped:
        stopped_after(40, patched)
        run_plan(plan, silent, silent)
    read = int(re.search(r"after ([\d,]+) records", str(stopped.value))[1].replace(",", ""))
    figures = summary.summarise(tmp_path / "results.duckdb.partial")
    assert 1000 < figures["records"] == read < 10_000
    assert figures["records"] == sum(
        figures[name]
        for name in ("with_ticks", "heartbeats", "recognised", "unlisted", "dead_letters")
    )
    if stateful:  # the next start counts the open minutes again, once
        run_plan(plan, silent, silent)
        whole = summary.summarise(results)
        run_plan(
            Plan(command="test", log=plan.log, job=job, results=tmp_path / "unbroken"),
            silent,
            silent,
        )
        assert whole == summary.summarise(tmp_path / "unbroken")
        assert digest(results) == digest(tmp_path / "unbroken")


def test_stopped_processes_count_every_record_that_they_have_read(tmp_path):
    job = job_of(source={"max_lead": S})
    plan = Plan(
        command="test",
        log=find_tapes([GOLDEN], job),
        job=job,
        results=tmp_path / "results.duckdb",
        processes=2,
        speed=20.0,
    )

    def stop_later(line):
        if (found := re.search(r"([\d,]+) records", line)) and len(found[1]) > 4:
            STOP_REQUESTED.set()

    with pytest.raises(StoppedError) as stopped:
        run_plan(plan, stop_later, silent)
    read = int(re.search(r"after ([\d,]+) records", str(stopped.value))[1].replace(",", ""))
    figures = summary.summarise(tmp_path / "results.duckdb.partial")
    assert 1000 <= figures["records"] == read < 12_496


def test_marks_are_ticks_too_also_of_an_open_minute(capsys, tmp_path):
    usdm = JOB.replace("BTC-USDT.BINANCE", "BTC-USDT-PERP.BINANCE-USDM")
    mark = (
        b'{"e":"markPriceUpdate","E":1700000000000,"s":"BTCUSDT","p":"100.0","i":"100.1","P":"99",'
        b'"r":"0.0001","T":1700006400000}'
    )
    write(tmp_path, usdm + "[market]\nmark_prices = true\n", binance_usdm_0=[(BEGIN, mark)] * 3)
    text = replay(capsys, tmp_path)
    assert "ticks              3   3 mark prices" in text


# --- figures that fit ---------------------------------------------------------------------


def shown(**figures):
    """The summary of some figures, the others being zero."""
    zero = dict.fromkeys(
        ["records", "with_ticks", "heartbeats", "recognised", "unlisted", "dead_letters", "ticks", "trades", "quotes", "mark_prices", "duplicates", "late", "ahead", "history", "off_market", "set_aside", "bars", "signals", "undecided_signals", "orders", "fills"], 0,
    )  # fmt: skip
    return format_summary(
        {
            **zero,
            "refusals": {},
            "order_ends": {},
            "order_reasons": {},
            "strategies": [],
            "hints": [],
            **figures,
        }
    )


def strategy(name="trend", fills=1, realized="0", unrealized="0", fees="0", profit="0"):
    money = {"realized": realized, "unrealized": unrealized, "fees": fees, "profit": profit}
    return {"strategy": name, "account": "main", "fills": fills, **money}


@pytest.mark.parametrize(
    ("profit", "text"),
    [
        ("0.00000012", "0.00000012"),
        ("-0.000000000001", "-0.000000000001"),
        ("0.0149", "0.015"),
        ("0", "0.00"),
        ("13.7449", "13.74"),
        ("-987654321.5", "-987,654,321.50"),
    ],
)
def test_an_amount_is_shown_with_the_digits_that_matter(profit, text):
    assert shown(strategies=[strategy(profit=profit)]).splitlines()[-1].split()[-1] == text


def test_amounts_of_a_column_end_in_line_however_large_or_small():
    rows = [
        strategy("a", profit="0.00000012"),
        strategy("a name of a strategy that is long", 12345678, profit="98765432109876.5"),
    ]
    head, *lines = shown(strategies=rows).splitlines()[-3:]
    assert {len(line) for line in lines} == {len(head)}
    assert "98,765,432,109,876.50000000" in lines[1]


def test_large_counts_stay_in_line():
    text = shown(records=12_345_678_901_234, ticks=7)
    first, second = text.splitlines()[:2]
    assert len(first) == len(second)


def test_what_was_set_aside_is_always_a_line_and_names_only_what_there_was():
    assert re.search(r"^set aside +0$", shown(), re.MULTILINE)
    text = shown(set_aside=9, ahead=4, off_market=5, trades=10_000)
    assert re.search(r"^set aside +9   4 ahead, 5 off-market$", text, re.MULTILINE)


def test_a_large_share_is_shown_in_per_cent():
    text = shown(records=1000, with_ticks=100, unlisted=900, trades=90, late=10, set_aside=910)
    assert "100 with ticks, 900 unlisted (90 %)" in text
    assert "10 late (10 %), 900 unlisted" in text


def test_json_holds_all_of_it(capsys, tmp_path):
    write(tmp_path, binance_0=a_log_of_everything())
    figures = json.loads(replay(capsys, tmp_path, "--json"))
    assert figures["records"] == 27
    assert figures["set_aside"] == 4
    assert figures["partitions"]["binance-0"]["heartbeats"] == 2
    (hint,) = figures["hints"]
    assert hint.startswith("479 trades are missing between others")
    printed = summary.print_summary(Namespace(results=tmp_path / "results.duckdb", json=True))
    assert (printed, json.loads(capsys.readouterr().out)) == (0, figures)


# --- hints --------------------------------------------------------------------------------


def only_hint(capsys, folder):
    (hint,) = hints_of(replay(capsys, folder))
    return hint


def test_a_run_without_oddities_gives_no_hint(capsys, tmp_path):
    write(tmp_path, JOB + ACCOUNT + TREND, binance_0=trades(50))
    assert hints_of(replay(capsys, tmp_path)) == []


def test_the_demo_says_which_trades_its_damaged_frames_lost_and_what_it_assumed(
    capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--seconds", "120"]) == 0
    missing, beyond = hints_of(capsys.readouterr().out)
    assert missing.startswith(
        "3 trades are missing between others, by the venue's numbers: binance-0 3"
    )
    assert "fills took more than the log showed" in beyond


def test_a_partition_of_unlisted_symbols_is_said(capsys, tmp_path):
    unknown = trades(30, symbol="XRPUSDT") + trades(10, symbol="ADAUSDT")
    write(tmp_path, binance_0=sorted(unknown))
    assert only_hint(capsys, tmp_path) == (
        "binance-0: all 40 records are about symbols that the job does not list: XRPUSDT 30, ADAUSDT 10; "
        "list what you want under [instruments]"
    )


def test_a_few_unlisted_symbols_are_no_hint(capsys, tmp_path):
    write(tmp_path, binance_0=sorted(trades(30) + trades(20, symbol="XRPUSDT")))
    assert hints_of(replay(capsys, tmp_path)) == []


def test_a_tape_named_for_the_wrong_venue_is_recognised_by_its_frames(capsys, tmp_path):
    frames = [(BEGIN + n * S, coinbase_match(n, at=BEGIN + n * S)) for n in range(1, 31)]
    write(tmp_path, binance_0=frames)
    hint = only_hint(capsys, tmp_path)
    assert hint.startswith(
        "binance-0: all 30 records are malformed: these look like frames of coinbase"
    )
    assert "wrong venue" in hint
    write(tmp_path, coinbase_0=trades(30), binance_0=trades(30))
    assert "coinbase-0: all 30 records are malformed: these look like frames of binance" in (
        only_hint(capsys, tmp_path)
    )


def test_a_channel_that_the_job_excludes_is_said(capsys, tmp_path):
    quote = b'{"u":1,"s":"BTCUSDT","b":"1.0","B":"1.0","a":"1.1","A":"1.0"}'
    job = JOB + '[channels]\nbinance = ["trade"]\n'
    write(tmp_path, job, binance_0=sorted(trades(20) + [(BEGIN + n * S, quote) for n in range(10)]))
    hint = only_hint(capsys, tmp_path)
    assert hint.startswith(
        "binance-0: 10 of 30 records (33 %) are malformed: they are frames of binance"
    )
    assert "[channels]" in hint


def test_frames_of_nobody_are_said_with_the_commonest_reason(capsys, tmp_path):
    broken = [(at, frame[:20]) for at, frame in trades(9)]
    write(tmp_path, binance_0=sorted(broken + trades(20)))
    hint = only_hint(capsys, tmp_path)
    assert "9 of 29 records (31 %) are malformed: 9 because of: not one complete JSON value" in hint


def test_one_stamp_far_ahead_that_makes_all_others_late_is_said(capsys, tmp_path):
    odd = (BEGIN + 2 * S, binance_trade(400, at=BEGIN + 5 * S))
    write(tmp_path, binance_0=sorted([*trades(400, every=10 * MS), odd]))
    hint = only_hint(capsys, tmp_path)
    assert hint.startswith(
        "binance-0: 199 of 401 trades (50 %) are late: half of them were logged within 0.005 s"
    )
    assert "BTC-USDT.BINANCE has the newest bar" in hint


def test_a_feed_slower_than_its_lateness_is_said(capsys, tmp_path):
    other = JOB.replace(
        "[instruments]", '[instruments]\n"ETH-USDT.BINANCE" = { tick = "0.01", lot = "0.001" }'
    )
    slow = [(at + 3 * S, frame) for at, frame in trades(30, symbol="ETHUSDT")]
    write(tmp_path, other, binance_0=sorted(trades(30) + slow))
    hint = only_hint(capsys, tmp_path)
    assert "trades (" in hint and "are late: half of them were logged 3" in hint
    assert "[bars] lateness is 200ms: raise it" in hint


def test_records_of_channels_that_are_not_read_are_said(capsys, tmp_path):
    write(tmp_path, binance_0=[(BEGIN + n, KLINE) for n in range(12)])
    hint = only_hint(capsys, tmp_path)
    assert hint.startswith("none of 12 records of binance-0 holds a trade or quote")


def test_a_log_without_trades_or_records_is_said(capsys, tmp_path):
    quote = b'{"u":1,"s":"BTCUSDT","b":"1.0","B":"1.0","a":"1.1","A":"1.0"}'
    write(tmp_path, binance_0=[(BEGIN, quote)] * 3)
    assert only_hint(capsys, tmp_path).startswith("none of 3 records is a trade")
    write(tmp_path, binance_0=[])
    out, err = run_command(capsys, tmp_path)
    assert hints_of(out)[0].startswith("no record was read") and err.endswith(".tape is empty\n")


@pytest.mark.parametrize("bars", [20, 40])
def test_a_strategy_before_its_warm_up_is_said(capsys, tmp_path, bars):
    slow = TREND.replace("slow = 2", "slow = 26").replace("fast = 1", "fast = 12")
    write(
        tmp_path, JOB + ACCOUNT + slow, binance_0=trades(bars, price=lambda number: 100.0 + number)
    )
    hints = hints_of(replay(capsys, tmp_path))
    if bars == 20:
        (hint,) = hints
        assert hint.startswith(
            "strategy trend made no signal: it needs 27 bars of an instrument (slow = 26)"
        )
        assert "the most is 20" in hint
    else:  # the averages never crossed: nothing is wrong with that
        assert hints == []


def test_a_reverter_before_its_window_is_said(capsys, tmp_path):
    revert = TREND.replace('"ema_cross"\nfast = 1\nslow = 2', '"reversion"\nentry = 3.0')
    write(tmp_path, JOB + ACCOUNT + revert, binance_0=trades(20))
    assert "it needs 62 bars of an instrument ([normalise] window = 60)" in only_hint(
        capsys, tmp_path
    )


def test_a_strategy_without_a_trade_of_its_instruments_is_said(capsys, tmp_path):
    elsewhere = TREND.replace("BTC-USDT.BINANCE", "BTC-USD.COINBASE")
    write(tmp_path, JOB + ACCOUNT + elsewhere, binance_0=trades(30))
    hint = only_hint(capsys, tmp_path)
    assert hint == "strategy trend had nothing to trade: the log holds no trade of BTC-USD.COINBASE"


def test_a_strategy_whose_every_intent_is_refused_is_said(capsys, tmp_path):
    poor = ACCOUNT.replace("gross_max = 1000000", "gross_max = 1")
    write(tmp_path, JOB + poor + TREND, binance_0=trades(30))
    hint = only_hint(capsys, tmp_path)
    assert re.match(
        r"all \d+ intents of strategy trend were refused, \d+ of them by GROSS_LIMIT", hint
    )


def test_an_instrument_that_never_ticks_is_said_where_its_venue_was_read(capsys, tmp_path):
    typo = JOB.replace('lot = "0.001" }', 'lot = "0.001", venue_symbol = "BTCUSDTT" }', 1)
    eth = '"ETH-USDT.BINANCE" = { tick = "0.01", lot = "0.001" }\n'
    write(tmp_path, typo + eth, binance_0=trades(30, symbol="ETHUSDT"))
    hint = only_hint(capsys, tmp_path)
    assert hint.startswith(
        "1 of 3 instruments had no tick, though their venue was read: BTC-USDT.BINANCE"
    )


def test_prices_off_the_tick_of_the_job_are_said(capsys, tmp_path):
    write(tmp_path, binance_0=trades(5, price=lambda number: 0.00405))
    hint = only_hint(capsys, tmp_path)
    assert hint.startswith(
        "BTC-USDT.BINANCE: the job's tick 0.01 does not fit its market: 20 of 20 prices are no "
    )


def test_every_hint_stays_on_one_line_with_many_partitions(capsys, tmp_path):
    unknown = {f"binance_{n}": trades(3, symbol="XRPUSDT") for n in range(9)}
    write(tmp_path, **unknown)
    hint = only_hint(capsys, tmp_path)
    assert hint.startswith("binance-0, binance-1, binance-2, binance-3 and 5 more: all 27 records")


def test_settings_are_read_from_the_results_not_from_a_job(tmp_path):
    write(tmp_path, JOB + ACCOUNT + TREND, binance_0=trades(30))
    job = settings.load(tmp_path / "job.toml", {})
    plan = Plan(
        command="test", log=find_tapes([tmp_path / "tapes"], job), job=job, results=tmp_path / "r"
    )
    run_plan(plan, silent, silent)
    (tmp_path / "job.toml").unlink()
    assert summary.summarise(tmp_path / "r")["hints"] == []


def counts(**more):
    return Counter(records=20, with_ticks=20, accepted=20) | Counter(more)


def test_trades_of_a_channel_that_is_not_read_are_said_with_the_setting_that_reads_them():
    silent_one = Counter(records=9, recognised=9)
    with duckdb.connect() as con:
        con.execute("""
            CREATE TABLE recognised_channels AS
            SELECT 'binance-0' AS partition, 'aggTrade' AS channel, 9 AS frames, 9 AS unread
            UNION ALL SELECT 'binance-0', 'kline', 5, 0;
            CREATE TABLE data_quality AS
            SELECT 'binance-0' AS partition, 'BTC-USDT.BINANCE' AS instrument, 9 AS recognised,
                0 AS accepted, 0 AS duplicate, 0 AS late, 0 AS history, 0 AS off_market
        """)
        (hint,) = find_unread(con, {"binance-0": silent_one, "coinbase-0": counts()}, {})
    assert hint == (
        "binance-0: none of 9 aggTrade frames is read, and no other trades of BTC-USDT.BINANCE: "
        'to read them set [market] trades = { binance = "aggTrade" }'
    )


def test_trades_that_are_missing_between_others_are_said():
    assert [*find_gaps(None, {"binance-0": counts()}, {})] == []
    (hint,) = find_gaps(None, {"binance-0": counts(missing=110), "coinbase-0": counts()}, {})
    assert hint.startswith(
        "110 trades are missing between others, by the venue's numbers: binance-0 110"
    )


def test_many_trades_ahead_of_their_log_time_are_said_and_one_is_not():
    assert [*find_ahead(None, {"binance-0": counts(ahead=1)}, {})] == []
    (hint,) = find_ahead(None, {"binance-0": counts(ahead=30)}, {})
    assert hint.startswith(
        "binance-0: 30 of 50 trades (60 %) are ahead of log time by more than [bars] ahead"
    )
