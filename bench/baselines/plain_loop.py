"""The reference job as one plain loop: one process, one thread, no framework, no arrays.

    python -m bench.baselines.plain_loop TAPES OUT

    tape ─▶ read_tape ─▶ bars ─▶ crossings ─signals─┐   every 250 ms of log time
    tape ─▶ read_tape ─▶ bars ─▶ crossings ─signals─┴▶ decide ─orders─▶ rest until read_tape fills

It is as fast as we could make it. Each tape is read by a generator whose state is its local
variables; what is rare is in functions outside of it. An order rests for 250 ms before a trade can
fill it, so the tapes need not be merged record by record: they take turns of 250 ms of log time,
and after each turn the signals are put in the order of the log and decided.
"""

import gc
from collections import Counter, defaultdict
from collections.abc import Generator, Iterator
from datetime import datetime
from itertools import chain, islice
from pathlib import Path

from bench.baselines.frames import (
    DECODERS,
    LATENESS_NS,
    MALFORMED,
    MILLISECOND,
    SECOND,
    UNIVERSE,
    Seconds,
    open_tape,
    positive,
    rfc3339_ns,
    tapes_in,
)
from bench.baselines.timing import run_measured
from bench.baselines.trading import (
    LATENCY_NS,
    Account,
    Bar,
    BarTrade,
    Crossing,
    Holding,
    Row,
    Signal,
    write_stats,
    write_table,
)

COPY_WINDOW = 4096  # records of a tape after which no copy of a trade comes any more
END_NS = 2**64

moment = datetime.fromisoformat


class Market:
    """The state of an instrument: its trades belong to one tape."""

    __slots__ = ("bars", "crossing", "holding", "name", "orders", "seen", "seen_before")

    def __init__(self, holding: Holding) -> None:
        self.name, self.holding, self.orders = holding.instrument, holding, holding.orders
        self.seen: set[int] = set()  # trade ids of this chunk of the tape
        self.seen_before: set[int] = set()  # of the chunk before
        self.bars: defaultdict[int, list[BarTrade]] = defaultdict(list)  # the open ones, by second
        self.crossing = Crossing()


class Job:
    """The state that the tapes share, and the rows of the answer."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.account = Account()
        self.signals: list[Signal] = []  # not yet decided
        self.bars: list[Bar] = []
        self.signal_rows: list[Row] = []
        self.fills: list[Row] = []

    def decide(self) -> None:
        """Decide on the new signals in the order of the log; each tape's are in it already."""
        for signal in sorted(self.signals, key=lambda signal: signal[:2]):
            self.signal_rows.append(self.account.decide(signal))
        self.signals.clear()

    def write(self, out: Path) -> None:
        """Write the answer."""
        write_table(out, "bars", self.bars)
        write_table(out, "signals", self.signal_rows)
        write_table(out, "fills", self.fills)
        write_table(out, "positions", self.account.position_rows())
        records = self.counts["records"]
        others = self.counts.total() - records
        write_stats(out, {**self.counts, "accepted": records - others})


class Tape:
    """A partition of the log, and the instruments on it."""

    def __init__(self, path: Path, partition: str, job: Job) -> None:
        self.path, self.partition, self.job = path, partition, job
        self.venue = partition.partition("-")[0]
        holdings = job.account.holdings
        self.markets = {
            symbol: Market(holdings[name]) for symbol, name in UNIVERSE[self.venue].items()
        }

    def chunks(self) -> Iterator[list[bytes]]:
        """Read the lines in chunks; drop the trade ids seen before the chunk before."""
        with open_tape(self.path) as file:
            while chunk := list(islice(file, COPY_WINDOW)):
                self.job.counts["records"] += len(chunk)
                for market in self.markets.values():
                    market.seen_before, market.seen = market.seen, set()
                yield chunk

    def close_bars(self, reach_ns: int, log_ns: int) -> tuple[int, int]:
        """Close the bars that the watermark W has passed, by (end, instrument).

        Returns the second that W is in, and the reach that brings it to the next.
        """
        now = (reach_ns - LATENESS_NS) // SECOND
        markets = self.markets.values()
        due = [(second, m.name, m) for m in markets for second in m.bars if second < now]
        for second, name, market in sorted(due):
            bar = Bar.from_trades(name, second * SECOND, market.bars.pop(second))
            self.job.bars.append(bar)
            if side := market.crossing.side(bar.close):
                source, end_ns = (log_ns, self.partition), (second + 1) * SECOND
                self.job.signals.append(Signal(*source, name, end_ns, side, bar.close))
        return now, (now + 1) * SECOND + LATENESS_NS


def read_tape(tape: Tape) -> Generator[int, int, None]:  # noqa: PLR0912, PLR0915  # calls cost a tenth each
    """Process a tape up to the log time that is sent; yield that of its next record."""
    job, counts, markets = tape.job, tape.job.counts, tape.markets
    decode, binance, seconds = DECODERS[tape.venue], tape.venue == "binance", Seconds()
    newest_ns, newest_log_ns, reach_ns, second_now = -1, END_NS, -1, -1  # W = reach - lateness
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
            unusual = ends_in_dot or len(digits) > 300 or not digits.isascii()
            if unusual or not digits.isdigit() or not price > 0.0 < size:
                price, size = positive(p), positive(q)  # in doubt the strict way decides
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
                    job.fills += market.holding.fill(log_ns, price, event_ns, trade_id)
            if event_ns > newest_ns:
                newest_ns, newest_log_ns = event_ns, log_ns
        if event_ns > reach_ns:
            reach_ns = event_ns
            if reach_ns >= due_ns:
                second_now, due_ns = tape.close_bars(reach_ns, log_ns)
    tape.close_bars(END_NS, log_ns)
    yield END_NS


def run(tapes: Path, out: Path) -> int:
    """Do the whole job; return the number of records."""
    job = Job()
    readers = [read_tape(Tape(path, partition, job)) for path, partition in tapes_in(tapes)]
    next_ns = {reader: next(reader) for reader in readers}
    while (first_ns := min(next_ns.values())) < END_NS:
        until_ns = first_ns + LATENCY_NS
        for reader in readers:
            if next_ns[reader] < until_ns:
                next_ns[reader] = reader.send(until_ns)
        job.decide()
    job.write(out)
    return job.counts["records"]


if __name__ == "__main__":
    gc.disable()  # nothing here makes cycles
    run_measured(run)
