"""A section of the page: its place in the list of contents, and its HTML."""

from msgspec import Struct

from tapeflow.flows.report.markup import Html, paragraph
from tapeflow.flows.report.source import Source


class Section(Struct, frozen=True):
    """A section: `name` is its anchor."""

    name: str
    title: str
    body: Html

    def html(self) -> str:
        """Return it as an element of the page, with a head that names it."""
        return (
            f'<section id="{self.name}" aria-labelledby="{self.name}-title">'
            f'<h2 id="{self.name}-title">{self.title}</h2>\n{self.body}\n</section>'
        )


def join(*parts: str) -> Html:
    """Return parts of HTML below one another."""
    return Html("\n".join(parts))


def columns_of(*parts: str) -> Html:
    """Return parts next to one another where the window is wide."""
    return Html('<div class="grid">' + "".join(f"<div>{part}</div>" for part in parts) + "</div>")


def lacking(source: Source, *names: str) -> Html | None:
    """Return a line that says which views are missing; None where all are there."""
    missing = [name for name in names if name not in source.names]
    if not missing:
        return None
    return paragraph(
        f"Not in these results: {', '.join(missing)}. An earlier version made the file; replay "
        "the log to have it.",
        "warn",
    )


def shown_of(shown: int, number: int, of: str, table: str) -> Html:
    """Return a line that says how many rows are left out, and where they are; or nothing."""
    if number <= shown:
        return Html("")
    return paragraph(
        f'The last {shown:,} of {number:,} {of}. All of them: tapeflow query "FROM {table}".',
        "warn",
    )
