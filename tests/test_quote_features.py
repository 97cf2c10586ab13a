"""Features of bars of quotes, needed by a strategy, in the whole flow."""

import pytest

from tapeflow.flows.job import features, wiring
from tapeflow.schemas.errors import UsageError
from tests.frames import MS, S, quote_frame
from tests.test_needed_features import declared_of, job_in, strengths
from tests.test_notices import BEGIN, rows, run


@pytest.mark.parametrize(
    ("need", "line"),
    [
        ("spread", "spread is of bars of quotes: spread@quote:1s"),
        ("microprice@1m", "microprice is of bars of quotes"),
        ("vwap@quote:1s", "bars of quotes have no volume, which vwap reads"),
        ("spread:3@quote:1s", "spread takes no parameters"),
        ("sprea@quote:1s", "no feature sprea: did you mean spread?"),
    ],
)
def test_a_feature_that_bars_of_a_kind_have_not_is_refused_in_a_line(tmp_path, need, line):
    with pytest.raises(UsageError) as caught:
        wiring.validate(job_in(tmp_path, need))
    assert line in str(caught.value) and need in str(caught.value)


def test_indicators_of_the_mid_and_imbalance_of_both_kinds_go_together(tmp_path):
    job = job_in(tmp_path, "imbalance:5", "imbalance@quote:1s", "sma:3@quote:1s")
    found = {
        each.name: each.fold.columns
        for each in features.compute_features(job, *declared_of(job)).needed
    }
    assert found == {
        "imbalance:5": ("volume", "buy_volume"),
        "imbalance@quote:1s": ("imbalance",),
        "sma:3@quote:1s": ("close",),
    }


def test_a_users_feature_may_not_have_the_name_of_one_of_quotes(tmp_path):
    with pytest.raises(UsageError, match=r"features\.spread: spread comes with the package"):
        wiring.validate(job_in(tmp_path, more='[features]\nspread = "dip.py:Range"\n'))


@pytest.mark.parametrize(("workers", "page"), [(1, 20_000), (2, 3)])
def test_a_strategy_reads_spread_and_imbalance_of_quotes(tmp_path, workers, page):
    #   bids of 2, asks of 3: imbalance -0.2 without end; spread 1, 2, 3, ..
    needs = ("bars@quote:1s", "spread@quote:1s", "imbalance@quote:1s")
    job = job_in(tmp_path, *needs[1:], more=f"[source]\npage_records = {page}\n")
    skill = (
        (tmp_path / "dip.py")
        .read_text()
        .replace("return NEEDS", "return (*NEEDS, 'bars@quote:1s')")
    )
    (tmp_path / "dip.py").write_text(skill)
    (tmp_path / "tapes").mkdir()
    times = [BEGIN + number * S for number in range(6)]
    lines = [
        b"%d %b\n" % (at + 5 * MS, quote_frame("binance-0", 100, 101 + number, at=at))
        for number, at in enumerate(times)
    ]
    (tmp_path / "tapes" / "binance-0.tape").write_bytes(b"".join(lines))
    run(tmp_path / "tapes", tmp_path / "r.duckdb", job, workers=workers)
    stored = rows(tmp_path / "r.duckdb", "SELECT kind, count, round(imbalance, 9) FROM other_bars")
    assert stored == [("quote:1s", 1, -0.2)] * 6
    found = strengths(tmp_path / "r.duckdb")
    #   the spread of a second is for 5 ms that of the second before
    assert sorted(each for each in found if each > 0.5)[:2] == [1.0, pytest.approx(1.995)]
    assert len([each for each in found if abs(each) == pytest.approx(0.2)]) == 6
