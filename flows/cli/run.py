"""`tapeflow run`: the raw topics, until a signal."""

from argparse import Namespace
from pathlib import Path

from tapeflow.flows.cli import options
from tapeflow.flows.cli.parser import Commands, add_command
from tapeflow.flows.cli.terminal import notify, show_progress


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "run",
        "Follow the raw topics and trade on paper, until a signal stops it.",
        "run --config jobs/demo.toml",
        run,
    )
    parser.add_argument(
        "--heartbeats",
        action="store_true",
        help="write heartbeats into partitions that are silent",
    )
    options.add_moments(parser)
    options.add_shape(parser)
    options.add_state(parser, "RESULTS.state")
    options.add_config(parser)
    options.add_results(parser)
    options.add_json(parser)


def run(args: Namespace) -> int:
    """Follow the topics; print a summary when stopped."""
    from tapeflow.connectors.kafka.arena import use_one_arena

    use_one_arena()  # before pyarrow is imported
    from tapeflow.flows.cli import summary
    from tapeflow.flows.run.plan import Plan
    from tapeflow.flows.run.run import run_plan
    from tapeflow.flows.run.start import add_topics

    job = options.read_job(args)
    state = args.state or Path(f"{args.results}.state")
    plan = Plan(
        command="run",
        log={},
        job=job,
        results=args.results,
        workers=args.workers,
        processes=args.processes,
        checked=args.checked,
        supervised=True,
        state=state,
        publish=job.kafka.publish,
        heartbeats=args.heartbeats,
    )
    plan = add_topics(plan, notify, tail=args.end is None, **options.moments(args, state))
    run_plan(plan, show_progress, notify)
    return summary.print_summary(args)
