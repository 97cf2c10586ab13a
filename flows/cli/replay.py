"""`tapeflow replay`: tapes or topics to their end."""

from argparse import Namespace

from tapeflow.flows.cli import log_source, options
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
    log_source.check_source(args)
    from tapeflow.flows.cli import summary
    from tapeflow.flows.run.plan import Plan
    from tapeflow.flows.run.run import run_plan

    job = options.read_job(args)
    log = log_source.find_log(args, job, args.state)
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
