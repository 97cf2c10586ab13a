"""Stories of the desk: rows and requests at their places, and the facts of it as short lines.

    facts = run_desk(desk(), [trade(5, 100), trade(6, 101)], [buy("a", at=0, size=2)])
    events(facts) == ["5 a SENT", "6 a ACCEPTED", ..]

Every story is run three times: as one batch, record by record, and restored before each record.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from msgspec.structs import replace

from tapeflow.flows.job import portfolio
from tapeflow.operators.desk.legs import entry_id
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.settings import AccountSettings, DeskSettings
from tapeflow.operators.desk.step import Desk
from tapeflow.operators.desk.venue.rules import Latency, PaperRules
from tapeflow.schemas.accounts import Decision, Equity, Limits
from tapeflow.schemas.bar import Bar
from tapeflow.schemas.batches import Batch
from tapeflow.schemas.market import Market, Quotes
from tapeflow.schemas.order_events import Command, OrderEvent
from tapeflow.schemas.orders import MARKET, Fill, Order, Terms
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.signals import AmendIntent, AnyIntent, CancelIntent, Intent, Signal
from tests.columns import batch, heartbeat, ints, tick
from tests.frames import S
from tests.laws import plain
from tests.plain_flow import IDS, INSTRUMENTS, JOB

A, B = "binance-0", "coinbase-0"
BTC, ETH = IDS.index("BTC-USDT.BINANCE"), IDS.index("ETH-USDT.BINANCE")
WIDE = Limits(Decimal(10**6), Decimal(10**12), 10**6, S)
CASH = ("USD", "USDT")


class QuoteRow(NamedTuple):
    """A quote to be built; at = log time = event time."""

    log_ns: int
    bid: float
    ask: float
    sizes: tuple[float, float]
    instrument: int


def ns(seconds: float) -> int:
    """Return seconds as ns, rounded."""
    return round(seconds * S)


def trade(at: float, price: float, size: float = 1, *, i: int = BTC, v: float | None = None) -> Any:
    """Return a trade at log time `at`, that happened at `v`."""
    return tick(ns(at if v is None else v), price, size, instrument=i, log_ns=ns(at))


def quote(at: float, bid: float, ask: float, sizes: Any = (1, 1), *, i: int = BTC) -> QuoteRow:
    """Return a quote at log time `at`."""
    return QuoteRow(ns(at), bid, ask, sizes, i)


def silence(at: float) -> Any:
    """Return a record without a row."""
    return heartbeat(ns(at))


def desk(
    model: Any = "trade",
    *,
    accounts: Any = ("main",),
    limits: Limits = WIDE,
    partitions: Sequence[str] = (A,),
    entry: float = 0,
    cancel: float = 0,
    answer: float = 0,
    sample: float = 1000,
    patience: float | None = None,
    slip: int | None = 0,
    share: Any = 1,
    **changes: Any,
) -> DeskSettings:
    """Return the settings of a desk; times in seconds."""
    base = portfolio.desk_settings(JOB, INSTRUMENTS, partitions)
    paper = PaperRules(
        model, Decimal(str(share)), slip, entry=Latency(ns(entry)), cancel=Latency(ns(cancel)),
        answer=Latency(ns(answer)), patience_ns=None if patience is None else ns(patience),
    )  # fmt: skip
    names = {name: AccountSettings(name, limits, CASH) for name in accounts}
    settings = replace(
        base,
        accounts=names,
        paper=paper,
        sample_ns=ns(sample),
        order_events=True,
        has_triggers=True,
    )
    return replace(settings, **changes)


# --- requests -------------------------------------------------------------------------------


class Ask(NamedTuple):
    """Something that is decided at the row of this number."""

    at: int
    strategy: str
    account: str
    fields: dict[str, Any]


def ask(strategy: str, *, at: int, account: str = "main", **fields: Any) -> Ask:
    """Return what a strategy asks of the desk; it is named as its order."""
    return Ask(at, strategy, account, fields)


def buy(strategy: str, *, at: int, size: Any = 1, account: str = "main", **fields: Any) -> Ask:
    """Ask to buy."""
    return ask(strategy, at=at, account=account, size=size, side=BUY, **fields)


def sell(strategy: str, *, at: int, size: Any = 1, account: str = "main", **fields: Any) -> Ask:
    """Ask to sell."""
    return ask(strategy, at=at, account=account, size=size, side=SELL, **fields)


def limit(price: Any, **terms: Any) -> Terms:
    """Return the terms of a limit order."""
    return Terms(type="limit", limit=Decimal(str(price)), **terms)


def intent_of(each: Ask, rows: Sequence[Any], partition: str, named: dict[str, str]) -> AnyIntent:
    """Return the intent of what was asked; `named` are the ids of earlier orders by their strategy."""
    fields = dict(each.fields)
    instrument, side = fields.pop("i", BTC), fields.pop("side", BUY)
    signal = Signal(
        f"{each.strategy}-{each.at}", each.strategy, IDS[instrument], rows[each.at].log_ns, side, 1.0,
        "a bar", rows[each.at].log_ns, fields.pop("price", 100.0), partition, each.at,
    )  # fmt: skip
    if "cancels" in fields:
        name = fields.pop("cancels")
        return CancelIntent(each.account, signal, named.get(name, name))
    if "amends" in fields:
        name = fields.pop("amends")
        changes = {key: Decimal(str(value)) for key, value in fields.items()}
        return AmendIntent(each.account, signal, named.get(name, name), **changes)
    size = Decimal(str(fields.pop("size", 1)))
    intent = Intent(each.account, signal, size, fields.pop("terms", MARKET), **fields)
    named[each.strategy] = entry_id(intent)
    return intent


# --- running ------------------------------------------------------------------------------


def batches_of(
    rows: Sequence[Any],
    requests: Iterable[Ask],
    *,
    partition: str = A,
    bars: Sequence[Bar] = (),
    one_by_one: bool = False,
    end_of_log: bool = True,
) -> list[Batch]:
    """Return rows as batches, with the requests of each."""
    named: dict[str, str] = {}
    ordered = sorted(requests, key=lambda each: each.at)
    intents = [(each.at, intent_of(each, rows, partition, named)) for each in ordered]
    edges = range(len(rows)) if one_by_one else [0]
    batches = []
    for begin in edges:
        end = begin + 1 if one_by_one else len(rows)
        batches.append(
            build(
                rows[begin:end], begin, partition,
                intents=tuple(intent for at, intent in intents if begin <= at < end),
                bars=[each for each in bars if begin <= each.offset < end],
            )
        )  # fmt: skip
    if end_of_log:
        batches.append(batch(first_offset=len(rows), end_of_log=True, partition=partition))
    return batches


def build(rows: Sequence[Any], begin: int, partition: str, **fields: Any) -> Batch:
    """Return one batch of these rows."""
    records = [heartbeat(each.log_ns) if isinstance(each, QuoteRow) else each for each in rows]
    whole = batch(*records, first_offset=begin, partition=partition, **fields)
    found = [(at, row) for at, row in enumerate(rows, begin) if isinstance(row, QuoteRow)]
    columns = {
        "offset": ints(at for at, _ in found),
        "log_ns": ints(row.log_ns for _, row in found),
        "instrument": ints(row.instrument for _, row in found),
        "event_ns": ints(row.log_ns for _, row in found),
        "bid": np.array([row.bid for _, row in found], np.float64),
        "bid_size": np.array([row.sizes[0] for _, row in found], np.float64),
        "ask": np.array([row.ask for _, row in found], np.float64),
        "ask_size": np.array([row.sizes[1] for _, row in found], np.float64),
    }
    return whole.replace(market=Market(whole.market.trades, Quotes(**columns)))


def run_desk(
    settings: DeskSettings, rows: Sequence[Any], requests: Sequence[Ask], **fields: Any
) -> list[Any]:
    """Return the facts of a story; they are the same in any batches, and over restarts."""
    whole = facts_of(settings, batches_of(rows, requests, **fields))
    split = batches_of(rows, requests, one_by_one=True, **fields)
    assert plain(facts_of(settings, split)) == plain(whole)
    assert plain(facts_of(settings, split, restored=True)) == plain(whole)
    return whole


def facts_of(
    settings: DeskSettings, batches: Iterable[Batch], *, restored: bool = False
) -> list[Any]:
    """Return the facts of batches in this order of arrival."""
    step = Desk(settings)
    state, facts = step.initial(), []
    for each in batches:
        if restored:
            state = step.restore(step.snapshot(state))
        state, out = step.step(state, desk_batch(each, settings))
        facts += out
    check_numbers(facts)
    return facts


def check_numbers(facts: Sequence[Any]) -> None:
    """Check that the facts, order events and commands of each account are numbered from 1 on."""
    for account in {each.account for each in facts}:
        for kinds in (OrderEvent, Command):
            numbers = [f.seq for f in facts if f.account == account and isinstance(f, kinds)]
            assert numbers == [*range(1, len(numbers) + 1)]
        others = [
            f.seq for f in facts if f.account == account and not isinstance(f, OrderEvent | Command)
        ]
        assert others == [*range(1, len(others) + 1)]


# --- facts as lines -----------------------------------------------------------------------


def names_of(facts: Sequence[Any]) -> dict[str, str]:
    """Return the names of orders: the strategy, and of exits and children their role and number."""
    names: dict[str, str] = {}
    for each in facts:
        if isinstance(each, Order):
            role = "" if each.role == "entry" else f".{each.role}"
            same = [name for name in names.values() if name.startswith(f"{each.strategy}{role}")]
            same = [name for name in same if (role in name if role else "." not in name)]
            number = len(same) + 1 if same else ""
            names[each.id] = f"{each.strategy}{role}{number}"
    return names


def seconds(time_ns: int) -> str:
    """Return a time in seconds."""
    return f"{time_ns / S:.12g}"


def short(number: Decimal) -> str:
    """Return a decimal without zeros at its end."""
    return f"{number.normalize():f}"


def events(facts: Sequence[Any]) -> list[str]:
    """Return the order events: time, order, kind, reason, and the phase where it is not OPEN."""
    names = names_of(facts)
    return [
        " ".join(filter(None, (
            seconds(e.time_ns), names.get(e.order_id, "?"), e.kind, e.reason, e.alert,
            "" if e.phase in ("OPEN", e.kind) else e.phase, e.end, e.pending and f"pending {e.pending}",
        )))
        for e in facts
        if isinstance(e, OrderEvent)
    ]  # fmt: skip


def commands(facts: Sequence[Any]) -> list[str]:
    """Return the commands: time, action, order, size, limit."""
    names = names_of(facts)
    return [
        f"{seconds(c.time_ns)} {c.action} {names[c.order_id]} {short(c.size)}"
        + (f" @ {short(c.limit)}" if c.limit is not None else "")
        for c in facts
        if isinstance(c, Command)
    ]


def fills(facts: Sequence[Any]) -> list[str]:
    """Return the fills: log time of the row, order, size, price."""
    names = names_of(facts)
    return [
        f"{seconds(f.log_ns)} {names[f.order_id]} {short(f.size)} @ {short(f.price)}"
        for f in facts
        if isinstance(f, Fill)
    ]


def decisions(facts: Sequence[Any]) -> list[str]:
    """Return the decisions: strategy, and why it was refused, or APPROVED."""
    return [f"{d.strategy} {d.reason or d.decision}" for d in only(Decision, facts)]


def samples(facts: Sequence[Any]) -> list[tuple[float, Decimal]]:
    """Return (time in s, gross) of the samples of equity."""
    return [(e.time_ns / S, e.gross) for e in only(Equity, facts)]


def only(kind: Any, facts: Sequence[Any]) -> list[Any]:
    """Return the facts of one kind."""
    return [each for each in facts if isinstance(each, kind)]
