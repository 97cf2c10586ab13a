"""The log of a command that reads tapes, or topics up to their present end."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from tapeflow.flows.cli import options
from tapeflow.flows.cli.terminal import notify

if TYPE_CHECKING:
    from tapeflow.flows.job.settings import Job
    from tapeflow.flows.run.log import Log


def check_source(args: Namespace) -> None:
    """Refuse a log of neither or both of tapes and topics, and options of the other one.

    Prepares the memory of a reader of topics: to be called before pyarrow is imported.
    """
    if bool(args.tapes) == args.from_topics:
        args.parser.error("name TAPES or give --from-topics, one of them")
    if args.tapes and (args.begin or args.end):
        args.parser.error("--from and --to are of topics: give --from-topics")
    if args.from_topics and args.salvage:
        args.parser.error("--salvage is of tapes: name TAPES")
    if args.from_topics:
        from tapeflow.connectors.kafka.arena import use_one_arena

        use_one_arena()


def find_log(args: Namespace, job: "Job", state: Path | None = None) -> "Log":
    """Return the log that the options name, up to its present end."""
    if args.from_topics:
        from tapeflow.flows.run.raw_topics import find_topics

        return find_topics(job, notify, tail=False, **options.moments(args, state))
    from tapeflow.flows.run.tape_files import find_tapes

    return find_tapes(args.tapes, job, notify, salvage=args.salvage)
