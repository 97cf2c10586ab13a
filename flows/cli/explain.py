"""`tapeflow explain`: why a fact is there, down to the raw frames."""

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from tapeflow.flows.cli import options
from tapeflow.flows.cli.parser import Commands, Parser, add_command
from tapeflow.flows.cli.terminal import notify
from tapeflow.schemas.errors import TapeflowError

if TYPE_CHECKING:
    from tapeflow.connectors.duckdb.reading import ResultsReader
    from tapeflow.flows.explain.every import CachedReader
    from tapeflow.flows.explain.frames import Frames
    from tapeflow.flows.explain.node import Node

SHOWN = 3  # frames of a bar: first, and last ones
REASONS_SHOWN = 20  # facts that are not whole
NO_LOG = (
    "no frames are shown, as the log is not given: name it by --tapes PATH (also an archive), "
    "--from-topics or --bootstrap HOST:PORT"
)
NOT_ALL = "not all of it is there, or agrees: see FAULT and the sums of bars"


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
        nargs="?",
        help="id of a fill, order, decision or signal, or its first characters, at least 6; "
        "partition:offset of a record; instrument@time of a bar; account/seq of a position or "
        "equity; states/seq; gaps/, late_trades/ or unlisted/partition:offset",
    )
    parser.add_argument(
        "--every",
        action="append",
        metavar="FACTS",
        help="explain all fills, refusals, dead_letters, .., or all, and count what is whole; may "
        "be given several times",
    )
    add_log(parser)
    parser.add_argument(
        "--all", action="store_true", help="print all frames of a bar, not the first and last ones"
    )
    options.add_results(parser)
    options.add_json(parser)


def add_log(parser: Parser) -> None:
    """Declare where the log is."""
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


def run(args: Namespace) -> int:
    """Print the explanation of a fact, or of every fact of some kinds."""
    check_arguments(args)
    if has_topics(args):
        from tapeflow.connectors.kafka.arena import use_one_arena

        use_one_arena()
    from tapeflow.flows.explain.every import CachedReader

    reader = CachedReader(args.results, notify)
    try:
        if args.every:
            return run_every(args, reader)
        return run_one(args, reader)
    finally:
        reader.close()


def check_arguments(args: Namespace) -> None:
    """Refuse arguments that do not go together."""
    if args.tapes and has_topics(args):
        args.parser.error("name --tapes, or topics by --from-topics or --bootstrap, not both")
    if args.salvage and not args.tapes:
        args.parser.error("--salvage is of tapes: name them with --tapes")
    if args.id and args.every:
        args.parser.error("name ID, or facts by --every, not both")
    if not args.id and not args.every:
        args.parser.error("missing: ID, or --every FACTS")


def has_topics(args: Namespace) -> bool:
    """Return whether the log is in topics."""
    return bool(args.from_topics or args.bootstrap)


def run_one(args: Namespace, reader: "ResultsReader") -> int:
    """Print the explanation of a fact."""
    from tapeflow.flows.explain import text
    from tapeflow.flows.explain.explain import explain
    from tapeflow.flows.explain.frames import is_whole, walk
    from tapeflow.flows.explain.json_text import to_json

    node = explain(reader, args.id)
    frames = open_frames(args, reader)
    if frames is None:
        notify(NO_LOG)
    else:
        frames.fetch(node, None if args.all or args.json else SHOWN)
    check_found(node, has_log=frames is not None)
    whole = not any(each.faults for each in walk(node)) if frames is None else is_whole(node)
    if args.json:
        print(to_json(node, whole=None if frames is None else whole))
    else:
        unicode = "utf" in (sys.stdout.encoding or "").lower()
        width = text.width_of(sys.stdout)
        print(text.render(node, width, all_frames=args.all, unicode=unicode))
    if not whole:
        notify(NOT_ALL)
    return 0 if whole else 1


def run_every(args: Namespace, reader: "CachedReader") -> int:
    """Print what became of the explanations of some kinds of facts, with --json each of them."""
    from tapeflow.flows.explain import every
    from tapeflow.flows.explain.frames import is_whole
    from tapeflow.flows.explain.json_text import to_json

    counts, bad = [every.Count(each) for each in every.check_facts(args.every)], 0
    frames = open_frames(args, reader)
    if frames is None:
        notify(NO_LOG)
    for count in counts:
        keep = None if args.json else 1
        for node in every.explain_every(reader, count.facts, frames, keep, count):
            if args.json:
                print(to_json(node, whole=None if frames is None else is_whole(node), indent=None))
            elif why := "; ".join(every.reasons(node, has_log=frames is not None)):
                bad += 1
                if bad <= REASONS_SHOWN:
                    print(f"{node.kind} {node.id} is not whole: {why}")
    if bad > REASONS_SHOWN:
        print(f".. {bad - REASONS_SHOWN} more are not whole: --json has all")
    for line in every.count_lines(counts, has_log=frames is not None):
        notify(line) if args.json else print(line)
    return 0 if all(each.explained == each.whole for each in counts) else 1


def check_found(node: "Node", *, has_log: bool) -> None:
    """Raise TapeflowError where the only thing known of a record is its id."""
    if node.kind == "record" and not node.frames and not node.tables.get("led to"):
        why = "; ".join([*node.notes, *node.faults])
        raise TapeflowError(why if has_log else f"{why}; name the log by --tapes PATH")


def open_frames(args: Namespace, reader: "ResultsReader") -> "Frames | None":
    """Return the log that the options name, read as the job of the last start says; None of none.

    Raises TapeflowError where there is no such log.
    """
    if not args.tapes and not has_topics(args):
        return None
    from tapeflow.flows.explain.declared import stored_job
    from tapeflow.flows.explain.frames import Frames

    job = stored_job(reader)
    if args.bootstrap:
        kafka = job.kafka.model_copy(update={"bootstrap": args.bootstrap})
        job = job.model_copy(update={"kafka": kafka})
    if args.tapes:
        from tapeflow.flows.run.tape_files import find_tapes

        return Frames(find_tapes(args.tapes, job, notify, salvage=args.salvage), job, notify)
    from tapeflow.flows.run.raw_topics import find_topics

    return Frames(find_topics(job, notify, tail=False), job, notify)
