"""`tapeflow sweep`: every combination of the grids of a job over one log."""

import json
from argparse import Namespace
from functools import partial

from tapeflow.flows.cli import log_source, options
from tapeflow.flows.cli.parser import Commands, add_command
from tapeflow.flows.cli.terminal import notify, show_progress

BEST = 1  # variants whose facts are stored
SHOWN = 10  # variants in the table that is printed


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "sweep",
        "Run every combination of the job's grids, and compare them.",
        "sweep tapes/ --config job.toml --folds 3",
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
        "--folds",
        type=options.natural,
        metavar="N",
        help="times that the log is cut into a part to choose and a part to test; 0: never",
    )
    parser.add_argument(
        "--best",
        type=options.positive,
        default=BEST,
        metavar="N",
        help="store all facts of the best N variants (default: %(default)s)",
    )
    options.add_moments(parser)
    options.add_salvage(parser)
    options.add_shape(parser)
    options.add_config(parser)
    options.add_results(parser)
    options.add_json(parser)


def run(args: Namespace) -> int:
    """Sweep, and print the best variants."""
    log_source.check_source(args)
    from tapeflow.flows.cli.sweep_table import format_variants, variant_values
    from tapeflow.flows.run.plan import Plan
    from tapeflow.flows.run.sweeping import find_variants, run_sweep

    job = options.read_job(args)
    if args.folds is not None:
        changed = {"folds": args.folds, "train": None, "test": None}
        job = job.model_copy(update={"sweep": job.sweep.model_copy(update=changed)})
    grids = find_variants(job, notify)
    log = log_source.find_log(args, job)
    shape = {"workers": args.workers, "processes": args.processes, "checked": args.checked}
    plan = Plan(command="sweep", log=log, job=job, results=args.results, **shape)
    rows = run_sweep(plan, grids, args.best, show_progress, notify)
    print_json = partial(json.dumps, default=str)
    print(print_json(variant_values(rows)) if args.json else format_variants(rows, SHOWN))
    return 0
