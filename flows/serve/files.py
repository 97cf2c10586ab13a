"""The files that a browser loads: a fixed list, read at the start."""

from pathlib import Path

from tapeflow.flows.report import assets

FOLDER = Path(__file__).with_name("assets")
SHARED = {"charts.library.js": assets.LIBRARY, "base.css": "base.css"}
OWN = ("serve.css", "main.js", "chart.js", "lines.js", "tables.js", "link.js")
TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}


def read_files() -> dict[str, tuple[str, str]]:
    """Return the text and the type of each file, by the name in its URL."""
    found = {name: assets.read(file) for name, file in SHARED.items()}
    found |= {name: (FOLDER / name).read_text(encoding="utf-8") for name in OWN}
    return {name: (text, TYPES[Path(name).suffix]) for name, text in found.items()}


def read_index() -> str:
    """Return the page itself."""
    return (FOLDER / "index.html").read_text(encoding="utf-8")
