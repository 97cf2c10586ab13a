"""Stories for the checks of risk: drawn records with wishes and signed commands, and their log.

    drawn ─▶ Story(rows, intents, frames) ─▶ batches in any pages, partitions in any order ─▶ facts

Prices and sizes are on a coarse grid, and limits are few: so that what is asked is often exactly at
a limit. What is drawn does not know the desk: an order that is to be changed is named by a number.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal as D
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

from hypothesis import strategies as st
from msgspec.json import encode
from msgspec.structs import replace

from tapeflow.operators.decode.control import decode_controls
from tapeflow.operators.desk.legs import entry_id
from tapeflow.operators.desk.risk.rules import RiskRules
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.settings import ControlRules, DeskSettings
from tapeflow.operators.desk.step import Desk
from tapeflow.operators.desk.venue.rules import Latency
from tapeflow.schemas.batches import DeskBatch, Page
from tapeflow.schemas.control import make_frame, public_key, sign
from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.limits import ScopeLimits
from tapeflow.schemas.orders import Terms
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.signals import (
    AmendIntent,
    AnyIntent,
    CancelIntent,
    Intent,
    Leg,
    Signal,
    Slicing,
)
from tests.desk_stories import BTC, A, B, build, desk, limit, quote, silence, trade
from tests.frames import S
from tests.plain_flow import IDS, interleave

CONTROL = "control-0"
PARTITIONS = (A, B, CONTROL)
PERP, COIN = IDS.index("BTC-USDT-PERP.BINANCE-USDM"), IDS.index("BTC-USD.COINBASE")
TRADED = {A: (BTC, PERP), B: (COIN,)}
STRATEGIES = {"a": "main", "b": "main", "c": "other"}  # its account, by strategy
GROUPS = {"coins": frozenset({IDS[BTC], IDS[COIN]})}
KEYS = {name: bytes([number]) * 32 for number, name in enumerate(("alice", "bob"), 1)}
FORGER = bytes([9]) * 32
PUBLIC = {name: public_key(key) for name, key in KEYS.items()}
MAX_AGE_S, BEGIN_S, QUIET_S = 10, 1000, 40
SCOPES = (
    "portfolio", "account:main", "account:other", "strategy:a", "strategy:c", "venue:BINANCE",
    f"instrument:{IDS[PERP]}", "group:coins",
)  # fmt: skip
LIMITS: dict[str, Sequence[Any]] = {  # what a limit may be
    "position_max": (D(2), D(1), D(4), D(0)),
    "gross_max": (D(300), D(200), D(500)),
    "size_max": (D(1), D(2)),
    "notional_max": (D(100), D(200), D("150.5")),
    "open_orders_max": (1, 2, 3),
    "orders_max": (2, 1, 5, 6),
}
UNSET = re.compile(r'"[a-z_]*":(null|false|0|"trade"|"price"|"GTC"),?')  # of terms: as usual
BOUNDS = {name: (D(0), D(300)) for name in LIMITS}
RULES = ControlRules(MAX_AGE_S * S, {scope: BOUNDS for scope in SCOPES[:4]})

PRICES = st.sampled_from([100, 100, 100, 99, 101, 98, 102])
SIZES = st.sampled_from([D(1), D(2), D("0.5"), D(3)])
SIDES = st.sampled_from([BUY, BUY, SELL])


class Beat(NamedTuple):
    """A record: its partition, seconds after the one before, and what it brings."""

    partition: str
    gap_s: float
    row: Any  # (kind, which instrument of the partition, price, size) or None
    wish: Any = None  # fields of a request
    command: Any = None  # fields of a command


TERMS = st.one_of(
    st.booleans().map(lambda reduces: Terms(reduce_only=reduces)),
    st.tuples(PRICES, st.sampled_from(["GTC", "GTC", "IOC"]), st.integers(0, 3)).map(
        lambda drawn: limit(drawn[0], tif=drawn[1], reduce_only=drawn[2] == 3)
    ),
    PRICES.map(lambda at: Terms(type="stop", trigger=D(at))),
    PRICES.map(lambda at: Terms(type="take_profit_limit", trigger=D(at), limit=D(at))),
)
SLICES = st.sampled_from([
    Slicing(kind="twap", count=2, every_ns=S),
    Slicing(kind="iceberg", display=D("0.5")),
])  # fmt: skip
LEGS = st.tuples(SIDES, SIZES, TERMS).map(lambda drawn: Leg(*drawn))
EXITS = st.lists(st.tuples(SIZES, st.one_of(PRICES.map(limit), st.just(Terms()))), max_size=2)
ORDERS = st.fixed_dictionaries({
    "do": st.sampled_from(["order"] * 5 + ["bracket", "pair", "slices"]),
    "strategy": st.sampled_from("aabc"),
    "which": st.integers(0, 1),
    "side": SIDES,
    "size": SIZES,
    "terms": TERMS,
    "exits": EXITS,
    "other": LEGS,
    "slicing": SLICES,
})  # fmt: skip
CHANGES = st.fixed_dictionaries({
    "do": st.sampled_from(["cancel", "amend", "amend"]),
    "order": st.integers(0, 9),
    "size": st.none() | SIZES,
    "limit": st.none() | PRICES,
})  # fmt: skip
ACTIONS = st.sampled_from(
    ["halt", "reduce", "resume", "resume", "kill", "flatten", "cancel", "restrict", "set-limit"]
)
COMMANDS = st.fixed_dictionaries({
    "do": ACTIONS,
    "scope": st.sampled_from(SCOPES),
    "who": st.sampled_from(["alice", "alice", "bob"]),
    "how": st.sampled_from(["signed"] * 8 + ["forged", "again", "old", "early"]),
    "side": st.sampled_from(["buy", "sell", "both", "none"]),
    "limit": st.sampled_from(sorted(LIMITS)),
    "value": st.sampled_from(["1", "2", "200", "301"]),
})  # fmt: skip
GAPS = st.sampled_from([0.25, 0.25, 0, 0.5, 1, 2])
MARKET_ROWS = st.tuples(
    st.sampled_from(["trade", "trade", "quote"]),
    st.integers(0, 1),
    PRICES,
    st.sampled_from([1, 2, 5]),
)
MARKETS = st.sampled_from([A, A, B])
NOTHING = st.none()
BEATS = st.one_of(
    st.tuples(MARKETS, GAPS, MARKET_ROWS),
    st.tuples(MARKETS, GAPS, MARKET_ROWS, ORDERS),
    st.tuples(MARKETS, GAPS, MARKET_ROWS, ORDERS),
    st.tuples(MARKETS, GAPS, NOTHING, CHANGES),
    st.tuples(st.just(CONTROL), GAPS, NOTHING, NOTHING, COMMANDS),
).map(lambda drawn: Beat(*drawn))
DECLARED = st.lists(
    st.sampled_from(SCOPES).flatmap(
        lambda scope: st.sampled_from(sorted(LIMITS)).flatmap(
            lambda name: st.tuples(st.just(scope), st.just(name), st.sampled_from(LIMITS[name]))
        )
    ),
    max_size=5,
)
RISK = st.fixed_dictionaries({
    "declared": DECLARED,
    "flips": st.booleans(),
    "on_breach": st.sampled_from(["refuse", "resize"]),
})  # fmt: skip
PAPER = st.fixed_dictionaries({
    "model": st.sampled_from(["trade", "sized", "touch"]),
    "slip": st.sampled_from([0, None]),
    "entry": st.sampled_from([0, 0.25]),
    "cancel": st.sampled_from([0, 0.5]),
    "answer": st.sampled_from([0, 0, 1.5]),
})  # fmt: skip


@dataclass(repr=False)
class Story:
    """A log with wishes and commands, and the rules of its job."""

    declared: dict[str, dict[str, Any]]  # limits, by scope and name
    flips: bool
    on_breach: str
    settings: DeskSettings
    drawn: str = ""  # for who reads a failure
    rows: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in PARTITIONS})
    intents: dict[str, list[AnyIntent]] = field(
        default_factory=lambda: {name: [] for name in PARTITIONS}
    )
    frames: list[tuple[int, bytes]] = field(default_factory=list)  # of commands
    commands: dict[int, dict[str, Any]] = field(default_factory=dict)  # what they say, by offset

    def __repr__(self) -> str:
        return self.drawn

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self.drawn)


@st.composite
def stories(draw: Any, most: int = 25) -> Story:
    """Draw a story; at its end all is quiet, at prices at which everything can be closed."""
    return make_story(draw(st.lists(BEATS, min_size=3, max_size=most)), draw(RISK), draw(PAPER))


def make_story(beats: Sequence[Beat], risk: dict[str, Any], paper: dict[str, Any]) -> Story:
    """Return the story of what was drawn."""
    declared: dict[str, dict[str, Any]] = {}
    for scope, name, value in risk["declared"]:
        declared.setdefault(scope, {})[name] = value
    settings = settings_of(declared, risk, paper)
    lines = "\n".join(map(describe, beats))
    story = Story(declared, risk["flips"], risk["on_breach"], settings, f"{risk} {paper}\n{lines}")
    at_s, orders = float(BEGIN_S), ["nothing"]
    for name, codes in TRADED.items():
        story.rows[name] += [trade(at_s, 100, i=code) for code in codes[:1]]
    for number, beat in enumerate(beats):
        at_s += beat.gap_s
        if beat.command is not None:
            add_command(story, at_s, beat.command)
            continue
        story.rows[beat.partition].append(row_of(beat, at_s))
        if beat.wish is not None:
            add_wish(story, number, beat, orders)
    add_quiet(story, at_s)
    return story


def describe(beat: Beat) -> str:
    """Return a beat as a line, of its terms what is not as usual."""
    wish = dict(beat.wish or {})
    for name in {"exits", "other", "slicing", "terms"} & set(wish):
        wish[name] = UNSET.sub("", encode(wish[name]).decode())
    return f"{beat.partition} +{beat.gap_s} {beat.row} {wish or ''} {beat.command or ''}"


def settings_of(
    declared: dict[str, dict[str, Any]], risk: dict[str, Any], paper: dict[str, Any]
) -> DeskSettings:
    """Return the settings of a desk with three partitions, two accounts and three strategies."""
    limits = {
        scope: ScopeLimits(scope, orders_window_ns=2 * S, **named)
        for scope, named in declared.items()
    }
    rules = RiskRules("worst", risk["flips"], risk["on_breach"], limits, GROUPS)
    base = desk(
        paper["model"],
        accounts=("main", "other"),
        partitions=PARTITIONS,
        slip=paper["slip"],
        sample=3,
        risk=rules,
        control=RULES,
        traded={(account, name): frozenset(IDS) for name, account in STRATEGIES.items()},
    )
    latencies = {name: Latency(0, round(paper[name] * S)) for name in ("entry", "cancel", "answer")}
    money = replace(base.money, position_values=True)
    return replace(base, paper=replace(base.paper, **latencies), money=money)


def row_of(beat: Beat, at_s: float) -> Any:
    """Return the row of a beat."""
    if beat.row is None:
        return silence(at_s)
    kind, which, price, size = beat.row
    codes = TRADED[beat.partition]
    code = codes[which % len(codes)]
    if kind == "quote":
        return quote(at_s, price - 1, price + 1, (size, size), i=code)
    return trade(at_s, price, size, i=code)


def add_wish(story: Story, number: int, beat: Beat, orders: list[str]) -> None:
    """Add what is asked at the newest record of a partition; `orders` gets the ids of its orders."""
    rows, wish = story.rows[beat.partition], beat.wish
    codes = TRADED[beat.partition]
    code = codes[wish.get("which", 0) % len(codes)]
    strategy = wish.get("strategy", "a")
    signal = Signal(
        f"wish-{number}", strategy, IDS[code], rows[-1].log_ns, wish.get("side", BUY), 1.0, "a bar",
        rows[-1].log_ns, 100.0, beat.partition, len(rows) - 1,
    )  # fmt: skip
    account = STRATEGIES[strategy]
    made: AnyIntent
    if wish["do"] in ("cancel", "amend"):
        target = orders[wish["order"] % len(orders)]
        if wish["do"] == "cancel":
            made = CancelIntent(account, signal, target)
        else:
            price = None if wish["limit"] is None else D(wish["limit"])
            made = AmendIntent(account, signal, target, wish["size"], price)
    else:
        made = Intent(account, signal, wish["size"], wish["terms"], **parts_of(wish))
        entry = entry_id(made)
        orders.insert(0, entry)
        orders += [derive_id("order", entry, "exit", n) for n in range(len(made.exits))]
    story.intents[beat.partition].append(made)


def parts_of(wish: dict[str, Any]) -> dict[str, Any]:
    """Return the exits, further entries and slices of a wish."""
    if wish["do"] == "bracket":
        return {"exits": tuple(Leg(-wish["side"], size, each) for size, each in wish["exits"])}
    if wish["do"] == "pair":
        return {"others": (wish["other"],), "entry_rule": "OCO"}
    return {"slicing": wish["slicing"]} if wish["do"] == "slices" else {}


def add_command(story: Story, at_s: float, said: dict[str, Any]) -> None:
    """Add a frame to the control partition; one that comes again is the newest, byte by byte."""
    at, offset = round(at_s * S), len(story.frames)
    if said["how"] == "again" and story.frames:
        story.frames.append((at, story.frames[-1][1]))
        story.commands[offset] = story.commands[offset - 1]
        return
    number = at + {"old": -(MAX_AGE_S * S + 1), "early": 1}.get(said["how"], 0)
    args = {
        "restrict": {"side": said["side"]},
        "set-limit": {"limit": said["limit"], "value": said["value"]},
    }.get(said["do"], {})
    is_forged = said["how"] == "forged"
    frame = frame_of(
        said["who"], number, said["do"], said["scope"], *args.items(), forged=is_forged
    )
    story.frames.append((at, frame))
    story.commands[offset] = {**said, "number": number, "args": args, "forged": is_forged}


@cache
def frame_of(who: str, number: int, do: str, scope: str, *args: Any, forged: bool) -> bytes:
    """Return the bytes of a signed command."""
    return sign(make_frame(who, number, do, scope, dict(args)), FORGER if forged else KEYS[who])


def add_quiet(story: Story, at_s: float) -> None:
    """Add so many seconds in which every instrument is traded and quoted, and nobody asks."""
    for second in range(1, QUIET_S):
        for name, codes in TRADED.items():
            for place, code in enumerate(codes):
                moment = at_s + second + place / 4
                story.rows[name].append(quote(moment, 99, 101, (50, 50), i=code))
                story.rows[name].append(trade(moment + 0.125, 100, 50, i=code))


# --- running ------------------------------------------------------------------------------


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
