"""The pages of docs/reference/, made from the code: `make docs` writes them, a test compares."""

from pathlib import Path

from docs.generate import box, commands, configuration, features, tables, topics

FOLDER = Path(__file__).parents[1] / "reference"


def pages() -> dict[str, str]:
    """Return the text of each page by its file name."""
    return {
        "configuration.md": configuration.page(box.sections()),
        "tables.md": tables.page(),
        "topics.md": topics.page(),
        "commands.md": commands.page(),
        "features.md": features.page(),
    }
