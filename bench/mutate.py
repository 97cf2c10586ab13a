"""Check that the tests are strict: make small wrong changes, each of which a test must see.

    python -m bench.mutate [--only NAME ...]

mutants.toml ──▶ the tree as git knows it, copied ──▶ one change ──▶ its tests ──▶ caught, SURVIVED

Exits with 1 where a change survives, or no longer fits the code.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from msgspec import Struct, convert

ROOT = Path(__file__).parents[1]
TABLE = Path(__file__).with_name("mutants.toml")
TIMEOUT_S = 600
NO_TESTS_RUN = (0, 5)  # exit codes of pytest: all passed; none was found


class Mutant(Struct, frozen=True, forbid_unknown_fields=True):
    """One wrong change, and the files of tests that must see it."""

    file: str
    old: str
    new: str
    tests: str
    marker: str = "not slow and not kafka"  # pytest's -m

    def fits(self, root: Path) -> bool:
        """Return whether the text that it changes stands exactly once in its file."""
        return (root / self.file).read_text().count(self.old) == 1


def read_mutants() -> dict[str, Mutant]:
    """Return the mutants by name."""
    return convert(tomllib.loads(TABLE.read_text()), dict[str, Mutant])


def copy_tree(folder: Path) -> None:
    """Copy what git knows of the tree, with its links and what is not committed."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_symlink() or (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)


def is_caught(mutant: Mutant, root: Path) -> bool:
    """Run the tests of a mutant on the tree that has it; return whether one fails."""
    path = root / mutant.file
    text = path.read_text()
    path.write_text(text.replace(mutant.old, mutant.new))
    try:
        python = ["env", f"PYTHONPATH={root}", sys.executable]  # for what the tests start too
        line = [*python, "-m", "pytest", "-x", "-q", "-m", mutant.marker]
        tests = [name for name in mutant.tests.split() if (root / name).exists()]
        done = subprocess.run(
            [*line, *tests],
            cwd=root, capture_output=True, check=False, timeout=TIMEOUT_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return True  # it hangs
    finally:
        path.write_text(text)
    return done.returncode not in NO_TESTS_RUN


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Check that the tests see small wrong changes.")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="default: all of mutants.toml")
    only = parser.parse_args().only
    mutants = {name: each for name, each in read_mutants().items() if not only or name in only}
    missed = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        copy_tree(root)
        for number, (title, mutant) in enumerate(mutants.items(), 1):
            fits = mutant.fits(root)
            verdict = "caught" if fits and is_caught(mutant, root) else "SURVIVED"
            missed += [title] if verdict == "SURVIVED" else []
            note = "" if fits else ": no longer fits the code"
            print(f"{number:>4} of {len(mutants)}  {verdict:<9} {title}{note}", flush=True)
    print(f"{len(mutants) - len(missed)} of {len(mutants)} caught")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
