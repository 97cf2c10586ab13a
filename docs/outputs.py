"""Renews the outputs that a document shows: runs each command named there, writes what it prints.

    python -m docs.outputs                  README.md
    python -m docs.outputs docs/speed.md    another, whose commands take minutes

A command and its output stand in the document as

    <!-- output: tapeflow digest results.duckdb -->     followed by one fenced block

and a file that the commands below it read, or lines added to one, as

    <!-- file: fade.py -->  <!-- added to: job.toml -->     followed by one fenced block

`; true` at the end of a command that fails says that it is to fail.
"""

import argparse
import os
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(r"<!-- output: ([^\n]+) -->\n```\n(.*?)```", re.DOTALL)
STEP = re.compile(r"<!-- (output|file|added to): ([^\n]+) -->\n```\w*\n(.*?)```", re.DOTALL)


def blocks(document: Path = README) -> list[tuple[str, str]]:
    """Return each command whose output a document shows, and that output."""
    return BLOCK.findall(document.read_text())


def steps(document: Path) -> list[tuple[str, str, str]]:
    """Return what a document does, in its order: (output | file | added to, command or path, text).

    >>> [each[:2] for each in steps(README)][0]
    ('output', 'tapeflow demo')
    """
    return STEP.findall(document.read_text())


def write_file(kind: str, path: Path, text: str) -> None:
    """Write a file that a document shows, or add to one."""
    with path.open("w" if kind == "file" else "a") as file:
        file.write(text)


def output(command: str, folder: str) -> str:
    """Run a command with `folder` as home; return its output without spaces at line ends.

    Commands of the checkout (`python -m bench...`) run at its root, the others in the folder.
    """
    paths = f"{ROOT / '.venv' / 'bin'}:{os.defpath}"
    done = subprocess.run(
        command.replace("python ", f"{ROOT / '.venv' / 'bin' / 'python'} ", 1),
        shell=True,
        check=True,
        cwd=ROOT if "bench" in command else folder,
        env={"PATH": paths, "HOME": folder},
        capture_output=True,
        text=True,
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip("\n").splitlines()) + "\n"


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Renew the outputs that a document shows.")
    parser.add_argument("document", nargs="?", type=Path, default=README)
    document = parser.parse_args().document
    if not document.exists():
        parser.error(f"{document} does not exist")
    with tempfile.TemporaryDirectory() as folder:
        for kind, command, shown in steps(document):  # each is written at once: some take minutes
            if kind != "output":
                write_file(kind, Path(folder, command), shown)
                continue
            before, renewed = fence(command, shown), fence(command, output(command, folder))
            document.write_text(document.read_text().replace(before, renewed))


def fence(command: str, shown: str) -> str:
    """Return a command and its output as they stand in a document."""
    return f"<!-- output: {command} -->\n```\n{shown}```"


if __name__ == "__main__":
    main()
