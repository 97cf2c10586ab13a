"""A real browser in tests: pages of it, and what they print, ask for and show."""

from contextlib import contextmanager
from pathlib import Path

import pytest

from docs.browser import NAMES, VARIABLE, find_chromium, launch_browser

__all__ = ["Tab", "find_chromium", "launch_browser", "needs_browser", "open_tab"]

LAPTOP = {"width": 1366, "height": 768}
PHONE = {"width": 390, "height": 844}


needs_browser = pytest.mark.skipif(
    find_chromium() is None,
    reason=f"no browser: none of {', '.join(NAMES)} is on the PATH and {VARIABLE} is not set",
)


class Tab:
    """A page of the browser with all that it requested and all that went wrong in it."""

    def __init__(self, browser, viewport=None, scheme="light") -> None:
        """Open an empty page of a size in pixels, in a colour scheme."""
        self.context = browser.new_context(viewport=viewport or LAPTOP, color_scheme=scheme)
        self.page = self.context.new_page()
        self.requests, self.errors = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._note)

    def _note(self, message) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(message.text)

    def open(self, address):
        """Go to a URL or a file, wait until it is loaded; the page."""
        self.page.goto(address.resolve().as_uri() if isinstance(address, Path) else address)
        return self.page

    def overflow(self):
        """Pixels by which the page is wider than its window: 0 or less is none."""
        return self.page.evaluate("document.documentElement.scrollWidth - innerWidth")

    def close(self) -> None:
        """Close the page."""
        self.context.close()


@contextmanager
def open_tab(browser, address, viewport=None, scheme="light"):
    """A tab with this page, closed at the end."""
    tab = Tab(browser, viewport, scheme)
    try:
        tab.open(address)
        yield tab
    finally:
        tab.close()
