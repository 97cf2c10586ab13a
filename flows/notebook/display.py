"""Pages that a notebook shows: charts of the report, each in a frame that loads nothing."""

from html import escape
from pathlib import Path

from msgspec import Struct

from tapeflow.schemas.errors import TapeflowError

MARGIN_PX = 60  # of the body, and the legend around a chart


class Page(Struct, frozen=True):
    """A whole HTML page; Jupyter shows it in a frame, `save` writes it for a browser."""

    html: str
    title: str
    height_px: int

    def save(self, path: str | Path) -> Path:
        """Write the page to a file; return its path.

        Raises TapeflowError where it cannot be written.
        """
        try:
            Path(path).write_text(self.html, encoding="utf-8")
        except OSError as error:
            raise TapeflowError(f"cannot write {path}: {error.strerror}") from None
        return Path(path)

    def __repr__(self) -> str:
        return f"<{self.title}: Jupyter shows it, .save(FILE) writes it>"

    def _repr_html_(self) -> str:
        return (
            f'<iframe title="{escape(self.title)}" srcdoc="{escape(self.html)}" '
            f'sandbox="allow-scripts" style="width:100%;height:{self.height_px}px;border:0">'
            "</iframe>"
        )
