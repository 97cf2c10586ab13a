"""Every number and duration of a job at its extremes: refused by its key, or a run that ends.

bars.lateness = "300000d"        one line with `lateness` in it, before anything is read
bars.lateness = "36500d"         a run over forty seconds of trades, of finite numbers
"""

import json
import math
import time
from decimal import Decimal
from typing import get_args

import duckdb
import pytest
from annotated_types import Le, Lt
from pydantic import BeforeValidator

from docs.generate.configuration import annotation_text, is_duration, marks
from tapeflow.flows.cli.main import main
from tapeflow.flows.job import settings, wiring
from tapeflow.flows.job.messages import section_types
from tapeflow.flows.job.settings import Job
from tapeflow.flows.job.width import parse_width
from tapeflow.schemas.errors import UsageError

DEADLINE_S = 15
T0 = 1_700_000_000
PRICES = (100, 105, 120, 110, 110, 120, 118, 101)
BASE = {
    "bars": {"width": "1s", "lateness": "200ms"},
    "accounts": [
        {
            "name": "a",
            "position_max": 1000,
            "gross_max": "1000000000000",
            "orders_max": 100,
            "orders_window": "10s",
            "capital": 1000,
        }
    ],
    "strategies": [
        {"name": "s", "kind": "ema_cross", "account": "a", "size": 1, "fast": 1, "slow": 2},
        {"name": "r", "kind": "reversion", "account": "a", "size": 1, "entry": 0.5},
    ],
    "normalise": {"window": 2},
    "protect": [{"stop_bps": 100}],
    "sweep": {"train": "1h", "test": "1h"},
    "instruments": {"BTC-USDT.BINANCE": {"tick": "0.01", "lot": "0.1", "multiplier": 1}},
}
NUMBERS = """
    0 -1 1 2 2147483648 9007199254740992 4611686018427387904 9223372036854775807
    9223372036854775808 1e300 nan inf -inf 0.5 0.0000000000001
    0.1234567890123456789012345678901234567891 "1e-40" "1e999999" "many"
    9999999999999999999999999999999999999999 100000000000
"""
DURATIONS = """
    0s 1ns 1ms 2147483648ns 9007199254740992ns 4611686018427387904ns 9223372036854775807ns
    9223372036854775808ns 1d 365d 36500d 36501d 107000d 300000d 300000000d 1e300s nan inf -1s
    0.5ns 1.0000000000001s
"""
LONG_DURATIONS = [
    "9" * 40 + "s",
    "9" * 5000 + "s",
    "1." + "0" * 39 + "1s",
    "1." + "0" * 60 + "s",
]


def durations():
    """Return durations as text, also of many digits."""
    return [*DURATIONS.split(), *LONG_DURATIONS]


def toml(value):
    """Write a value as inline TOML; numbers come as text already."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return value.text if isinstance(value, Text) else json.dumps(value)


class Text:
    """TOML as it stands in the file."""

    def __init__(self, text):
        self.text = text


def is_width(field):
    return any(isinstance(m, BeforeValidator) and m.func is parse_width for m in marks(field))


def is_number(field):
    return any(
        annotation_text(part) in {"whole number", "number", "decimal"}
        for part in (field.annotation, *get_args(field.annotation))
        if part in (int, float, Decimal)
    )


def number_keys():
    """Yield the place of every number and duration of a job: section, kind of its row, key."""
    for section, outer in Job.model_fields.items():
        for kind in section_types(outer.annotation):
            for key, field in kind.model_fields.items():
                duration = is_duration(field) or is_width(field)
                if duration or is_number(field):
                    tag = kind.model_fields.get("kind")
                    row = get_args(tag.annotation)[0] if tag else ""
                    yield pytest.param(section, row, key, duration, id=f"{section}.{row}{key}")


def job_with(section, row, key, text):
    """Return the text of the job with one value at its place."""
    job = json.loads(json.dumps(BASE))
    places = job.setdefault(section, {})
    if isinstance(places, list):
        places = next(each for each in places if each.get("kind", "") == row)
    elif section == "instruments":
        places = places["BTC-USDT.BINANCE"]
    elif section == "limits":
        places = places.setdefault("portfolio", {})
    places[key] = Text(text)
    return "\n".join(f"{name} = {toml(value)}" for name, value in job.items())


@pytest.fixture(scope="module")
def tapes(tmp_path_factory):
    """Forty trades of a market that moves, one a second."""
    folder = tmp_path_factory.mktemp("tapes")
    with (folder / "binance-0.tape").open("w") as tape:
        for number in range(40):
            frame = {"e": "trade", "s": "BTCUSDT", "t": number, "p": str(PRICES[number % 8]),
                     "q": "1", "T": (T0 + number) * 1000, "m": True}  # fmt: skip
            tape.write(f"{T0 + number}000000000 {json.dumps(frame)}\n")
    return folder


@pytest.mark.parametrize(("section", "row", "key", "duration"), [*number_keys()])
def test_an_extreme_is_refused_by_its_key_or_the_run_ends(
    section, row, key, duration, tapes, tmp_path, capsys
):
    place, accepted, refused = (section, row, key), {}, []
    values = (
        [f'"{text}"' for text in durations()] if duration else [*NUMBERS.split(), *limits(*place)]
    )
    config = tmp_path / "job.toml"
    for value in [*values, '""', "[1]"]:
        config.write_text(job_with(*place, value))
        try:
            job = settings.load(config, {})
            wiring.validate(job)
        except UsageError as error:
            assert "\n" not in str(error) and key in str(error), (value, error)
            refused.append(value)
        else:
            accepted[value] = value_of(job, *place)
    assert len(refused) > 5 and accepted, refused
    for value in {min(accepted, key=accepted.get), max(accepted, key=accepted.get)}:
        begun = time.monotonic()
        code, shown, results = run_replay(job_with(*place, value), tapes, tmp_path, capsys)
        assert code == 0 and time.monotonic() - begun < DEADLINE_S, (value, shown)
        check_numbers(results, value)
    code, shown, _ = run_replay(job_with(*place, refused[0]), tapes, tmp_path, capsys)
    assert code == 2 and len(shown.splitlines()) == 1 and key in shown, (refused[0], shown)


def limits(section, row, key):
    """Return the largest value of a number by its own bounds, and the one after it."""
    for kind in section_types(Job.model_fields[section].annotation):
        tag = kind.model_fields.get("kind")
        if key in kind.model_fields and (get_args(tag.annotation)[0] if tag else "") == row:
            for mark in marks(kind.model_fields[key]):
                most = mark.le if isinstance(mark, Le) else None
                most = mark.lt - 1 if isinstance(mark, Lt) else most
                if most is not None:
                    return [str(most), str(most + 1)]
    raise AssertionError(f"{section}.{key} has no upper bound")


def value_of(job, section, row, key):
    """Return the value that a job has at a place."""
    place = getattr(job, section)
    if isinstance(place, tuple):
        place = next(each for each in place if getattr(each, "kind", "") == row)
    elif section == "instruments":
        place = place["BTC-USDT.BINANCE"]
    elif section == "limits":
        place = place["portfolio"]
    return getattr(place, key)


def run_replay(text, tapes, folder, capsys):
    """Replay with a job; return the exit code, what was shown, and the results."""
    config, results = folder / "job.toml", folder / "r.duckdb"
    config.write_text(text)
    code = main(["replay", str(tapes), "--config", str(config), "--results", str(results)])
    return code, capsys.readouterr().err.strip(), results


def check_numbers(results, value):
    """Check that a run has seen the trades, and that no number of a table is inf or NaN."""
    with duckdb.connect(str(results), read_only=True) as con:
        (trades,) = con.execute("SELECT sum(records) FROM data_quality_minutes").fetchone()
        assert trades == 40, value
        for table in ("bars", "signals", "equity", "fills", "positions", "metrics"):
            for line in con.execute(f"SELECT * FROM {table}").fetchall():
                assert all(math.isfinite(n) for n in line if isinstance(n, float)), (value, line)


def test_the_walk_meets_the_numbers_of_every_section():
    met = {param.values[0] for param in number_keys()}
    assert met >= {"bars", "dedupe", "normalise", "source", "recovery", "paper", "results", "kafka"}
    assert met >= {"metrics", "accounts", "strategies", "instruments"}
    assert len([*number_keys()]) > 25


@pytest.mark.parametrize(
    "text", ["x = " + "9" * 5000, "x = " + "[" * 5000, "[bars]\nwidth = '1s'\nwidth = '2s'"]
)
def test_a_file_that_is_no_toml_is_said_in_one_line(text, tmp_path):
    path = tmp_path / "job.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match="not TOML") as raised:
        settings.load(path, {})
    assert "\n" not in str(raised.value)
