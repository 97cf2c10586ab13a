"""Jobs: what is wrong is said in one line that names the place and what was meant."""

from pathlib import Path

import pytest

from tapeflow.flows.job import settings
from tapeflow.flows.job import wiring as jobs
from tapeflow.flows.job.duration import parse_duration
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
        jobs.accounts_of(job, jobs.instruments(job), ())
        jobs.decoders(job, jobs.instruments(job))
    said = str(raised.value)
    assert "\n" not in said
    return said


def test_instruments_are_named_by_their_venue_unless_told(tmp_path):
    table = jobs.instruments(load(tmp_path, GOOD))
    assert [(each.id, each.venue_symbol, each.kind) for each in table] == [
        ("BTC-USD.COINBASE", "XBT-USD", "spot"),
        ("BTC-USDT-PERP.BINANCE-USDM", "BTCUSDT", "perp"),
        ("BTC-USDT.BINANCE", "BTCUSDT", "spot"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("width", "widht", "bars.widht is no setting: did you mean width?"),
        ("[bars]", "[barz]", "barz is no setting: did you mean bars?"),
        ("orders_max", "order_max", "accounts.0.orders_max is missing"),
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
def test_what_is_wrong_is_said_where_it_is(tmp_path, old, new, said):
    assert said in refused(tmp_path, GOOD.replace(old, new, 1))


def test_variables_stand_over_the_file(tmp_path):
    job = load(tmp_path, GOOD, {"TAPEFLOW_KAFKA_BOOTSTRAP": "there:1", "TAPEFLOW_BARS_WIDTH": "5s"})
    assert job.kafka.bootstrap == "there:1"
    assert job.bars.width == 5_000_000_000


def test_an_unknown_variable_is_refused_with_the_one_meant(tmp_path):
    said = refused(tmp_path, GOOD, {"TAPEFLOW_KAFKA_BOOTSTRP": "x"})
    assert said == ("TAPEFLOW_KAFKA_BOOTSTRP is no setting: did you mean TAPEFLOW_KAFKA_BOOTSTRAP?")


def test_the_jobs_in_the_repository_are_good():
    for path in sorted((Path(__file__).parents[1] / "jobs").glob("*.toml")):
        job = settings.load(path, {})
        table = jobs.instruments(job)
        assert jobs.accounts_of(job, table, ("binance-0",))
        assert jobs.decoders(job, table)


@pytest.mark.parametrize(
    ("text", "ns"),
    [("1ns", 1), ("2us", 2_000), ("1.5ms", 1_500_000), ("3m", 180 * 10**9), ("1d", 86400 * 10**9)],
)
def test_spans_of_time_are_exact(text, ns):
    assert parse_duration(text) == ns


def test_a_fraction_of_a_nanosecond_is_refused():
    with pytest.raises(ValueError, match="whole number of nanoseconds"):
        parse_duration("1.5ns")


def test_two_instruments_of_one_symbol_are_refused(tmp_path):
    twin = '"ETH-USDT.BINANCE" = { tick = "1", lot = "0.1", venue_symbol = "BTCUSDT" }'
    assert "are both BTCUSDT there" in refused(tmp_path, GOOD + twin)


def test_settings_of_the_kafka_client_may_come_as_json(tmp_path):
    variable = {"TAPEFLOW_KAFKA_CLIENT": '{"sasl.password": "secret"}'}
    assert load(tmp_path, GOOD, variable).kafka.client == {"sasl.password": "secret"}
