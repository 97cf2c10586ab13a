"""Stories for the rules of risk: drawn records with requests and signed commands, and their log.

    draws ─▶ Story(rows, intents, frames) ─▶ batches in any pages, partitions in any order ─▶ facts

What is drawn does not know the desk: an order that is to be changed is named by a number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal as D
from functools import cache
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from tapeflow.operators.desk.legs import entry_id
from tapeflow.operators.desk.risk.rules import RiskRules
from tapeflow.operators.desk.settings import ControlRules, DeskSettings
from tapeflow.operators.desk.venue.rules import Latency
from tapeflow.schemas.control import make_frame, public_key, sign
from tapeflow.schemas.ids import derive_id
from tapeflow.schemas.limits import ScopeLimits
from tapeflow.schemas.sides import BUY
from tapeflow.schemas.signals import AmendIntent, AnyIntent, CancelIntent, Intent, Signal
from tests.desk_markets import Drawn, Draws, Seeded
from tests.desk_stories import BTC, desk, quote, silence, trade
from tests.frames import S
from tests.plain_flow import IDS
from tests.risk_draws import (
    GROUPS,
    LIMITS,
    PARTITIONS,
    SCOPES,
    STRATEGIES,
    TRADED,
    Beat,
    Job,
    draw_beat,
    draw_job,
)

KEYS = {name: bytes([number]) * 32 for number, name in enumerate(("alice", "bob"), 1)}
FORGER = bytes([9]) * 32
PUBLIC = {name: public_key(key) for name, key in KEYS.items()}
MAX_AGE_S, BEGIN_S, QUIET_S = 10, 1000, 25
BOUNDS = {name: (D(0), D(300)) for name in LIMITS}
COMMANDS = ControlRules(MAX_AGE_S * S, {scope: BOUNDS for scope in SCOPES[:3]})


@dataclass(repr=False)
class Story:
    """A log with intents and commands, and the rules of its job."""

    job: Job
    settings: DeskSettings
    drawn: str  # for who reads a failure
    rows: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in PARTITIONS})
    intents: dict[str, list[AnyIntent]] = field(
        default_factory=lambda: {name: [] for name in PARTITIONS}
    )
    frames: list[tuple[int, bytes]] = field(default_factory=list)  # of commands
    commands: dict[int, dict[str, Any]] = field(default_factory=dict)  # what they say, by offset

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self.drawn)


def make_story(seed: int, beats: int = 25) -> Story:
    """Return the story of a seed."""
    draws = Seeded(seed)
    return tell_story(draw_job(draws), [draw_beat(draws) for _ in range(beats)])


@st.composite
def stories(draw: Any, most: int = 25) -> Story:
    """Draw a story with hypothesis."""
    draws: Draws = Drawn(draw)
    job = draw_job(draws)
    return tell_story(job, [draw_beat(draws) for _ in range(draw(st.integers(1, most)))])


def tell_story(job: Job, beats: Sequence[Beat]) -> Story:
    """Return the story of what was drawn; its end is quiet, at prices that close everything."""
    story = Story(job, settings_of(job), "\n".join(map(str, (job, *beats))))
    at_s, orders = float(BEGIN_S), list[str]()
    story.rows["binance-0"].append(trade(at_s, 100, i=BTC))
    story.rows["coinbase-0"].append(silence(at_s))
    for number, beat in enumerate(beats):
        at_s += beat.gap_s
        if beat.command is not None:
            add_command(story, at_s, beat.command)
            continue
        story.rows[beat.partition].append(row_of(beat, at_s))
        if beat.request is not None:
            add_intent(story, f"signal-{number}", beat, orders)
    add_quiet(story, at_s)
    return story


def settings_of(job: Job) -> DeskSettings:
    """Return the settings of a desk with three partitions, two accounts and three strategies."""
    limits = {
        scope: ScopeLimits(scope, orders_window_ns=2 * S, **named)
        for scope, named in job.limits.items()
    }
    base = desk(
        job.paper["model"],
        accounts=("main", "other"),
        partitions=PARTITIONS,
        slip=job.paper["slip"],
        sample=3,
        risk=RiskRules("worst", job.flips, job.on_breach, limits, GROUPS),
        control=COMMANDS,
        traded={(account, name): frozenset(IDS) for name, account in STRATEGIES.items()},
    )
    latencies = {
        name: Latency(0, round(job.paper[name] * S)) for name in ("entry", "cancel", "answer")
    }
    money = replace(base.money, position_values=True)
    return replace(base, paper=replace(base.paper, **latencies), money=money)


def row_of(beat: Beat, at_s: float) -> Any:
    """Return the row of a beat."""
    if beat.row is None:
        return silence(at_s)
    kind, code, price, size = beat.row
    if kind == "quote":
        return quote(at_s, price - 1, price + 1, (size, size), i=code)
    return trade(at_s, price, size, i=code)


def add_intent(story: Story, name: str, beat: Beat, orders: list[str]) -> None:
    """Add what is proposed at the newest record; `orders` gets the ids of its orders."""
    rows, fields = story.rows[beat.partition], dict(beat.request or {})
    kind, strategy = fields.pop("do"), fields.pop("strategy", "a")
    code, side = fields.pop("i", BTC), fields.pop("side", BUY)
    signal = Signal(
        name, strategy, IDS[code], rows[-1].log_ns, side, 1.0, "a bar", rows[-1].log_ns, 100.0,
        beat.partition, len(rows) - 1,
    )  # fmt: skip
    account, changed = STRATEGIES[strategy], fields.pop("order", 0)
    target = orders[-1 - changed] if changed < len(orders) else "nothing"
    made: AnyIntent
    if kind == "cancel":
        made = CancelIntent(account, signal, target)
    elif kind == "amend":
        price = None if fields["limit"] is None else D(fields["limit"])
        made = AmendIntent(account, signal, target, fields["size"], price)
    else:
        made = Intent(account, signal, **fields)
        entry = entry_id(made)
        orders += [derive_id("order", entry, "exit", n) for n in range(len(made.exits))]
        orders.append(entry)
    story.intents[beat.partition].append(made)


def add_command(story: Story, at_s: float, fields: dict[str, Any]) -> None:
    """Add a frame to the control partition; one that comes again is the newest, byte by byte."""
    at, offset, how = round(at_s * S), len(story.frames), fields["how"]
    if how == "again" and story.frames:
        story.frames.append((at, story.frames[-1][1]))
        story.commands[offset] = story.commands[offset - 1]
        return
    number = at + {"old": -(MAX_AGE_S * S + 1), "early": 1}.get(how, 0)
    args = [(name, fields[name]) for name in ("side", "limit", "value") if name in fields]
    forged = how == "forged"
    frame = sign_frame(fields["who"], number, fields["do"], fields["scope"], *args, forged=forged)
    story.frames.append((at, frame))
    story.commands[offset] = {**fields, "number": number, "forged": forged}


@cache
def sign_frame(who: str, number: int, do: str, scope: str, *args: Any, forged: bool) -> bytes:
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
