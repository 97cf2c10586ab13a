"""`tapeflow monitor`: what a running flow does now, on the terminal."""

import argparse
import signal
import sys
from argparse import Namespace
from contextlib import suppress
from typing import TYPE_CHECKING

from tapeflow.flows.cli import options
from tapeflow.flows.cli.parser import Commands, add_command
from tapeflow.flows.cli.terminal import notify

if TYPE_CHECKING:
    from tapeflow.flows.live.snapshot import LiveWatch

EVERY_LEAST_NS = 200_000_000
NO_TEXTUAL = "the live view needs textual: pip install 'tapeflow[see]'; plain text follows"


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "monitor",
        "Show what a running flow does: lag, profit, positions, orders, limits, alerts.",
        "monitor --results results.duckdb",
        run,
    )
    parser.add_argument(
        "--every",
        type=every,
        default=1_000_000_000,
        metavar="DURATION",
        help="time between two snapshots, at least 200ms (default: 1s)",
    )
    parser.add_argument("--once", action="store_true", help="print one snapshot as text, and end")
    parser.add_argument(
        "--plain", action="store_true", help="print text, also where there is a terminal"
    )
    options.add_results(parser)
    parser.add_argument(
        "--json", action="store_true", help="print a line of JSON for each snapshot"
    )


def every(text: str) -> int:
    """Read the time between two snapshots, in ns."""
    found = options.duration(text)
    if found < EVERY_LEAST_NS:
        raise argparse.ArgumentTypeError(f"{text!r} is too short: at least 200ms")
    return found


def run(args: Namespace) -> int:
    """Show snapshots until the user leaves."""
    from tapeflow.flows.live.snapshot import LiveWatch

    watch = LiveWatch(args.results)
    try:
        if args.once:
            from tapeflow.flows.monitor.follow import to_text

            print(to_text(watch.refresh(), as_json=args.json), end="")
            return 0
        if args.json or args.plain or not (sys.stdout.isatty() and sys.stdin.isatty()):
            return follow_text(watch, args)
        watch.refresh()  # nothing to show is an error of the command, before the screen is taken
        return show_live(watch, args)
    finally:
        watch.close()


def show_live(watch: "LiveWatch", args: Namespace) -> int:
    """Show the live view; plain text where textual is not installed."""
    try:
        from tapeflow.flows.monitor.app import MonitorApp
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in {"textual", "rich"}:
            raise
        notify(NO_TEXTUAL)
        return follow_text(watch, args)
    return MonitorApp(watch, args.every / 1e9).run(mouse=False) or 0


def follow_text(watch: "LiveWatch", args: Namespace) -> int:
    """Print snapshots until a signal; to be stopped is the normal end."""
    from tapeflow.flows.monitor.follow import follow

    def write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    with suppress(KeyboardInterrupt):
        signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))
        follow(watch, write, args.every / 1e9, as_json=args.json)
    return 0
