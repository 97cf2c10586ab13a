"""`tapeflow import`: dumps and captures of others into tapes."""

import json
from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapeflow.flows.cli import options
from tapeflow.flows.cli.parser import Commands, Parser, add_command
from tapeflow.flows.cli.terminal import notify, show_progress

if TYPE_CHECKING:
    from tapeflow.flows.imports.file_rows import Imported

FIELDS = (
    *("id", "price", "size", "side", "maker_side", "is_buyer_maker", "time", "received", "symbol"),
    *("first", "last", "bid", "bid_size", "ask", "ask_size", "frame"),
)
ROWS = {"trade": "trades", "aggTrade": "aggTrades", "quote": "quotes", "frame": "frames"}
TAPES = Path("tapes")


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "import",
        "Make tapes of dumps and captures: CSV, Parquet and JSON lines of trades or quotes.",
        "import BTCUSDT-trades-2026-11-01.zip --to tapes/",
        run,
    )
    parser.add_argument(
        "files",
        nargs="+",
        type=options.path,
        metavar="FILES",
        help="CSV, JSON lines (plain, .gz, .zst, .zip) or Parquet; of a folder all of them",
    )
    parser.add_argument(
        "--to",
        type=options.path,
        default=TAPES,
        metavar="DIR",
        help="folder of the tapes, created if missing (default: %(default)s)",
    )
    add_instrument(parser)
    add_columns(parser)
    add_treatment(parser)
    options.add_json(parser)


def add_instrument(parser: Parser) -> None:
    """Add what says of which instrument the files are."""
    parser.add_argument(
        "--instrument",
        default="",
        metavar="ID",
        help="the instrument of the files, as BTC-USDT.BINANCE (default: as their names say)",
    )
    parser.add_argument(
        "--venue", default="", metavar="NAME", help="the venue, where a column has the symbols"
    )
    parser.add_argument(
        "--symbol", default="", metavar="TEXT", help="the symbol that the venue writes"
    )


def add_columns(parser: Parser) -> None:
    """Add what says which column is what."""
    parser.add_argument(
        "--columns",
        type=columns,
        default={},
        metavar="FIELD=NAME,..",
        help=f"columns of other names, or their numbers; fields: {', '.join(FIELDS)}",
    )
    parser.add_argument(
        "--time-unit",
        choices=("s", "ms", "us", "ns"),
        default="",
        metavar="s|ms|us|ns",
        help="unit of times that are numbers (default: as their type or digits show)",
    )
    parser.add_argument(
        "--side",
        choices=("taker", "maker"),
        metavar="taker|maker",
        help="whose side the column `side` has (default: the taker's; of a file with Coinbase's "
        "own columns the maker's)",
    )


def add_treatment(parser: Parser) -> None:
    """Add what is done with rows that lack something."""
    parser.add_argument(
        "--first-id",
        type=options.natural,
        metavar="N",
        help="number the trades from N on, where they have no ids",
    )
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help="leave out rows that cannot be read, and count them, instead of importing nothing",
    )
    parser.add_argument(
        "--sort",
        action="store_true",
        help="put the rows in the order of their times, of a file that is newest first",
    )


def columns(text: str) -> dict[str, str]:
    """Read the columns of fields: price=px,size=qty."""
    chosen = {}
    for pair in text.split(","):
        field, equals, name = (each.strip() for each in pair.partition("="))
        if not equals or not name:
            raise ArgumentTypeError(f"{pair!r} names no column: write FIELD=NAME, as price=px")
        if field not in FIELDS:
            from tapeflow.flows.cli.parser import guess

            raise ArgumentTypeError(
                f"{field} is no field{guess(field, FIELDS)}: there are {', '.join(FIELDS)}"
            )
        if field in chosen:
            raise ArgumentTypeError(f"{field} is named twice")
        chosen[field] = name
    return chosen


def run(args: Namespace) -> int:
    """Import the files, and print what was written."""
    from tapeflow.flows.imports.convert import import_files
    from tapeflow.flows.imports.folder import files_of
    from tapeflow.flows.imports.source import Choices

    choices = Choices(
        instrument=args.instrument,
        venue=args.venue,
        symbol=args.symbol,
        columns=args.columns,
        unit=args.time_unit,
        maker=None if args.side is None else args.side == "maker",
        first_id=args.first_id,
        skip_bad=args.skip_bad,
        sort=args.sort,
    )
    imported = import_files(files_of(args.files, notify), args.to, choices, notify, show_progress)
    if args.json:
        import msgspec

        print(json.dumps(msgspec.to_builtins(imported)))
        return 0
    print("\n".join(line for each in imported for line in describe(each)))
    return 0


def describe(each: "Imported") -> list[str]:
    """Return what became of a file, in lines."""
    from tapeflow.schemas.time import format_seconds, format_time

    some: Any = ", ".join(each.symbols[:5]) + (" and more" if len(each.symbols) > 5 else "")
    of = f" of {some}" if some else ""
    times = f"{format_time(each.first_ns)} to {format_time(each.last_ns)}"
    lines = [f"{each.tape}: {each.rows:,} {ROWS[each.kind]}{of}, {each.venue}, {times}"]
    notes = []
    if each.maker_side:
        notes.append("its side is read as the maker's")
    if each.bad:
        notes.append(f"{each.bad:,} rows left out that cannot be read")
    if each.skipped:
        notes.append(f"{each.skipped:,} lines that are no frames")
    if each.moved:
        by = format_seconds(each.moved_ns)
        notes.append(
            f"{each.moved:,} rows lay before the row above them, by {by} s at most, and have its "
            "log time"
        )
    return lines + [f"  {note}" for note in notes]
