"""Parts of the report: what is drawn equals what is stored, and nothing is left out in silence."""

import hashlib
import json
import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeflow.flows.report import assets
from tapeflow.flows.report.figure import json_script, thin, values_at
from tapeflow.flows.report.heat import STRONGEST
from tapeflow.flows.report.histogram import edges_of
from tapeflow.flows.report.markup import Column, Html, escape, table
from tapeflow.flows.report.planes import pack_bars
from tapeflow.flows.report.sections.compare import differences
from tapeflow.flows.report.series import drawdown, drawdowns
from tests.page_reading import ReadPage, decode_bars

TICKS = (0.01, 0.1, 0.5, 1e-5, 1.0, 25.0)
LEVELS = st.integers(1, 10_000_000)
VALUES = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))
SERIES = st.lists(VALUES, min_size=1, max_size=200).map(lambda values: list(enumerate(values)))


def bars(levels, tick):
    """Prices of bars on a tick: open, high, low, close of four levels each."""
    rows = np.sort(np.array(levels, dtype=np.float64), axis=1) * tick
    return np.array([rows[:, 1], rows[:, 3], rows[:, 0], rows[:, 2]])


@given(
    st.lists(st.tuples(LEVELS, LEVELS, LEVELS, LEVELS), min_size=1, max_size=50),
    st.sampled_from(TICKS),
    st.sampled_from([1, 1_000, 1_000_000, 1_000_000_000]),
)
def test_bars_come_out_as_they_went_in(levels, tick, unit):
    times = 1_700_000_000_000_000_000 // unit * unit + np.arange(len(levels), dtype=np.int64) * unit
    prices = bars(levels, tick)
    packed = pack_bars(times, prices, np.arange(len(levels), dtype=np.float64), tick)
    found, drawn, volume = decode_bars(packed)
    assert np.allclose(drawn, prices, rtol=1e-9, atol=0)
    assert volume.tolist() == list(range(len(levels)))
    if unit > 1:
        assert found.tolist() == times.tolist()


@given(st.lists(st.floats(0.001, 1e9), min_size=1, max_size=30))
def test_prices_off_the_tick_are_not_moved_to_it(values):
    prices = np.array([values] * 4)
    times = np.arange(len(values), dtype=np.int64) * 10**9
    _, drawn, _ = decode_bars(pack_bars(times, prices, np.zeros(len(values)), 0.01))
    assert np.allclose(drawn, prices, rtol=1e-8, atol=0)


@given(st.lists(VALUES, min_size=1, max_size=400), st.integers(8, 100))
def test_a_thinned_line_keeps_its_ends_and_extremes(values, most):
    points = list(enumerate(values))
    thinned = thin(points, most)
    assert len(thinned) <= max(most, min(len(points), most))
    assert thinned[0] == points[0] and thinned[-1] == points[-1]
    assert [time for time, _ in thinned] == sorted({time for time, _ in thinned})
    assert {min(values), max(values)} <= {value for _, value in thinned}
    assert set(thinned) <= set(points)


@given(SERIES)
def test_drawdown_is_the_fall_from_the_highest_value_so_far(points):
    values = np.array([value for _, value in points])
    expected = values - np.maximum.accumulate(np.maximum(values, 0))
    assert [value for _, value in drawdown(points)] == pytest.approx(expected.tolist(), abs=1e-9)


@given(SERIES)
def test_falls_are_as_deep_as_the_drawdown_and_do_not_overlap(points):
    falls = drawdowns(points)
    deepest = min(value for _, value in drawdown(points))
    assert min((each.depth for each in falls), default=0.0) == pytest.approx(min(deepest, 0))
    spans = sorted((each.begin_ns, each.end_ns or points[-1][0]) for each in falls)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert all(each.begin_ns <= each.low_ns for each in falls)
    under = {time for time, value in drawdown(points) if value < 0}
    assert all(any(low <= time <= high for low, high in spans) for time in under)
    lengths = [each.length_ns for each in falls]
    assert lengths == sorted(lengths, reverse=True)


def test_five_falls_by_hand():
    points = list(enumerate([0, 5, 3, 4, 6, 1, 2, 7, 6.0]))
    falls = [(f.begin_ns, f.end_ns, f.low_ns, f.depth) for f in drawdowns(points)]
    assert falls == [(4, 7, 5, -5), (1, 4, 2, -2), (7, None, 8, -1)]


@given(st.lists(VALUES, min_size=1, max_size=300))
def test_the_intervals_of_a_distribution_hold_every_value(values):
    edges = edges_of(values)
    steps = np.diff(edges)
    assert edges[0] <= min(values) and max(values) < edges[-1] + 1e-9
    assert np.allclose(steps, steps[0], rtol=1e-3)
    assert 2 <= len(edges) <= 60


@given(st.lists(st.tuples(st.integers(0, 50), VALUES), max_size=20), st.lists(st.integers(0, 50)))
def test_a_value_at_a_time_is_the_last_one_before(points, times):
    points, times = sorted(dict(points).items()), sorted(times)
    expected = [([value for at, value in points if at <= time] or [None])[-1] for time in times]
    assert values_at(points, times) == expected


@given(st.text(), st.text())
def test_no_text_becomes_markup(caption, value):
    columns = (Column("a", caption), Column("b", value))
    page = ReadPage(f"<main>{table(caption, columns, [{'a': value, 'b': caption}])}</main>")
    assert {tag for tag, _ in page.elements} == {
        "main", "div", "table", "caption", "thead", "tr", "th", "tbody", "td",
    }  # fmt: skip


@given(st.text())
def test_no_text_closes_a_script_of_data(text):
    page = ReadPage(json_script({"a": text}, 'class="x"'))
    assert json.loads(page.scripts[0][1]) == {"a": text}
    assert len(page.elements) == 1


def test_html_is_escaped_once():
    assert escape(Html("<b>")) == "<b>"
    assert escape("<b>") == "&lt;b&gt;"


def test_settings_that_differ_are_named_by_their_path():
    ours = {"a": 1, "accounts": [{"name": "x", "max": "5"}], "gone": True}
    other = {"a": 1, "accounts": [{"name": "x", "max": "7"}]}
    found = [(each["name"], each["first"], each["second"]) for each in differences(ours, other)]
    assert found == [("accounts.x.max", "5", "7"), ("gone", "true", "not set")]


def test_the_library_is_the_published_one():
    raw = (assets.FOLDER / assets.LIBRARY).read_bytes()
    assert hashlib.sha256(raw).hexdigest() == assets.LIBRARY_SHA256
    assert b"v5.2.1" in raw[:200]
    assert "Apache License" in assets.read("LICENSE")
    assert "TradingView, Inc." in assets.read("NOTICE")


# --- contrast: WCAG 2, computed from the tokens of base.css -----------------------------------


def tokens(scheme):
    """The colours of a scheme by name, each as three numbers from 0 to 1."""
    light, dark = assets.read("base.css").split("@media (prefers-color-scheme: dark)", 1)
    found = dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6})", light))
    if scheme == "dark":
        found |= dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6})", dark))
    return {
        name: np.array([int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        for name, text in found.items()
    }


def luminance(colour):
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_have_a_contrast_of_4_5(scheme):
    colours = tokens(scheme)
    letters = ("text", "muted", "link", "up", "down", "limit", "warn", "accent")
    poor = {
        (letter, ground): round(contrast(colours[letter], colours[ground]), 2)
        for letter in letters
        for ground in ("page", "card")
        if contrast(colours[letter], colours[ground]) < 4.5
    }
    assert not poor


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_have_a_contrast_of_3(scheme):
    colours = tokens(scheme)
    names = [f"c{index}" for index in range(8)] + ["accent", "up", "down", "limit", "muted"]
    poor = [name for name in names if contrast(colours[name], colours["page"]) < 3]
    assert not poor


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_can_be_read_in_the_strongest_cell_of_a_heat_map(scheme):
    colours = tokens(scheme)
    for name in ("up", "down"):
        ground = colours[name] * STRONGEST / 100 + colours["page"] * (1 - STRONGEST / 100)
        assert contrast(colours["text"], ground) >= 4.5, name
