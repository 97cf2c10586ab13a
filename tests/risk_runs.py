"""Run a story: its batches in any pages, partitions in any order, restored before any of them."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from tapeflow.operators.decode.control import decode_controls
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.step import Desk
from tapeflow.schemas.batches import DeskBatch, Page
from tests.desk_stories import build
from tests.plain_flow import interleave
from tests.risk_draws import CONTROL, PARTITIONS
from tests.risk_stories import PUBLIC, Story


def batches(story: Story, cuts: Iterable[int] = ()) -> dict[str, list[DeskBatch]]:
    """Return the batches of each partition, cut at these places (modulo its length)."""
    cuts = [*cuts]
    found = {}
    for name in PARTITIONS:
        records = story.frames if name == CONTROL else story.rows[name]
        places = {each % (len(records) + 1) for each in cuts}
        edges = sorted({0, len(records), *places})
        pages = [build_page(story, name, begin, end) for begin, end in pairwise(edges)]
        pages.append(build_page(story, name, len(records), len(records), is_last=True))
        found[name] = pages
    return found


def build_page(
    story: Story, name: str, begin: int, end: int, *, is_last: bool = False
) -> DeskBatch:
    """Return the records of a partition from one place to another as the desk receives them."""
    if name == CONTROL:
        records = story.frames[begin:end]
        log_ns, frames = [at for at, _ in records], [frame for _, frame in records]
        page = Page.from_frames(name, begin, log_ns, frames, end_of_log=is_last)
        return desk_batch(decode_controls(page, PUBLIC), story.settings)
    intents = tuple(each for each in story.intents[name] if begin <= each.signal.offset < end)
    whole = build(story.rows[name][begin:end], begin, name, intents=intents, end_of_log=is_last)
    return desk_batch(whole, story.settings)


def run_story(
    story: Story,
    cuts: Iterable[int] = (),
    order: Iterable[int] = (),
    restarts: Sequence[bool] = (),
) -> tuple[list[Any], Any]:
    """Return facts and state: pages cut and interleaved so, restored before those batches."""
    step = Desk(story.settings)
    state, facts = step.initial(), []
    for number, each in enumerate(interleave(batches(story, cuts), order)):
        if restarts and restarts[number % len(restarts)]:
            state = step.restore(step.snapshot(state))
        state, out = step.step(state, each)
        facts += out
    return facts, state
