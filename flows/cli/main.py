"""The command `tapeflow`, also `python -m tapeflow`: its commands, and errors as exit codes.

0 done    1 failed    2 wrong use    130, 143 stopped before its end, by SIGINT or SIGTERM

Each command is a file: `add` declares its options, `run` does it. What is slow to import is
imported inside `run`, so that help and queries start at once.
"""

import sys
from argparse import Namespace
from collections.abc import Sequence

from tapeflow.flows.cli import (
    archive,
    check,
    completion,
    control,
    demo,
    digest,
    doctor,
    explain,
    help,  # noqa: A004  # the command's name
    import_files,
    init,
    load,
    monitor,
    query,
    replay,
    report,
    run,
    serve,
    sweep,
    terminal,
    ticks,
    verify,
)
from tapeflow.flows.cli.interrupts import restore_interrupt, signal_of, terminating_as_interrupt
from tapeflow.flows.cli.parser import WRONG_USE, Parser
from tapeflow.flows.cli.terminal import print_error
from tapeflow.flows.run import unexpected
from tapeflow.flows.run.log_lines import CONTEXT, check_format, is_json, write_errors_as_json
from tapeflow.flows.run.run_id import new_run_id
from tapeflow.schemas.errors import StoppedError, UsageError

COMMANDS = (
    *(demo, init, import_files, check, replay, load, run, control, sweep, archive, ticks),
    *(monitor, serve, query, explain, report, digest, verify, doctor, completion, help),
)
FAILED = 1
STOPPED = 128  # plus the number of the signal


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    terminal.prepare_streams()
    args = Namespace(parser=None)
    try:
        with terminating_as_interrupt():
            code = run_command(args, sys.argv[1:] if argv is None else argv)
        terminal.flush_output()
        return code
    except BaseException as error:
        if isinstance(error, BrokenPipeError) and terminal.is_gone():
            return FAILED  # its reader has what it wanted
        if isinstance(error, OSError) and unexpected.is_of_command(error):
            error = terminal.refuse_output(error)
        program = "tapeflow" if args.parser is None else args.parser.prog
        return report_error(error, program, args)


def run_command(args: Namespace, argv: Sequence[str]) -> int:
    """Parse the arguments into `args` and run the command; return its exit code."""
    check_format()
    if is_json():
        CONTEXT.clear()
        CONTEXT["run"] = new_run_id()
        write_errors_as_json()
    try:
        vars(args).update(vars(build_parser().parse(argv)))
        return int(args.run(args))
    except SystemExit as stopped:  # of the parser: help, or wrong use
        return int(stopped.code or 0)


def report_error(error: BaseException, program: str, args: Namespace) -> int:
    """Write one line on what went wrong; return the exit code."""
    error = restore_interrupt(error)
    if isinstance(error, KeyboardInterrupt):
        number = signal_of(error)
        print_error(program, f"interrupted by {number.name}")
        return STOPPED + number
    if isinstance(error, StoppedError):
        print_error(program, str(error))
        return STOPPED + error.signal
    explained = unexpected.explain(error)
    if explained is not None:
        print_error(program, str(explained))
        return WRONG_USE if isinstance(explained, UsageError) else FAILED
    line = unexpected.describe(error)
    named = [getattr(args, name, None) for name in ("state", "results", "folder")]
    folders = [path if path.is_dir() else path.parent for path in named if path is not None]
    saved = None if debugging() else unexpected.save_trace(error, folders)
    if saved is None:
        terminal.print_trace(unexpected.format_trace(error))
    print_error(program, f"{line}; the whole trace is in {saved}" if saved else line)
    return FAILED


def debugging() -> bool:
    """Return whether TAPEFLOW_DEBUG asks for traces on the terminal."""
    try:
        from tapeflow.flows.job import settings

        return settings.debugging()
    except Exception:  # this may be what failed
        return False


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


if __name__ == "__main__":
    sys.exit(main())
