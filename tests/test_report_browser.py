"""The report in a real browser: what is drawn, what a keyboard does, and what a reader hears."""

import re
import shutil
from itertools import pairwise

import pytest

from tapeflow.connectors.duckdb.tables import INTERNAL
from tapeflow.flows.report.render import render
from tests.browser import LAPTOP, PHONE, launch_browser, needs_browser, open_tab
from tests.reporting import (
    EVIL,
    HOUR_NS,
    JOB,
    bars_of,
    create_results,
    invent,
    price_walk,
    put_columns,
)

pytestmark = [needs_browser, pytest.mark.slow]

CONTRAST = """() => {
  const context = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (text) => {
    context.clearRect(0, 0, 1, 1); context.fillStyle = text; context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const light = (c) => {
    const [r, g, b] = c.slice(0, 3).map((v) => v / 255)
      .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (each) => {
    for (; each; each = each.parentElement) {
      const found = rgba(getComputedStyle(each).backgroundColor);
      if (found[3] > 0) return found;
    }
    return [255, 255, 255, 255];
  };
  const poor = [];
  for (const each of document.querySelectorAll('body *')) {
    const own = [...each.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || each.closest('script, style, svg, .hidden') || !each.checkVisibility()) continue;
    const style = getComputedStyle(each);
    const [a, b] = [light(rgba(style.color)), light(ground(each))].sort((x, y) => x - y);
    const ratio = (b + 0.05) / (a + 0.05);
    if (ratio < 4.5) poor.push([each.tagName, each.className, each.textContent.slice(0, 30), ratio]);
  }
  return poor;
}"""
NAMELESS = """() => [...document.querySelectorAll('button, a[href], select, input, summary, [role=img], figure table, dialog')]
  .filter((each) => !(each.getAttribute('aria-label') || each.textContent.trim() || each.labels?.length
    || each.getAttribute('aria-labelledby')))
  .map((each) => each.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def browser():
    with launch_browser() as started:
        yield started


def comes_true(tab, check):
    """Whether a check holds within some seconds; the page's policy lets no driver poll in it."""
    for _ in range(50):
        if check():
            return True
        tab.page.wait_for_timeout(100)
    return False


def looks_other(tab, element, before):
    """Whether an element comes to look otherwise than it did."""
    return comes_true(tab, lambda: element.screenshot() != before)


def copied(results, path):
    """A copy of results: these are open in this process, which opens no file twice."""
    shutil.copyfile(results, path)
    return path


def fine(path):
    """Bars of half a second, at prices off the tick."""
    con = create_results(path, JOB, ["C0-USDT.BINANCE"])
    closes = price_walk(500, 1) + 0.0037
    put_columns(con, f"{INTERNAL}.bars", bars_of("C0-USDT.BINANCE", closes, HOUR_NS // 7200))
    con.close()


@pytest.fixture(scope="module")
def pages(demo_run, tmp_path_factory):
    """The reports of the demo and of 60 days, which are compared with 50."""
    folder = tmp_path_factory.mktemp("report")
    invent(folder / "days.duckdb", days=60)
    invent(folder / "other.duckdb", days=50, seed=3)
    fine(folder / "fine.duckdb")
    made = {
        "fine": render(folder / "fine.duckdb"),
        "demo": render(copied(demo_run.results, folder / "demo.duckdb")),
        "days": render(folder / "days.duckdb", folder / "other.duckdb"),
    }
    paths = {name: folder / f"{name}.html" for name in made}
    for name, path in paths.items():
        path.write_text(made[name], encoding="utf-8")
    return paths


@pytest.fixture
def tab(browser, pages, request):
    """The page of a run, ready."""
    name, viewport, scheme = getattr(request, "param", ("demo", LAPTOP, "light"))
    with open_tab(browser, pages[name], viewport, scheme) as tab:
        tab.page.wait_for_selector("body[data-ready]", timeout=30_000)
        yield tab
        assert tab.errors == []


views = pytest.mark.parametrize(
    "tab",
    [
        (name, size, scheme)
        for name in ("demo", "days")
        for size in (LAPTOP, PHONE)
        for scheme in ("light", "dark")
    ],
    indirect=True,
    ids=lambda view: f"{view[0]}-{view[1]['width']}-{view[2]}",
)
days = pytest.mark.parametrize("tab", [("days", LAPTOP, "light")], indirect=True, ids=["days"])


@views
def test_a_page_requests_itself_alone_and_is_no_wider_than_its_window(tab):
    assert len(tab.requests) == 1
    assert tab.overflow() <= 0
    assert tab.page.evaluate("document.querySelectorAll('.plot canvas').length") > 0
    assert tab.page.evaluate(CONTRAST) == []
    assert tab.page.evaluate(NAMELESS) == []


def test_each_table_has_a_caption_and_heads_with_a_scope(tab):
    assert tab.page.locator("section table:not(:has(caption)):not(.plot table)").count() == 0
    assert tab.page.locator("section th:not([scope])").count() == 0
    assert tab.page.locator("main, header, nav, footer").count() == 4
    assert tab.page.locator("h1").count() == 1


def test_a_chart_has_a_name_and_a_table(tab):
    for plot in tab.page.locator("figure[data-kind=lines]").all():
        assert plot.locator(".plot").get_attribute("aria-label")
        assert plot.locator("details table").count() == 1
    assert "bars from" in tab.page.locator("figure[data-kind=candles] .plot").get_attribute(
        "aria-label"
    )


def test_the_first_key_skips_to_the_report(tab):
    tab.page.keyboard.press("Tab")
    assert tab.page.evaluate("document.activeElement.textContent") == "Skip to the report"
    assert tab.page.locator(".skip").bounding_box()["x"] >= 0
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate("document.activeElement.id") == "main"


@days
def test_a_table_is_sorted_by_keyboard(tab):
    table = tab.page.locator("#trips table[data-sortable]").first
    head = table.locator("th", has_text="profit")
    index = head.evaluate("each => each.cellIndex")
    for direction, sign in (("descending", -1), ("ascending", 1)):
        head.locator("button").focus()
        tab.page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == direction
        cells = table.locator("tbody tr").evaluate_all(
            f"rows => rows.map(row => row.cells[{index}].dataset.value)"
        )
        values = [float(each) for each in cells if each]
        assert len(values) > 100 and values == sorted(values, key=lambda value: sign * value)
    assert head.locator("button").evaluate("each => getComputedStyle(each).outlineStyle") == "solid"


@days
def test_a_chosen_instrument_is_drawn(tab):
    figure = tab.page.locator("figure[data-kind=candles]")
    select = figure.locator("select")
    before = figure.locator(".plot").screenshot()
    other = select.locator("option").nth(1).get_attribute("value")
    select.select_option(other)
    tab.page.wait_for_selector(f'figure[data-shown="{other}"]')
    assert other in figure.locator(".plot").get_attribute("aria-label")
    assert looks_other(tab, figure.locator(".plot"), before)


def test_marks_can_be_hidden_and_the_view_moved_by_keyboard(tab):
    figure = tab.page.locator("figure[data-kind=candles]")
    view = "document.querySelector('figure[data-kind=candles]').view"
    marks = f"{view}.markers.markers().length"
    assert tab.page.evaluate(marks) > 0
    for name in ("fills", "signals"):
        figure.locator(f"input[name={name}]").focus()
        tab.page.keyboard.press("Space")
    assert tab.page.evaluate(marks) == 0
    visible = f"(() => {{const r = {view}.chart.timeScale().getVisibleLogicalRange(); return r.to - r.from}})()"
    before = tab.page.evaluate(visible)
    figure.locator("button[data-move=closer]").focus()
    tab.page.keyboard.press("Enter")
    assert comes_true(tab, lambda: tab.page.evaluate(visible) < before)  # in the next frame


def test_a_fill_is_explained_from_the_table_and_the_focus_comes_back(tab):
    tab.page.locator("#trips details summary", has_text="All fills").click()
    link = tab.page.locator("#trips a[href^='#why-']", has_text=re.compile("^[0-9a-f]{8}$")).first
    name = link.get_attribute("href").removeprefix("#why-")
    link.focus()
    tab.page.keyboard.press("Enter")
    panel = tab.page.get_by_role("dialog")
    panel.wait_for()
    assert panel.locator("h3").all_text_contents()[0] == f"fill {name}"
    assert [each.split()[0] for each in panel.locator("h3").all_text_contents()] == [
        "fill", "order", "decision", "signal", "bar",
    ]  # fmt: skip
    assert f"tapeflow explain {name}" in panel.locator("code").inner_text()
    assert "GROSS_LIMIT" in panel.inner_text()
    assert tab.overflow() <= 0
    tab.page.keyboard.press("Escape")
    assert tab.page.evaluate("document.activeElement.getAttribute('href')") == f"#why-{name}"


@days
def test_a_name_of_a_strategy_is_text_and_no_markup(tab):
    assert EVIL in tab.page.locator("main").inner_text()
    assert tab.page.locator("main b").count() == 0


def test_a_page_prints_without_its_controls(tab):
    tab.page.emulate_media(media="print")
    assert not tab.page.locator("nav").is_visible()
    assert not tab.page.locator(".controls").first.is_visible()
    assert tab.page.locator("#quality table").first.is_visible()


def test_colours_follow_the_scheme(tab):
    ground = "getComputedStyle(document.body).backgroundColor"
    before = tab.page.evaluate(ground), tab.page.locator("#equity .plot").screenshot()
    tab.page.emulate_media(color_scheme="dark")
    assert comes_true(tab, lambda: tab.page.evaluate(ground) != before[0])
    assert looks_other(tab, tab.page.locator("#equity .plot"), before[1])


def test_a_line_is_hidden_by_its_name(tab):
    button = tab.page.locator("#equity .legend button", has_text="buy and hold")
    before = tab.page.locator("#equity .plot").screenshot()
    button.focus()
    tab.page.keyboard.press("Space")
    assert button.get_attribute("aria-pressed") == "false"
    assert looks_other(tab, tab.page.locator("#equity .plot"), before)


@pytest.mark.parametrize("tab", [("fine", LAPTOP, "light")], indirect=True, ids=["fine"])
def test_bars_below_a_second_and_off_the_tick_are_drawn_as_they_are(tab):
    bars = tab.page.evaluate("document.querySelector('figure[data-kind=candles]').view.bars")
    closes = price_walk(500, 1) + 0.0037
    assert [round(each["close"], 4) for each in bars] == [round(float(each), 4) for each in closes]
    assert {round(b["time"] - a["time"], 6) for a, b in pairwise(bars)} == {0.5}
