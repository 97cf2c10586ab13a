"""A made-up market: seeded tapes of three venues that trade the same coins.

    hidden price of a coin --lag, basis, spread--> quotes --who takes?--> trades, per instrument
    both --latency--> records in log order --defects, heartbeats--> pages, per partition

Not a model of any market, but with its habits: trends, stretches that revert, bursts of volatility,
jumps; trades in bunches, some of which sweep several prices; copies, stragglers, broken frames.
The same settings and the same numpy give the same bytes on every machine, whichever partitions are
read and in pages of whatever length: each coin, instrument and partition has a random stream of its
own. `write_tapes` makes files of them, `tapes` pages, `records` plain lists.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from msgspec import Struct

from tapeflow.connectors.synthetic.frames import LISTINGS, VENUES, other
from tapeflow.connectors.synthetic.listings import COINS, Frames, Listing, Rng
from tapeflow.connectors.synthetic.prices import SECOND_US, Feed, HiddenPrice
from tapeflow.schemas.batches import Page
from tapeflow.schemas.columns import Ints

START_NS = 1_767_603_600_000_000_000  # 2026-01-05 09:00 UTC
BLOCK_RECORDS, BLOCK_SECONDS = 100_000, 10  # made at a time, about, and at most

INSTRUMENTS = tuple((each.id, each.tick, each.lot) for each in LISTINGS)  # for a job file


class Market(Struct, frozen=True, kw_only=True):
    """What to make up. Every one of these changes the tapes."""

    seed: int = 7
    seconds: int = 300  # of log time
    rate: float = 2000.0  # records per second over all partitions, heartbeats aside, on average
    partitions_per_venue: int = 1  # coins are dealt out to them in turn
    heartbeat_ms: int = 100  # an empty frame after so long a silence of a partition; 0: none


def stream(market: Market, *key: int) -> Rng:
    """Open random numbers that no other key sees."""
    return np.random.default_rng(np.random.SeedSequence(market.seed, spawn_key=key))


# --- partitions ---------------------------------------------------------------------------

DUPLICATE_RATE, TRUNCATED_RATE, FOREIGN_RATE = (
    4e-4,
    1e-4,
    3e-4,
)  # of records; OTHER: unlisted, or of a channel nobody reads
RESENT_WITHIN = 20  # records


def records(market: Market, partition: str) -> Iterator[tuple[Ints, Frames]]:
    """Make log times in ns and frames of one partition, block by block, in log order."""
    name, _, place = partition.rpartition("-")
    venue = next(venue for venue in VENUES if venue.name == name)
    mine = range(int(place), len(COINS), market.partitions_per_venue)
    listings = [LISTINGS[venue.number * len(COINS) + coin] for coin in mine]
    hidden = [HiddenPrice(COINS[coin], stream(market, 0, coin)) for coin in mine]
    feeds = [
        Feed(listing, market.rate, stream(market, 1, venue.number, coin))
        for coin, listing in zip(mine, listings, strict=True)
    ]
    rng = stream(market, 2, venue.number, int(place))
    start_us = START_NS // 1000
    end_us = start_us + market.seconds * SECOND_US
    frames = venue.subscription_ack(listings, start_us, rng)
    log_us = start_us + 200 + 50 * np.arange(len(frames))
    silence = HeartbeatFiller(market.heartbeat_ms * 1000, start_us)
    step = min(max(int(BLOCK_RECORDS / market.rate), 1), BLOCK_SECONDS)
    while start_us < end_us:
        seconds = min(step, (end_us - start_us) // SECOND_US)
        pairs = zip(feeds, hidden, strict=True)
        parts = [feed.block(price.extend(seconds), start_us) for feed, price in pairs]
        start_us += seconds * SECOND_US
        log_us, frames = in_log_order(
            np.concatenate([log_us, *(times for times, _ in parts)]),
            frames + [frame for _, made in parts for frame in made],
        )
        ripe = int(np.searchsorted(log_us, start_us))  # the next block may come before the others
        ripe_us, ripe_frames = with_defects(log_us[:ripe], frames[:ripe], listings, rng)
        log_us, frames = log_us[ripe:], frames[ripe:]
        ripe_us, ripe_frames = silence.filled(ripe_us, ripe_frames, start_us)
        yield ripe_us * 1000, ripe_frames


def in_log_order(log_us: Ints, frames: Frames) -> tuple[Ints, Frames]:
    """Sort by log time; what is of the same time keeps its order."""
    order = np.argsort(log_us, kind="stable")
    return log_us[order], [frames[number] for number in order.tolist()]


def with_defects(
    log_us: Ints, frames: Frames, listings: list[Listing], rng: Rng
) -> tuple[Ints, Frames]:
    """Put in copies, broken frames, and frames of other channels and symbols."""
    luck = rng.random(len(frames))
    added_us: list[int] = []
    for number in np.flatnonzero(luck < DUPLICATE_RATE + TRUNCATED_RATE + FOREIGN_RATE).tolist():
        choice, distance = rng.integers(0, 2**20), rng.integers(1, RESENT_WITHIN)
        if luck[number] < DUPLICATE_RATE:
            added_us.append(int(log_us[min(number + int(distance), len(log_us) - 1)]))
            frames.append(frames[number])
        elif luck[number] < DUPLICATE_RATE + TRUNCATED_RATE:
            frames[number] = frames[number][: len(frames[number]) // 2]
        else:
            added_us.append(int(log_us[number]))
            about = listings[int(distance) % len(listings)]
            frames.append(other(about, int(choice), added_us[-1] - about.venue.latency_us))
    return in_log_order(np.concatenate([log_us, np.array(added_us, np.int64)]), frames)


class HeartbeatFiller:
    """Writes an empty frame whenever a partition has said nothing for so long."""

    def __init__(self, after_us: int, last_us: int) -> None:
        self.after_us, self.last_us = after_us, last_us

    def filled(self, log_us: Ints, frames: Frames, until_us: int) -> tuple[Ints, Frames]:
        """Put heartbeats between the records and before `until_us`."""
        if not self.after_us:
            return log_us, frames
        ends = np.concatenate([log_us, [until_us]])
        begins = np.concatenate([[self.last_us], log_us])
        beats = np.maximum(ends - begins - 1, 0) // self.after_us
        before = np.repeat(np.cumsum(beats) - beats, beats)
        turn = np.arange(int(beats.sum())) - before + 1
        beats_us = np.repeat(begins, beats) + turn * self.after_us
        log_us, frames = in_log_order(
            np.concatenate([log_us, beats_us]), frames + [b""] * len(beats_us)
        )
        self.last_us = int(log_us.max(initial=self.last_us))
        return log_us, frames


# --- tapes --------------------------------------------------------------------------------


def partitions_of(market: Market) -> list[str]:
    """Name the partitions."""
    places = range(market.partitions_per_venue)
    return [f"{venue.name}-{place}" for venue in VENUES for place in places]


def tapes(market: Market, page_records: int = 10_000) -> dict[str, Iterator[Page]]:
    """Make the pages of each partition, each to be read alone; the last one says it is the end."""
    names = partitions_of(market)
    return {partition: pages(market, partition, page_records) for partition in names}


def pages(market: Market, partition: str, page_records: int) -> Iterator[Page]:
    """Cut the records into pages of one length, but for the last."""
    log_ns: list[int] = []
    frames: Frames = []
    offset = 0
    for more_ns, more_frames in records(market, partition):
        log_ns += more_ns.tolist()
        frames += more_frames
        cuts = range(0, len(frames) + 1, page_records)
        for lo, hi in pairwise(cuts):
            yield Page.from_frames(partition, offset + lo, log_ns[lo:hi], frames[lo:hi])
        offset += cuts[-1]
        del log_ns[: cuts[-1]], frames[: cuts[-1]]
    yield Page.from_frames(partition, offset, log_ns, frames, end_of_log=True)


def write_tapes(market: Market, folder: Path) -> list[Path]:
    """Write `<partition>.tape` for each partition: lines `<log_ns> <frame>`, or the time alone."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{partition}.tape" for partition in partitions_of(market)]
    for path in paths:
        with path.open("wb") as file:
            for log_ns, frames in records(market, path.stem):
                lines = map(b"%d %b".__mod__, zip(log_ns.tolist(), frames, strict=True))
                file.writelines(line.rstrip() + b"\n" for line in lines)
    return paths
