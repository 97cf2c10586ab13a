"""`tapeflow explain`: the chain of causes of each fact, down to the bytes of the tape."""

import base64
import json
import random
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest

from tapeflow.connectors.duckdb.reading import ResultsReader
from tapeflow.connectors.tapes.hour_file import SCHEMA, write_closed
from tapeflow.connectors.tapes.parquet_seek import position_before
from tapeflow.flows.explain import json_text, text
from tapeflow.flows.explain.explain import explain
from tapeflow.flows.explain.frames import Frames, walk
from tapeflow.flows.explain.orders import findings
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.schemas.errors import TapeflowError
from tests import frames as made
from tests.explaining import Explained, check_frames, demo, kinds, only
from tests.frames import BEGIN, MS, S
from tests.plain_flow import JOB
from tests.running import job_of, silent

CHAIN = {"decision", "signal", "bar", "trades", "record"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("explain")


@pytest.fixture(scope="module")
def demo_results(folder):
    """The demo, from tapes."""
    return demo(folder, "demo.toml")


@pytest.fixture(scope="module")
def bracket_results(folder):
    """The demo's market, traded with exits and slices."""
    return demo(folder, "brackets.toml")


@pytest.fixture(scope="module")
def class_results(folder):
    """The demo's market, traded by the classes in the box."""
    return demo(folder, "strategies.toml")


def write_tape(folder, partition, records):
    folder.mkdir(exist_ok=True)
    lines = [b"%d %s\n" % (log_ns, frame) for log_ns, frame in records]
    (folder / f"{partition}.tape").write_bytes(b"".join(lines))


# --- the demo -----------------------------------------------------------------------------


def test_every_fill_of_the_demo_is_explained_down_to_frames_of_the_tape(demo_results):
    fills = demo_results.rows("SELECT * FROM fills")
    assert len(fills) >= 40
    for fill in fills:
        node = demo_results.explain(fill["id"])
        assert node.kind == "fill"
        assert kinds(node) == {"fill", "order", *CHAIN}
        assert node.causes[0].id == f"{fill['partition']}:{fill['offset']}"
        check_frames(demo_results, node)


def test_every_refusal_of_the_demo_is_explained_with_what_was_found(demo_results):
    refusals = demo_results.rows("SELECT * FROM decisions WHERE decision = 'DENIED'")
    assert len(refusals) >= 20
    for refusal in refusals:
        node = demo_results.explain(refusal["order_id"])
        assert node.kind == "decision"
        assert kinds(node) == CHAIN
        failed = [each for each in node.tables["findings"] if not each["passed"]]
        assert [each["check"] for each in failed] == [refusal["reason"]]
        assert refusal["detail"].startswith(f"{refusal['reason']}: observed=")
        assert f"limit={failed[0]['limit']}" in refusal["detail"]
        check_frames(demo_results, node)


@pytest.mark.parametrize("table", ["orders", "signals"])
def test_every_order_and_signal_of_the_demo_is_explained(demo_results, table):
    for name in demo_results.ids(f"SELECT id FROM {table}"):
        node = demo_results.explain(name)
        assert node.kind == table[:-1]
        assert CHAIN - {"decision"} <= kinds(node)
        check_frames(demo_results, node)


def test_the_signal_says_the_parameters_of_its_strategy(demo_results):
    node = demo_results.explain(
        demo_results.ids("SELECT id FROM signals WHERE strategy = 'trend'")[0]
    )
    declared = node.row["declared"]
    assert (declared["kind"], declared["fast"], declared["slow"]) == ("ema_cross", 12, 26)


def test_bars_with_late_double_or_missing_trades_are_the_sum_of_the_frames_shown(demo_results):
    names = demo_results.ids(
        "SELECT instrument || '@' || replace(open_time::VARCHAR, ' ', 'T') FROM bars "
        "WHERE NOT complete OR EXISTS (FROM late_trades AS l WHERE l.instrument = bars.instrument "
        "AND l.event_time >= open_time AND l.event_time < close_time)"
    )
    assert len(names) >= 40
    late = gaps = 0
    for name in names:
        node = demo_results.explain(name)
        check_frames(demo_results, node)
        late += len(node.tables["late trades, in no bar"])
        gaps += len(node.tables["gaps"])
    assert late == demo_results.ids("SELECT count(*) FROM late_trades")[0]
    assert gaps >= demo_results.ids("SELECT count(*) FROM gaps")[0]


def test_every_dead_letter_is_explained_with_its_whole_frame(demo_results):
    letters = demo_results.rows('SELECT partition, "offset", reason FROM dead_letters')
    assert len(letters) >= 20
    for letter in letters:
        node = demo_results.explain(f"{letter['partition']}:{letter['offset']}")
        assert (node.kind, node.row["reason"]) == ("dead letter", letter["reason"])
        assert node.frames[0].frame == demo_results.frame(letter["partition"], letter["offset"])


def test_a_record_says_what_it_led_to(demo_results):
    order = demo_results.rows("SELECT * FROM orders LIMIT 1")[0]
    node = demo_results.explain(f"{order['partition']}:{order['offset']}")
    led_to = {(each["fact"], each["id"]) for each in node.tables["led to"]}
    assert {("order", order["id"]), ("signal", order["signal_id"])} <= led_to
    assert "bar closed" in {fact for fact, _ in led_to}


def test_a_position_is_explained_by_its_fill_and_the_position_before(demo_results):
    for row in demo_results.rows("SELECT * FROM positions"):
        node = demo_results.explain(f"main/{row['seq']}")
        assert (node.kind, node.causes[0].id) == ("position", row["fill_id"])
        (fill,) = only(node, "fill")
        before = node.tables["the position before"]
        quantity = Decimal(before[0]["quantity"]) if before else Decimal(0)
        signed = Decimal(fill.row["size"]) * (1 if fill.row["side"] == "BUY" else -1)
        assert quantity + signed == Decimal(row["quantity"])


def test_equity_is_explained_by_positions_that_sum_up_to_it(demo_results):
    rows = demo_results.rows("SELECT * FROM equity")
    assert len(rows) >= 9
    for row in rows:
        node = demo_results.explain(f"main/{row['seq']}")
        (positions,) = node.tables.values()
        for name in ("realized", "fees"):
            assert sum(Decimal(each[name]) for each in positions) == Decimal(row[name])


# --- other strategies and orders ----------------------------------------------------------


def test_an_exit_explains_the_entry_that_releases_it(bracket_results):
    exits = bracket_results.rows("SELECT * FROM orders WHERE role = 'exit' LIMIT 40")
    assert len(exits) == 40
    for row in exits:
        node = bracket_results.explain(row["id"])
        entries = [each for each in only(node, "order") if each.id == row["parent"]]
        assert [each.why for each in entries] == ["its fills release it"]
        assert {"signal", "bar", "trades"} <= kinds(node)
        check_frames(bracket_results, node)


def test_a_slice_explains_the_order_of_which_it_is_one(bracket_results):
    children = bracket_results.rows("SELECT * FROM orders WHERE role = 'child' LIMIT 40")
    assert children
    for row in children:
        node = bracket_results.explain(row["id"])
        (parent,) = [each for each in only(node, "order") if each.id == row["parent"]]
        assert parent.why == "it is a slice of"
        assert row["id"] in {each["id"] for each in parent.tables["slices and exits"]}
        assert {"decision", "signal", "bar"} <= kinds(node)
        check_frames(bracket_results, node)


def test_a_triggered_order_shows_the_record_that_triggered_it(bracket_results):
    event = bracket_results.rows("SELECT * FROM order_events WHERE kind = 'TRIGGERED' LIMIT 1")[0]
    node = bracket_results.explain(event["order_id"])
    (record,) = [each for each in node.causes if each.why == "brought TRIGGERED"]
    assert record.frames[0].frame == bracket_results.frame(event["partition"], event["offset"])


@pytest.mark.parametrize("kind", ["price", "timer"])
def test_a_call_without_a_bar_is_named_as_the_cause(class_results, kind):
    names = class_results.ids(f"SELECT id FROM signals WHERE bar_id LIKE '%/{kind}/%' LIMIT 5")
    assert names
    for name in names:
        node = class_results.explain(name)
        (call,) = only(node, "call")
        assert call.row["event"] == kind
        check_frames(class_results, node)


def test_a_class_that_is_called_with_a_bar_explains_the_bar(class_results):
    found = class_results.rows(
        "SELECT arg_min(id, time) AS id, strategy FROM signals WHERE bar_id LIKE '%@%' GROUP BY 2"
    )
    assert len(found) >= 2
    for row in found:
        node = class_results.explain(row["id"])
        (bar,) = only(node, "bar")
        assert bar.id == node.row["bar_id"]
        check_frames(class_results, node)


def test_a_signal_that_answers_a_fill_explains_that_fill(class_results):
    found = class_results.rows(
        "SELECT s.id, s.bar_id FROM signals s JOIN fills f ON f.id = s.bar_id"
    )
    assert found
    for row in found[:20]:
        node = class_results.explain(row["id"])
        assert row["bar_id"] in {each.id for each in only(node, "fill")}
        check_frames(class_results, node)


def test_bars_of_other_kinds_are_explained_by_their_trades(folder, demo_results):
    more = ("5s", "tick:50", "dollar:50000", "quote:2s")
    job = demo_results.job.model_copy(
        update={"bars": demo_results.job.bars.model_copy(update={"more": more})}
    )
    other = Explained(demo_results.tapes, folder / "more.duckdb", job)
    for kind in more:
        name = "BTC-USDT.BINANCE@2026-01-05T09:01:07/" + kind
        node = explain(other.reader, name)
        assert node.row["kind"] == kind
        assert other.frames.fetch(node)
        if kind == "quote:2s":
            check_quotes(other, node)
            continue
        (trades,) = only(node, "trades")
        assert trades.row["exact"] or kind.startswith("dollar")
        assert float(trades.row["sum"]) >= trades.row["volume"] * (1 - 1e-12)


def check_quotes(explained, node):
    """Compare a bar of quotes with the mids of its raw frames, by plain JSON."""
    (quotes,) = only(node, "quotes")
    assert "trades" not in kinds(node)
    assert (quotes.row["different"], quotes.row["whole"]) == ([], True)
    mids = []
    for frame in quotes.frames:
        assert frame.frame == explained.frame("binance-0", frame.offset)
        data = json.loads(frame.frame)["data"]
        bid, ask = float(data["b"]), float(data["a"])
        assert data["s"] == "BTCUSDT"
        mids.append(bid + (ask - bid) / 2)
    assert len(mids) == node.row["count"]
    assert mids[-1] == node.row["close"]
    assert max(*mids, node.row["open"]) == node.row["high"]
    assert min(*mids, node.row["open"]) == node.row["low"]


# --- which trades a bar is made of --------------------------------------------------------


@pytest.fixture
def small(tmp_path):
    """Replay a tape of one partition by the reference's job, with some settings changed."""

    def make(records, **sections):
        write_tape(tmp_path / "tapes", "binance-0", records)
        return Explained(tmp_path / "tapes", tmp_path / "r.duckdb", job_of(**sections))

    return make


def trade(number, at, log=None, **more):
    """A record with a trade of BTC-USDT.BINANCE at this time after BEGIN."""
    log_ns = BEGIN + (at if log is None else log)
    return log_ns, made.binance_trade(number, at=BEGIN + at, **more)


def test_a_copy_of_a_trade_that_came_before_the_bar_is_not_shown(small):
    """Trade 50 is ahead of the log when it first comes, so its bar never has it."""
    records = [
        trade(1, 0),
        trade(50, 30 * S + 200 * MS, log=1 * S),
        *(trade(2 + n, (2 + n) * S) for n in range(27)),
        trade(49, 30 * S + 100 * MS),
        trade(50, 30 * S + 200 * MS, log=30 * S + 300 * MS),
        trade(51, 30 * S + 500 * MS),
        trade(52, 40 * S),
        trade(53, 41 * S),
    ]
    explained = small(records, bars={"ahead": 10 * S, "gaps": True}, dedupe={"window": 8192})
    name = explained.ids(
        "SELECT instrument || '@' || epoch_ns(open_time) || '+' "
        "|| (epoch_ns(close_time) - epoch_ns(open_time)) FROM bars "
        f"WHERE epoch_ns(open_time) <= {BEGIN + 30 * S} AND epoch_ns(close_time) > {BEGIN + 30 * S}"
    )
    node = explained.explain(name[0])
    check_frames(explained, node)
    (trades,) = only(node, "trades")
    shown = [each["trade_id"] for frame in trades.frames for each in frame.trades]
    assert 49 in shown
    assert 50 not in shown
    assert 51 in shown


@pytest.mark.parametrize("seed", [1, 2])
def test_bars_of_random_logs_with_many_copies_and_late_trades_are_their_frames(tmp_path, seed):
    drawn = random.Random(seed)
    for name in made.PARTITIONS:
        records = made.records_from_bytes(name, drawn.randbytes(3 * 800), whole_seconds=False)
        write_tape(tmp_path / "tapes", name, records)
    explained = Explained(tmp_path / "tapes", tmp_path / "r.duckdb", JOB)
    (counts,) = explained.rows("SELECT sum(duplicate) AS d, sum(late) AS l FROM data_quality")
    assert int(counts["d"]) > 50
    assert int(counts["l"]) > 50
    names = explained.ids(
        "SELECT instrument || '@' || epoch_ns(open_time) || '+' "
        "|| (epoch_ns(close_time) - epoch_ns(open_time)) FROM bars ORDER BY hash(open_time) LIMIT 80"
    )
    for name in names:
        check_frames(explained, explained.explain(name))


def test_frames_that_are_no_text_are_shown_as_escapes_and_come_whole_in_json(small):
    raw = b'{"e":\xff\xfe\x1b[2J"trade"'
    explained = small([trade(1, 0), (BEGIN + S, raw), trade(2, 2 * S)])
    node = explained.explain("binance-0:1")
    assert '{"e":\\xFF\\xFE\\x1B[2J"trade"' in text.render(node)
    (frame,) = json.loads(json_text.to_json(node))["frames"]
    assert "frame" not in frame
    assert base64.b64decode(frame["frame_base64"]) == raw


def test_a_log_that_is_not_that_of_the_results_is_noticed(demo_results, tmp_path):
    fill = demo_results.rows("SELECT * FROM fills LIMIT 1")[0]
    partition = fill["partition"]
    lines = demo_results.lines[partition]
    shifted = tmp_path / f"{partition}.tape"
    shifted.write_bytes(b"\n".join(lines[5000:]))
    node = explain(demo_results.reader, fill["id"])
    assert not Frames(find_tapes([shifted], demo_results.job), demo_results.job, silent).fetch(node)
    assert "another log" in node.causes[0].notes[0]
    (trades,) = only(node, "trades")
    assert not trades.row["exact"]


def test_a_log_that_ends_before_the_record_says_how_far_it_goes(demo_results, tmp_path):
    fill = demo_results.rows("SELECT * FROM fills WHERE partition = 'binance-0' LIMIT 1")[0]
    part = tmp_path / "binance-0.tape"
    part.write_bytes(b"\n".join(demo_results.lines["binance-0"][:100]) + b"\n")
    node = explain(demo_results.reader, fill["id"])
    assert not Frames(find_tapes([part], demo_results.job), demo_results.job, silent).fetch(node)
    assert node.causes[0].faults == ["the log that was given has binance-0 up to record 99 only"]


# --- other doors --------------------------------------------------------------------------


def parquet_of(demo_results, folder):
    """The tapes as hours of an archive, in row groups of some hundred records."""
    for partition, lines in demo_results.lines.items():
        records = [line.partition(b" ") for line in lines if line]
        columns = [
            pa.array([int(time) for time, _, _ in records]),
            pa.array(range(len(records))),
            pa.array([frame for _, _, frame in records], pa.binary()),
        ]
        batch = pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
        (folder / partition).mkdir(parents=True)
        write_closed(folder / partition / "2026-01-05T09.parquet", [batch])
    return folder


def test_an_archive_gives_the_same_explanation_as_the_tapes(demo_results, tmp_path, monkeypatch):
    monkeypatch.setattr("tapeflow.connectors.tapes.hour_file.GROUP_ROWS", 700)
    archive = parquet_of(demo_results, tmp_path / "archive")
    frames = Frames(find_tapes([archive], demo_results.job), demo_results.job, silent)
    for name in demo_results.ids("SELECT id FROM fills"):
        from_archive = json_text.to_json(demo_results.explain(name, frames=frames))
        assert from_archive == json_text.to_json(demo_results.explain(name))


def test_parquet_is_read_from_the_row_group_of_the_record_on(demo_results, tmp_path, monkeypatch):
    monkeypatch.setattr("tapeflow.connectors.tapes.hour_file.GROUP_ROWS", 700)
    archive = parquet_of(demo_results, tmp_path / "archive")
    files = (archive / "binance-0" / "2026-01-05T09.parquet",)
    assert position_before(files, 0)[:2] == (0, 0)
    assert position_before(files, 699)[:2] == (0, 0)
    assert position_before(files, 700)[:2] == (0, 700)
    assert (
        position_before(files, 10**9)[1] == (len(demo_results.lines["binance-0"]) - 2) // 700 * 700
    )


# --- tables that later versions have ------------------------------------------------------


def test_findings_come_of_the_column_checks_where_it_is_filled():
    row = {
        "checks": '[["STATE",true,"ACTIVE",null,"portfolio"],["COLLAR",false,12.5,10,"account:a"]]',
        "detail": "COLLAR: observed=12.5, limit=10", "reason": "COLLAR",
    }  # fmt: skip
    found = findings(row)
    assert [each["check"] for each in found] == ["STATE", "COLLAR"]
    assert found[1] == {
        "check": "COLLAR", "passed": False, "observed": 12.5, "limit": 10, "scope": "account:a",
    }  # fmt: skip
    assert [each["passed"] for each in findings(row | {"checks": ""})] == [False]


def test_a_change_of_state_is_explained_by_its_command_and_record(demo_results, tmp_path):
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(demo_results.results.read_bytes())
    with duckdb.connect(str(copy)) as con:
        con.execute("DROP VIEW IF EXISTS states; DROP VIEW IF EXISTS control")
        con.execute(
            "CREATE TABLE states AS SELECT 3 AS seq, 'account:main' AS scope, "
            "TIMESTAMP_NS '2026-01-05 09:00:43.207571' AS time, 'binance-0' AS partition, "
            "18565 AS \"offset\", 'ACTIVE' AS before, 'HALTED' AS state, 'CHANGED' AS event, 'command' AS cause, "
            "'00112233445566778899aabb' AS rule, 'alice' AS by, '' AS observed, '' AS limit, "
            "'' AS detail"
        )
        con.execute(
            "CREATE TABLE control AS SELECT '00112233445566778899aabb' AS id, 'alice' AS who, "
            "1 AS number, 'halt' AS action, 'account:main' AS scope, '{}' AS args, "
            "'DONE' AS verdict, '' AS reason, '' AS detail, "
            "TIMESTAMP_NS '2026-01-05 09:00:43.207571' AS time, 'binance-0' AS partition, "
            '18565 AS "offset"'
        )
    reader = ResultsReader(copy)
    node = explain(reader, "states/3")
    assert [each.kind for each in node.causes] == ["record", "control"]
    assert "account:main ACTIVE -> HALTED, by command" in text.render(node)
    command = explain(reader, "001122")
    assert command.kind == "control"
    assert command.tables["states"][0]["seq"] == 3


# --- what is printed ----------------------------------------------------------------------


def test_the_tree_is_cut_to_the_width_of_the_terminal_and_loses_no_character(demo_results):
    node = demo_results.explain(demo_results.ids("SELECT id FROM fills")[0], keep=3)
    whole = text.render(node)
    for width in (60, 100, 200):
        cut = text.render(node, width)
        assert max(map(len, cut.splitlines())) <= width
        assert drawn(cut) == drawn(whole)
    assert "\u2502" not in text.render(node, unicode=False)


def drawn(tree):
    """The characters of a tree but for its branches and spaces."""
    return "".join(each for each in tree if each not in "├└─│ \n")


def test_of_a_bar_the_first_and_last_frames_are_shown_unless_all_are_wanted(demo_results):
    name = demo_results.ids("SELECT id FROM fills")[0]
    some = demo_results.explain(name, keep=3)
    (trades,) = only(some, "trades")
    (every,) = only(demo_results.explain(name), "trades")
    assert trades.frames == every.frames[:3] + every.frames[-3:]
    assert f".. {len(every.frames) - 6} more: --all" in text.render(some)
    assert f"sum to {trades.row['sum']}: the volume of the bar" in text.render(some)


def test_json_holds_the_tree_with_every_frame(demo_results):
    node = demo_results.explain(demo_results.ids("SELECT id FROM fills")[0])
    shown = json.loads(json_text.to_json(node))
    assert (shown["kind"], shown["row"]["id"]) == ("fill", node.id)

    def frames_in(each):
        yield from each["frames"]
        for cause in each["causes"]:
            yield from frames_in(cause)

    expected = [frame.frame for each in walk(node) for frame in each.frames]
    assert [each["frame"].encode() for each in frames_in(shown)] == expected


# --- what an id may be --------------------------------------------------------------------


def test_the_beginning_of_an_id_is_enough_where_it_is_the_only_one(demo_results):
    for fill in demo_results.ids("SELECT id FROM fills LIMIT 10"):
        assert explain(demo_results.reader, fill[:10]).id == fill


def test_the_id_of_an_order_at_its_venue_names_the_order(demo_results):
    row = demo_results.rows("SELECT wire_id, order_id FROM commands LIMIT 1")[0]
    node = explain(demo_results.reader, row["wire_id"])
    assert (node.kind, node.id) == ("order", row["order_id"])


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("abc", "abc is too short: give an id"),
        ("nothing", "nothing is no id: give an id"),
        ("ffffffff", "no fact has an id that begins with ffffffff; the nearest is"),
        ("BTC-USDT.BINANCS@2026-01-05T09:00", "did you mean BTC-USDT.BINANCE?"),
        ("BTC-USDT.BINANCE@soon", "soon is no time: write"),
        ("BTC-USDT.BINANCE@2027-01-01", "; the nearest begins at 2026-01-05 09:04:59"),
        ("BTC-USDT.BINANCE@1+2", "no bar BTC-USDT.BINANCE@1+2; the nearest begins at"),
        ("main/99999", "account main has no fact 99999: the last is"),
        ("mian/3", "no account mian has facts: did you mean main?"),
        ("states/77", "no change of a trading state has the number 77"),
    ],
)
def test_what_is_no_id_is_one_line_with_what_is_near(demo_results, name, line):
    with pytest.raises(TapeflowError, match=r"^[^\n]+$") as error:
        explain(demo_results.reader, name)
    assert line in str(error.value)


def test_the_beginning_of_several_ids_names_them(demo_results, tmp_path):
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(demo_results.results.read_bytes())
    with duckdb.connect(str(copy)) as con:
        con.execute("UPDATE internal.signals SET id = 'abcdef' || id[7:] WHERE strategy = 'trend'")
    with pytest.raises(TapeflowError, match=r"abcdef is the beginning of several ids: signal abcd"):
        explain(ResultsReader(copy), "abcdef")
