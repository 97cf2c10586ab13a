"""`tapeflow ticks`: trades and quotes of a log as Parquet files, for research."""

import json
from argparse import Namespace

from tapeflow.flows.cli import log_source, options
from tapeflow.flows.cli.parser import Commands, add_command
from tapeflow.flows.cli.terminal import notify, show_progress


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "ticks",
        "Write trades and quotes of a log as Parquet files, one an hour of each partition.",
        "ticks tapes/ --config job.toml --into ticks/",
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
        "--into",
        type=options.path,
        required=True,
        metavar="FOLDER",
        help="folder of the files, which must not exist",
    )
    options.add_moments(parser)
    options.add_salvage(parser)
    options.add_shape(parser)
    options.add_config(parser)
    options.add_json(parser)


def run(args: Namespace) -> int:
    """Write the files, and print what is in them."""
    log_source.check_source(args)
    from tapeflow.connectors.tapes.archive_summary import summarise
    from tapeflow.connectors.tapes.tick_rows import SCHEMAS
    from tapeflow.flows.run.plan import Plan
    from tapeflow.flows.run.run import run_plan

    job = options.read_job(args)
    plan = Plan(
        flow="ticks",
        command="ticks",
        log=log_source.find_log(args, job),
        job=job,
        results=args.into,
        workers=args.workers,
        processes=args.processes,
        checked=args.checked,
    )
    run_plan(plan, show_progress, notify)
    written = {kind: summarise(args.into / kind, {}) for kind in SCHEMAS}
    if args.json:
        counts = {kind: each.records for kind, each in written.items()}
        total = {
            name: sum(getattr(w, name) for w in written.values()) for name in ("files", "bytes")
        }
        print(json.dumps(counts | total))
    else:
        for kind, each in written.items():
            files = f"{each.files:,} files, {each.bytes:,} bytes"
            print(f"{args.into}: {each.records:,} {kind} in {files}")
    return 0
