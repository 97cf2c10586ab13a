"""Print the part of requirements.lock that an image needs, with its hashes.

    python deploy/subset_lock.py run see    what the package needs, with an extra
    python deploy/subset_lock.py build      what building the wheel needs

pip checks hashes only of requirements that are all pinned, and the whole lock has tests, browsers
and notebooks in it too. What needs what is in the lock's own comments `# via`.
"""

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NAME = re.compile(r"[A-Za-z0-9._-]+")


def normalise(name: str) -> str:
    """Return the name of a distribution as the lock spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(text: str) -> dict[str, tuple[str, set[str]]]:
    """Return the lines of each distribution, and the names of those that need it."""
    found: dict[str, tuple[str, set[str]]] = {}
    for part in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE):
        if match := NAME.match(part):
            lines = [line for line in part.splitlines() if not line.lstrip().startswith("#")]
            comments = re.findall(r"^ +#(?: +via)? +([A-Za-z0-9._-]+)", part, re.MULTILINE)
            name, via = normalise(match[0]), {*map(normalise, comments)} - {"via"}
            if name in found:  # another version, by its marker
                earlier, needed_by = found[name]
                lines, via = [earlier, *lines], needed_by | via
            found[name] = "\n".join(lines), via
    return found


def select(lock: dict[str, tuple[str, set[str]]], roots: set[str]) -> list[str]:
    """Return the names of all that the roots need, themselves too.

    Raises KeyError for a root that the lock does not have.
    """
    chosen: set[str] = set()
    fresh = {name for name in roots if lock[name]}
    while fresh:
        chosen |= fresh
        fresh = {name for name, (_, via) in lock.items() if via & fresh} - chosen
    return sorted(chosen)


def roots_of(project: dict[str, Any], purpose: str, *extras: str) -> set[str]:
    """Return the distributions that pyproject.toml names for a purpose, `run` or `build`."""
    lists = {
        "build": [project["build-system"]["requires"]],
        "run": [
            project["project"]["dependencies"],
            *(project["project"]["optional-dependencies"][extra] for extra in extras),
        ],
    }[purpose]
    found = [NAME.match(each) for names in lists for each in names]
    return {normalise(match[0]) for match in found if match}


def main(purpose: str, *extras: str) -> None:
    """Print the part of one purpose."""
    lock = read_lock((ROOT / "requirements.lock").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for name in select(lock, roots_of(project, purpose, *extras)):
        print(lock[name][0])


if __name__ == "__main__":
    main(*sys.argv[1:])
