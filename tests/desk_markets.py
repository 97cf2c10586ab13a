"""Small adversarial markets with orders, for the oracle of the paper venue and what it checks.

    scenario(draws) -> Scenario(rules, instruments, log, commands)

One generator over two sources of choices: hypothesis, which shrinks (`scenarios()`), and a seed,
which is fast (`make_scenario(7)`). Of the options of a choice the first is the simplest.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, TypeVar

import numpy as np
from hypothesis import strategies as st

from tapeflow.schemas.orders import Order
from tapeflow.schemas.signals import AmendIntent, AnyIntent, CancelIntent, Intent, Leg, Signal
from tests.desk_oracle import (
    MINUTE_NS,
    AmendOrder,
    CancelOrder,
    Command,
    InstrumentRules,
    Mark,
    Place,
    PlaceOrder,
    Quote,
    Record,
    Rules,
    Trade,
    in_log_order,
)
from tests.desk_oracle_facts import orders_of

T = TypeVar("T")
MIDNIGHT_NS = 1_700_006_400 * 10**9  # 2023-11-15
BEGIN_NS = MIDNIGHT_NS - 30  # so that buckets, days and small latencies meet
GAPS_NS = (1, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 5)  # between records of the log
LONG_GAPS_NS = (*GAPS_NS, 10, MINUTE_NS - 3)
LEVELS = (100, 101, 99, 102, 98, 103, 97)  # prices, in ticks
ABSURD = (5, 2000)  # and those far from the last trade
CONDITIONAL = ("stop", "stop_limit", "take_profit", "take_profit_limit", "trailing")


@dataclass(frozen=True)
class Mood:
    """What a scenario is made of: of each the first is the simplest, and the frequent come often."""

    gaps_ns: Sequence[Sequence[int]] = (GAPS_NS, GAPS_NS, LONG_GAPS_NS)
    ahead_ns: Sequence[int | None] = (0, 0, -1, -1, -2, -5, -5, None, None, 1, 3, 12, -40)
    latency_ns: Sequence[int] = (0, 0, 0, 1, 1, 2, 5, 20)
    spread_ns: Sequence[int] = (0, 0, 0, 7)
    answer_ns: Sequence[int] = (0, 0, 0, 1, 1, 2, 5, 20)
    patience_ns: Sequence[int | None] = (None, None, MINUTE_NS, 30, 6, 1)
    quote_age_ns: Sequence[int] = (MINUTE_NS, 4, 0)
    instruments: Sequence[int] = (1, 1, 1, 2, 2, 4)
    partitions: Sequence[int] = (1, 2, 3)
    has_rules: Sequence[bool] = (False, False, False, False, True)
    levels: Sequence[int] = LEVELS * 4 + ABSURD
    rows: Sequence[str] = ("trade", "trade", "quote", "quote", "mark")
    widths: Sequence[int] = (1, 1, 2, 0, 5, -1)  # of a quote; -1: crossed
    empty: Sequence[str] = ("",) * 8 + ("bid", "ask", "both")
    lots: Sequence[str] = ("1", "2", "3", "5", "9", "40", "0.5", "2.5", "0", "nan")  # of rows
    near: Sequence[int] = LEVELS * 20  # prices of orders
    types: Sequence[str] = ("market", "market", *["limit"] * 4, *CONDITIONAL)
    tifs: Sequence[str] = ("GTC", "GTC", "GTC", "GTC", "IOC", "FOK", "GTD", "DAY")
    holders: Sequence[Sequence[str]] = (("a s",), ("a s", "a t"), ("a s", "a t", "b s"))
    reduces: Sequence[Sequence[bool]] = ((False,), (False, False, False, True), (False, True))
    cancels: Sequence[bool] = (True, False)


WILD = Mood()
CALM = Mood(  # orders live long and meet each other: at few prices, in one market
    gaps_ns=((1, 1, 0),),
    ahead_ns=(0, 0, 0, -1, -1, None),
    latency_ns=(0, 0, 0, 1),
    spread_ns=(0,),
    answer_ns=(0, 0, 0, 2),
    patience_ns=(None, None, None, 30),
    quote_age_ns=(MINUTE_NS,),
    instruments=(1,),
    partitions=(1,),
    has_rules=(False,),
    levels=(100, 101, 99) * 12 + ABSURD,
    rows=("trade",) * 6 + ("quote",) * 6 + ("mark",),
    widths=(1, 1, 2),
    empty=("",) * 20 + ("bid", "ask"),
    lots=("1", "2", "3", "5", "9", "2.5", "0.5"),
    near=(100, 101, 99, 102) * 10,
    types=("limit",) * 12 + ("market",) * 3 + CONDITIONAL,
    tifs=("GTC",) * 10 + ("IOC",),
    holders=(("a s",), ("a s",), ("a s", "a t")),
    cancels=(False, False, False, True),
)
MOODS = (CALM, WILD)
MOST_RECORDS, MOST_ORDERS, MOST_CHANGES = 30, 8, 8


class Draws(Protocol):
    """A source of choices."""

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options."""


class Seeded:
    """Choices by a seed."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)

    def pick(self, options: Sequence[T]) -> T:
        return self.random.choice(options)


class Drawn:
    """Choices of hypothesis."""

    def __init__(self, draw: Any):
        self.draw = draw

    def pick(self, options: Sequence[T]) -> T:
        option: T = self.draw(st.sampled_from(options))
        return option


@dataclass(frozen=True)
class Scenario:
    """A market, and what is done in it."""

    rules: Rules
    instruments: tuple[InstrumentRules, ...]
    log: dict[str, list[Record]]
    commands: tuple[Command, ...]  # in the order of their places
    until_ns: int  # time goes on to this one after the last record


def make_scenario(seed: int, **fixed: Any) -> Scenario:
    """Return the scenario of a seed; `fixed` are settings that it does not choose."""
    return scenario(Seeded(seed), **fixed)


@st.composite
def scenarios(draw, **fixed):
    """Return scenarios for hypothesis."""
    return scenario(Drawn(draw), **fixed)


def choose_market(draws: Draws, fixed: dict[str, Any]) -> tuple[Any, ...]:
    """Choose mood, rules, instruments, log, and the places of its records."""
    mood = draws.pick(MOODS)
    rules = choose_rules(draws, mood, fixed)
    names = "ABCD"[: draws.pick(mood.instruments)]
    instruments = tuple(choose_instrument(draws, mood, name) for name in names)
    log = choose_log(draws, mood, instruments)
    places = [(record.log_ns, name, record.offset) for name, record in in_log_order(log)]
    return mood, rules, instruments, log, places


def scenario(draws: Draws, **fixed: Any) -> Scenario:
    """Choose a scenario."""
    mood, rules, instruments, log, places = choose_market(draws, fixed)
    last_ns = places[-1][0] if places else BEGIN_NS
    commands = choose_commands(draws, mood, instruments, places) if places else []
    return Scenario(rules, instruments, log, tuple(commands), last_ns + draws.pick((0, 1, 50)))


def go_on(draws: Draws, most: int) -> bool:
    """Choose whether a list goes on that has `most` elements on average."""
    return draws.pick((False, *[True] * most))


def long_market(seed: int, rows: int, orders: int, instruments: int = 2, **fixed: Any) -> Scenario:
    """Return a random walk of so many rows with so many orders near the market, quickly."""
    draw = np.random.default_rng(seed)
    draws = Seeded(seed)
    rules = choose_rules(draws, WILD, {"quote_age_ns": MINUTE_NS, **fixed})
    table = tuple(
        InstrumentRules("ABCDEFGH"[i], Decimal("0.1"), Decimal("0.01")) for i in range(instruments)
    )
    names = ("p0", "p1")[: min(2, instruments)]
    log_ns = MIDNIGHT_NS - 10**9 + np.cumsum(draw.integers(0, 3_000_000, rows))
    ahead = draw.integers(-5_000_000, 1_000_000, rows)
    whose, kind = draw.integers(0, instruments, rows), draw.random(rows)
    size, other = draw.integers(0, 500, rows), draw.integers(0, 500, rows)
    level = 1000 + np.cumsum(draw.integers(-1, 2, (rows, instruments)), axis=0)
    level = 900 + np.abs((level - 900) % 400 - 200)  # reflected: it stays within [900, 1100]
    log: dict[str, list[Record]] = {name: [] for name in names}
    for row in range(rows):
        number, now = int(whose[row]), int(log_ns[row])
        records = log[names[number % len(names)]]
        event_ns = None if kind[row] < 0.01 else now + int(ahead[row])
        price, sizes = int(level[row, number]), (float(size[row]) / 100, float(other[row]) / 100)
        made: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
        if kind[row] < 0.5:
            made[0].append(Trade(number, event_ns, price / 10, sizes[0], row))
        elif kind[row] < 0.97:
            made[1].append(
                Quote(number, event_ns, (price - 1) / 10, sizes[0], (price + 1) / 10, sizes[1])
            )
        else:
            made[2].append(Mark(number, price / 10))
        records.append(Record(now, len(records), *made))
    places = [(record.log_ns, name, record.offset) for name, record in in_log_order(log)]
    commands = dense_commands(draws, table, places, level, orders)
    return Scenario(rules, table, log, commands, places[-1][0])


def dense_commands(draws: Draws, table, places: Sequence[Place], level, orders: int):
    """Choose orders spread over a long log, each near the price of its moment, and changes."""
    every: list[tuple[int, int, Any]] = []
    for made in range(orders):
        where, number = draws.pick(range(len(places))), draws.pick(range(len(table)))
        listed = table[number]
        order = choose_order(
            draws, WILD, f"o{made}", listed, places[where], account="a", strategy=draws.pick("st"),
            reduce_only=draws.pick((False, False, True)), level=int(level[where, number]), far_ns=10**9,
        )  # fmt: skip
        every.append((where, 0, order))
        for _ in range(draws.pick((0, 0, 1, 2))):
            later = min(len(places) - 1, where + draws.pick((0, 1, 5, 50, 500)))
            change = choose_change(draws, WILD, order, listed, level=int(level[where, number]))
            every.append((later, 1, change))
    every.sort(key=lambda each: each[:2])
    return tuple(
        PlaceOrder(places[where], what, what.size, number)
        if isinstance(what, Order)
        else what._replace(at=places[where])
        for number, (where, _, what) in enumerate(every)
    )


def lot_of(scenario: Scenario, order: Order) -> Decimal:
    """Return the lot of an order's instrument."""
    return next(each.lot for each in scenario.instruments if each.id == order.instrument)


def choose_rules(draws: Draws, mood: Mood, fixed: dict[str, Any]) -> Rules:
    """Choose the settings."""
    choices: dict[str, Sequence[Any]] = {
        "model": ("trade", "sized", "sized", "touch", "touch"),
        "clock": ("log", "venue"),
        "latency_ns": mood.latency_ns,
        "latency_spread_ns": mood.spread_ns,
        "cancel_latency_ns": (None, *mood.latency_ns),
        "cancel_latency_spread_ns": mood.spread_ns,
        "answer_latency_ns": mood.answer_ns,
        "answer_latency_spread_ns": mood.spread_ns,
        "share": (Decimal(1), Decimal(1), Decimal("0.5"), Decimal("0.1")),
        "slip": (0, None, 2),
        "quote_age_ns": mood.quote_age_ns,
        "patience_ns": mood.patience_ns,
    }
    drawn = {name: draws.pick(each) for name, each in choices.items() if name not in fixed}
    return Rules(**{**drawn, **fixed})


def choose_instrument(draws: Draws, mood: Mood, name: str) -> InstrumentRules:
    """Choose the row of an instrument."""
    tick, lot = draws.pick((("1", "1"), ("0.1", "0.01"), ("0.5", "3")))
    has_rules = draws.pick(mood.has_rules)
    least = Decimal(lot) * 2
    return InstrumentRules(
        name,
        Decimal(tick),
        Decimal(lot),
        draws.pick((Decimal(1), Decimal(10))),
        draws.pick((False, True)),
        draws.pick((None, least)) if has_rules else None,
        draws.pick((None, least * 2)) if has_rules else None,
        draws.pick((None, least * 100 * Decimal(tick))) if has_rules else None,
        draws.pick(("none", "none", "none", "newest", "oldest", "both")),
    )


def choose_log(
    draws: Draws, mood: Mood, instruments: Sequence[InstrumentRules]
) -> dict[str, list[Record]]:
    """Choose records: each instrument has rows in one partition."""
    names = ("p0", "p1", "p2")[: draws.pick(mood.partitions)]
    home = [draws.pick(names) for _ in instruments]
    log: dict[str, list[Record]] = {name: [] for name in names}
    log_ns, trade_id = draws.pick((BEGIN_NS - MINUTE_NS, BEGIN_NS)), 0
    gaps_ns = draws.pick(mood.gaps_ns)
    while go_on(draws, MOST_RECORDS):
        name = draws.pick(names)
        log_ns += draws.pick(gaps_ns)
        there = [number for number, each in enumerate(home) if each == name]
        rows = []
        while there and go_on(draws, 2) and len(rows) < 5:
            trade_id += 1
            rows.append(choose_row(draws, mood, draws.pick(there), instruments, log_ns, trade_id))
        kinds = (Trade, Quote, Mark)
        by_kind = ([row for row in rows if isinstance(row, kind)] for kind in kinds)
        log[name].append(Record(log_ns, len(log[name]), *by_kind))
    return log


def price_at(listed: InstrumentRules, ticks: int | Decimal) -> float:
    return float(listed.tick * ticks)


def choose_row(draws: Draws, mood: Mood, number: int, instruments, log_ns: int, trade_id: int):
    """Choose a trade, a quote or a mark price."""
    listed = instruments[number]
    ahead = draws.pick(mood.ahead_ns)
    event_ns = None if ahead is None else log_ns + ahead
    level = draws.pick(mood.levels)
    kind = draws.pick(mood.rows)
    if kind == "trade":
        size = choose_size(draws, mood, listed)
        return Trade(number, event_ns, price_at(listed, level), size, trade_id)
    if kind == "mark":
        return Mark(number, draws.pick((price_at(listed, level),) * 6 + (0.0, float("nan"))))
    width = draws.pick(mood.widths)
    bid, ask = price_at(listed, level), price_at(listed, level + width)
    empty = draws.pick(mood.empty)
    nothing = draws.pick((0.0, float("nan")))
    bid = nothing if empty in ("bid", "both") else bid
    ask = nothing if empty in ("ask", "both") else ask
    sizes = choose_size(draws, mood, listed), choose_size(draws, mood, listed)
    return Quote(number, event_ns, bid, sizes[0], ask, sizes[1])


def choose_size(draws: Draws, mood: Mood, listed: InstrumentRules) -> float:
    """Choose a size of a row: lots, less than a lot, nothing."""
    lots = draws.pick(mood.lots)
    return float("nan") if lots == "nan" else float(listed.lot * Decimal(lots))


def choose_commands(
    draws: Draws, mood: Mood, instruments, places: Sequence[Place]
) -> list[Command]:
    """Choose orders, and then cancels and amendments of them at later places."""
    holders = draws.pick(mood.holders)
    reduces = draws.pick(mood.reduces)
    placed: list[tuple[int, Order]] = []
    while go_on(draws, MOST_ORDERS) and len(placed) < 3 * MOST_ORDERS:
        where = draws.pick(range(len(places)))
        order = choose_order(
            draws, mood, f"o{len(placed)}", draws.pick(instruments), places[where],
            account=(holder := draws.pick(holders))[0], strategy=holder[2], reduce_only=draws.pick(reduces),
        )  # fmt: skip
        placed.append((where, order))
    made: list[tuple[int, Any]] = []
    while placed and go_on(draws, MOST_CHANGES) and len(made) < 3 * MOST_CHANGES:
        since, order = draws.pick(placed)
        after = draws.pick((len(places), 3, 3))  # often soon
        where = since + draws.pick(range(min(after, len(places) - since)))
        listed = next(each for each in instruments if each.id == order.instrument)
        made.append((where, choose_change(draws, mood, order, listed)))
    placed.sort(key=lambda each: each[0])  # numbers are given in the order of decisions
    every = [
        *((where, PlaceOrder(places[where], order, order.size, number)) for number, (where, order) in enumerate(placed)),
        *((where, change._replace(at=places[where])) for where, change in made),
    ]  # fmt: skip
    return [command for _, command in sorted(every, key=lambda each: each[0])]


def choose_order(
    draws: Draws,
    mood: Mood,
    name: str,
    listed: InstrumentRules,
    at: Place,
    *,
    level: int = LEVELS[0],
    far_ns: int = 1,
    **whose: Any,
) -> Order:
    """Choose an order with prices near a level, in ticks, and an end some `far_ns` away."""
    kind = draws.pick(mood.types)
    near = [each - LEVELS[0] + level for each in mood.near] + [level + Decimal("0.5")]
    terms: dict[str, Any] = {}
    if kind.endswith("limit"):
        terms |= {
            "limit": listed.tick * draws.pick(near),
            "post_only": draws.pick((False, False, False, True)),
        }
    if kind not in ("market", "limit", "trailing"):
        terms |= {"trigger": listed.tick * draws.pick(near)}
    if kind == "trailing":
        unit = draws.pick(("price", "ticks", "bps"))
        trail = Decimal(draws.pick((1, 2, 3)))
        trail *= {"price": listed.tick, "ticks": 1, "bps": 100}[unit]
        terms |= {
            "trail": trail,
            "trail_unit": unit,
            "activate": draws.pick((None, listed.tick * draws.pick(near))),
        }
    if kind not in ("market", "limit"):
        terms |= {"trigger_on": draws.pick(("trade", "quote", "mark"))}
    tif = draws.pick(mood.tifs)
    if tif == "GTD":
        terms |= {"expire_ns": at[0] + far_ns * draws.pick((3, 1, 0, -1, 10, 10, 30, 30))}
    size = listed.lot * draws.pick((2, 1, 3, 4, 6, 6, 12, 12) * 4 + (Decimal("0.5"),))
    return Order(
        0, name, "", whose.pop("account"), whose.pop("strategy"), listed.id, draws.pick((1, -1)), kind, size,
        Decimal(1), at[0], at[0], at[1], at[2], tif=tif, **whose, **terms,
    )  # fmt: skip


def choose_change(
    draws: Draws, mood: Mood, order: Order, listed: InstrumentRules, level: int = LEVELS[0]
) -> Any:
    """Choose a cancel, or an amendment of what the order has."""
    nowhere = (0, "", -1)
    if draws.pick(mood.cancels):
        return CancelOrder(nowhere, order.id)
    lots = draws.pick((None, 1, 2, 4, 9))
    near = [each - LEVELS[0] + level for each in mood.near]
    limit = draws.pick((None, *near))
    return AmendOrder(
        nowhere,
        order.id,
        None if lots is None else listed.lot * lots,
        listed.tick * limit if limit and order.limit is not None else None,
        listed.tick * draws.pick(near) if order.trigger is not None else None,
    )


@dataclass(frozen=True)
class Story:
    """A market, and what strategies propose in it."""

    rules: Rules
    instruments: tuple[InstrumentRules, ...]
    log: dict[str, list[Record]]
    intents: tuple[AnyIntent, ...]
    until_ns: int


def make_story(seed: int, **fixed: Any) -> Story:
    """Return the story of a seed."""
    return story(Seeded(seed), **fixed)


@st.composite
def stories(draw, **fixed):
    """Return stories for hypothesis."""
    return story(Drawn(draw), **fixed)


def story(draws: Draws, **fixed: Any) -> Story:
    """Choose a market, and intents of all kinds: brackets, linked entries, cancels, amendments."""
    mood, rules, instruments, log, places = choose_market(draws, fixed)
    intents = choose_intents(draws, mood, instruments, places) if places else []
    last_ns = places[-1][0] if places else BEGIN_NS
    return Story(rules, instruments, log, tuple(intents), last_ns + draws.pick((0, 1, 50)))


def choose_intents(
    draws: Draws, mood: Mood, instruments, places: Sequence[Place]
) -> list[AnyIntent]:
    """Choose intents, then cancels and amendments of their orders at later places."""
    made: list[AnyIntent] = []
    orders: list[tuple[int, Order]] = []
    while go_on(draws, MOST_ORDERS // 2) and len(made) < MOST_ORDERS:
        where = draws.pick(range(len(places)))
        listed, at = draws.pick(instruments), places[where]
        first = choose_order(
            draws, mood, "", listed, at, account=draws.pick("aab"), strategy=draws.pick("sst")
        )
        others = tuple(
            choose_leg(draws, mood, listed, at, first.side) for _ in draws.pick(("", "", "x"))
        )
        exits = tuple(
            choose_leg(draws, mood, listed, at, -first.side)
            for _ in draws.pick(("xx", "x", "", "xxx"))
        )
        signal = signal_at(at, f"s{len(made)}", first, len(made))
        intent = Intent(
            first.account, signal, first.size, first.terms, others, draws.pick(("OCO", "OUO", "")) if others else "",
            exits, draws.pick(("OUO", "OCO", "")),
        )  # fmt: skip
        made.append(intent)
        orders += [(where, order) for order in orders_of(intent)]
    while orders and go_on(draws, MOST_CHANGES // 2) and len(made) < 3 * MOST_CHANGES:
        since, order = draws.pick(orders)
        where = since + draws.pick(range(min(5, len(places) - since)))
        listed = next(each for each in instruments if each.id == order.instrument)
        change = choose_change(draws, mood, order, listed)
        signal = signal_at(places[where], f"s{len(made)}", order, len(made))
        if isinstance(change, CancelOrder):
            made.append(CancelIntent(order.account, signal, order.id))
        else:
            made.append(
                AmendIntent(
                    order.account, signal, order.id, change.size, change.limit, change.trigger
                )
            )
    return made


def choose_leg(draws: Draws, mood: Mood, listed: InstrumentRules, at: Place, side: int) -> Leg:
    """Choose one more order of an intent."""
    order = choose_order(
        draws,
        mood,
        "",
        listed,
        at,
        account="a",
        strategy="s",
        reduce_only=draws.pick((True, False)),
    )
    return Leg(side, order.size, order.terms)


def signal_at(at: Place, name: str, order: Order, number: int) -> Signal:
    """Return a signal of a place; of one place the lower number is decided first."""
    return Signal(
        name,
        order.strategy,
        order.instrument,
        at[0],
        order.side,
        1.0,
        "",
        number,
        100.0,
        at[1],
        at[2],
    )
