"""Writes tapes and pages: each command of a page runs in a copy of its folder, in this process."""

import shlex
import shutil
import tempfile
from contextlib import chdir, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path

from docs import outputs
from docs.scenarios import FOLDER, names, page
from docs.scenarios.tapes import LOGS, tapes_of
from tapeflow.flows.cli.main import main


def copy(name: str, to: Path) -> Path:
    """Copy job, tapes and strategy of a scenario; return the copy."""
    return shutil.copytree(FOLDER / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))


def output(command: str, folder: Path) -> str:
    """Run a command `tapeflow ..` in a folder; return its output without spaces at line ends.

    Raises ValueError where it fails.
    """
    program, *arguments = shlex.split(command)
    stream = TextIOWrapper(BytesIO(), encoding="utf-8")
    with chdir(folder), redirect_stdout(stream):
        code = main(arguments)
    if program != "tapeflow" or code:
        raise ValueError(f"{command}: ended with {code}")
    stream.seek(0)
    return "\n".join(line.rstrip() for line in stream.read().strip("\n").splitlines()) + "\n"


def write_tapes() -> None:
    """Write the tapes of all scenarios."""
    for name in LOGS:
        (FOLDER / name / "tapes").mkdir(parents=True, exist_ok=True)
        for file, text in tapes_of(name).items():
            (FOLDER / name / "tapes" / file).write_bytes(text)


def renew_page(name: str) -> None:
    """Write what the commands of a page print now."""
    document = page(name)
    with tempfile.TemporaryDirectory() as folder:
        copied = copy(name, Path(folder))
        for command, shown in outputs.blocks(document):
            text = output(command, copied)
            before, renewed = outputs.fence(command, shown), outputs.fence(command, text)
            document.write_text(document.read_text().replace(before, renewed))


def renew() -> None:
    """Write all tapes, and renew all pages."""
    write_tapes()
    for name in names():
        renew_page(name)
