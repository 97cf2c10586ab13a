"""Supervision against a loop over every record: the same places, the same rules, on random logs."""

import random
from decimal import Decimal as D
from decimal import localcontext
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.settings import Job
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.step import Desk
from tapeflow.schemas.decimals import DECIMAL_CONTEXT
from tapeflow.schemas.market import ACCEPTED, Market, MarkPrices, Quotes, Trades
from tapeflow.schemas.orders import MARKET, Terms
from tapeflow.schemas.protections import Protection
from tapeflow.schemas.signals import Intent, Signal
from tapeflow.schemas.states import StateChange
from tapeflow.schemas.time import NO_TIME
from tests.columns import batch, heartbeat, ints
from tests.frames import S
from tests.laws import plain
from tests.supervised_stories import limits, make_desk
from tests.supervision_oracle import DAY_NS, compare

A, B = "binance-0", "coinbase-0"
ROWS: dict[str, dict[str, Any]] = {
    "BTC-USD-PERP.COINBASE": {"contract": "inverse", "venue_symbol": "BTC-PERP", "multiplier": 100},
    "BTC-USDT.BINANCE": {},
    "ETH-USD-PERP.COINBASE": {"contract": "quanto", "settle": "BTC", "multiplier": "0.01"},
    "SOL-USDT-PERP.BINANCE-USDM": {"multiplier": 10},
}
TABLE = instrument_table(
    Job.model_validate(
        {"instruments": {name: {"tick": "0.01", "lot": "0.5", **row} for name, row in ROWS.items()}}
    )
)
PARTITIONS = {name: B if name.endswith("COINBASE") else A for name in ROWS}
STRATEGIES = ("a", "b", "c")
SIDES = ("bid", "bid_size", "ask", "ask_size")


class Story:
    """A random log of two partitions, with intents, and the limits that it is traded under."""

    def __init__(self, seed: int):
        self.draw = random.Random(seed)
        self.records = {A: [], B: []}  # (log_ns, instrument, rows)
        begin_ns = DAY_NS - self.draw.choice((20, 10**5)) * S + 1_000_000
        prices = dict.fromkeys(range(len(ROWS)), 100.0)
        for number in range(self.draw.choice((40, 80))):
            log_ns = begin_ns + number * S + self.draw.randrange(5) * S // 5
            name = self.draw.choice(TABLE.ids)
            instrument = TABLE.number[name]
            price = prices[instrument] * (1 + self.draw.gauss(0, 0.015))
            prices[instrument] = price = max(round(price, 2), 1.0)
            partition = PARTITIONS[name]
            if self.records[partition]:
                log_ns = max(log_ns, self.records[partition][-1][0])
            self.records[partition].append((log_ns, instrument, [*self.rows(name, price)]))
        self.intents = [*self.make_intents()]
        self.settings = self.make_settings()

    def rows(self, name, price):
        """Yield the rows of a record: trades, quotes, mark prices, and what is no market."""
        for _ in range(self.draw.choice((1, 1, 1, 2, 3))):
            kind = self.draw.choice(("trade", "trade", "quote", "quote", "mark"))
            if kind == "mark" and "PERP" in name:
                yield "mark", self.draw.choice((price, price, price * 1.01, 0.0, math_nan))
            elif kind == "quote":
                bid, ask = round(price * 0.995, 2), round(price * 1.005, 2)
                odd = ((0.0, ask), (bid, math_nan), (ask, bid), (bid / 12, ask), (bid, ask * 15))
                yield "quote", *(self.draw.choice(odd) if self.draw.random() < 0.2 else (bid, ask))
            else:
                yield "trade", price

    def make_intents(self):
        """Yield intents at some records."""
        for partition, records in self.records.items():
            for offset, (log_ns, instrument, _) in enumerate(records):
                if self.draw.random() > 0.3:
                    continue
                name, side = TABLE.ids[instrument], self.draw.choice((1, 1, -1))
                strategy = self.draw.choice(STRATEGIES)
                signal = Signal(
                    f"{partition}-{offset}", strategy, name, log_ns, side, 1.0, "x", log_ns,
                    100.0, partition, offset,
                )  # fmt: skip
                size = D(self.draw.choice((1, 2, 3))) / 2
                price = D(self.draw.choice((90, 95, 105)))
                resting = Terms(type="limit", limit=price)
                terms = MARKET if self.draw.random() < 0.8 else resting
                account = "other" if strategy == "c" else "main"
                yield Intent(account, signal, size, terms)

    def make_settings(self):
        """Return limits and protections at which something happens."""
        draw, found = self.draw, []
        loss = draw.choice((None, 3, 7.5, 20))
        dd = draw.choice((None, 0.01, 0.05))
        gross = draw.choice((None, 151, 301, 607))
        held = {"gross_max": gross, "on_exceed": draw.choice(("reduce", "keep"))}
        found.append(limits(**pick(daily_loss=loss, **held)))
        other = pick(drawdown=dd, net_max=draw.choice((None, 211)),
                     leverage_max=draw.choice((None, 0.4, 0.7)), on_exceed="reduce",
                     margin_min=draw.choice((None, 1.9, 3.1)))  # fmt: skip
        found.append(limits("account:main", **other))
        found.append(limits("strategy:a", **pick(daily_loss=draw.choice((None, 2, 9)),
                                                 position_max=draw.choice((None, 2)),
                                                 on_exceed="reduce")))  # fmt: skip
        protect = []
        if draw.random() < 0.7:
            rules = pick(stop_bps=draw.choice((None, 150.0, 400.0)),
                         take_bps=draw.choice((None, 300.0)),
                         trail_bps=draw.choice((None, 130.0, 310.0)),
                         trail_after_bps=draw.choice((0.0, 0.0, 120.0)),
                         trail_step_bps=draw.choice((0.0, 35.0)),
                         break_even_bps=draw.choice((None, 170.0)),
                         time_ns=draw.choice((None, 17 * S)))  # fmt: skip
            names = frozenset(draw.sample(STRATEGIES, 2))
            protect.append(Protection(names, frozenset(TABLE.ids), **rules,
                                      cooldown_ns=draw.choice((None, 0, 5 * S))))  # fmt: skip
        settings = make_desk(
            *found, protect=protect, accounts=("main", "other"), partitions=(A, B),
            model=draw.choice(("trade", "touch")), sample=7, capital=D(draw.choice((300, 1000))),
        )  # fmt: skip
        return replace(settings, instruments=TABLE)

    def facts(self):
        """Return the facts; batches are cut anywhere, and the desk is restored now and then."""
        step, draw = Desk(self.settings), self.draw
        state, facts, waiting = step.initial(), [], {name: 0 for name in self.records}
        while waiting:
            name = draw.choice(sorted(waiting))
            begin, records = waiting[name], self.records[name]
            end = min(len(records), begin + draw.choice((1, 3, 100)))
            made = self.batch(name, begin, end)
            if begin == len(records):
                made = batch(first_offset=begin, partition=name, end_of_log=True)
                del waiting[name]
            else:
                waiting[name] = end
            if draw.random() < 0.2:
                state = step.restore(step.snapshot(state))
            state, out = step.step(state, desk_batch(made, self.settings))
            facts += out
        return facts

    def batch(self, name, begin, end):
        """Return some records of a partition."""
        some = [*enumerate(self.records[name])][begin:end]
        intents = tuple(
            each for each in self.intents
            if each.signal.partition == name and begin <= each.signal.offset < end
        )  # fmt: skip
        whole = batch(*(heartbeat(each[0]) for _, each in some), first_offset=begin, partition=name)
        return whole.replace(market=market_of(some), intents=intents)

    def log(self):
        """Return the records in log order, as the oracle reads them."""
        return sorted(
            ((log_ns, name, offset), instrument, in_order(rows))
            for name, records in self.records.items()
            for offset, (log_ns, instrument, rows) in enumerate(records)
        )


math_nan = float("nan")


def pick(**fields):
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def in_order(rows):
    """Return the rows of a record in the order of their tables."""
    order = ("trade", "quote", "mark")
    return sorted(rows, key=lambda each: order.index(each[0]))


def market_of(some):
    """Return the tables of some records (offset, (log_ns, instrument, rows))."""
    rows = {"trade": [], "quote": [], "mark": []}
    for offset, (log_ns, instrument, found) in some:
        for row in found:
            rows[row[0]].append((offset, log_ns, instrument, row[1:]))

    def common(kind):
        return {
            "offset": ints(each[0] for each in rows[kind]),
            "log_ns": ints(each[1] for each in rows[kind]),
            "instrument": ints(each[2] for each in rows[kind]),
            "event_ns": ints(each[1] for each in rows[kind]),
        }

    def floats(kind, number):
        return np.array([each[3][number] for each in rows[kind]], np.float64)

    count = len(rows["trade"])
    trades = Trades(
        **common("trade"), trade_id=common("trade")["offset"], count=ints([1] * count),
        aggressor=ints([1] * count), verdict=ints([ACCEPTED] * count), price=floats("trade", 0),
        size=np.full(count, 99.0),
    )  # fmt: skip
    sizes = np.full(len(rows["quote"]), 99.0)
    quotes = Quotes(
        **common("quote"), bid=floats("quote", 0), bid_size=sizes, ask=floats("quote", 1),
        ask_size=sizes,
    )  # fmt: skip
    none = np.full(len(rows["mark"]), np.nan)
    never = np.full(len(rows["mark"]), NO_TIME, np.int64)
    marks = MarkPrices(
        **common("mark"), mark=floats("mark", 0), index=none, funding_rate=none, funding_ns=never
    )
    return Market(trades, quotes, marks)


def check(seed):
    """Return how often something was exceeded, after comparing the desk with the loop."""
    story = Story(seed)
    facts = story.facts()
    with localcontext(DECIMAL_CONTEXT):
        oracle = compare(story.settings, story.log(), facts)
    assert oracle.differences == [], f"seed {seed}: {oracle.differences[:3]}"
    return len([each for each in facts if isinstance(each, StateChange) and each.cause == "rule"])


def test_the_desk_finds_every_breach_at_the_record_at_which_a_loop_over_all_finds_it():
    assert sum(check(seed) for seed in range(60)) > 100, "too little happens in these logs"


@pytest.mark.slow
def test_a_thousand_logs_give_the_same_breaches_as_the_loop():
    assert sum(check(seed) for seed in range(1000, 2000)) > 1000


def test_paging_and_restarts_change_no_fact_of_supervision():
    for seed in range(20):
        story = Story(seed)
        assert plain(story.facts()) == plain(story.facts()), seed
