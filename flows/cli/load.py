"""`tapeflow load`: tapes into the raw topics, as a recorder would have written them."""

import json
from argparse import Namespace

from tapeflow.flows.cli import options
from tapeflow.flows.cli.parser import Commands, add_command
from tapeflow.flows.cli.terminal import notify


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
    options.add_config(parser)
    options.add_json(parser)


def run(args: Namespace) -> int:
    """Load the tapes, and print what was written to each partition."""
    from tapeflow.flows.run import topics
    from tapeflow.flows.run.log import find_tapes, reader_factories

    job = options.read_job(args)
    factories = reader_factories(find_tapes(args.tapes, job, notify), job, notify)
    log = {name: topics.read_pages(factory) for name, factory in factories.items()}
    topics.create_raw_topics(log, job, notify)
    loaded = topics.load_pages(log, job, notify, append=args.append, pack=args.pack)
    if args.json:
        print(json.dumps({partition: written._asdict() for partition, written in loaded.items()}))
        return 0
    for partition, written in loaded.items():
        frames = f"{written.frames:,} frames in " if args.pack else ""
        print(f"{job.kafka.raw_prefix}{partition}: {frames}{written.records:,} records")
    return 0
