"""Jobs: an error is one line that names the place and what was meant."""

from pathlib import Path

import pytest

from tapeflow.flows.job import settings
from tapeflow.flows.job import wiring as jobs
from tapeflow.flows.job.duration import format_duration, parse_duration
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.schemas.errors import UsageError

GOOD = """
[bars]
width = "1s"
[[accounts]]
name = "main"
position_max = 1
gross_max = "1000.5"
orders_max = 8
orders_window = "10s"
[[strategies]]
name = "cross"
kind = "ema_cross"
account = "main"
size = "0.5"
[instruments]
"BTC-USDT.BINANCE" = { tick = "0.01", lot = "0.1" }
"BTC-USDT-PERP.BINANCE-USDM" = { tick = "0.1", lot = "0.001" }
"BTC-USD.COINBASE" = { tick = "0.01", lot = "0.1", venue_symbol = "XBT-USD" }
"""


def load(tmp_path, text, environment=None):
    path = tmp_path / "job.toml"
    path.write_text(text)
    return settings.load(path, environment or {})


def refused(tmp_path, text, environment=None):
    with pytest.raises(UsageError) as raised:
        job = load(tmp_path, text, environment)
        jobs.account_contexts(job, instrument_table(job), ())
        jobs.decoders(job, instrument_table(job))
    line = str(raised.value)
    assert "\n" not in line
    return line


def test_a_venue_symbol_is_derived_unless_the_job_gives_one(tmp_path):
    table = instrument_table(load(tmp_path, GOOD))
    assert [(each.id, each.venue_symbol, each.kind) for each in table.rows] == [
        ("BTC-USD.COINBASE", "XBT-USD", "spot"),
        ("BTC-USDT-PERP.BINANCE-USDM", "BTCUSDT", "perp"),
        ("BTC-USDT.BINANCE", "BTCUSDT", "spot"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("width", "widht", "bars.widht is no setting: did you mean width?"),
        ("[bars]", "[barz]", "barz is no setting: did you mean bars?"),
        ("orders_max", "order_max", "accounts.0.order_max is no setting: did you mean orders_max?"),
        ("orders_max = 8", "orders_max = 8\norder_max = 8", "did you mean orders_max?"),
        ('"1s"', '"1 second"', "write 250ms, 1s, 5m, 1h or 1d"),
        ('"1s"', "1", "write 250ms, 1s, 5m, 1h or 1d"),
        ('kind = "ema_cross"', 'kind = "emacross"', "strategies"),
        ('account = "main"', 'account = "other"', "no account other"),
        ('size = "0.5"', 'size = "0.55"', "no multiple of the lot"),
        ('size = "0.5"', "size = -1", "greater than 0"),
        (
            'size = "0.5"',
            'size = "0.5"\ninstruments = ["ETH-*"]',
            "no instrument of the job is ETH-*",
        ),
        ("BTC-USDT.BINANCE", "BTCUSDT.BINANCE", "write BASE-QUOTE.VENUE"),
        ("BTC-USDT.BINANCE", "BTC-USDT.NASDAQ", "of no venue we know"),
        ("BTC-USDT.BINANCE", "BTC-EUR.BINANCE", "not among its currencies at_par"),
        ("[bars]", 'channels.binance = ["trades"]\n[bars]', "no channel trades; there are trade"),
        ("[bars]", "[bars", "not TOML"),
        ("[bars]", "channels.binanse = []\n[bars]", "channels.binanse is no venue"),
    ],
)
def test_an_error_names_the_place_and_what_to_write(tmp_path, old, new, part):
    assert part in refused(tmp_path, GOOD.replace(old, new, 1))


def test_a_variable_overrides_the_file(tmp_path):
    job = load(tmp_path, GOOD, {"TAPEFLOW_KAFKA_BOOTSTRAP": "there:1", "TAPEFLOW_BARS_WIDTH": "5s"})
    assert job.kafka.bootstrap == "there:1"
    assert job.bars.width == 5_000_000_000


def test_an_unknown_variable_is_refused_with_the_one_meant(tmp_path):
    line = refused(tmp_path, GOOD, {"TAPEFLOW_KAFKA_BOOTSTRP": "x"})
    assert line == ("TAPEFLOW_KAFKA_BOOTSTRP is no setting: did you mean TAPEFLOW_KAFKA_BOOTSTRAP?")


def test_the_jobs_in_the_repository_are_good():
    for path in sorted((Path(__file__).parents[1] / "jobs").glob("*.toml")):
        job = settings.load(path, {})
        table = instrument_table(job)
        assert jobs.account_contexts(job, table, ("binance-0",))
        assert jobs.decoders(job, table)


@pytest.mark.parametrize(
    ("text", "ns"),
    [("1ns", 1), ("2us", 2_000), ("1.5ms", 1_500_000), ("3m", 180 * 10**9), ("1d", 86400 * 10**9)],
)
def test_a_duration_is_exact(text, ns):
    assert parse_duration(text) == ns
    assert parse_duration(format_duration(ns)) == ns


def test_a_fraction_of_a_nanosecond_is_refused():
    with pytest.raises(ValueError, match="whole number of nanoseconds"):
        parse_duration("1.5ns")


def test_two_instruments_of_one_symbol_are_refused(tmp_path):
    twin = '"ETH-USDT.BINANCE" = { tick = "1", lot = "0.1", venue_symbol = "BTCUSDT" }'
    assert "are both BTCUSDT there" in refused(tmp_path, GOOD + twin)


def test_settings_of_the_kafka_client_may_come_as_json(tmp_path):
    variable = {"TAPEFLOW_KAFKA_CLIENT": '{"sasl.password": "secret"}'}
    assert load(tmp_path, GOOD, variable).kafka.client == {"sasl.password": "secret"}


def test_a_variable_that_is_not_json_is_named(tmp_path):
    line = refused(tmp_path, GOOD, {"TAPEFLOW_KAFKA_CLIENT": "{sasl"})
    assert line.startswith("TAPEFLOW_KAFKA_CLIENT is not JSON: ")


def test_a_section_that_is_no_table_is_refused_under_a_variable_too(tmp_path):
    text = GOOD.replace("[bars]", "kafka = 1\n[bars]", 1)
    assert "kafka: Input should be" in refused(tmp_path, text, {"TAPEFLOW_KAFKA_RAW_PREFIX": "x"})


def test_a_mistyped_key_of_a_strategy_is_met_with_those_of_all_kinds(tmp_path):
    line = refused(tmp_path, GOOD.replace("size = ", "fats = 3\nsize = ", 1))
    assert line.endswith("strategies.0.fats is no setting: did you mean fast?")


def test_the_kind_that_pydantic_chose_is_not_part_of_a_place(tmp_path):
    line = refused(tmp_path, GOOD.replace("size = ", "fast = 0\nsize = ", 1))
    assert ": strategies.0.fast: " in line


@pytest.mark.parametrize(
    ("ns", "text"),
    [(250_000_000, "250ms"), (90 * 10**9, "90s"), (60 * 10**9, "1m"), (1_500, "1500ns")],
)
def test_a_duration_is_written_in_its_largest_whole_unit(ns, text):
    assert format_duration(ns) == text
