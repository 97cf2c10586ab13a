"""`tapeflow digest`: one hash over all facts; equal for two results if their facts are."""

import json
from argparse import Namespace
from pathlib import Path

from tapeflow.flows.cli import options
from tapeflow.flows.cli.parser import Commands, add_command
from tapeflow.flows.cli.terminal import notify


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "digest",
        "Print the digest of all facts: two results are equal if their digests are.",
        "digest results.duckdb",
        run,
    )
    parser.add_argument(
        "results",
        nargs="?",
        type=Path,
        default=options.RESULTS,
        metavar="FILE",
        help="DuckDB file of the results (default: %(default)s)",
    )
    options.add_json(parser)


def run(args: Namespace) -> int:
    """Print the digest; in JSON also that of each table."""
    from tapeflow.connectors.duckdb import query

    tables = query.digests(args.results, notify)
    total = query.digest(tables)
    print(json.dumps({"digest": total, "tables": tables}, indent=2) if args.json else total)
    return 0
