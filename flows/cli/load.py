"""`tapeflow load`: tapes into the raw topics, as a recorder would have written them."""

import json
from argparse import Namespace
from typing import TYPE_CHECKING

from tapeflow.flows.cli import options
from tapeflow.flows.cli.parser import Commands, add_command
from tapeflow.flows.cli.terminal import notify, show_progress
from tapeflow.schemas.errors import StoppedError

if TYPE_CHECKING:
    from tapeflow.flows.job.settings import Job
    from tapeflow.flows.run.log import Log
    from tapeflow.flows.run.topics import Loaded


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "load",
        "Write tapes into the raw Kafka topics.",
        "load tapes/ --bootstrap 127.0.0.1:9092",
        run,
    )
    parser.add_argument(
        "tapes",
        nargs="+",
        type=options.path,
        metavar="TAPES",
        help="tape files, or folders of them",
    )
    parser.add_argument(
        "--append", action="store_true", help="write to topics that hold records already"
    )
    parser.add_argument(
        "--pack",
        action="store_true",
        help="put many frames into one compressed record: faster to load and to read",
    )
    options.add_salvage(parser)
    parser.add_argument(
        "--speed",
        type=options.speed,
        metavar="max|1x|60x",
        help="speed in log time, of all partitions together (default: max)",
    )
    options.add_config(parser)
    options.add_json(parser)


def run(args: Namespace) -> int:
    """Load the tapes, and print what was written to each partition."""
    if args.pack and args.speed is not None:
        args.parser.error("a pack holds the frames of a while: leave out --pack or --speed")
    from tapeflow.flows.run import topics
    from tapeflow.flows.run.tape_files import find_tapes

    job = options.read_job(args)
    tapes = find_tapes(args.tapes, job, notify, salvage=args.salvage, all_venues=True)
    topics.create_raw_topics(tapes, job, notify)
    loaded = load(args, job, tapes)
    if args.json:
        print(json.dumps({partition: written._asdict() for partition, written in loaded.items()}))
        return 0
    for partition, written in loaded.items():
        frames = f"{written.frames:,} frames in " if args.pack else ""
        print(f"{job.kafka.raw_prefix}{partition}: {frames}{written.records:,} records")
    return 0


def load(args: Namespace, job: "Job", tapes: "Log") -> "dict[str, Loaded]":
    """Write the tapes into the topics, and show progress.

    Raises StoppedError where a signal has stopped it: the topics then hold the first part.
    """
    from tapeflow.connectors.source.progress import Progress
    from tapeflow.connectors.source.source import STOP_REQUESTED
    from tapeflow.flows.run import topics
    from tapeflow.flows.run.log import reader_factories
    from tapeflow.flows.run.progress_line import showing_progress
    from tapeflow.flows.run.signals import RECEIVED, first_signal, stopping_on_signals

    STOP_REQUESTED.clear()
    RECEIVED.clear()
    progress = Progress(tuple(tapes), job.source.max_lead)
    factories = reader_factories(tapes, topics.with_short_pages(job, args.speed), notify)
    pages = {name: topics.read_pages(factory, progress) for name, factory in factories.items()}
    choices = {"append": args.append, "pack": args.pack, "speed": args.speed}
    with stopping_on_signals(), showing_progress(progress, show_progress):
        loaded = topics.load_pages(pages, job, notify, **choices, stop=STOP_REQUESTED)
    if STOP_REQUESTED.is_set():
        frames = sum(written.frames for written in loaded.values())
        raise StoppedError(
            f"stopped by {first_signal().name}: the topics hold the first {frames:,} frames",
            first_signal(),
        )
    return loaded
