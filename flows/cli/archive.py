"""`tapeflow archive`: raw topics into Parquet files of raw frames."""

import json
from argparse import Namespace

from tapeflow.flows.cli import options
from tapeflow.flows.cli.parser import Commands, add_command
from tapeflow.flows.cli.terminal import notify, show_progress


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "archive",
        "Write the raw topics to Parquet files of raw frames, one an hour of each partition.",
        "archive archive/ --to-end",
        run,
    )
    parser.add_argument(
        "folder",
        type=options.path,
        metavar="FOLDER",
        help="folder of the archive, created if missing",
    )
    parser.add_argument(
        "--to-end",
        action="store_true",
        help="stop at the present end of the topics and close the last hour as it is, instead of "
        "following them",
    )
    options.add_moments(parser)
    options.add_shape(parser)
    options.add_state(parser, "FOLDER/.state")
    options.add_config(parser)
    options.add_json(parser)


def run(args: Namespace) -> int:
    """Archive, and print what was written."""
    from tapeflow.connectors.kafka.arena import use_one_arena

    use_one_arena()  # before pyarrow is imported
    from tapeflow.connectors.tapes.archive_summary import list_hours, summarise
    from tapeflow.flows.run.plan import Plan
    from tapeflow.flows.run.run import run_plan
    from tapeflow.flows.run.start import add_topics

    job = options.read_job(args)
    before = list_hours(args.folder)
    state = args.state or args.folder / ".state"
    tail = not args.to_end and args.end is None
    plan = Plan(
        flow="archive",
        command="archive",
        log={},
        job=job,
        results=args.folder,
        workers=args.workers,
        processes=args.processes,
        checked=args.checked,
        supervised=tail,
        state=state,
    )
    plan = add_topics(plan, notify, tail=tail, **options.moments(args, state))
    run_plan(plan, show_progress, notify)
    written = summarise(args.folder, before)
    if args.json:
        print(json.dumps(written._asdict()))
    else:
        print(
            f"{args.folder}: {written.files:,} files of {written.records:,} records written, "
            f"{written.bytes:,} bytes"
        )
    return 0
