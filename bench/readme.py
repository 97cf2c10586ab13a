"""Write the outputs that README shows: runs each command named there and keeps what it prints.

python -m bench.readme [DOCUMENT]     another, as docs/speed.md, whose commands take minutes
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
SHOWN = re.compile(r"<!-- output: ([^\n]+) -->\n```\n(.*?)```", re.DOTALL)


def commands() -> list[tuple[str, str]]:
    """The commands that README shows outputs of, and the outputs."""
    return SHOWN.findall(README.read_text())


def output(command: str, folder: str) -> str:
    """What a command prints, run in a folder of its own."""
    paths = f"{ROOT / '.venv' / 'bin'}:{os.defpath}"
    shown = subprocess.run(
        command.replace("python ", f"{ROOT / '.venv' / 'bin' / 'python'} ", 1),
        shell=True,
        check=True,
        cwd=ROOT if "bench" in command else folder,
        env={"PATH": paths, "HOME": folder},
        capture_output=True,
        text=True,
    )
    return "\n".join(line.rstrip() for line in shown.stdout.strip("\n").splitlines()) + "\n"


def main() -> None:
    """Run it from the command line."""
    document = Path(sys.argv[1]) if len(sys.argv) > 1 else README
    with tempfile.TemporaryDirectory() as folder:

        def renewed(match: re.Match[str]) -> str:
            return f"<!-- output: {match[1]} -->\n```\n{output(match[1], folder)}```"

        document.write_text(SHOWN.sub(renewed, document.read_text()))


if __name__ == "__main__":
    main()
