"""`tapeflow query`: SQL over the results."""

import sys
from argparse import Namespace

from tapeflow.flows.cli import options
from tapeflow.flows.cli.parser import Commands, add_command
from tapeflow.flows.cli.terminal import notify


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "query",
        "Query the results in SQL, also while a run writes them.",
        'query "SELECT * FROM fills LIMIT 5" --format csv',
        run,
    )
    parser.add_argument("sql", metavar="SQL", help="one SELECT statement of DuckDB's SQL")
    parser.add_argument(
        "--format",
        choices=("table", "csv", "json"),
        default="table",
        metavar="table|csv|json",
        help="form of the answer (default: %(default)s)",
    )
    options.add_results(parser)


def run(args: Namespace) -> int:
    """Print the rows of a query."""
    from tapeflow.connectors.duckdb.query import query
    from tapeflow.flows.cli.format import FORMATS

    result = query(args.results, args.sql, notify)
    if result.names:
        sys.stdout.write(FORMATS[args.format](result))
    return 0
