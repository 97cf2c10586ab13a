"""`tapeflow init`: the files of a new job, from nothing, or from a log that it looks into."""

from argparse import Namespace
from pathlib import Path

from tapeflow.flows.cli import options
from tapeflow.flows.cli.parser import Commands, add_command
from tapeflow.flows.cli.terminal import notify

FRAMES = 200_000  # of each partition


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "init",
        "Write a job and a strategy to start from, with the instruments of tapes or topics.",
        "init mine/ tapes/",
        run,
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=options.path,
        default=Path(),
        metavar="FOLDER",
        help="folder of job.toml and strategy.py, created if missing (default: this one)",
    )
    parser.add_argument(
        "tapes",
        nargs="*",
        type=options.path,
        metavar="TAPES",
        help="tapes to look into, as of replay; without them the job is of the demo's market",
    )
    parser.add_argument(
        "--topics", action="store_true", help="look into the raw Kafka topics, instead of tapes"
    )
    parser.add_argument(
        "--frames",
        type=options.positive,
        default=FRAMES,
        metavar="N",
        help="look at the first N frames of each partition (default: %(default)s)",
    )
    options.add_config(parser)


def run(args: Namespace) -> int:
    """Write the files, and print what to run next."""
    from tapeflow.flows.scaffold.write import check_free, write_files

    if args.tapes and args.topics:
        args.parser.error("name TAPES or give --topics, one of them")
    check_free(args.folder)
    if any(args.folder.glob("*.tape*")):
        args.parser.error(
            f"{args.folder} holds tapes: name a new folder first, tapeflow init mine/ {args.folder}"
        )
    job = look(args) if args.tapes or args.topics else demo()
    for path in write_files(args.folder, job):
        print(f"wrote {path}")
    print(next_commands(args))
    return 0


def demo() -> str:
    """Return the job of the demo's market."""
    from tapeflow.flows.scaffold.job_text import demo_job

    return demo_job(options.DEFAULT_JOB.read_text().partition("[instruments]\n")[2])


def look(args: Namespace) -> str:
    """Return the job of what tapes or topics hold."""
    from tapeflow.flows.scaffold.job_text import learnt_job
    from tapeflow.flows.scaffold.learn import learn
    from tapeflow.flows.scaffold.look import open_tapes, open_topics
    from tapeflow.schemas.errors import UsageError

    job = options.read_job(args)
    opened = open_topics(job, notify) if args.topics else open_tapes(args.tapes, job, notify)
    learnt = learn(opened, args.frames)
    if not learnt.instruments:
        where = "the topics" if args.topics else ", ".join(map(str, args.tapes))
        raise UsageError(f"no trades or quotes in the first {args.frames:,} frames of {where}")
    return learnt_job(learnt, job.tapes, job.kafka if args.topics else None)


def next_commands(args: Namespace) -> str:
    """Return the commands to try on the files."""
    from tapeflow.flows.cli.demo import command_name
    from tapeflow.flows.scaffold.write import JOB, STRATEGY

    command, job, strategy = command_name(), args.folder / JOB, args.folder / STRATEGY
    if args.topics:
        log = "replay --from-topics"
    else:
        log = f"replay {' '.join(map(str, args.tapes))}" if args.tapes else "demo"
    return f"""
next:
  {command} {log} --config {job}
  {command} query "SELECT strategy, instrument, side, price, size FROM fills LIMIT 5"
Then change {strategy}: docs/strategies.md says what a strategy may do.
  {command} check {strategy}"""
