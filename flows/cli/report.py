"""`tapeflow report`: the results as one HTML page."""

from argparse import Namespace
from pathlib import Path

from tapeflow.flows.cli import options
from tapeflow.flows.cli.parser import Commands, add_command
from tapeflow.flows.cli.terminal import notify
from tapeflow.schemas.errors import TapeflowError, UsageError

OUT = Path("report.html")


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "report",
        "Write the results as one HTML page: charts, tables, statistics, and why.",
        "report --out report.html --against other.duckdb",
        run,
    )
    options.add_results(parser)
    parser.add_argument(
        "--out",
        type=options.path,
        default=OUT,
        metavar="FILE",
        help="HTML file to write (default: %(default)s)",
    )
    parser.add_argument(
        "--against",
        type=options.path,
        metavar="FILE",
        help="results of another run, to compare with",
    )


def run(args: Namespace) -> int:
    """Write the page and print where it is."""
    from tapeflow.flows.report.render import render

    for given in (args.results, args.against):
        if is_same(args.out, given):
            raise UsageError(f"--out {args.out} is the results file: name another one")
    if is_same(args.results, args.against):
        raise UsageError(f"--against {args.against} is the same file: name that of another run")
    page = render(args.results, args.against, notify)
    try:
        args.out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise TapeflowError(f"cannot write {args.out}: {error.strerror}") from None
    print(f"{args.out}: {len(page.encode()) / 1e6:.2f} MB, opens in any browser without a network")
    return 0


def is_same(path: Path, other: Path | None) -> bool:
    """Return whether two paths name one file."""
    return other is not None and path.exists() and other.exists() and path.samefile(other)
