"""`tapeflow check`: whether a strategy or feature of one's own keeps the laws.

dip.py ─▶ runs over a made-up log, disturbed ─▶ dip.py line 12: on_bar calls time.time(): ..
"""

import tomllib
from argparse import Namespace
from pathlib import Path
from typing import Any

from tapeflow.flows.cli import options
from tapeflow.flows.cli.parser import Commands, add_command


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "check",
        "Check that a strategy or feature of yours gives one answer: resumed, anywhere, any day.",
        "check dip.py --set depth=2.5",
        run,
    )
    parser.add_argument(
        "file", metavar="FILE[:CLASS]", help="file with the class; without CLASS all of them"
    )
    parser.add_argument(
        "--tape",
        type=options.path,
        action="append",
        default=[],
        metavar="PATH",
        help="tape file or folder to check over as well; may be repeated",
    )
    parser.add_argument(
        "--config",
        type=options.path,
        metavar="FILE",
        help="job file: its instruments, bars, accounts, and the settings of its row of the class",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the class, or another key of its row, such as instruments=BTC-*",
    )


def run(args: Namespace) -> int:
    """Check the classes; write a line for each breach, or one for each sound class."""
    from tapeflow.flows.check.check import check_file
    from tapeflow.flows.check.market import CheckTask

    file, _, name = args.file.rpartition(":") if args.file[-3:] != ".py" else (args.file, "", "")
    task = CheckTask(
        path=str(Path(file or args.file).absolute()),
        name=name,
        row=read_settings(args),
        config=None if args.config is None else str(args.config),
        tapes=tuple(map(str, args.tape)),
    )
    code = 0
    for finding in check_file(task):
        for breach in finding.breaches:
            code = 1
            print(shorten(str(breach)))
        if not finding.breaches:
            print(f"{file}:{finding.name} keeps the laws {finding.summary}")
    return code


def shorten(line: str) -> str:
    """Return a line with paths below this folder as they are from here."""
    return line.replace(f"{Path.cwd()}/", "")


def read_settings(args: Namespace) -> dict[str, Any]:
    """Return the values of `--set`, as TOML where they are, else as text; exit for no key."""
    row: dict[str, Any] = {}
    for each in args.set:
        key, equals, text = each.partition("=")
        if not key or not equals:
            args.parser.error(f"--set {each}: write KEY=VALUE")
        try:
            row[key] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            row[key] = text.split(",") if key == "instruments" else text
    if isinstance(row.get("instruments"), str):
        row["instruments"] = [row["instruments"]]
    return row
