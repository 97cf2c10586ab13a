"""Make the pictures of the README: the report of the demo in a browser, and the monitor of a flow.

python -m docs.pictures         writes docs/pictures/report.png and docs/pictures/monitor.png

demo ─▶ results.duckdb ─▶ tapeflow report ─▶ a page ─▶ Chromium ─▶ report.png
  └───▶ tapes ─▶ replay, paced ─▶ MonitorApp ─▶ SVG ─▶ Chromium ─▶ monitor.png
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import ViewportSize

from docs.browser import launch_browser
from tapeflow.connectors.duckdb.flight import endpoint_file
from tapeflow.flows.live.snapshot import LiveWatch
from tapeflow.flows.monitor.app import MonitorApp
from tapeflow.flows.report.render import render

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "pictures"
JOB = ROOT / "jobs" / "demo.toml"
PAGE: ViewportSize = {"width": 1200, "height": 1020}  # pixels: header, figures, equity
TERMINAL = (120, 44)  # columns, rows
SPEED = "8x"
SHOWN_AFTER_S = 20.0  # of a replay of 300 s of log time at that speed


def main() -> None:
    """Write both pictures."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tapeflow(folder, "demo", "--tapes", "tapes")
        page = folder / "report.html"
        page.write_text(render(folder / "results.duckdb"))
        screen = folder / "monitor.svg"
        screen.write_text(monitor_of_replay(folder))
        photograph(page, FOLDER / "report.png", full=False)
        photograph(screen, FOLDER / "monitor.png", full=True)


def tapeflow(folder: Path, *arguments: str) -> None:
    """Run a command to its end. Raises CalledProcessError where it fails."""
    command = [sys.executable, "-m", "tapeflow", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def monitor_of_replay(folder: Path) -> str:
    """Return the screen of the monitor, as SVG, while the tapes are replayed at a pace."""
    results = folder / "paced.duckdb"
    command = ["replay", "tapes", "--config", str(JOB), "--speed", SPEED, "--results", str(results)]
    with subprocess.Popen(
        [sys.executable, "-m", "tapeflow", *command], cwd=folder, stderr=subprocess.DEVNULL
    ) as run:
        try:
            while not endpoint_file(results).exists() and run.poll() is None:
                time.sleep(0.05)
            return asyncio.run(take_screen(results))
        finally:
            run.terminate()


async def take_screen(results: Path) -> str:
    """Return what the monitor shows after a while, as SVG."""
    app = MonitorApp(LiveWatch(results), 1.0)
    async with app.run_test(size=TERMINAL):
        await asyncio.sleep(SHOWN_AFTER_S)
        return app.export_screenshot()


def photograph(page: Path, picture: Path, *, full: bool) -> None:
    """Write what a browser shows of a page as PNG: its first screen, or a whole drawing."""
    with launch_browser() as browser:
        tab = browser.new_page(viewport=PAGE, color_scheme="light")
        tab.goto(page.as_uri())
        tab.wait_for_timeout(1_500)  # ms: charts are drawn
        shown = tab.locator("svg").first if full else tab
        shown.screenshot(path=picture)


if __name__ == "__main__":
    main()
