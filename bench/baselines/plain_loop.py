"""The reference job as one plain loop: one process, one thread, no framework, no arrays.

    python -m bench.baselines.plain_loop TAPES OUT

    tape ─▶ work ──▶ bars ──▶ crossings ──signals─┐     every 250 ms of log time
    tape ─▶ work ──▶ bars ──▶ crossings ──signals─┴▶ decide ──orders──▶ rest until `work` fills them

It is as fast as we could make it. Each tape is worked off by a generator whose state is its local
variables, and what is rare stands outside of it. An order rests for 250 ms before a trade fills it,
so the tapes need not be merged record by record: they take turns of 250 ms of log time, and after
each the signals are put in the order of the log and decided.
"""

import gc
from collections import Counter, defaultdict
from collections.abc import Generator, Iterator
from datetime import datetime
from itertools import chain, islice
from operator import mul
from pathlib import Path
from typing import NamedTuple

from bench.baselines.frames import (
    DECODERS,
    LATENESS_NS,
    MALFORMED,
    MILLISECOND,
    SECOND,
    UNIVERSE,
    Seconds,
    opened,
    positive,
    rfc3339_ns,
    tapes_in,
)
from bench.baselines.timing import timed
from bench.baselines.trading import (
    LATENCY_NS,
    Account,
    Crossing,
    Position,
    position_rows,
    write_stats,
    write_table,
)

MEMORY = 4096  # records of a tape after which no copy comes any more
NEVER = 2**64

moment = datetime.fromisoformat


class Signal(NamedTuple):
    """A wish for one unit; an order once approved."""

    decided_ns: int
    partition: str
    market: "Market"
    bar_end_ns: int
    side: int
    price: float


class Market:
    """What a tape knows of an instrument."""

    __slots__ = ("bars", "crossing", "name", "orders", "position", "seen", "seen_before")

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: set[int] = set()  # trade ids of this chunk of the tape
        self.seen_before: set[int] = set()  # of the chunk before
        # trades of the open bars, by second: (event time, price, size)
        self.bars: defaultdict[int, list[tuple[int, float, float]]] = defaultdict(list)
        self.crossing = Crossing()
        self.orders: list[Signal] = []  # at rest
        self.position = Position()


class Job:
    """What the tapes share, and the answer."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.account = Account()
        self.signals: list[Signal] = []  # not yet decided
        self.positions: dict[str, Position] = {}
        self.bar_rows: list[tuple[object, ...]] = []
        self.signal_rows: list[tuple[object, ...]] = []
        self.fill_rows: list[tuple[object, ...]] = []

    def decide(self) -> None:
        """Decide on the new signals in the order of the log; each tape's are in it already."""
        for each in sorted(self.signals, key=lambda signal: signal[:2]):
            market = each.market
            verdict = self.account.decide(market.name, each.side, each.price, each.decided_ns)
            self.signal_rows.append((market.name, *each[3:], verdict))
            if verdict == "APPROVED":
                market.orders.append(each)
        self.signals.clear()

    def fill(self, market: Market, log_ns: int, price: float, event_ns: int, trade_id: int) -> None:
        """Fill the orders that have reached the venue: the first ones, as all take as long."""
        while market.orders and market.orders[0].decided_ns + LATENCY_NS <= log_ns:
            order = market.orders.pop(0)
            fee = market.position.fill(order.side, price)
            self.positions[market.name] = market.position
            row = market.name, order.bar_end_ns, order.side, price, event_ns, trade_id, fee
            self.fill_rows.append(row)

    def write(self, out: Path) -> None:
        """Write the answer."""
        write_table(out, "bars", self.bar_rows)
        write_table(out, "signals", self.signal_rows)
        write_table(out, "fills", self.fill_rows)
        write_table(out, "positions", position_rows(self.positions))
        records = self.counts["records"]
        others = self.counts.total() - records
        write_stats(out, {**self.counts, "accepted": records - others})


class Tape:
    """A partition of the log."""

    def __init__(self, path: Path, partition: str, job: Job) -> None:
        self.path, self.partition, self.job = path, partition, job
        self.venue = partition.partition("-")[0]
        self.markets = {symbol: Market(name) for symbol, name in UNIVERSE[self.venue].items()}

    def chunks(self) -> Iterator[list[bytes]]:
        """The lines; with each chunk the trade ids of the one before the last are forgotten."""
        with opened(self.path) as file:
            while chunk := list(islice(file, MEMORY)):
                self.job.counts["records"] += len(chunk)
                for market in self.markets.values():
                    market.seen_before, market.seen = market.seen, set()
                yield chunk

    def close_bars(self, reach_ns: int, log_ns: int) -> tuple[int, int]:
        """Close the bars that W has passed, by (end, instrument).

        Gives the second that W is in, and the reach that brings it to the next.
        """
        now = (reach_ns - LATENESS_NS) // SECOND
        markets = self.markets.values()
        due = [(at, each.name, each) for each in markets for at in each.bars if at < now]
        for at, name, market in sorted(due):
            events, prices, sizes = zip(*market.bars.pop(at), strict=True)
            first = events.index(min(events))
            last = len(events) - 1 - events[::-1].index(max(events))
            close, volume = prices[last], sum(sizes)
            vwap = sum(map(mul, prices, sizes)) / volume
            ohlc = prices[first], max(prices), min(prices), close
            self.job.bar_rows.append((name, at * SECOND, *ohlc, volume, vwap, len(prices)))
            if side := market.crossing.side(close):
                end_ns = (at + 1) * SECOND
                signal = Signal(log_ns, self.partition, market, end_ns, side, close)
                self.job.signals.append(signal)
        return now, (now + 1) * SECOND + LATENESS_NS


def work(tape: Tape) -> Generator[int, int, None]:  # noqa: PLR0912, PLR0915  # calls cost a tenth each
    """Work a tape off up to the log time sent; yields that of its next record."""
    job, counts, markets = tape.job, tape.job.counts, tape.markets
    decode, binance, seconds = DECODERS[tape.venue], tape.venue == "binance", Seconds()
    newest_ns, newest_log_ns, reach_ns, second_now = -1, NEVER, -1, -1  # W = reach - lateness
    until_ns = due_ns = log_ns = 0  # due: the reach that brings W to its next second
    for line in chain.from_iterable(tape.chunks()):
        stamp, _, frame = line.partition(b" ")
        log_ns = int(stamp)
        if log_ns >= until_ns:
            until_ns = yield log_ns
        try:
            trade = decode(frame)
            p, q, time = trade.price, trade.size, trade.time
            price, size, digits = float(p), float(q), (p + q).replace(".", "")
            ends_in_dot = p[0] == "." or q[0] == "." or p[-1] == "." or q[-1] == "."
            strange = ends_in_dot or len(digits) > 300 or not digits.isascii()
            if strange or not digits.isdigit() or not price > 0.0 < size:
                price, size = positive(p), positive(q)  # in doubt, the strict way
            if binance:
                event_ns = time * MILLISECOND
            elif len(time) == 27 and time[19] == "." and time[26] == "Z":
                event_ns = seconds[time[:19]] + moment(time).microsecond * 1000
            else:
                event_ns = rfc3339_ns(time, seconds)
        except MALFORMED:
            if frame.rstrip(b"\n"):
                counts["malformed"] += 1
                continue
            counts["heartbeats"] += 1
            event_ns = newest_ns + log_ns - newest_log_ns
        else:
            market, trade_id = markets.get(trade.symbol), trade.trade_id
            if market is None:
                counts["unlisted"] += 1
                continue
            if trade_id in market.seen or trade_id in market.seen_before:
                counts["duplicate"] += 1
                continue
            market.seen.add(trade_id)
            second = event_ns // SECOND
            if second < second_now:
                counts["late"] += 1
            else:
                market.bars[second].append((event_ns, price, size))
                if market.orders:
                    job.fill(market, log_ns, price, event_ns, trade_id)
            if event_ns > newest_ns:
                newest_ns, newest_log_ns = event_ns, log_ns
        if event_ns > reach_ns:
            reach_ns = event_ns
            if reach_ns >= due_ns:
                second_now, due_ns = tape.close_bars(reach_ns, log_ns)
    tape.close_bars(NEVER, log_ns)
    yield NEVER


def run(tapes: Path, out: Path) -> int:
    """Do the whole job; how many records there were."""
    job = Job()
    workers = [work(Tape(path, partition, job)) for path, partition in tapes_in(tapes)]
    next_ns = {worker: next(worker) for worker in workers}
    while (first_ns := min(next_ns.values())) < NEVER:
        until_ns = first_ns + LATENCY_NS
        for worker in workers:
            if next_ns[worker] < until_ns:
                next_ns[worker] = worker.send(until_ns)
        job.decide()
    job.write(out)
    return job.counts["records"]


if __name__ == "__main__":
    gc.disable()  # nothing here makes cycles
    timed(run)
