"""Jobs: an error is one line that names the place and what was meant."""

from decimal import Decimal
from pathlib import Path

import pytest

from tapeflow.flows.job import portfolio, settings
from tapeflow.flows.job import wiring as jobs
from tapeflow.flows.job.duration import format_duration, parse_duration
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.width import format_width, parse_width
from tapeflow.schemas.errors import UsageError
from tests.running import JOB

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
        portfolio.desk_settings(job, instrument_table(job), ())
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
        ("[bars]", "paper.fees.binanse = {}\n[bars]", "paper.fees.binanse is no venue"),
        (
            "[bars]",
            "paper.fees.binance.makr_bps = 1\n[bars]",
            "paper.fees.binance.makr_bps is no setting: did you mean maker_bps?",
        ),
        (
            "[bars]",
            "paper.fees.binance.tiers = [{ volum = 1 }]\n[bars]",
            "paper.fees.binance.tiers.0.volum is no setting: did you mean volume?",
        ),
        (
            "[bars]",
            "paper.fees.binance.tiers = [{ volume = 2 }, { volume = 2 }]\n[bars]",
            "paper.fees.binance: the volumes of tiers must rise",
        ),
        ("[bars]", "paper.slip = -1\n[bars]", "paper.slip: "),
        ("[bars]", 'paper.patience = "never"\n[bars]', "paper.patience: "),
        ("[bars]", "paper.share = 0\n[bars]", "paper.share: "),
        ("[bars]", 'paper.model = "size"\n[bars]', "paper.model: "),
        ("[bars]", 'normalise.hole = "ever"\n[bars]', "normalise.hole: "),
    ],
)
def test_an_error_names_the_place_and_what_to_write(tmp_path, old, new, part):
    assert part in refused(tmp_path, GOOD.replace(old, new, 1))


def test_a_variable_overrides_the_file(tmp_path):
    job = load(tmp_path, GOOD, {"TAPEFLOW_KAFKA_BOOTSTRAP": "there:1", "TAPEFLOW_BARS_WIDTH": "5s"})
    assert job.kafka.bootstrap == "there:1"
    assert job.bars.width.span_ns == 5_000_000_000


def test_an_unknown_variable_is_refused_with_the_one_meant(tmp_path):
    line = refused(tmp_path, GOOD, {"TAPEFLOW_KAFKA_BOOTSTRP": "x"})
    assert line == ("TAPEFLOW_KAFKA_BOOTSTRP is no setting: did you mean TAPEFLOW_KAFKA_BOOTSTRAP?")


def test_the_jobs_in_the_repository_are_good():
    for path in sorted((Path(__file__).parents[1] / "jobs").glob("*.toml")):
        job = settings.load(path, {})
        table = instrument_table(job)
        assert portfolio.desk_settings(job, table, ("binance-0",))
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
    assert "kafka: write a table" in refused(tmp_path, text, {"TAPEFLOW_KAFKA_RAW_PREFIX": "x"})


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


# --- money that the tables hold ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [("tick", "1e-13"), ("lot", "0.0000000000001"), ("multiplier", "1.0000000000001")],
)
def test_a_number_finer_than_the_tables_is_refused(tmp_path, key, value):
    row = {"tick": "0.01", "lot": "0.1", key: value}
    keys = ", ".join(f'{name} = "{text}"' for name, text in row.items())
    line = refused(tmp_path, f'{GOOD}"ETH-USDT.BINANCE" = {{ {keys} }}')
    assert f"instruments.ETH-USDT.BINANCE.{key}: " in line
    assert line.endswith("has more than the 12 decimals that the tables hold")


def test_a_number_as_fine_as_the_tables_is_accepted_with_any_zeros(tmp_path):
    row = '"ETH-USDT.BINANCE" = { tick = "0.0000000000010000", lot = "0.1" }'
    assert load(tmp_path, GOOD + row).instruments["ETH-USDT.BINANCE"].tick == Decimal("1E-12")


def money_digits(tmp_path, *, size="0.5", tick="0.01", results=""):
    text = GOOD.replace('size = "0.5"', f'size = "{size}"').replace('"0.01"', f'"{tick}"')
    text = text.replace('lot = "0.1"', f'lot = "{size}"').replace(
        'lot = "0.001"', f'lot = "{size}"'
    )
    job = load(tmp_path, f"{results}\n{text}")
    table = jobs.validate(job)
    return portfolio.desk_settings(job, table, ("binance-0",)).money.digits


def test_money_has_the_digits_that_one_tick_of_an_order_needs(tmp_path):
    assert money_digits(tmp_path) == 8
    assert money_digits(tmp_path, size="0.00000001") == 10
    assert money_digits(tmp_path, size="0.0001", tick="0.00000001") == 12
    assert money_digits(tmp_path, size="0.00000001", results="[results]\nmoney_digits = 2") == 2


def test_money_has_the_digits_of_a_lot_where_orders_fill_in_parts(tmp_path):
    text = GOOD.replace('lot = "0.1"', 'lot = "0.00000001"')
    for model, digits in (("trade", 8), ("sized", 10), ("touch", 10)):
        job = load(tmp_path, f'[paper]\nmodel = "{model}"\n{text}')
        assert jobs.money_digits(job, jobs.validate(job)) == digits
    fine = GOOD.replace('lot = "0.1"', 'lot = "0.000000000001"')
    job = load(tmp_path, fine)
    assert jobs.money_digits(job, jobs.validate(job)) == 12, "rounded"


def test_an_order_whose_tick_is_finer_than_the_tables_is_refused(tmp_path):
    with pytest.raises(UsageError, match="one tick of an order of") as raised:
        money_digits(tmp_path, size="0.00001", tick="0.00000001")
    assert "1E-13 USD" in str(raised.value)
    assert money_digits(
        tmp_path, size="0.00001", tick="0.00000001", results="[results]\nmoney_digits = 12"
    ) == 12  # fmt: skip


def test_a_position_that_the_tables_could_not_hold_is_refused(tmp_path):
    text = GOOD.replace("position_max = 1", "position_max = 999999999999")
    assert jobs.validate(load(tmp_path, text))
    text = text.replace(
        'tick = "0.01", lot = "0.1" }', 'tick = "0.01", lot = "0.1", multiplier = 1000 }'
    )
    with pytest.raises(
        UsageError, match="may be worth more than the tables hold: lower position_max"
    ):
        jobs.validate(load(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1s", "1s"), ("250ms", "250ms"), ("4h", "4h"), ("1d", "1d"), ("3d", "3d"), ("7d", "1w"),
        ("2w", "2w"), ("1m", "1m"), ("1mo", "1mo"), ("1M", "1mo"), ("3mo", "3mo"), ("1y", "12mo"),
    ],
)  # fmt: skip
def test_a_width_of_bars_is_read_and_stored(text, shown):
    width = parse_width(text)
    assert format_width(width) == shown
    assert parse_width(shown) == width


@pytest.mark.parametrize(
    "text", ["0s", "5h", "7m", "36h", "1.5d", "1.5w", "1.5mo", "5mo", "13mo", "2y", "0mo", "0w", "400000d", "month", "", 60]
)  # fmt: skip
def test_a_width_that_no_venue_has_is_refused_in_one_line(text, tmp_path):
    job = GOOD.replace('width = "1s"', f"width = {text!r}")
    line = refused(tmp_path, job)
    assert "bars.width: " in line and (not text or str(text) in line)


def test_a_limit_is_a_duration_or_none(tmp_path):
    job = load(tmp_path, GOOD.replace("[bars]", '[bars]\nahead = "none"\npause = "5m"'))
    assert (job.bars.ahead, job.bars.pause) == (None, 300_000_000_000)
    again = settings.Job.model_validate_json(job.model_dump_json())
    assert again.bars == job.bars
    line = refused(tmp_path, GOOD.replace("[bars]", '[bars]\nahead = "never"'))
    assert line.endswith('write 250ms, 1s, 5m, 1h or 1d, or "none"')
    assert "write at most 36500d, or" in refused(
        tmp_path, GOOD.replace("[bars]", '[bars]\nahead = "400000d"')
    )


def test_the_reference_job_knows_none_of_the_newer_rules():
    bars = settings.load(JOB, {}).bars
    assert (bars.ahead, bars.gaps, bars.pause, bars.ties) == (None, False, None, "log")


# --- what an instrument pays, and the paper venue -------------------------------------------------


def instrument(tmp_path, keys, name="BTC-USD-PERP.COINBASE"):
    row = f'"{name}" = {{ tick = "0.5", lot = "1"{keys and ", "}{keys} }}'
    return instrument_table(load(tmp_path, f"{GOOD}{row}")).get(name)


@pytest.mark.parametrize(
    ("keys", "contract", "settle"),
    [
        ("", "linear", "USD"),
        ('contract = "linear", settle = "USD"', "linear", "USD"),
        ('contract = "inverse"', "inverse", "BTC"),
        ('contract = "quanto", settle = "ETH"', "quanto", "ETH"),
        ('venue_symbol = "BTCUSD_PERP"', "inverse", "BTC"),
        ('venue_symbol = "BTCUSD_PERP", contract = "linear"', "linear", "USD"),
    ],
)
def test_a_contract_pays_in_the_quote_the_base_or_what_the_job_says(
    tmp_path, keys, contract, settle
):
    row = instrument(tmp_path, keys)
    assert (row.contract, row.settle, row.inverse) == (contract, settle, contract == "inverse")


@pytest.mark.parametrize(
    ("keys", "part"),
    [
        ('contract = "quanto"', "name it with settle"),
        ('contract = "quanto", settle = "USD"', "pays in another currency than its quote"),
        ('settle = "BTC"', "linear pays in USD, not in BTC: leave out settle, or write contract"),
        ('contract = "inverse", settle = "USD"', "inverse pays in BTC, not in USD"),
        ('contract = "invers"', "instruments.BTC-USD-PERP.COINBASE.contract: "),
        ("min_notional = 0", "min_notional: "),
        ('self_trade = "never"', "self_trade: "),
    ],
)
def test_a_contract_whose_currency_is_another_is_refused(tmp_path, keys, part):
    with pytest.raises(UsageError) as raised:
        instrument(tmp_path, keys)
    assert part in str(raised.value)


def test_spot_is_no_inverse_contract(tmp_path):
    with pytest.raises(UsageError, match=r"ETH-USD\.COINBASE: spot cannot be inverse"):
        instrument(tmp_path, 'contract = "inverse"', "ETH-USD.COINBASE")


def test_the_rules_of_a_venue_are_columns_of_an_instrument(tmp_path):
    row = instrument(
        tmp_path, 'min_size = 2, max_size = "9.5", min_notional = 5, self_trade = "both"'
    )
    rules = (row.min_size, row.max_size, row.min_notional, row.self_trade)
    assert rules == (2, Decimal("9.5"), 5, "both")
    row = instrument(tmp_path, "")
    assert (row.min_size, row.max_size, row.min_notional, row.self_trade) == (None,) * 3 + ("none",)


def test_the_paper_venue_has_the_defaults_of_its_page(tmp_path):
    paper = load(tmp_path, GOOD).paper
    assert (paper.model, paper.clock, paper.share, paper.slip) == ("sized", "venue", 1, 0)
    assert (paper.latency, paper.cancel_ns, paper.answer_latency) == (250_000_000,) * 2 + (0,)
    assert paper.latency_spread == paper.cancel_latency_spread == paper.answer_latency_spread == 0
    assert paper.quote_age == paper.patience == 60_000_000_000


def test_what_may_be_none_at_the_paper_venue_is_read_again_as_it_was(tmp_path):
    keys = 'slip = "none"\npatience = "none"\ncancel_latency = "1s"\n'
    job = load(tmp_path, f"[paper]\n{keys}{GOOD}")
    assert (job.paper.slip, job.paper.patience, job.paper.cancel_ns) == (None, None, 10**9)
    again = settings.Job.model_validate_json(job.model_dump_json())
    assert again.in_folder(job.folder) == job
    assert load(tmp_path, GOOD, {"TAPEFLOW_PAPER_SLIP": "2"}).paper.slip == 2


def test_the_reference_job_fills_orders_by_the_oldest_rules():
    job = settings.load(JOB, {})
    assert (job.paper.model, job.paper.clock, job.paper.patience) == ("trade", "log", None)
    assert (job.results.order_events, job.normalise.hole) == (False, None)
