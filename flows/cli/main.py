"""The command `tapeflow`, also `python -m tapeflow`: its commands, and errors as exit codes.

0 done    1 failed    2 wrong use    130, 143 stopped before its end, by SIGINT or SIGTERM

Each command is a file: `add` declares its options, `run` does it. What is slow to import is
imported inside `run`, so that help and queries start at once.
"""

import os
import select
import sys
from argparse import Namespace
from collections.abc import Sequence

from tapeflow.flows.cli import (
    archive,
    completion,
    demo,
    digest,
    doctor,
    help,  # noqa: A004  # the command's name
    load,
    query,
    replay,
    run,
    verify,
)
from tapeflow.flows.cli.interrupts import signal_of, terminating_as_interrupt
from tapeflow.flows.cli.parser import WRONG_USE, Parser
from tapeflow.flows.cli.terminal import print_error
from tapeflow.schemas.errors import StoppedError, TapeflowError, UsageError

COMMANDS = (demo, replay, load, run, archive, query, digest, verify, doctor, completion, help)
FAILED = 1
STOPPED = 128  # plus the number of the signal


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        with terminating_as_interrupt():
            code = run_command(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        if not output_is_closed():
            raise
        return FAILED


def run_command(argv: Sequence[str]) -> int:
    """Parse the arguments, run the command, and write what went wrong as one line."""
    program = "tapeflow"
    try:
        args = build_parser().parse(argv)
        program = args.parser.prog
        return int(args.run(args))
    except SystemExit as stopped:  # of the parser: help, or wrong use
        return int(stopped.code or 0)
    except StoppedError as stopped:
        print_error(program, str(stopped))
        return STOPPED + stopped.signal
    except KeyboardInterrupt as interrupted:
        number = signal_of(interrupted)
        print_error(program, f"interrupted by {number.name}")
        return STOPPED + number
    except TapeflowError as error:
        print_error(program, str(error))
        return WRONG_USE if isinstance(error, UsageError) else FAILED


def build_parser() -> Parser:
    """Build the parser of the program with all its commands."""
    parser = Parser(
        prog="tapeflow",
        description="Raw ticks in, fills out, and the whole history is a query.",
        epilog="Help on a command: tapeflow COMMAND --help\nexample: tapeflow demo",
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.set_defaults(run=run_alone, parser=parser, root=parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    parser.commands = commands.choices
    return parser


def run_alone(args: Namespace) -> int:
    """Print the version or, without any argument, the help."""
    if not args.version:
        args.root.print_help()
        return 0
    from tapeflow.flows.run.version import package_version

    print(f"tapeflow {package_version()}")
    return 0


def output_is_closed() -> bool:
    """Return whether the reader of our output has gone; if so, discard the rest of the output."""
    output = sys.stdout.fileno()
    poll = select.poll()
    poll.register(output, 0)
    if not any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return True


if __name__ == "__main__":
    sys.exit(main())
