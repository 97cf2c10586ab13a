"""Uses that fail, as data: the command, what is there, and what is said of it.

Paths are in a folder of the test's own, which is the working directory.
"""

import gzip
from typing import NamedTuple

JOB = """
[bars]
width = "1s"
lateness = "200ms"
[normalise]
window = 20
[paper]
latency = "250ms"
fee_bps = 5
[kafka]
bootstrap = "127.0.0.1:1"
connect_timeout = "100ms"
[[accounts]]
name = "main"
position_max = 1000
gross_max = 20000
orders_max = 4
orders_window = "10s"
[[strategies]]
name = "trend"
kind = "ema_cross"
account = "main"
size = "0.1"
instruments = ["BTC-*"]
[instruments]
"BTC-USDT.BINANCE" = { tick = "0.01", lot = "0.00001" }
"ETH-USD.COINBASE" = { tick = "0.01", lot = "0.001" }
"""
NS = 1_700_000_000_000_000_000
FRAME = b'{"e":"trade","E":1700000000000,"s":"BTCUSDT","t":%d,"p":"100.00","q":"1","T":1700000000000,"m":true}'


def tape(*log_ns):
    return b"".join(b"%d %s\n" % (ns, FRAME % number) for number, ns in enumerate(log_ns))


GOOD = tape(NS, NS + 1, NS + 2)
GOOD_GZ = gzip.compress(GOOD * 200)


class Use(NamedTuple):
    """A use of the command that fails."""

    command: str
    says: str  # a regular expression, in the one line of the error
    code: int = 1
    files: dict = {}  # noqa: RUF012  # path -> bytes, or None for a folder
    job: tuple = ()  # (old, new) pairs of the job's text
    variables: dict = {}  # noqa: RUF012


def job_use(says, *pairs):
    """A job in which one thing is wrong."""
    return Use("replay tapes --config job.toml", says, 2, {"tapes/binance-0.tape": GOOD}, pairs)


REPLAY = "replay tapes --config job.toml"
ADD = "[instruments]\n"  # before it a section can be added

PARSER = [
    Use("replya", "replya is no command: did you mean replay", 2),
    Use("frobnicate", "frobnicate is no command$", 2),
    Use("--versoin", "did you mean --version", 2),
    Use("help quary", "did you mean query", 2),
    Use("replay x --worker=2", "did you mean --workers", 2),
    Use("replay x --resuls r", "did you mean --results", 2),
    Use("replay", "name TAPES or give --from-topics", 2),
    Use("replay x --from-topics", "one of them", 2),
    Use("replay x --workers", "--workers: needs a value", 2),
    Use("replay x --workers 0", "no whole number above zero", 2),
    Use("replay x --workers -1", "--workers", 2),
    Use("replay x --workers two", "'two' is no whole number above zero", 2),
    Use("replay x --workers 1.5", "'1.5' is no whole number above zero", 2),
    Use("replay x --workers 500", "--workers: at most 64", 2),
    Use("replay x --processes 500", "--processes: at most 16", 2),
    Use("replay x --processes 0", "no whole number above zero", 2),
    Use("replay x --speed fast", "write max, 1x or 60x", 2),
    Use("replay x --speed 0x", "'0x' is no speed", 2),
    Use("replay x --json=1", "--json: takes no value", 2),
    Use("query", "missing: SQL", 2),
    Use("query a b", "b is one argument too many", 2),
    Use("query SELECT --format xml", "'xml' is not one of table, csv, json", 2),
    Use("digest a b", "b is one argument too many", 2),
    Use("digest -x", "-x is no option", 2),
    Use("demo --seed -1", "no whole number", 2),
    Use("demo --seconds 0", "no whole number above zero", 2),
    Use("completion", "missing: ", 2),
    Use("completion tcsh", "'tcsh' is not one of bash, zsh, fish", 2),
    Use("archive", "missing: FOLDER", 2),
    Use("load", "missing: TAPES", 2),
    Use("run tapes", "tapes is one argument too many", 2),
    Use("doctor x", "x is one argument too many", 2),
]

JOBS = [
    Use("replay tapes --config none.toml", "none.toml: cannot be read: No such file", 2),
    Use("replay tapes --config tapes", "tapes: cannot be read: Is a directory", 2, {"tapes": None}),
    Use("replay tapes --config j", "j: not TOML", 2, {"j": b"[bars"}),
    Use("replay tapes --config j", "j: not TOML", 2, {"j": b"\xff\xfe"}),
    Use("replay tapes --config j", "instruments is missing", 2, {"j": b""}),
    job_use("barz is no setting: did you mean bars", ("[bars]", "[barz]")),
    job_use("bars.widht is no setting: did you mean width", ("width", "widht")),
    job_use("bars: .*", ('[bars]\nwidth = "1s"\nlateness = "200ms"', "bars = 3\n")),
    job_use("bars.width: '1 hour' is no duration", ('"1s"', '"1 hour"')),
    job_use("bars.width: 1 is no duration", ('width = "1s"', "width = 1")),
    job_use("bars.width: .*", ('width = "1s"', 'width = "0s"')),
    job_use("bars.lateness: '-1s' is no duration", ('"200ms"', '"-1s"')),
    job_use("bars.width: '0.5ns' is not a whole number", ('"1s"', '"0.5ns"')),
    job_use("normalise.window: .*", ("window = 20", 'window = "many"')),
    job_use("normalise.window: .*", ("window = 20", "window = 0")),
    job_use("normalise.window: .*", ("window = 20", "window = 2.5")),
    job_use("paper.latency: .*no duration", ('"250ms"', "true")),
    job_use("paper.fee_bps: .*", ("fee_bps = 5", 'fee_bps = "free"')),
    job_use("accounts.0.position_max: .*", ("position_max = 1000", "position_max = -1")),
    job_use("accounts.0.gross_max is missing", ("gross_max = 20000\n", "")),
    job_use("accounts.0.orders_max: .*", ("orders_max = 4", "orders_max = 0.5")),
    job_use("accounts.0.orders_maxx is no setting", ("orders_max =", "orders_maxx =")),
    job_use("no account other: add it", ('account = "main"', 'account = "other"')),
    job_use(
        "strategies.trend.kind: .*did you mean ema_cross",
        ('kind = "ema_cross"', 'kind = "ema_crss"'),
    ),
    job_use("strategies.0.*kind", ('kind = "ema_cross"\n', "")),
    job_use("fast .* must be below slow", ('kind = "ema_cross"', 'kind = "ema_cross"\nfast = 30')),
    job_use("size 0.000001 is no multiple of the lot", ('"0.1"', '"0.000001"')),
    job_use("strategies.0.*size: .*", ('"0.1"', '"lots"')),
    job_use("strategies.0.*size: .*", ('"0.1"', '"-1"')),
    job_use("no instrument of the job is SOL-", ('["BTC-*"]', '["SOL-*"]')),
    job_use(
        "strategies: two have the same name",
        (
            ADD,
            '[[strategies]]\nname = "trend"\nkind = "reversion"\naccount = "main"\nsize = 1\n'
            + ADD,
        ),
    ),
    job_use(
        "accounts: two have the same name",
        (
            "[[strategies]]",
            '[[accounts]]\nname = "main"\nposition_max = 1\ngross_max = 1\norders_max = 1\norders_window = "1s"\n[[strategies]]',
        ),
    ),
    job_use("BTCUSDT", ('"BTC-USDT.BINANCE"', '"BTCUSDT"')),
    job_use("NASDAQ", ('"BTC-USDT.BINANCE"', '"BTC-USDT.NASDAQ"')),
    job_use("tick", ('tick = "0.01", lot = "0.00001"', 'lot = "0.00001"')),
    job_use("tick", ('tick = "0.01", lot = "0.00001"', 'tick = "0", lot = "0.00001"')),
    job_use("lot", ('lot = "0.00001"', 'lot = "small"')),
    job_use(
        "not TOML.*|instruments", (ADD, ADD + '"BTC-USDT.BINANCE" = { tick = "1", lot = "1" }\n')
    ),
    job_use("channels.nyse is no venue", (ADD, '[channels]\nnyse = ["trade"]\n' + ADD)),
    job_use("no channel trde; there are", (ADD, '[channels]\nbinance = ["trde"]\n' + ADD)),
    job_use("source.page_records: .*", (ADD, "[source]\npage_records = 0\n" + ADD)),
    job_use("source.max_lead: .*no duration", (ADD, '[source]\nmax_lead = "long"\n' + ADD)),
    job_use("recovery.epoch: .*no duration", (ADD, '[recovery]\nepoch = "-5s"\n' + ADD)),
    job_use("dedupe.*", (ADD, "[dedupe]\nwindow = -1\n" + ADD)),
    job_use("market.mark_prices: .*", (ADD, '[market]\nmark_prices = "perhaps"\n' + ADD)),
    job_use("results.*", (ADD, "[results]\nmoney_digits = 99\n" + ADD)),
    job_use("kafka.client.*", ("[kafka]", '[kafka]\nclient = "password"')),
    job_use("tapes.*", (ADD, '[[tapes]]\nfiles = "*.txt"\n' + ADD)),
]

TAPES = {"tapes/binance-0.tape": GOOD}
VARIABLES = [
    Use(REPLAY, "TAPEFLOW_BARS_WIDHT is no setting: did you mean TAPEFLOW_BARS_WIDTH", 2, TAPES,
        variables={"TAPEFLOW_BARS_WIDHT": "1s"}),
    Use(REPLAY, "TAPEFLOW_QQQQ is no setting$", 2, TAPES, variables={"TAPEFLOW_QQQQ": "1"}),
    Use(REPLAY, "bars.width: 'x' is no duration", 2, TAPES, variables={"TAPEFLOW_BARS_WIDTH": "x"}),
    Use(REPLAY, "TAPEFLOW_KAFKA_CLIENT is not JSON", 2, TAPES, variables={"TAPEFLOW_KAFKA_CLIENT": "{x"}),
    Use(REPLAY, "kafka.client", 2, TAPES, variables={"TAPEFLOW_KAFKA_CLIENT": "secret"}),
    Use("replay tapes", "nowhere.toml: cannot be read", 2, TAPES, variables={"TAPEFLOW_CONFIG": "nowhere.toml"}),
    Use(REPLAY, "source.page_records: .*", 2, TAPES, variables={"TAPEFLOW_SOURCE_PAGE_RECORDS": "many"}),
]  # fmt: skip

FOLDERS = [
    Use(REPLAY, "tapes does not exist", 2),
    Use(REPLAY, "no tapes in tapes", 2, {"tapes": None}),
    Use("replay job.toml --config job.toml", "job.toml is no tape", 2),
    Use("replay a.tape --config job.toml", "a|tape", 2, {"a.tape": GOOD}),
    Use("replay nyse-0.tape --config job.toml", "nyse", 2, {"nyse-0.tape": GOOD}),
    Use("replay binance-x.tape --config job.toml", "binance-x", 2, {"binance-x.tape": GOOD}),
    Use(REPLAY, "binance-0 is in several files", 2,
        {"tapes/binance-0.tape": GOOD, "tapes/binance-0.tape.gz": GOOD_GZ}),
    Use("replay \udcff --config job.toml", "is not UTF-8", 2),
    Use(f"{REPLAY} --results \udcff.duckdb", "is not UTF-8", 2, TAPES),
    Use(f"{REPLAY} --state \udcff", "is not UTF-8", 2, TAPES),
    Use("query SELECT --results \udcff", "is not UTF-8", 2),
]  # fmt: skip

RESULTS = [
    Use("query SELECT --results none.duckdb", "none.duckdb does not exist"),
    Use("digest none.duckdb", "none.duckdb does not exist"),
    Use("verify --config job.toml --results none.duckdb", "none.duckdb does not exist"),
    Use("query SELECT --results job.toml", "job.toml"),
    Use("query SELECT --results folder", "folder", 2, files={"folder": None}),
    Use("digest job.toml", "job.toml"),
    Use("digest folder", "folder", 2, files={"folder": None}),
    Use("digest empty", "empty", files={"empty": b""}),
    Use(f"{REPLAY} --results job.toml", "job.toml exists and holds no results", 1, TAPES),
    Use(f"{REPLAY} --results tapes", "tapes is a folder", 2, TAPES),
    Use(f"{REPLAY} --results job.toml/r.duckdb", "job.toml", 1, TAPES),
    Use(f"{REPLAY} --results /dev/full/r", "/dev/full", 1, TAPES),
    Use(f"{REPLAY} --results {'n' * 260}", "File name too long", 1, TAPES),
    Use(f"{REPLAY} --state job.toml", "job.toml", 1, TAPES),
    Use(f"{REPLAY} --state s", "no manifest of Tapeflow", 1, {**TAPES, "s/manifest.json": b"{"}),
    Use(f"{REPLAY} --state s", "no manifest of Tapeflow", 1, {**TAPES, "s/manifest.json": b"\xff"}),
    Use(f"{REPLAY} --state s", "made with format 99", 1, {**TAPES, "s/manifest.json": b'{"format": 99}'}),
    Use(f"{REPLAY} --state s --results s/work.duckdb", "the state's own file", 2, TAPES),
]  # fmt: skip

BROKERS = [
    Use("run --config job.toml", "no answer from a broker at 127.0.0.1:1 within 0.1 s"),
    Use("replay --from-topics --config job.toml", "no answer from a broker at 127.0.0.1:1"),
    Use("run --config job.toml --bootstrap nowhere.invalid:9", "no answer.* nowhere.invalid:9"),
    Use("run --config job.toml --bootstrap ::::", "::::"),
    Use("run --config job.toml --bootstrap 127.0.0.1:port", "127.0.0.1:port"),
    Use("run --config job.toml --bootstrap 127.0.0.1:99999", "127.0.0.1:99999"),
    Use("load tapes --config job.toml", "127.0.0.1:1", 1, TAPES),
    Use("archive archive --config job.toml", "no answer from a broker at 127.0.0.1:1"),
    Use("run --config job.toml", 'Kafka client settings: No such configuration property: "x"',
        variables={"TAPEFLOW_KAFKA_CLIENT": '{"x": 1}'}),
    Use("run --config job.toml", "Kafka client settings", 1,
        variables={"TAPEFLOW_KAFKA_CLIENT": '{"security.protocol": "nonsense"}'}),
    Use("run --config job.toml", "Kafka client settings", 1,
        variables={"TAPEFLOW_KAFKA_CLIENT": '{"security.protocol": "ssl", "ssl.ca.location": "none.pem"}'}),
    Use("verify --config job.toml", "results.duckdb does not exist"),
]  # fmt: skip

ENGINE = [  # found while the engine runs: in every shape
    Use(REPLAY, r"binance-0.tape: record 0 begins with b'rubbish'", 1, {"tapes/binance-0.tape": b"rubbish\n"}),
    Use(REPLAY, r"record 3 begins with b'half'", 1, {"tapes/binance-0.tape": GOOD + b"half"}),
    Use(REPLAY, r"binance-0.tape.gz: .*", 1, {"tapes/binance-0.tape.gz": GOOD_GZ[:-40]}),
    Use(REPLAY, r"binance-0.tape.gz: .*", 1, {"tapes/binance-0.tape.gz": b"no gzip at all"}),
    Use(REPLAY, r"binance-0.tape.zst: .*", 1, {"tapes/binance-0.tape.zst": b"no zstd at all"}),
    Use(REPLAY, r"binance-0.parquet: .*", 1, {"tapes/binance-0.parquet": b"no Parquet"}),
    Use(REPLAY, r"binance-0.parquet: .*", 1, {"tapes/binance-0.parquet": b""}),
    Use(REPLAY, r"BTC-USDT.BINANCE comes from two partitions", 1,
        {"tapes/binance-0.tape": GOOD * 1, "tapes/binance-1.tape": GOOD}),
]  # fmt: skip
USES = [*PARSER, *JOBS, *VARIABLES, *FOLDERS, *RESULTS, *BROKERS]
