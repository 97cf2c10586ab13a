"""A synthetic market: seeded tapes of three venues that trade the same coins.

    latent price of a coin --lag, basis, spread--> quotes --taking orders--> trades, per instrument
    both --latency--> records in log order --defects, heartbeats--> pages, per partition

Not a model of any market, but with typical features: trends, reversions, bursts of volatility and
jumps; trades in bursts, some of which sweep several prices; duplicates, late trades, broken frames.
The same settings and the same numpy give the same bytes on every machine, whichever partitions are
read and whatever the length of pages: each coin, instrument and partition has a random stream of
its own. `write_tapes` writes files, `tapes` makes pages, `records` plain lists.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from msgspec import Struct

from tapeflow.connectors.synthetic.feed import Feed
from tapeflow.connectors.synthetic.frames import foreign_frame
from tapeflow.connectors.synthetic.listings import COINS, Frames, Listing, Rng
from tapeflow.connectors.synthetic.prices import SECOND_US, PriceProcess
from tapeflow.connectors.synthetic.venues import LISTINGS, VENUES
from tapeflow.schemas.batches import Page
from tapeflow.schemas.columns import Ints

START_NS = 1_767_603_600_000_000_000  # 2026-01-05 09:00 UTC
BLOCK_RECORDS, BLOCK_SECONDS_MAX = 100_000, 10  # made at a time

INSTRUMENTS = tuple(
    (listing.id, listing.tick, listing.lot) for listing in LISTINGS
)  # for a job file


class Market(Struct, frozen=True, kw_only=True):
    """Settings of the market. Each of them changes the tapes."""

    seed: int = 7
    seconds: int = 300  # of log time
    rate: float = 2000.0  # records per second over all partitions, on average, without heartbeats
    partitions_per_venue: int = 1  # coins are assigned to them round-robin
    heartbeat_ms: int = 100  # silence of a partition before an empty frame; 0: no heartbeats


def stream(market: Market, *key: int) -> Rng:
    """Return the random stream of this key, independent of those of all other keys."""
    return np.random.default_rng(np.random.SeedSequence(market.seed, spawn_key=key))


# --- partitions ---------------------------------------------------------------------------

DUPLICATE_RATE, TRUNCATED_RATE, FOREIGN_RATE = 4e-4, 1e-4, 3e-4  # of records
DUPLICATE_DISTANCE_MAX = 20  # records between a frame and its duplicate


def records(market: Market, partition: str) -> Iterator[tuple[Ints, Frames]]:
    """Yield log times (ns) and frames of one partition in log order, block by block."""
    name, _, number = partition.rpartition("-")
    venue = next(venue for venue in VENUES if venue.name == name)
    coins = range(int(number), len(COINS), market.partitions_per_venue)
    listings = [LISTINGS[venue.number * len(COINS) + coin] for coin in coins]
    prices = [PriceProcess(COINS[coin], stream(market, 0, coin)) for coin in coins]
    feeds = [
        Feed(listing, market.rate, stream(market, 1, venue.number, coin))
        for coin, listing in zip(coins, listings, strict=True)
    ]
    rng = stream(market, 2, venue.number, int(number))
    start_us = START_NS // 1000
    end_us = start_us + market.seconds * SECOND_US
    frames = venue.subscription_ack(listings, start_us, rng)
    log_us = start_us + 200 + 50 * np.arange(len(frames))
    filler = HeartbeatFiller(market.heartbeat_ms * 1000, start_us)
    step = min(max(int(BLOCK_RECORDS / market.rate), 1), BLOCK_SECONDS_MAX)
    while start_us < end_us:
        seconds = min(step, (end_us - start_us) // SECOND_US)
        pairs = zip(feeds, prices, strict=True)
        blocks = [feed.block(price.extend(seconds), start_us) for feed, price in pairs]
        start_us += seconds * SECOND_US
        log_us, frames = in_log_order(
            np.concatenate([log_us, *(times for times, _ in blocks)]),
            frames + [frame for _, block_frames in blocks for frame in block_frames],
        )
        final = int(np.searchsorted(log_us, start_us))  # the next block may precede later ones
        final_us, final_frames = with_defects(log_us[:final], frames[:final], listings, rng)
        log_us, frames = log_us[final:], frames[final:]
        final_us, final_frames = filler.fill(final_us, final_frames, start_us)
        yield final_us * 1000, final_frames


def in_log_order(log_us: Ints, frames: Frames) -> tuple[Ints, Frames]:
    """Sort by log time, stably."""
    order = np.argsort(log_us, kind="stable")
    return log_us[order], [frames[row] for row in order.tolist()]


def with_defects(
    log_us: Ints, frames: Frames, listings: list[Listing], rng: Rng
) -> tuple[Ints, Frames]:
    """Add duplicates and foreign frames, and truncate some frames."""
    draw = rng.random(len(frames))
    added_us: list[int] = []
    for row in np.flatnonzero(draw < DUPLICATE_RATE + TRUNCATED_RATE + FOREIGN_RATE).tolist():
        choice, distance = rng.integers(0, 2**20), rng.integers(1, DUPLICATE_DISTANCE_MAX)
        if draw[row] < DUPLICATE_RATE:
            added_us.append(int(log_us[min(row + int(distance), len(log_us) - 1)]))
            frames.append(frames[row])
        elif draw[row] < DUPLICATE_RATE + TRUNCATED_RATE:
            frames[row] = frames[row][: len(frames[row]) // 2]
        else:
            added_us.append(int(log_us[row]))
            listing = listings[int(distance) % len(listings)]
            event_us = added_us[-1] - listing.venue.latency_us
            frames.append(foreign_frame(listing, int(choice), event_us))
    return in_log_order(np.concatenate([log_us, np.array(added_us, np.int64)]), frames)


class HeartbeatFiller:
    """Adds an empty frame wherever a partition was silent for `after_us`."""

    def __init__(self, after_us: int, last_us: int) -> None:
        self.after_us, self.last_us = after_us, last_us

    def fill(self, log_us: Ints, frames: Frames, until_us: int) -> tuple[Ints, Frames]:
        """Return the records with heartbeats between them, and up to `until_us`."""
        if not self.after_us:
            return log_us, frames
        ends = np.concatenate([log_us, [until_us]])
        begins = np.concatenate([[self.last_us], log_us])
        beats = np.maximum(ends - begins - 1, 0) // self.after_us
        before = np.repeat(np.cumsum(beats) - beats, beats)
        nth = np.arange(int(beats.sum())) - before + 1  # heartbeat of its gap
        beats_us = np.repeat(begins, beats) + nth * self.after_us
        log_us, frames = in_log_order(
            np.concatenate([log_us, beats_us]), frames + [b""] * len(beats_us)
        )
        self.last_us = int(log_us.max(initial=self.last_us))
        return log_us, frames


# --- tapes --------------------------------------------------------------------------------


def partitions_of(market: Market) -> list[str]:
    """Return the names of all partitions."""
    numbers = range(market.partitions_per_venue)
    return [f"{venue.name}-{number}" for venue in VENUES for number in numbers]


def tapes(market: Market, page_records: int = 10_000) -> dict[str, Iterator[Page]]:
    """Return the pages of each partition; they can be read in any order."""
    names = partitions_of(market)
    return {partition: pages(market, partition, page_records) for partition in names}


def pages(market: Market, partition: str, page_records: int) -> Iterator[Page]:
    """Yield pages of `page_records` each; the last one is shorter and ends the log."""
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
    """Write `<partition>.tape` for each partition, and return the paths.

    A line is `<log_ns> <frame>`, that of a heartbeat only `<log_ns>`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{partition}.tape" for partition in partitions_of(market)]
    for path in paths:
        with path.open("wb") as file:
            for log_ns, frames in records(market, path.stem):
                lines = map(b"%d %b".__mod__, zip(log_ns.tolist(), frames, strict=True))
                file.writelines(line.rstrip() + b"\n" for line in lines)
    return paths
