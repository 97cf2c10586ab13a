"""Pieces of Markdown."""

from collections.abc import Iterable, Sequence

NOTE = "<!-- Made from the code by `make docs`: change it there. -->"


def join(*parts: str) -> str:
    """Return a page of parts, with a blank line between them."""
    return "\n\n".join(parts) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(escape, cells))} |" for cells in lines)


def escape(cell: str) -> str:
    """Return a cell without anything that would end it."""
    return cell.replace("|", "\\|").replace("\n", " ")


def code(text: str) -> str:
    """Return a text as code; nothing where there is none."""
    return f"`{text}`" if text else ""
