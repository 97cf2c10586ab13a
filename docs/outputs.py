"""Renews the outputs that a document shows: runs each command named there, writes what it prints.

    python -m docs.outputs                  README.md
    python -m docs.outputs docs/speed.md    another, whose commands take minutes

A command and its output stand in the document as

    <!-- output: tapeflow digest results.duckdb -->     followed by one fenced block
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


def blocks(document: Path = README) -> list[tuple[str, str]]:
    """Return each command whose output a document shows, and that output."""
    return BLOCK.findall(document.read_text())


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
        for command, shown in blocks(document):  # each is written at once: some take minutes
            before, renewed = fence(command, shown), fence(command, output(command, folder))
            document.write_text(document.read_text().replace(before, renewed))


def fence(command: str, shown: str) -> str:
    """Return a command and its output as they stand in a document."""
    return f"<!-- output: {command} -->\n```\n{shown}```"


if __name__ == "__main__":
    main()
