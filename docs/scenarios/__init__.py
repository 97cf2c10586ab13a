"""Scenarios: small logs in which something goes wrong, and what the desk makes of it.

    NAME.md     the story, with what the commands print; its digest is the golden answer
    NAME/       job.toml, tapes/, and strategy.py; the tapes are made by tapes.py

`python -m docs.scenarios` writes the tapes and renews the pages.
"""

from pathlib import Path

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the names of all scenarios, sorted."""
    return sorted(job.parent.name for job in FOLDER.glob("*/job.toml"))


def page(name: str) -> Path:
    """Return the page that tells a scenario."""
    return FOLDER / f"{name}.md"
