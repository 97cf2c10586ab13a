"""Random logs: records of a partition in log order, with late, double, odd and unreadable ones."""

import random

from bench.simulation.case import Listed, Record
from bench.simulation.draw import Draw
from bench.simulation.frames import heartbeat, malformed_frame, quote, recognised_frame, trade
from bench.simulation.job_generator import MS, SECOND
from bench.simulation.log_shape import Shares, Times

ODD_PRICES = (
    "1" + "0" * 300, "0." + "0" * 200 + "1", "0.000000000000001", "1000000000000",
    "999999999999.99", "007.50", "123456789012345678901234567890.5", "0.1", "1",
)  # fmt: skip
ODD_SIZES = ("1" + "0" * 200, "0." + "0" * 100 + "1", "1")
SKIPS_MAX = 6  # of ids of an instrument: more holes become one
RECORDS_MAX = 900  # of a partition, without its heartbeats


def draw_partition(
    draw: random.Random, name: str, instruments: list[Listed], times: Times, shares: Shares
) -> list[Record]:
    """Return the records of a partition in log order."""
    own = [each for each in instruments if each.partition == name]
    begin, end = 0, times.length_ns
    if draw.random() < 0.1:
        end = int(end * draw.random())
    if draw.random() < 0.1:
        begin = int(end * draw.random())
    count = min(int((end - begin) / SECOND * times.rate), RECORDS_MAX)
    if draw.random() < 0.06 or not own:
        count = draw.choice([0, 0, 5])
    moments = sorted(begin + int(draw.random() * (end - begin)) for _ in range(count))
    if times.gap:
        moments = [each for each in moments if not 0.4 < each / times.length_ns < 0.6]
    source = PartitionDraw(draw, name, own, times, shares)
    records = [source.record(moment) for moment in moments]
    if times.heartbeat_ns:
        last = times.begin_ns + end + draw.choice([0, 0, 3 * SECOND, 100 * SECOND])
        records = with_heartbeats(draw, records, times, last)
    return records


def with_heartbeats(
    draw: random.Random, records: list[Record], times: Times, last_ns: int
) -> list[Record]:
    """Return records with heartbeats between them, before or behind those of the same time."""
    begin_ns = times.begin_ns // times.grid_ns * times.grid_ns
    count = min((last_ns - begin_ns) // times.heartbeat_ns, 1500)
    beats = [heartbeat(begin_ns + number * times.heartbeat_ns) for number in range(count + 1)]
    keyed = [(each.log_ns, 0.5, each) for each in records]
    keyed += [(each.log_ns, draw.choice([0.0, 1.0]), each) for each in beats]
    return [each for _, _, each in sorted(keyed, key=lambda item: item[:2])]


class PartitionDraw:
    """Draws the records of one partition, in their order."""

    def __init__(
        self, draw: random.Random, name: str, own: list[Listed], times: Times, shares: Shares
    ) -> None:
        self.random, self.own, self.times, self.shares = draw, own, times, shares
        self.prices = {
            each.symbol: draw.choice([0.05, 1.0, 100.0, 60000.0, 1.5e-5]) for each in own
        }
        self.step = draw.choice([0, 1, 5, 10])
        self.log_ns = times.begin_ns // times.grid_ns * times.grid_ns
        first_id = draw.randrange(1, 10**6)
        self.ids = dict.fromkeys((each.symbol for each in own), first_id)
        self.missed: dict[str, list[int]] = {each.symbol: [] for each in own}
        self.skips = dict.fromkeys(self.ids, SKIPS_MAX if shares.skipped < 0.3 else 10**6)
        self.past: list[Record] = []
        self.is_unlisted = False
        venue = name.rpartition("-")[0]
        self.draw = Draw(
            draw,
            venue,
            shares.old,
            shares.in_us,
            self.symbol,
            self.price,
            self.size,
            self.trade_id,
            self.old_id,
        )

    def record(self, moment_ns: int) -> Record:
        """Return the record of a moment, counted from the beginning of the log."""
        now_ns, shares, r = self.times.begin_ns + moment_ns, self.shares, self.random
        self.log_ns = max(self.log_ns, now_ns // self.times.grid_ns * self.times.grid_ns)
        if r.random() < shares.malformed:
            return malformed_frame(self.draw, self.log_ns)
        if r.random() < shares.recognised:
            return recognised_frame(self.draw, self.log_ns)
        if self.past and r.random() < shares.duplicate:
            return r.choice(self.past[-60:])._replace(log_ns=self.log_ns)
        self.is_unlisted = r.random() < shares.unlisted
        event_ns = self.event_ns(now_ns)
        if r.random() < shares.quotes:
            made = quote(self.draw, self.log_ns, event_ns)
        else:
            made = trade(self.draw, self.log_ns, event_ns)
        self.past.append(made)
        return made

    def event_ns(self, now_ns: int) -> int:
        """Return an event time before now, rarely after it; some are very late."""
        r, grid_ns = self.random, self.times.event_grid_ns
        lag_ns = int(r.random() * r.choice([MS, 60 * MS, 150 * MS, 500 * MS]))
        if r.random() < self.shares.late:
            lag_ns += int(r.random() * r.choice([3, 30, 1000]) * SECOND)
        event_ns = max(0, (now_ns - lag_ns) // grid_ns * grid_ns)
        if r.random() < 0.005:
            event_ns += 2 * SECOND
        if r.random() < self.shares.ahead:
            event_ns += r.choice([2, 30, 86400 * 400]) * SECOND
        if r.random() < self.shares.odd * 0.2:
            event_ns = r.choice([0, 1, MS, self.times.begin_ns + 100 * SECOND])
        return event_ns

    def trade_id(self, symbol: str) -> int:
        """Return the next id of a symbol: some are skipped, and some of these come later."""
        r = self.random
        if r.random() < self.shares.odd:
            return r.choice([0, 2**31, 2**32, 2**62])
        missed = self.missed.get(symbol, [])
        if missed and r.random() < 0.05 and self.skips[symbol] > 0:
            self.skips[symbol] -= 1
            return missed.pop(r.randrange(len(missed)))
        last_id = self.ids.get(symbol, 0)
        skipped = 0
        if r.random() < self.shares.skipped and self.skips.get(symbol, 0) > 0:
            self.skips[symbol] -= 1
            skipped = r.choice([1, 1, 2, 3])
            missed += range(last_id + 1, last_id + 1 + skipped)
        self.ids[symbol] = last_id + 1 + skipped
        return self.ids[symbol]

    def old_id(self, symbol: str) -> int:
        """Return an id of a symbol near the newest: it has come, is missing, or is to come."""
        missed = self.missed.get(symbol, [])
        if missed and self.random.random() < 0.5:
            return self.random.choice(missed)
        return max(0, self.ids.get(symbol, 0) - self.random.randint(-1, 6))

    def symbol(self) -> str:
        """Return the symbol of an instrument of the partition, or of one that is not listed."""
        if self.is_unlisted or not self.own:
            return self.random.choice(["ZZZUSDT", "FOO-USD", "", "btcusdt", "Ünï"])
        return self.random.choice(self.own).symbol

    def price(self, symbol: str) -> str:
        """Return the next price of a random walk; rarely a price that nobody expects."""
        r = self.random
        if r.random() < self.shares.odd:
            return r.choice(ODD_PRICES)
        move = self.step * r.choice([-1, 0, 1]) * r.choice([1e-4, 1e-3, 1e-2])
        price = self.prices[symbol] = self.prices.get(symbol, 1.0) * (1 + move)
        return f"{price:.{r.choice([2, 4, 8])}f}" if price > 0.02 else f"{price:.12f}"

    def size(self) -> str:
        """Return a size, rarely one that nobody expects."""
        if self.random.random() < self.shares.odd:
            return self.random.choice(ODD_SIZES)
        return f"{self.random.randint(0, 999)}.{self.random.randint(1, 999):03d}"
