"""`tapeflow replay`: tapes or topics to their end."""

from argparse import Namespace

from tapeflow.flows.cli import options
from tapeflow.flows.cli.parser import Commands, add_command
from tapeflow.flows.cli.terminal import notify, show_progress


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "replay",
        "Replay tapes or topics to their end and write all results.",
        "replay tapes/ --config jobs/demo.toml --workers 2",
        run,
    )
    parser.add_argument(
        "tapes",
        nargs="*",
        type=options.path,
        metavar="TAPES",
        help="files <venue>-<n>.tape[.gz|.zst] or .parquet, folders of them, or an archive",
    )
    parser.add_argument(
        "--from-topics",
        action="store_true",
        help="read the raw Kafka topics up to their present end, instead of tapes",
    )
    parser.add_argument(
        "--speed",
        type=options.speed,
        metavar="max|1x|60x",
        help="speed in log time (default: max)",
    )
    parser.add_argument("--publish", action="store_true", help="write the facts to Kafka too")
    options.add_moments(parser)
    options.add_salvage(parser)
    options.add_shape(parser)
    options.add_state(parser, "no state")
    options.add_config(parser)
    options.add_results(parser)
    options.add_json(parser)


def run(args: Namespace) -> int:
    """Replay, and print a summary."""
    if bool(args.tapes) == args.from_topics:
        args.parser.error("name TAPES or give --from-topics, one of them")
    if args.tapes and (args.begin or args.end):
        args.parser.error("--from and --to are of topics: give --from-topics")
    if args.from_topics and args.salvage:
        args.parser.error("--salvage is of tapes: name TAPES")
    from tapeflow.connectors.kafka.arena import use_one_arena

    if args.from_topics:
        use_one_arena()  # before pyarrow is imported
    from tapeflow.flows.cli import summary
    from tapeflow.flows.run.plan import Plan
    from tapeflow.flows.run.run import run_plan
    from tapeflow.flows.run.tape_files import find_tapes

    job = options.read_job(args)
    if args.from_topics:
        from tapeflow.flows.run.raw_topics import find_topics

        log = find_topics(job, notify, tail=False, **options.moments(args, args.state))
    else:
        log = find_tapes(args.tapes, job, notify, salvage=args.salvage)
    plan = Plan(
        command="replay",
        log=log,
        job=job,
        results=args.results,
        workers=args.workers,
        processes=args.processes,
        checked=args.checked,
        state=args.state,
        publish=args.publish,
        speed=args.speed,
    )
    run_plan(plan, show_progress, notify)
    return summary.print_summary(args)
