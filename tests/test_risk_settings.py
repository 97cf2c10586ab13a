"""[risk], [limits] and [groups] of a job: an error is one line with the name that was meant."""

from decimal import Decimal

import pytest

from tapeflow.flows.job import portfolio, settings
from tapeflow.flows.job.hours import parse_hours
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.limits_section import Limits
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.limits import Hours, ScopeLimits

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
"ETH-USDT.BINANCE" = { tick = "0.01", lot = "0.1" }
"BTC-USD.COINBASE" = { tick = "0.01", lot = "0.1" }
[groups]
majors = ["BTC-*", "ETH-*"]
"""


def rules(tmp_path, more="", text=GOOD):
    """Return the rules of risk of a job."""
    path = tmp_path / "job.toml"
    path.write_text(text + more)
    job = settings.load(path, {})
    return portfolio.desk_settings(job, instrument_table(job), ()).risk


def error_line(tmp_path, more="", text=GOOD):
    """Return the line that refuses a job."""
    with pytest.raises(UsageError) as raised:
        rules(tmp_path, more, text)
    line = str(raised.value)
    assert "\n" not in line
    return line


def test_a_job_without_limits_has_those_of_its_accounts(tmp_path):
    found = rules(tmp_path)
    assert (found.counting, found.flips, found.on_breach) == ("worst", False, "refuse")
    assert [*found.limits] == ["account:main"]
    assert found.limits["account:main"].gross_max == Decimal("1000.5")
    assert found.limits["account:main"].orders_window_ns == 10 * 10**9


def test_a_group_holds_what_its_patterns_match(tmp_path):
    assert rules(tmp_path).groups == {
        "majors": {"BTC-USDT.BINANCE", "ETH-USDT.BINANCE", "BTC-USD.COINBASE"}
    }


def test_a_pattern_of_instruments_is_a_scope_for_each(tmp_path):
    found = rules(tmp_path, '[limits."instrument:BTC-*"]\nsize_max = 3')
    assert {scope for scope in found.limits if scope.startswith("instrument:")} == {
        "instrument:BTC-USDT.BINANCE", "instrument:BTC-USD.COINBASE",
    }  # fmt: skip


def test_a_row_of_an_account_adds_to_its_limits(tmp_path):
    found = rules(tmp_path, '[limits."account:main"]\nsize_max = 3').limits["account:main"]
    assert (found.position_max, found.size_max) == (Decimal(1), Decimal(3))


WRONG = {
    '[limits."acount:main"]\nsize_max = 1': "did you mean account?",
    '[limits."account:mian"]\nsize_max = 1': "the job has no account mian: did you mean main?",
    '[limits."strategy:cros"]\nsize_max = 1': "the job has no strategy cros: did you mean cross?",
    '[limits."venue:binance"]\nsize_max = 1': "no venue binance: did you mean BINANCE?",
    '[limits."group:major"]\nsize_max = 1': "the job has no group major: did you mean majors?",
    '[limits."instrument:BTC-USDT.BINANC"]\nsize_max = 1': "did you mean BTC-USDT.BINANCE?",
    '[limits."instrument:SOL-*"]\nsize_max = 1': "no instrument of the job is SOL-*",
    '[limits."account:"]\nsize_max = 1': "is no scope",
    "[limits.portfolio]\nsize_mx = 1": "size_mx is no setting: did you mean size_max?",
    "[limits.portfolio]\nsize_max = -1": "size_max",
    '[limits.portfolio]\ntrade_age = "5"': "is no duration",
    '[limits.portfolio]\nhours = ["Mo-Fri 08:00-17:00"]': "write 08:00-17:00 or Mon-Fri",
    '[limits.portfolio]\nhours = ["25:00-26:00"]': "is no span of a day",
    '[limits.portfolio]\nrestricted = "buy"': "restricted",
    '[limits."account:main"]\ngross_max = 1': "gross_max of an account is a key of [[accounts]]",
    '[limits."account:main"]\norders_window = "1s"': "orders_window of an account",
    "[limits.portfolio]\nleverage_max = 2": "leverage_max needs capital of account main",
    '[paper]\nclock = "log"\n[limits.portfolio]\nclock_offset = "1s"': 'clock_offset needs clock = "venue" of [paper]',
    '[limits."strategy:cross"]\nleverage_max = 2': "is of an account or of the portfolio",
    '[limits."instrument:BTC-*"]\nsize_max = 1\n[limits."instrument:*"]\nsize_max = 2': (
        "has limits by another pattern too"
    ),
    '[risk]\ncounting = "nett"': "counting",
    "[risk]\nflip = true": "flip is no setting: did you mean flips?",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_limit_is_one_line_with_what_was_meant(tmp_path, text):
    assert WRONG[text] in error_line(tmp_path, text)


def test_a_pattern_of_a_group_that_matches_nothing_is_refused(tmp_path):
    line = error_line(tmp_path, text=GOOD.replace('"ETH-*"', '"ETH-USDT.BINANCES"'))
    assert line == (
        "groups.majors: no instrument of the job is ETH-USDT.BINANCES: "
        "did you mean ETH-USDT.BINANCE?"
    )


def test_no_strategy_has_the_name_of_corrective_orders(tmp_path):
    line = error_line(tmp_path, text=GOOD.replace('"cross"', '"risk"', 1))
    assert line == "strategies.risk: corrective orders have this name: take another one"


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("Mon 08:00-17:00", [(480, 1020)]),
        ("Fri-Mon 00:00-24:00", [(5760, 7200), (7200, 8640), (8640, 10080), (0, 1440)]),
        ("Sun 22:00-02:00", [(9960, 120)]),
    ],
)
def test_hours_are_minutes_of_the_week_and_may_go_around_its_end(text, spans):
    assert parse_hours(text) == tuple(Hours(*each) for each in spans)


def test_every_limit_of_a_scope_is_a_key_of_the_job():
    limits = {each.removesuffix("_ns") for each in ScopeLimits.__struct_fields__} - {"scope"}
    assert {*Limits.model_fields} == limits


KEYS = """
[control]
keys = { alice = "ed25519:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=" }
"""


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (
            "[risk]\ncounting = 'net'\n[limits.portfolio]\ndaily_loss = 5\n",
            "limits.portfolio: [risk]",
        ),
        ("[limits.portfolio]\napproval_above = 5\n", "approval_above needs keys in [control]"),
        (KEYS + "owners = { cros = 'alice' }\n", "no strategy cros: did you mean cross?"),
        (
            KEYS + "[control.bounds.portfolio]\ngros_max = ['0', '5']\n",
            "there is no limit gros_max",
        ),
        (
            KEYS + "[control.bounds.portfolio]\ndaily_loss = ['0', '5']\n",
            "no command sets daily_loss",
        ),
        (KEYS + "[control.bounds.'account:mian']\ngross_max = ['0', '5']\n", "no account mian"),
        (KEYS + "[control.bounds.'instrument:BTC-*']\ngross_max = ['0', '5']\n", "one instrument"),
        ("[limits.portfolio]\nfeed_age = '1ns'\n", "feed_age"),
        ("[limits.'account:main']\nfeed_age = '1s'\n", "feed_age is of portfolio, venue, group"),
        ("[limits.portfolio]\ndrawdown = 0.1\n", "drawdown needs capital of account main"),
        ("[[protect]]\ncooldown = '1s'\n", "a row needs one of stop_bps"),
        ("[[protect]]\nstop_bps = 5\nstrategies = ['cros']\n", "no strategy of the job is cros"),
        ("[[protect]]\nstop_bps = 5\ninstruments = ['BTC-X*']\n", "no instrument of the job is"),
    ],
)
def test_what_would_not_act_is_refused_with_what_to_do(tmp_path, more, line):
    assert line in error_line(tmp_path, more)
