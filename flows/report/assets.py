"""The files that a page holds in itself: scripts, style, and the library of its charts."""

from functools import cache
from pathlib import Path

FOLDER = Path(__file__).with_name("assets")
LIBRARY = "lightweight-charts.standalone.production.js"
LIBRARY_SHA256 = "e21cc5caa0226ef30bd8549c50b9ef926615f2a4ee6b4e486353477a55f598cf"
CHART_SCRIPTS = (LIBRARY, "charts.js", "segments.js", "candles.js")
CHART_STYLES = ("base.css", "chart.css")
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)


@cache
def read(name: str) -> str:
    """Return the text of an asset."""
    return (FOLDER / name).read_text(encoding="utf-8")


def scripts(names: tuple[str, ...]) -> str:
    """Return scripts as elements of a page."""
    return "\n".join(f"<script>{read(name)}</script>" for name in names)


def styles(names: tuple[str, ...]) -> str:
    """Return style sheets as one element of a page."""
    return f"<style>\n{''.join(map(read, names))}</style>"
