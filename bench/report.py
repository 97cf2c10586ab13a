"""Writes the figures of a bench to build/, with the machine they were measured on."""

import json
from typing import Any

from bench.machine import describe
from bench.paths import BUILD, ROOT


def save(name: str, figures: dict[str, Any]) -> str:
    """Write figures to build/bench-<name>.json; return that path, relative to the checkout."""
    path = BUILD / f"bench-{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({**figures, "machine": describe()}, indent=2) + "\n")
    return str(path.relative_to(ROOT))


def machine_line() -> str:
    """Return processor and versions as one line of a report."""
    return ", ".join(f"{name} {value}" for name, value in describe().items())
