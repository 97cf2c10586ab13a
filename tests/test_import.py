"""`tapeflow import`: what is read, what is refused, and where it goes."""

import gzip
import json
import random
import re
import zipfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeflow.connectors.foreign import csv_file, jsonl_file, parquet_file, values
from tapeflow.connectors.foreign.rows import LogTimes
from tapeflow.connectors.foreign.times import read_times
from tapeflow.flows.cli.main import main
from tapeflow.flows.imports.convert import import_files
from tapeflow.flows.imports.source import Choices
from tapeflow.flows.job import settings as job_settings
from tapeflow.flows.job.wiring import dialects
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.raw_topics import find_topics
from tapeflow.flows.run.run import run_plan
from tapeflow.operators.decode import step as decode
from tapeflow.operators.decode.scanner import Scanner
from tapeflow.operators.decode.step import Decoder
from tapeflow.schemas.batches import Page
from tapeflow.schemas.errors import TapeflowError, UsageError
from tapeflow.schemas.venues import VENUES
from tapeflow.schemas.venues.imported import CHANNELS
from tests.running import digest, loaded, replay

TIME = 1_793_491_200_017_611  # us
JOB = """
[instruments]
"BTC-USDT.BINANCE" = { tick = "0.01", lot = "0.00001" }
"ETH-USDT.BINANCE" = { tick = "0.01", lot = "0.0001" }
"""
SPOT = Choices(instrument="BTC-USDT.BINANCE")


def records(folder):
    """Return the records of the tapes in a folder by their partition, in their order."""
    by_partition = {}
    for path in sorted(folder.glob("*.tape.zst")):
        with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as stream:
            lines = stream.read().decode().splitlines()
        by_partition.setdefault(path.name.partition(".")[0], []).extend(
            (int(line.partition(" ")[0]), line.partition(" ")[2]) for line in lines
        )
    return by_partition


def spot_row(number, time=TIME, price="100.10", size="1.50"):
    return f"{number},{price},{size},150.15,{time},True,True"


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def imported_rows(path, choices=SPOT):
    """Return the frames of a file as objects."""
    folder = path.parent / "imported"
    import_files([path], folder, choices)
    return [json.loads(frame) for some in records(folder).values() for _, frame in some]


# --- frames of ours are what the venue's frames are -----------------------------------------------

PAIRS = {
    "trade": (
        '{"e":"trade","E":1,"s":"BTCUSDT","t":7,"p":"100.10","q":"1.50","T":1793491200017,"m":true,"M":true}',
        "BTCUSDT-trades-2026-11-01.csv", "7,100.10,1.50,150.15,1793491200017,True,True",
    ),
    "trade in us": (
        '{"e":"trade","E":1,"s":"BTCUSDT","t":7,"p":"100.10","q":"1.50","T":1793491200017611,"m":false,"M":true}',
        "BTCUSDT-trades-2026-11-01.csv", "7,100.10,1.50,150.15,1793491200017611,False,True",
    ),
    "aggTrade": (
        '{"e":"aggTrade","E":1,"s":"BTCUSDT","a":7,"p":"0.1","q":"2","f":100,"l":105,"T":1793491200017,"m":true}',
        "BTCUSDT-aggTrades-2026-11.csv", "7,0.1,2,100,105,1793491200017,True,True",
    ),
}  # fmt: skip


def decode_frame(venue, frame, way="trade"):
    """Return the columns that a frame of a venue becomes."""
    dialect = VENUES[venue].dialect
    if any(each.trades for each in dialect.channels):
        dialect = dialect.with_trades(way)
    decoder = Decoder.from_scanner(Scanner(dialect, {"BTCUSDT": 0, "BTC-USD": 1}))
    batch = decode.step(Page.from_frames(f"{venue}-0", 0, [0], [frame.encode()]), decoder=decoder)
    assert not batch.dead_letters
    return [
        {name: getattr(table, name).tolist() for name in table.column_names()}
        for table in batch.market.columns()
    ]


@pytest.mark.parametrize("kind", PAIRS)
def test_an_imported_trade_becomes_the_columns_of_the_frame_of_its_venue(kind, tmp_path):
    frame, name, row = PAIRS[kind]
    import_files([write(tmp_path / name, row)], tmp_path / "tapes", Choices())
    ((_, imported),) = records(tmp_path / "tapes")["binance-0"]
    way = "aggTrade" if kind == "aggTrade" else "trade"
    assert decode_frame("binance", imported) == decode_frame("binance", frame, way)


def test_an_imported_quote_becomes_the_columns_of_the_frame_of_its_venue(tmp_path):
    header = "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time"
    path = write(
        tmp_path / "BTCUSDT-bookTicker-2026-11-01.csv",
        header,
        "5,1.5,2,1.6,0,1793491200017,1793491200019",
    )
    import_files([path], tmp_path / "tapes", Choices())
    ((_, imported),) = records(tmp_path / "tapes")["binance-usdm-0"]
    frame = '{"e":"bookTicker","u":5,"s":"BTCUSDT","b":"1.5","B":"2","a":"1.6","A":"0","T":1793491200017,"E":1793491200019}'
    assert str(decode_frame("binance-usdm", imported)) == str(
        decode_frame("binance-usdm", frame)
    )  # NaN too


def test_a_job_that_says_of_the_venues_frames_what_they_are_says_nothing_of_ours(tmp_path):
    (tmp_path / "job.toml").write_text(
        '[market]\ntime_unit = "ms"\n[channels]\nbinance = ["trade"]\n' + JOB
    )
    known = dialects(job_settings.load(tmp_path / "job.toml", {}))["binance"]
    assert [each for each in known.channels if each.imported] == [*CHANNELS]


# --- what is read ---------------------------------------------------------------------------------


@given(
    st.decimals(min_value=Decimal("1e-12"), max_value=10**12, allow_nan=False),
    st.sampled_from("fgeE"),
)
def test_a_decimal_keeps_its_value_and_a_plain_one_its_text(number, form):
    number = number.quantize(Decimal("1e-20")) if number < 1 else round(number, 8)
    text = format(number, "f") if form == "f" else format(number, f".{len(str(number))}{form}")
    column = values.decimals(pa.array([text.encode()]))
    assert column.good.all()
    written = column.text[0].as_py().decode()
    assert Decimal(written) == Decimal(text)
    assert re.fullmatch(r"[0-9]+(\.[0-9]+)?", written)
    if re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,18})?", text):
        assert written == text


@pytest.mark.parametrize(
    "text", ["", "abc", "-1", "0", "0.000", "nan", "inf", "1,5", "1e999", "0x1", "1 2", "٣"]
)
def test_what_is_no_price_is_refused(text):
    assert not values.decimals(pa.array([text.encode()])).good.any()


NS = st.integers(946_684_800 * 10**9, 4_102_444_800 * 10**9)


@given(
    NS,
    st.sampled_from([1, 1_000, 1_000_000, 1_000_000_000]),
    st.sampled_from(["digits", "iso", "point", "zone"]),
)
def test_a_time_is_read_to_the_nanosecond_in_every_form(ns, step, form):
    ns -= ns % step
    text = str(ns // step)
    seconds, rest = divmod(ns, 10**9)
    if form == "point":
        text = f"{seconds}.{rest:09d}"
    elif form != "digits":
        text = str(np.datetime64(seconds, "s")).replace("T", " " if form == "zone" else "T")
        text += f".{rest:09d}" + ("+00:00" if form == "zone" else "Z")
    read = read_times(pa.array([text.encode()]), "")
    if form in {"digits", "point"} and seconds < 10**9:
        return  # nine digits show no unit
    assert (read.ns.tolist(), read.good.tolist()) == ([ns], [True])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "17934912000",
        "2026-13-01T00:00:00Z",
        "1793491200017611.5x",
        "-5",
        "9" * 19,
        "2026-11-01T25:00Z",
    ],
)
def test_what_is_no_time_is_refused(text):
    assert not read_times(pa.array([text.encode()]), "").good.any()


def test_a_unit_that_is_said_is_of_all_times(tmp_path):
    assert read_times(pa.array([b"1793491200"]), "s").ns.tolist() == [1_793_491_200 * 10**9]
    assert not read_times(pa.array([b"1793491200"]), "ms").good.any()  # of 1970


def test_a_time_keeps_its_digits(tmp_path):
    path = write(
        tmp_path / "BTCUSDT-trades-2026-11-01.csv",
        spot_row(1, 1793491200017),
        spot_row(2, 1793491200018),
    )
    assert [row["event"] for row in imported_rows(path)] == [1793491200017, 1793491200018]


@pytest.mark.parametrize(
    ("header", "row", "taker"),
    [
        (
            "trade_id,side,size,price,time",
            "1,buy,2,1.5,2026-11-01T00:00:00Z",
            "sell",
        ),  # Coinbase's own
        ("id,side,size,price,time", "1,buy,2,1.5,2026-11-01T00:00:00Z", "buy"),
        ("id,taker_side,size,price,time", "1,Sell,2,1.5,2026-11-01T00:00:00Z", "sell"),
        ("id,maker_side,size,price,time", "1,SELL,2,1.5,2026-11-01T00:00:00Z", "buy"),
        ("id,isBuyerMaker,size,price,time", "1,1,2,1.5,2026-11-01T00:00:00Z", "sell"),
        ("id,is_buyer_maker,size,price,time", "1,false,2,1.5,2026-11-01T00:00:00Z", "buy"),
    ],
)
def test_the_side_is_that_of_the_aggressor(header, row, taker, tmp_path):
    (frame,) = imported_rows(write(tmp_path / "x.csv", header, row))
    assert frame["side"] == taker


def test_whose_side_it_is_can_be_said(tmp_path):
    path = write(
        tmp_path / "x.csv", "trade_id,side,size,price,time", "1,buy,2,1.5,2026-11-01T00:00:00Z"
    )
    (frame,) = imported_rows(path, Choices(instrument="BTC-USD.COINBASE", maker=False))
    assert frame["side"] == "buy"


@pytest.mark.parametrize(
    ("name", "row", "venue"),
    [
        ("BTCUSDT-trades-2026-11-01.csv", "1,1.5,2,3,1793491200017,True,True", "binance"),
        ("BTCUSDT-trades-2026-11-01.csv", "1,1.5,2,3,1793491200017,true", "binance-usdm"),
        ("BTCUSDT-trades-2026-11.csv", "1,1.5,2,3,1793491200017,true", "binance-usdm"),
        ("BTCUSDT-aggTrades-2026-11-01.csv", "1,1.5,2,3,4,1793491200017,True,True", "binance"),
        ("BTCUSDT-aggTrades-2026-11-01.csv", "1,1.5,2,3,4,1793491200017,true", "binance-usdm"),
        (
            "futures/um/BTCUSDT-trades-2026-11-01.csv",
            "1,1.5,2,3,1793491200017,true",
            "binance-usdm",
        ),
    ],
)
def test_a_dump_of_binance_says_by_its_columns_whether_it_is_of_spot_or_futures(
    name, row, venue, tmp_path
):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    import_files([write(path, row)], tmp_path / "tapes", Choices())
    assert [*records(tmp_path / "tapes")] == [f"{venue}-0"]


def test_a_renamed_dump_of_binance_is_known_by_its_booleans(tmp_path):
    (frame,) = imported_rows(write(tmp_path / "x.csv", "1,1.5,2,3,4,1793491200017,true"))
    assert (frame["tapeflow"], frame["first"], frame["last"]) == ("aggTrade", 3, 4)


def test_a_column_of_symbols_makes_one_partition_of_several_instruments(tmp_path):
    rows = [f"{'BTCUSDT' if n % 2 else 'ETHUSDT'},{n},1.5,2,buy,{TIME + n}" for n in range(6)]
    path = write(tmp_path / "x.csv", "symbol,id,price,amount,side,timestamp", *rows)
    (done,) = import_files([path], tmp_path / "tapes", Choices(venue="binance"))
    assert done.symbols == ["BTCUSDT", "ETHUSDT"]
    frames = [json.loads(frame) for _, frame in records(tmp_path / "tapes")["binance-0"]]
    assert [each["symbol"] for each in frames] == ["ETHUSDT", "BTCUSDT"] * 3


def test_a_file_of_several_symbols_is_not_of_one_instrument(tmp_path):
    rows = [f"{'BTCUSDT' if n % 2 else 'ETHUSDT'},{n},1.5,2,buy,{TIME + n}" for n in range(6)]
    path = write(tmp_path / "x.csv", "symbol,id,price,amount,side,timestamp", *rows)
    with pytest.raises(UsageError, match="several symbols: BTCUSDT, ETHUSDT"):
        import_files([path], tmp_path / "tapes", SPOT)
    assert not records(tmp_path / "tapes")


def test_the_instrument_that_is_named_goes_before_the_name_in_a_column(tmp_path):
    path = write(
        tmp_path / "x.csv", "symbol,id,price,amount,side,timestamp", f"BTC/USDT,1,1.5,2,buy,{TIME}"
    )
    assert [row["symbol"] for row in imported_rows(path)] == ["BTCUSDT"]


def test_trades_without_ids_are_numbered_where_the_user_says_from_where_on(tmp_path):
    path = write(
        tmp_path / "x.csv", "price,qty,side,time", *(f"1.5,2,buy,{TIME + n}" for n in range(3))
    )
    with pytest.raises(UsageError, match="--first-id 1"):
        import_files([path], tmp_path / "tapes", SPOT)
    frames = imported_rows(path, Choices(instrument="BTC-USDT.BINANCE", first_id=40))
    assert [each["id"] for each in frames] == [40, 41, 42]


# --- log times ------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.integers(0, 50), min_size=1)), st.integers(0, 30))
def test_log_times_never_go_back_and_what_is_moved_is_counted(parts, floor):
    clock, written, log = LogTimes(floor), [], []
    for part in parts:
        written += part
        log += clock.next(np.array(part, np.int64)).tolist()
    expected, last = [], floor
    for each in written:
        last = max(last, each)
        expected.append(last)
    assert log == expected
    behind = [new - old for new, old in zip(log, written, strict=True)]
    assert clock.moved == sum(each > 0 for each in behind)
    assert clock.furthest_ns == max(behind, default=0)


def test_the_receive_time_is_the_log_time_where_there_is_one(tmp_path):
    path = write(
        tmp_path / "x.csv", "id,price,qty,side,time,received", f"1,1.5,2,buy,{TIME},{TIME + 9}"
    )
    import_files([path], tmp_path / "tapes", SPOT)
    ((log_ns, frame),) = records(tmp_path / "tapes")["binance-0"]
    assert (log_ns, json.loads(frame)["received"], json.loads(frame)["event"]) == (
        (TIME + 9) * 1000,
        (TIME + 9) * 1000,
        TIME,
    )


def test_a_row_behind_the_one_above_it_is_counted(tmp_path, capsys):
    times = [TIME, TIME + 500_000, TIME + 100_000, TIME + 600_000]
    path = write(
        tmp_path / "BTCUSDT-trades-2026-11-01.csv", *(spot_row(n, t) for n, t in enumerate(times))
    )
    assert main(["import", str(path), "--to", str(tmp_path / "tapes")]) == 0
    assert "1 rows lay before the row above them, by 0.4 s at most" in capsys.readouterr().out
    log = [log_ns for log_ns, _ in records(tmp_path / "tapes")["binance-0"]]
    assert log == [each * 1000 for each in (TIME, TIME + 500_000, TIME + 500_000, TIME + 600_000)]


def newest_first(path, count=50):
    return write(path, *(spot_row(n, TIME + n // 2) for n in reversed(range(count))))


def test_a_file_that_is_newest_first_is_refused_and_sorted_where_the_user_says_so(tmp_path):
    path = newest_first(tmp_path / "BTCUSDT-trades-2026-11-01.csv")
    with pytest.raises(TapeflowError, match="--sort puts them in order"):
        import_files([path], tmp_path / "tapes", Choices())
    (done,) = import_files([path], tmp_path / "tapes", Choices(sort=True))
    assert (done.rows, done.moved) == (50, 0)
    frames = [json.loads(frame) for _, frame in records(tmp_path / "tapes")["binance-0"]]
    assert [each["id"] for each in frames] == [*range(50)]
    assert [each.name for each in (tmp_path / "tapes").iterdir()] == [Path(done.tape).name]


def test_sorting_says_of_bad_rows_what_not_sorting_says(tmp_path):
    path = newest_first(tmp_path / "BTCUSDT-trades-2026-11-01.csv")
    path.write_text(path.read_text() + "7,x,1,1,1,True,True\n")
    with pytest.raises(TapeflowError, match="line 51 price 'x' is no decimal above zero"):
        import_files([path], tmp_path / "tapes", Choices(sort=True))


# --- rows that cannot be read ---------------------------------------------------------------------

BAD = {
    3: ("1,1.5,2,1,1793491200017611,True", "has 6 values, not 7"),
    5: (spot_row(5, price="abc"), "price 'abc' is no decimal above zero"),
    8: (spot_row(8, size="0"), "size '0' is no decimal above zero"),
    9: (spot_row(9, time="179349120001761"), "time '179349120001761' is no time"),
    11: (spot_row(11).replace("True,", "yes,"), "is_buyer_maker 'yes' is neither true nor false"),
    12: (spot_row("1.5"), "id '1.5' is no whole number"),
}


def with_bad_rows(path, count=40, blank=()):
    lines = [
        BAD[n][0] if n in BAD else "" if n in blank else spot_row(n) for n in range(1, count + 1)
    ]
    return write(path, *lines)


@pytest.mark.parametrize("block", [64, 200, 1 << 22])
def test_bad_rows_are_named_by_their_lines_and_nothing_is_written(block, tmp_path, monkeypatch):
    monkeypatch.setattr(csv_file, "BLOCK_BYTES", block)
    path = with_bad_rows(tmp_path / "BTCUSDT-trades-2026-11-01.csv", blank={4, 20})
    with pytest.raises(TapeflowError) as raised:
        import_files([path], tmp_path / "tapes", Choices())
    line = str(raised.value)
    assert line.startswith(f"{path}: 6 rows cannot be read: ")
    for number, (_, why) in [*BAD.items()][:5]:
        assert f"line {number} {why}" in line
    assert "and 1 more; nothing was written: --skip-bad" in line
    assert [*(tmp_path / "tapes").iterdir()] == []


def test_bad_rows_that_are_left_out_are_counted(tmp_path, capsys):
    path = with_bad_rows(tmp_path / "BTCUSDT-trades-2026-11-01.csv")
    command = ["import", str(path), "--to", str(tmp_path / "tapes")]
    assert main(command) == 1
    assert "6 rows cannot be read" in capsys.readouterr().err
    assert main([*command, "--skip-bad", "--json"]) == 0
    output = capsys.readouterr()
    (done,) = json.loads(output.out)
    assert (done["rows"], done["bad"]) == (34, 6)
    assert "line 3 has 6 values" in output.err


def test_bad_rows_of_parquet_and_of_json_lines_are_named_too(tmp_path):
    lines = [
        json.dumps({"id": n, "price": "1.5", "size": 2, "side": "buy", "time": TIME + n})
        for n in range(5)
    ]
    lines[1] = "{"
    lines[3] = lines[3].replace('"price": "1.5", ', "")
    with pytest.raises(
        TapeflowError, match=r"2 rows cannot be read: line 2 is no JSON object; line 4 has no price"
    ):
        import_files([write(tmp_path / "x.jsonl", *lines)], tmp_path / "tapes", SPOT)
    table = pa.table(
        {
            "id": [1, 2, 3],
            "price": [1.5, None, -1.0],
            "size": [1, 1, 1],
            "side": ["buy"] * 3,
            "time": [TIME] * 3,
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(
        TapeflowError, match=r"2 rows cannot be read: line 2 price '.*'.*; line 3 price '-1.0'"
    ):
        import_files([tmp_path / "x.parquet"], tmp_path / "tapes", SPOT)


@pytest.mark.parametrize(
    "module", [csv_file, jsonl_file, parquet_file], ids=["csv", "jsonl", "parquet"]
)
def test_a_file_is_read_alike_in_parts_of_any_size(module, tmp_path, monkeypatch):
    draw = random.Random(3)
    rows = [
        {
            "id": n,
            "price": f"{draw.random() + 1:.5f}",
            "size": str(n + 1),
            "side": "buy",
            "time": TIME + n,
        }
        for n in range(300)
    ]
    if module is csv_file:
        path = write(
            tmp_path / "x.csv",
            ",".join(rows[0]),
            *(",".join(map(str, row.values())) for row in rows),
        )
    elif module is jsonl_file:
        path = write(tmp_path / "x.jsonl", *map(json.dumps, rows))
    else:
        path = tmp_path / "x.parquet"
        pq.write_table(pa.Table.from_pylist(rows), path)
    import_files([path], tmp_path / "whole", SPOT)
    for name in ("BLOCK_BYTES", "PART_LINES", "PART_ROWS"):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, 128 if name == "BLOCK_BYTES" else 7)
    import_files([path], tmp_path / "parts", SPOT)
    assert records(tmp_path / "whole") == records(tmp_path / "parts")
    assert len(records(tmp_path / "parts")["binance-0"]) == 300


# --- what is refused ------------------------------------------------------------------------------

REFUSED = {
    "no instrument": ("x.csv", "id,price,qty,side,time\n1,2,3,buy,1793491200017\n", "--instrument BTC-USDT.BINANCE"),
    "bars": ("x.csv", "open_time,open,high,low,close,volume\n1,2,3,4,5,6\n", "it holds bars"),
    "a dump of bars": ("BTCUSDT-1m-2026-11-01.csv", "1,2,3,4,5,6\n", "holds 1m"),
    "a dump of books": ("BTCUSDT-bookDepth-2026-11-01.csv", "1,2,3\n", "holds bookDepth"),
    "no header": ("x.csv", "1,2,3,4\n", "number them: --columns price=2"),
    "no side": ("x.csv", "id,price,qty,time\n1,2,3,1793491200017\n", "--columns side=NAME"),
    "nothing": ("x.csv", "", "is empty"),
    "no rows": ("x.csv", "id,price,qty,side,time\n", "holds no rows"),
    "a JSON array": ("x.json", '[{"id":1}]', "one object each"),
    "binary": ("x.csv", "\x00\x01\x02", "neither CSV, nor Parquet, nor JSON lines"),
    "a tape": ("x.csv", '1793491200017611000 {"e":"trade"}\n', "is a tape"),
    "only bad rows": ("x.csv", "id,price,qty,side,time\n1,a,3,buy,1793491200017\n", "no row can be read"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_known_is_refused_in_one_line(case, tmp_path, capsys):
    name, text, why = REFUSED[case]
    (tmp_path / name).write_text(text)
    instrument = [] if case == "no instrument" else ["--instrument", "BTC-USDT.BINANCE"]
    assert main(["import", str(tmp_path / name), "--to", str(tmp_path / "tapes"), *instrument]) in {
        1,
        2,
    }
    (line, *_) = capsys.readouterr().err.splitlines()
    assert why in line
    assert str(tmp_path / name) in line
    assert not records(tmp_path / "tapes")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--columns", "prize=px"], "did you mean price?"),
        (["--columns", "price"], "write FIELD=NAME"),
        (["--columns", "price=a,price=b"], "named twice"),
        (["--columns", "price=nothing"], "no column nothing for price"),
        (["--instrument", "BTCUSDT"], "is no instrument id"),
        (["--instrument", "BTC-USD.KRAKEN"], "is no venue we know"),
        (["--instrument", "ETH-USDT.BINANCE"], "--symbol"),
        (["--venue", "kraken"], "is no venue we know"),
        (["--time-unit", "minutes"], "not one of s, ms, us, ns"),
    ],
)
def test_wrong_options_are_refused_with_what_to_write(arguments, why, tmp_path, capsys):
    path = write(tmp_path / "BTCUSDT-trades-2026-11-01.csv", spot_row(1))
    assert main(["import", str(path), "--to", str(tmp_path / "tapes"), *arguments]) == 2
    assert why in capsys.readouterr().err


def test_a_folder_of_one_market_with_files_of_another_is_refused(tmp_path):
    (tmp_path / "spot").mkdir()
    path = write(
        tmp_path / "spot" / "BTCUSDT-trades-2026-11-01.csv", "1,1.5,2,3,1793491200017,true"
    )
    with pytest.raises(UsageError, match="say which it is, with --venue"):
        import_files([path], tmp_path / "tapes", Choices())


@pytest.mark.parametrize("packed", ["zip", "gz"])
def test_a_file_that_is_cut_off_is_refused_whole(packed, tmp_path):
    text = "\n".join(spot_row(n, TIME + n) for n in range(20_000)).encode()
    path = tmp_path / f"BTCUSDT-trades-2026-11-01.csv.{packed}"
    if packed == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.csv", text)
    else:
        path.write_bytes(gzip.compress(text))
    data = bytearray(path.read_bytes())
    if packed == "zip":
        data[len(data) // 2] ^= 0xFF  # what its checksum says
    path.write_bytes(data if packed == "zip" else data[: len(data) // 2])
    with pytest.raises(TapeflowError, match="cannot be read"):
        import_files([path], tmp_path / "tapes", Choices())
    assert not records(tmp_path / "tapes")


# --- where it goes --------------------------------------------------------------------------------


def day(folder, number, symbol="BTCUSDT", kind="trades"):
    day_us = 86_400_000_000
    rows = [spot_row(1000 * number + n, TIME + number * day_us + n) for n in range(10)]
    return write(folder / f"{symbol}-{kind}-2026-11-0{number}.csv", *rows)


def test_days_become_parts_of_one_partition_in_the_order_of_time(tmp_path):
    days = [day(tmp_path, number) for number in (3, 1, 2)]
    import_files(days[:2], tmp_path / "tapes", Choices())
    import_files([days[2], day(tmp_path, 1, "ETHUSDT")], tmp_path / "tapes", Choices())
    found = records(tmp_path / "tapes")
    ids = [json.loads(frame)["id"] for _, frame in found["binance-0"]]
    assert ids == [1000 * number + n for number in (1, 2, 3) for n in range(10)]
    assert json.loads(found["binance-1"][0][1])["symbol"] == "ETHUSDT"
    (tmp_path / "job.toml").write_text(JOB)
    job = job_settings.load(tmp_path / "job.toml", {})
    replay(tmp_path / "tapes", tmp_path / "r.duckdb", job)


def test_what_was_imported_is_not_imported_again(tmp_path):
    import_files([day(tmp_path, 1)], tmp_path / "tapes", Choices())
    before = records(tmp_path / "tapes")
    with pytest.raises(UsageError, match="it was imported before"):
        import_files([day(tmp_path, 2), day(tmp_path, 1)], tmp_path / "tapes", Choices())
    assert records(tmp_path / "tapes") == before


def test_two_files_of_the_same_time_are_refused(tmp_path):
    month = write(
        tmp_path / "BTCUSDT-trades-2026-11.csv",
        spot_row(1, TIME),
        spot_row(2, TIME + 3 * 86_400_000_000),
    )
    with pytest.raises(TapeflowError, match="do two files hold the same rows"):
        import_files([month, day(tmp_path, 1)], tmp_path / "tapes", Choices())
    assert not records(tmp_path / "tapes")


def test_what_overlaps_the_days_that_are_there_is_refused(tmp_path):
    first, last = TIME, TIME + 2 * 86_400_000_000
    long_day = write(tmp_path / "long.csv", spot_row(1, first), spot_row(2, first + 10**7))
    import_files([long_day, day(tmp_path, 3)], tmp_path / "tapes", SPOT)
    before = records(tmp_path / "tapes")
    around = write(tmp_path / "around.csv", spot_row(1, first - 1), spot_row(2, last))
    inside = write(tmp_path / "inside.csv", spot_row(3, first + 10**6))
    for path in (around, inside):
        with pytest.raises(TapeflowError, match="holds records of the same time"):
            import_files([path], tmp_path / "tapes", SPOT)
        assert records(tmp_path / "tapes") == before


def quotes_file(folder, times):
    header = "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time"
    rows = [f"{n},1.5,2,1.6,1,{time},{time}" for n, time in enumerate(times)]
    return write(folder / "BTCUSDT-bookTicker-2026-11-01.csv", header, *rows)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.integers(0, 30), min_size=1),
    st.lists(st.integers(0, 30), min_size=1),
    st.integers(1, 9),
)
def test_trades_and_quotes_of_one_symbol_are_one_tape_in_the_order_of_time(
    tmp_path_factory, trades, quotes, size
):
    folder = tmp_path_factory.mktemp("merged")
    some = sorted(trades), sorted(quotes)
    rows = [f"{n},1.5,2,3,{TIME + time},true" for n, time in enumerate(some[0])]
    dump = write(
        folder / "BTCUSDT-trades-2026-11-01.csv",
        "id,price,qty,quote_qty,time,is_buyer_maker",
        *rows,
    )
    block, csv_file.BLOCK_BYTES = csv_file.BLOCK_BYTES, 128 * size
    try:
        import_files(
            [quotes_file(folder, [TIME + each for each in some[1]]), dump],
            folder / "tapes",
            Choices(),
        )
    finally:
        csv_file.BLOCK_BYTES = block
    found = [
        (ns, json.loads(frame)["tapeflow"])
        for ns, frame in records(folder / "tapes")["binance-usdm-0"]
    ]
    kinds = [((TIME + each) * 1000, "trade") for each in some[0]] + [
        ((TIME + each) * 1000, "quote") for each in some[1]
    ]
    assert found == sorted(kinds, key=lambda each: each[0])


def test_numbers_of_ours_go_on_from_file_to_file(tmp_path):
    paths = [
        write(
            tmp_path / f"{n}.csv",
            "price,qty,side,time",
            f"1.5,2,buy,{TIME + n}",
            f"1.5,2,buy,{TIME + n}",
        )
        for n in (2, 1)
    ]
    import_files(paths, tmp_path / "tapes", Choices(instrument="BTC-USDT.BINANCE", first_id=5))
    assert [json.loads(frame)["id"] for _, frame in records(tmp_path / "tapes")["binance-0"]] == [
        5,
        6,
        7,
        8,
    ]


@pytest.mark.parametrize(
    "text",
    ["\ufeff{}", "{}", "{}\r"],
    ids=["with a mark of its encoding", "plain", "lines of Windows"],
)
@pytest.mark.parametrize("header", [True, False])
def test_a_csv_is_read_as_other_programs_write_it(text, header, tmp_path):
    lines = [
        *(["id,price,qty,quoteQty,time,isBuyerMaker,isBestMatch"] if header else []),
        *(spot_row(n) for n in range(3)),
    ]
    end = "\r\n" if text.endswith("\r") else "\n"
    path = tmp_path / "BTCUSDT-trades-2026-11-01.csv"
    path.write_bytes(text.removesuffix("\r").format(end.join(lines)).encode())
    assert [row["id"] for row in imported_rows(path, Choices())] == [0, 1, 2]


def test_a_folder_that_cannot_be_written_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["import", str(day(tmp_path, 1)), "--to", str(tmp_path / "file" / "tapes")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be written" in line


def test_trades_and_aggregate_trades_of_one_symbol_are_not_mixed(tmp_path):
    agg = write(tmp_path / "BTCUSDT-aggTrades-2026-11-01.csv", f"1,1.5,2,3,4,{TIME},True,True")
    with pytest.raises(TapeflowError, match="import one of them"):
        import_files([agg, day(tmp_path, 1)], tmp_path / "tapes", Choices())
    import_files([agg], tmp_path / "tapes", Choices())
    with pytest.raises(TapeflowError, match="import one of them"):
        import_files([day(tmp_path, 1)], tmp_path / "tapes", Choices())


def test_a_folder_is_imported_and_what_is_no_dump_is_named(tmp_path, capsys):
    (folder := tmp_path / "dumps").mkdir()
    day(folder, 1)
    write(folder / "BTCUSDT-trades-2026-11-01.zip.CHECKSUM", "abc")
    assert main(["import", str(folder), "--to", str(tmp_path / "tapes")]) == 0
    assert "not read: " in capsys.readouterr().err


# --- in every door --------------------------------------------------------------------------------


def test_imported_tapes_give_one_digest_as_text_as_parquet_and_from_topics(tmp_path):
    (tmp_path / "job.toml").write_text("[bars]\nwidth = '1s'\n" + JOB)
    job = job_settings.load(tmp_path / "job.toml", {})
    import_files([day(tmp_path, 1), day(tmp_path, 1, "ETHUSDT")], tmp_path / "tapes", Choices())
    expected = replay(tmp_path / "tapes", tmp_path / "r.duckdb", job)
    assert replay(tmp_path / "tapes", tmp_path / "r2.duckdb", job, workers=2) == expected
    (tmp_path / "parquet").mkdir()
    for partition, lines in records(tmp_path / "tapes").items():
        columns = {"log_ns": [ns for ns, _ in lines], "frame": [frame for _, frame in lines]}
        pq.write_table(pa.table(columns), tmp_path / "parquet" / f"{partition}.parquet")
    assert replay(tmp_path / "parquet", tmp_path / "r3.duckdb", job) == expected
    with loaded(tmp_path / "tapes", job) as from_topics:
        log = find_topics(from_topics, lambda _: None, tail=False)
        run_plan(
            Plan(command="test", log=log, job=from_topics, results=tmp_path / "r4.duckdb"),
            print,
            print,
        )
    assert digest(tmp_path / "r4.duckdb") == expected


@pytest.mark.parametrize("command", ["replay", "load"])
@pytest.mark.parametrize(
    "name",
    [
        "x.csv",
        "BTCUSDT-trades-2026-11-01.zip",
        "x.jsonl",
        "x.parquet",
        "binance-0.tape",
        "binance-0.parquet",
        "folder",
    ],
)
def test_the_error_of_a_foreign_file_names_the_command(command, name, tmp_path, capsys):
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
        day(path, 1)
    elif name.endswith(".parquet"):
        pq.write_table(pa.table({"px": [1.5]}), path)
    else:
        write(path, "id,price,qty,side,time", "1,2,3,buy,1793491200017")
    (tmp_path / "job.toml").write_text(JOB)
    options = ["--config", str(tmp_path / "job.toml")]
    if command == "replay":
        options += ["--results", str(tmp_path / "r.duckdb")]
    else:
        options += ["--bootstrap", "127.0.0.1:1"]
    if command == "load" and name.startswith("binance-0"):
        pytest.skip("its contents are read when the broker is there")
    assert main([command, str(path), *options]) in {1, 2}
    assert "tapeflow import" in capsys.readouterr().err
