"""A page that explains a fact: its causes as nested sections, each text escaped."""

from collections.abc import Iterator
from html import escape
from pathlib import Path

from tapeflow.connectors.duckdb.reading import ResultsReader
from tapeflow.flows.explain.explain import explain
from tapeflow.flows.explain.node import Node, Row
from tapeflow.flows.explain.text import frame_lines, table_lines
from tapeflow.flows.explain.titles import body, title
from tapeflow.flows.live.source import RunEndedError
from tapeflow.flows.serve.feed import Feed
from tapeflow.schemas.errors import TapeflowError

FRAMES_SHOWN = 3  # of a bar: first and last ones
NAMES = (
    "SELECT view_name AS name FROM duckdb_views() WHERE NOT internal "
    "UNION ALL SELECT table_name FROM duckdb_tables()"
)
NO_TAPES = "No raw frames: start tapeflow serve with --tapes PATH to see them here."


class FeedReader(ResultsReader):
    """Results as the feed has them open: the file is opened once a process."""

    def __init__(self, feed: Feed) -> None:
        """Read between the queries of a feed."""
        self.feed = feed
        self.names = {str(row["name"]) for row in self.rows(NAMES)}

    def rows(self, sql: str) -> list[Row]:
        """Return the rows of a query, by column.

        Raises TapeflowError for a query that fails, and where the run ends meanwhile.
        """
        try:
            return self.feed.thread.submit(lambda: self.feed.read(sql)).result()
        except RunEndedError:
            raise TapeflowError("the run ended while it was read: load the page again") from None

    def close(self) -> None:
        """Leave the file open: it is the feed's."""


def explain_page(feed: Feed, tapes: list[Path], name: str) -> str:
    """Return the page of a fact.

    Raises TapeflowError where its id is unknown, or of several facts.
    """
    reader, notes = FeedReader(feed), [] if tapes else [NO_TAPES]
    node = explain(reader, name)
    if tapes:
        fetch_frames(reader, tapes, node, notes)
    notes_html = "".join(f'<p class="note">{escape(note)}</p>' for note in notes)
    tree = "".join(section(node, 0))
    return page(title(node), f"{notes_html}\n{tree}")


def fetch_frames(reader: ResultsReader, tapes: list[Path], node: Node, notes: list[str]) -> None:
    """Add the frames of a log to an explanation, and a note where it does not have all."""
    from tapeflow.flows.explain.frames import Frames  # noqa: PLC0415  # slow
    from tapeflow.flows.job.stored import load_stored  # noqa: PLC0415
    from tapeflow.flows.run.tape_files import find_tapes  # noqa: PLC0415

    job = load_stored(reader.rows("SELECT job FROM runs ORDER BY id DESC LIMIT 1")[0]["job"])
    log = find_tapes(tapes, job, notes.append)
    if not Frames(log, job, notes.append).fetch(node, FRAMES_SHOWN):
        notes.append("The tapes do not have all of it: see the notes below.")


def section(node: Node, depth: int) -> Iterator[str]:
    """Yield a fact and its causes as HTML."""
    why = f'<span class="why">{escape(node.why)}</span> ' if node.why else ""
    yield f'<details open class="fact" data-depth="{depth}"><summary>{why}'
    yield f"<strong>{escape(title(node))}</strong></summary><div>"
    yield from (f"<p>{escape(line)}</p>" for line in body(node))
    for name, rows in node.tables.items():
        if rows:
            lines = "\n".join(table_lines(name, rows, all_rows=False))
            yield f'<h3>{escape(name)}</h3><pre tabindex="0">{escape(lines)}</pre>'
    if frames := "\n".join(frame_lines(node)):
        yield f'<pre tabindex="0" aria-label="raw frames">{escape(frames)}</pre>'
    yield from (f'<p class="note">{escape(note)}</p>' for note in node.notes)
    for cause in node.causes:
        yield from section(cause, depth + 1)
    yield "</div></details>"


def page(heading: str, inner: str) -> str:
    """Return a whole page with a heading."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(heading)} - Tapeflow</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/assets/base.css"><link rel="stylesheet" href="/assets/serve.css">
</head><body class="chain"><main><p><a href="/">Back to the flow</a></p>
<h1>{escape(heading)}</h1>
{inner}
</main></body></html>
"""
