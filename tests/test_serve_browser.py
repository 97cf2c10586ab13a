"""The live page in a real browser: of the finished demo, and of a flow while it runs."""

import re
import signal
import subprocess
import sys
import time

import pytest

from tests.browser import LAPTOP, PHONE, launch_browser, needs_browser, open_tab
from tests.running import JOB, REFERENCE, ROOT
from tests.serving import start_server

pytest.importorskip("starlette")
pytest.importorskip("playwright")
pytestmark = [needs_browser, pytest.mark.slow]
GOLDEN = REFERENCE / "golden-heartbeat"
COUNT = "tapeflow.candles.bars.length"


@pytest.fixture(scope="module")
def browser():
    with launch_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def site(demo_run):
    with start_server(demo_run.results, "--tapes", demo_run.tapes) as site:
        yield site


def until(page, condition):
    """Wait for a condition; the policy of the page forbids the browser's own way, an eval."""
    deadline = time.monotonic() + 30
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(100)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_the_page_of_a_finished_demo_shows_candles_and_says_it_has_ended(
    browser, site, demo_run, size, scheme
):
    with open_tab(browser, site.url, size, scheme) as tab:
        until(tab.page, f"window.tapeflow && {COUNT} > 100")
        assert "token" not in tab.page.url
        assert "The flow has ended" in tab.page.text_content("#banner")
        assert tab.page.locator("#fills a").count() == 20
        assert tab.overflow() <= 0
        assert all(each.startswith((site.base, "data:")) for each in tab.requests)
        assert tab.errors == []


def test_a_fill_leads_to_its_frames_and_the_instrument_is_in_the_address(browser, site, demo_run):
    with open_tab(browser, site.url) as tab:
        until(tab.page, f"window.tapeflow && {COUNT} > 100")
        tab.page.select_option("#instrument", "ETH-USDT.BINANCE")
        until(tab.page, "tapeflow.page.instrument === 'ETH-USDT.BINANCE' && !tapeflow.page.loading")
        assert tab.page.url.endswith("#ETH-USDT.BINANCE")
        tab.page.locator("#fills a").first.click()
        tab.page.wait_for_url(re.compile("/explain/"), timeout=30_000)
        text = tab.page.text_content("main")
        assert "its order" in text and '{"' in text
        assert tab.overflow() <= 0
        assert tab.errors == []


def test_a_server_that_goes_is_said_and_one_that_comes_back_is_not_lost(browser, demo_run):
    token = "a-token-of-thirty-characters.."
    with (
        start_server(demo_run.results, "--token", token) as first,
        open_tab(browser, first.url) as tab,
    ):
        until(tab.page, "document.querySelector('#state').textContent === 'finished'")
        first.stop(signal.SIGTERM)
        until(tab.page, "document.querySelector('#banner').textContent.includes('lost')")
        with start_server(demo_run.results, "--token", token, "--port", first.port):
            until(tab.page, "document.querySelector('#state').textContent === 'finished'")


def test_bars_and_fills_of_a_running_flow_arrive_and_its_death_is_said(browser, tmp_path):
    results = tmp_path / "results.duckdb"
    command = [sys.executable, "-m", "tapeflow", "replay", GOLDEN, "--speed", "5x",
               "--config", JOB, "--results", results, "--state", tmp_path / "state"]  # fmt: skip
    flow = subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        live, deadline = results.with_name(results.name + ".live"), time.monotonic() + 60
        while not live.exists():
            assert flow.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        with start_server(results) as site, open_tab(browser, site.url) as tab:
            until(tab.page, f"window.tapeflow && {COUNT} > 0")
            before = tab.page.evaluate(COUNT)
            until(tab.page, f"{COUNT} > {before + 2}")
            assert tab.page.text_content("#state") == "running"
            flow.kill()
            flow.wait()
            until(tab.page, "document.querySelector('#banner').textContent.includes('gone')")
            assert tab.page.text_content("#state") == "killed or failed"
            assert tab.page.evaluate(COUNT) >= before + 2
            assert tab.errors == []
    finally:
        flow.kill()
        flow.wait()
