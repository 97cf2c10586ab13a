"""The command: `tapeflow ...`, or `python -m flows ...`. Nothing else prints."""

import argparse
import re
import sys
from pathlib import Path

from tapeflow.flows.cli import commands
from tapeflow.schemas.errors import TapeflowError, UsageError

RESULTS = Path("results.duckdb")


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0: done, 1: failed, 2: wrong use."""
    parser = build_parser()
    args = parser.parse_args(argv)
    try:
        return int(args.action(args))
    except UsageError as error:
        return failed(str(error), code=2)
    except TapeflowError as error:
        return failed(str(error))
    except BrokenPipeError:  # the reader of our output has gone
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        return failed("interrupted")


def failed(line: str, code: int = 1) -> int:
    """Say why, in one line."""
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{clear}tapeflow: {line}", file=sys.stderr)
    return code


def build_parser() -> argparse.ArgumentParser:
    """Every command with its help and an example."""
    parser = argparse.ArgumentParser(
        prog="tapeflow",
        description="Raw ticks in, fills out, and the whole history is a query.",
        epilog="example: tapeflow demo",
    )
    several = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_demo(several)
    add_replay(several)
    add_load(several)
    add_run(several)
    add_query(several)
    add_digest(several)
    add_verify(several)
    add_doctor(several)
    return parser


def command(
    several: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    text: str,
    example: str,
) -> argparse.ArgumentParser:
    """One command."""
    made = several.add_parser(
        name, help=text, description=text, epilog=f"example: tapeflow {example}"
    )
    made.set_defaults(action=getattr(commands, name))
    return made


def add_demo(several: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    made = command(
        several,
        "demo",
        "Trade a made-up market through an embedded Kafka, and show what came of it.",
        "demo --seconds 300",
    )
    made.add_argument("--seconds", type=positive, default=300, help="of market time (default 300)")
    made.add_argument(
        "--seed", type=natural, default=7, help="another seed, another market (default 7)"
    )
    made.add_argument(
        "--workers", type=positive, default=2, help="threads of a process (default 2)"
    )
    made.add_argument("--processes", type=positive, default=1, help="processes (default 1)")
    add_results(made)
    add_json(made)


def add_replay(several: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    made = command(
        several,
        "replay",
        "Replay a log to its end and write what came of it.",
        "replay tapes/ --config jobs/demo.toml --workers 2",
    )
    made.add_argument(
        "tapes",
        nargs="*",
        type=Path,
        help="files or folders of <venue>-<n>.tape[.gz|.zst] or .parquet",
    )
    made.add_argument(
        "--from-topics",
        action="store_true",
        help="read the raw topics to their present ends instead",
    )
    made.add_argument(
        "--speed",
        type=speed,
        default=None,
        metavar="max|1x|60x",
        help="against log time (default max)",
    )
    made.add_argument("--publish", action="store_true", help="write the facts to Kafka too")
    add_flow(made)


def add_load(several: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    made = command(
        several,
        "load",
        "Write tapes into the raw topics, as capture would have.",
        "load tapes/ --bootstrap 127.0.0.1:9092",
    )
    made.add_argument("tapes", nargs="+", type=Path, help="files or folders of tapes")
    made.add_argument(
        "--append", action="store_true", help="also to topics that hold records already"
    )
    made.add_argument(
        "--pack", action="store_true", help="many frames in a record, compressed: read far quicker"
    )
    add_config(made)
    add_json(made)


def add_run(several: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    made = command(
        several,
        "run",
        "Follow the raw topics and trade, until a signal stops it.",
        "run --config jobs/demo.toml",
    )
    made.add_argument(
        "--keep-time", action="store_true", help="write heartbeats into partitions that are quiet"
    )
    add_flow(made)


def add_query(several: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    made = command(
        several,
        "query",
        "Ask the results in SQL.",
        'query "SELECT * FROM fills LIMIT 5" --format csv',
    )
    made.add_argument("sql")
    made.add_argument("--format", choices=("table", "csv", "json"), default="table")
    add_results(made)


def add_digest(several: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    made = command(
        several,
        "digest",
        "One line that is the same exactly where every fact is.",
        "digest results.duckdb",
    )
    made.add_argument("results", nargs="?", type=Path, default=RESULTS)
    add_json(made)


def add_verify(several: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    made = command(
        several,
        "verify",
        "Compare the topics of facts, doubles dropped, with the tables of the results.",
        "verify --topics --results results.duckdb",
    )
    made.add_argument("--topics", action="store_true", help="read them from [kafka] bootstrap")
    add_config(made)
    add_results(made)
    add_json(made)


def add_doctor(several: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    made = command(
        several,
        "doctor",
        "Look whether everything is in place, and say what to do where it is not.",
        "doctor --config jobs/demo.toml",
    )
    add_config(made)
    add_results(made)
    add_json(made)


def add_flow(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--workers", type=positive, default=1, help="threads of a process (default 1)"
    )
    made.add_argument("--processes", type=positive, default=1, help="processes (default 1)")
    made.add_argument(
        "--state", type=Path, default=None, help="folder to go on from, after any end"
    )
    add_config(made)
    add_results(made)
    add_json(made)


def add_config(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--config",
        type=Path,
        default=None,
        help="the job, a TOML file (default: TAPEFLOW_CONFIG, else jobs/demo.toml)",
    )
    made.add_argument("--bootstrap", default=None, help="the Kafka broker, over [kafka] bootstrap")


def add_results(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--results", type=Path, default=RESULTS, help="the DuckDB file (default results.duckdb)"
    )


def add_json(made: argparse.ArgumentParser) -> None:
    made.add_argument("--json", action="store_true", help="for a script")


def positive(text: str) -> int:
    """A number of something."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above zero")
    return int(text)


def natural(text: str) -> int:
    """A number, or none."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def speed(text: str) -> float | None:
    """Log seconds in a second; None: as fast as it goes."""
    if text == "max":
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)x", text)
    if match is None or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no speed: write max, 1x or 60x")
    return float(match[1])


if __name__ == "__main__":
    sys.exit(main())
