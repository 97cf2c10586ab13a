"""`tapeflow explain`: why a fact is there, down to the raw frames."""

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from tapeflow.flows.cli import options
from tapeflow.flows.cli.parser import Commands, add_command
from tapeflow.flows.cli.terminal import notify
from tapeflow.schemas.errors import TapeflowError

if TYPE_CHECKING:
    from tapeflow.connectors.duckdb.reading import ResultsReader
    from tapeflow.flows.explain.frames import Frames
    from tapeflow.flows.explain.node import Node

SHOWN = 3  # frames of a bar: first, and last ones
NO_LOG = (
    "no frames are shown, as the log is not given: name it by --tapes PATH (also an archive), "
    "--from-topics or --bootstrap HOST:PORT"
)


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "explain",
        "Print why a fact is there: the chain of its causes, down to the raw frames.",
        "explain 70738912dabe --tapes tapes/",
        run,
    )
    parser.add_argument(
        "id",
        metavar="ID",
        help="id of a fill, order, decision or signal, or its first characters, at least 6; "
        "partition:offset of a record; instrument@time of a bar; account/seq of a position or "
        "equity; states/seq",
    )
    parser.add_argument(
        "--tapes",
        "--archive",
        dest="tapes",
        action="append",
        type=options.path,
        metavar="PATH",
        help="the log: a tape, a folder of tapes, or an archive; may be given several times",
    )
    parser.add_argument(
        "--from-topics", action="store_true", help="the log is in the raw Kafka topics of the job"
    )
    parser.add_argument(
        "--bootstrap", metavar="HOST:PORT", help="Kafka broker of the raw topics, not the job's"
    )
    options.add_salvage(parser)
    parser.add_argument(
        "--all", action="store_true", help="print all frames of a bar, not the first and last ones"
    )
    options.add_results(parser)
    options.add_json(parser)


def run(args: Namespace) -> int:
    """Print the explanation of a fact."""
    from_topics = args.from_topics or args.bootstrap
    if args.tapes and from_topics:
        args.parser.error("name --tapes, or topics by --from-topics or --bootstrap, not both")
    if args.salvage and not args.tapes:
        args.parser.error("--salvage is of tapes: name them with --tapes")
    if from_topics:
        from tapeflow.connectors.kafka.arena import use_one_arena

        use_one_arena()
    from tapeflow.connectors.duckdb.reading import ResultsReader
    from tapeflow.flows.explain import text
    from tapeflow.flows.explain.explain import explain
    from tapeflow.flows.explain.json_text import to_json

    reader, has_all = ResultsReader(args.results, notify), True
    try:
        node = explain(reader, args.id)
        if args.tapes or from_topics:
            keep = None if args.all or args.json else SHOWN
            has_all = open_frames(args, reader).fetch(node, keep)
        else:
            notify(NO_LOG)
        check_found(node, has_log=from_topics or bool(args.tapes))
    finally:
        reader.close()
    if args.json:
        print(to_json(node))
    else:
        unicode = "utf" in (sys.stdout.encoding or "").lower()
        width = text.width_of(sys.stdout)
        print(text.render(node, width, all_frames=args.all, unicode=unicode))
    if not has_all:
        notify(
            "the log that was given does not have all of it: see the notes, and the sums of bars"
        )
    return 0 if has_all else 1


def check_found(node: "Node", *, has_log: bool) -> None:
    """Raise TapeflowError where the only thing known of a record is what was asked."""
    if node.kind == "record" and not node.frames and not node.tables.get("led to"):
        why = "; ".join(node.notes) if has_log else f"{node.notes[0]}; name the log by --tapes PATH"
        raise TapeflowError(why)


def open_frames(args: Namespace, reader: "ResultsReader") -> "Frames":
    """Return the log that the options name, read as the job of the last start says."""
    from tapeflow.flows.explain.frames import Frames
    from tapeflow.flows.job.stored import load_stored

    job = load_stored(reader.rows("SELECT job FROM runs ORDER BY id DESC LIMIT 1")[0]["job"])
    if args.bootstrap:
        kafka = job.kafka.model_copy(update={"bootstrap": args.bootstrap})
        job = job.model_copy(update={"kafka": kafka})
    if args.tapes:
        from tapeflow.flows.run.tape_files import find_tapes

        return Frames(find_tapes(args.tapes, job, notify, salvage=args.salvage), job, notify)
    from tapeflow.flows.run.raw_topics import find_topics

    return Frames(find_topics(job, notify, tail=False), job, notify)
