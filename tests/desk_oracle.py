"""An oracle of the paper venue: every row of every record, for every order, by docs/paper.md.

    log       {partition: [Record(log_ns, offset, trades, quotes, marks)]}
    commands  Place, Cancel, Amend, each decided at a place, after the rows of its record
    answer    [Received(place, order_id, kind, event_ns, price, size, liquidity, trade_id, reason)]

Plain lists and exact fractions; no bounds, no heaps, no batches. The numbers in comments are the
sections of the page. It was written from the page alone.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal
from fractions import Fraction
from hashlib import blake2b
from typing import Any, NamedTuple

from tapeflow.schemas.orders import NO_TRADE, Order

MINUTE_NS, DAY_NS = 60 * 10**9, 24 * 3600 * 10**9
Place = tuple[int, str, int]  # (log_ns, partition, offset)
STAYS, NOTHING = "stays", "nothing"  # what an order may meet at entry beside a trade or a touch
# Of one venue time the first is the first here, then by number (6); of the ends of one order too.
AMENDMENT, REST, END, REFUSAL = range(4)
PATIENCE, TIF, CANCEL = range(3)


def uniform(order_id: str, word: str) -> Fraction:
    """Return u in [0, 1), drawn from an order's id and a word (2)."""
    drawn = blake2b(f"{order_id}\x1f{word}".encode(), digest_size=8).digest()
    return Fraction(int.from_bytes(drawn, "big"), 2**64)


class Trade(NamedTuple):
    """A public trade."""

    instrument: int
    event_ns: int | None
    price: float
    size: float
    trade_id: int


class Quote(NamedTuple):
    """Best bid and ask; a side that is empty has price 0 or NaN."""

    instrument: int
    event_ns: int | None
    bid: float
    bid_size: float
    ask: float
    ask_size: float


class Mark(NamedTuple):
    """A mark price."""

    instrument: int
    mark: float


class Record(NamedTuple):
    """A record of a partition: its rows."""

    log_ns: int
    offset: int
    trades: Sequence[Trade] = ()
    quotes: Sequence[Quote] = ()
    marks: Sequence[Mark] = ()


class PlaceOrder(NamedTuple):
    """An order is placed; `number` is the running number of its approval, `size` what is placed."""

    at: Place
    order: Order
    size: Decimal
    number: int


class CancelOrder(NamedTuple):
    """An order is to be canceled."""

    at: Place
    order_id: str


class AmendOrder(NamedTuple):
    """An order is to be changed; None leaves a field as it is."""

    at: Place
    order_id: str
    size: Decimal | None = None
    limit: Decimal | None = None
    trigger: Decimal | None = None


Command = PlaceOrder | CancelOrder | AmendOrder


class Received(NamedTuple):
    """A report, as the desk hears it."""

    place: Place
    order_id: str
    kind: str
    event_ns: int
    price: Decimal | None
    size: Decimal | None
    liquidity: str
    trade_id: int
    reason: str


@dataclass(frozen=True)
class Rules:
    """The settings `[paper]` of section 9."""

    model: str = "sized"
    clock: str = "venue"
    latency_ns: int = 250_000_000
    latency_spread_ns: int = 0
    cancel_latency_ns: int | None = None  # None: as `latency_ns`
    cancel_latency_spread_ns: int = 0
    answer_latency_ns: int = 0
    answer_latency_spread_ns: int = 0
    share: Decimal = Decimal(1)
    slip: int | None = 0  # None: the part beyond the touch waits
    quote_age_ns: int = MINUTE_NS
    patience_ns: int | None = MINUTE_NS
    draw: Callable[[str, str], Fraction] = uniform


@dataclass(frozen=True)
class InstrumentRules:
    """What the venue asks of orders of an instrument."""

    id: str
    tick: Decimal = Decimal("0.1")
    lot: Decimal = Decimal("0.1")
    multiplier: Decimal = Decimal(1)
    inverse: bool = False
    min_size: Decimal | None = None
    max_size: Decimal | None = None
    min_notional: Decimal | None = None
    self_trade: str = "none"


class Change(NamedTuple):
    """What will change an order at a venue time, or end it; sorted as of equal times."""

    at_ns: int
    kind: int  # AMENDMENT, REST (by patience), END, REFUSAL
    number: int  # of the order
    cause: int  # of an END: PATIENCE, TIF or CANCEL
    made: int  # of a command: its running number
    command: Any = None

    @property
    def delay_key(self) -> tuple[int, int, int]:
        """Whose delay it has: ends of one time have one, each amendment has its own."""
        return self.at_ns, self.kind, self.made if self.kind == AMENDMENT else 0


@dataclass
class Touch:
    """A quote of a market, and what our orders took from it."""

    log_ns: int
    place: tuple[int, int]  # log time and offset of its record
    price: dict[int, float]  # by side of the book: 1 the bid, -1 the ask; empty sides are missing
    size: dict[int, Fraction]
    taken: dict[int, Fraction] = field(default_factory=lambda: {1: Fraction(0), -1: Fraction(0)})


@dataclass
class Tape:
    """What the venue knows of an instrument."""

    touch: Touch | None = None
    last: float | None = None  # price of the last trade
    last_place: tuple[int, int] = (-(2**63), -1)  # log time and offset of its record
    delay_ns: int = 0  # of its last trade or quote


@dataclass
class Clock:
    """The clock of a partition."""

    bucket: int = -(2**63)
    ahead: int = 0  # greatest of this bucket
    before: int = 0  # greatest of the bucket with the number before
    delay_ns: int = 0  # of the last timed row


@dataclass(eq=False)
class Live:
    """An order at the venue, or on its way to it."""

    order: Order
    instrument: int
    number: int
    size: Fraction
    limit: Decimal | None
    trigger: Decimal | None
    since: Place  # P: it sees the rows after it
    arrival_ns: int  # A
    end_ns: int | None  # of GTD and DAY
    stage: str = "coming"  # coming, armed (waits for its trigger), resting, waiting, over
    accepted: bool = False
    triggered: bool = False
    filled: Fraction = Fraction(0)
    ahead: Fraction | None = Fraction(0)  # None: not known
    best: Fraction | None = None  # of a trailing stop that has begun
    asks: bool = False  # amended: it takes at the next row if the touch is within its limit
    entered_row: int = -1  # the row at which it entered
    cancels: list["Change"] = field(default_factory=list)
    amendments: list["Change"] = field(default_factory=list)
    delays: dict[tuple[int, int, int], int] = field(default_factory=dict)  # d of a change

    @property
    def side(self) -> int:
        return self.order.side

    @property
    def left(self) -> Fraction:
        return self.size - self.filled

    @property
    def is_conditional(self) -> bool:
        return self.order.terms.is_conditional

    @property
    def has_limit(self) -> bool:
        """Whether it is, or becomes when triggered, a limit order."""
        return self.order.type in ("limit", "stop_limit", "take_profit_limit")

    @property
    def is_over(self) -> bool:
        return self.stage == "over"

    @property
    def priority(self) -> tuple[int, int]:
        return self.arrival_ns, self.number

    @property
    def holder(self) -> tuple[str, str, str]:
        """Account, strategy, instrument: whose position it changes."""
        return self.order.account, self.order.strategy, self.order.instrument


def exact(number: float | Decimal | int) -> Fraction:
    """Return a number exactly: a float64 as the shortest decimal that reads as it (4)."""
    return Fraction(Decimal(repr(number)) if isinstance(number, float) else number)


def amount(number: float) -> Fraction:
    """Return a size; NaN is 0."""
    return Fraction(0) if math.isnan(number) else exact(number)


def to_decimal(number: Fraction) -> Decimal:
    """Return a fraction whose denominator divides a power of ten as a decimal."""
    return Context(prec=400).divide(Decimal(number.numerator), Decimal(number.denominator))


def is_traded(price: float) -> bool:
    """Whether a price is one that is traded (1)."""
    return 1e-12 <= price < 1e12


def touch_of(quote: Quote, log_ns: int, offset: int = 0) -> Touch | None:
    """Return a quote as a touch, None where it is not one of a market (1)."""
    sides = {1: (quote.bid, quote.bid_size), -1: (quote.ask, quote.ask_size)}
    there = {side: each for side, each in sides.items() if each[0] != 0 and not math.isnan(each[0])}
    if not all(is_traded(price) for price, _ in there.values()):
        return None
    if len(there) == 2 and quote.bid > quote.ask:
        return None
    return Touch(
        log_ns,
        (log_ns, offset),
        {side: price for side, (price, _) in there.items()},
        {side: amount(size) for side, (_, size) in there.items()},
    )


def by_price_and_time(live: Live) -> tuple[Any, ...]:
    """Sort buys before sells, the better limit first, then by (A, number) (4)."""
    return -live.side, -live.side * (live.limit or 0), live.priority


class Venue:
    """The paper venue, a row at a time. `hear` is called with each report that the desk hears."""

    def __init__(self, rules: Rules, instruments: Sequence[InstrumentRules], hear: Callable):
        self.rules, self.instruments, self.hear = rules, instruments, hear
        self.number_of = {each.id: number for number, each in enumerate(instruments)}
        self.tapes = [Tape() for _ in instruments]
        self.clocks: dict[str, Clock] = defaultdict(Clock)  # by partition
        self.orders: dict[str, Live] = {}
        self.live: list[list[Live]] = [[] for _ in instruments]  # not over
        self.unanswered: list[Live] = []  # over, with commands that are still on their way
        self.position: dict[tuple[str, str, str], Fraction] = defaultdict(Fraction)
        self.answers: list[tuple[int, int, tuple[Any, ...]]] = []  # (H, in order of making, report)
        self.here: list[Received] = []  # reports received at the place of this record
        self.made = 0  # reports and commands so far
        self.log_ns, self.rows = -(2**63), 0
        self.place: Place = (self.log_ns, "", -1)  # of the record
        self.acts = False  # whether a row acts, or a timer
        self.trade_event_ns: int | None = None  # of the trade that acts
        self.touch_of_row: Touch | None = None  # of the quote that acts
        self.left_of_row = Fraction(0)  # what is left of `share x q` of this trade

    # -- commands ------------------------------------------------------------------------------

    def latency_ns(self, order_id: str, word: str) -> int:
        """Return the latency of an order (2)."""
        rules = self.rules
        base, spread = {
            "entry": (rules.latency_ns, rules.latency_spread_ns),
            "cancel": (rules.cancel_latency_ns, rules.cancel_latency_spread_ns),
            "answer": (rules.answer_latency_ns, rules.answer_latency_spread_ns),
        }[word]
        base = rules.latency_ns if base is None else base
        return base + (math.floor(spread * rules.draw(order_id, word)) if spread else 0)

    def place_order(self, at: Place, order: Order, size: Decimal, number: int) -> None:
        """Send an order on its way (2, 6)."""
        end_ns = None
        if order.tif == "GTD" and order.expire_ns is not None:
            end_ns = max(order.expire_ns, at[0])
        elif order.tif == "DAY":
            end_ns = (at[0] // DAY_NS + 1) * DAY_NS
        instrument = self.number_of[order.instrument]
        live = Live(
            order, instrument, number, exact(size), order.limit, order.trigger, at,
            at[0] + self.latency_ns(order.id, "entry"), end_ns,
        )  # fmt: skip
        self.orders[order.id] = live
        self.live[live.instrument].append(live)

    def cancel_order(self, command: CancelOrder) -> None:
        """Send a cancel on its way: C = max(A, D' + cancel latency) (6)."""
        live = self.orders[command.order_id]
        live.cancels.append(self.change_by(live, command, "cancel", END, CANCEL))
        self.keep_unanswered(live)

    def amend_order(self, command: AmendOrder) -> None:
        """Send an amendment on its way: M = max(A, D' + entry latency) (6)."""
        live = self.orders[command.order_id]
        live.amendments.append(self.change_by(live, command, "entry", AMENDMENT, 0))
        self.keep_unanswered(live)

    def change_by(self, live: Live, command: Any, word: str, kind: int, cause: int) -> Change:
        """Return what a command changes, and when."""
        self.made += 1
        at_ns = command.at[0] + self.latency_ns(live.order.id, word)
        if not live.is_over:
            at_ns = max(live.arrival_ns, at_ns)
        return Change(at_ns, kind, live.number, cause, self.made, command)

    def keep_unanswered(self, live: Live) -> None:
        """Remember commands for an order that is over."""
        if live.is_over and live not in self.unanswered:
            self.unanswered.append(live)

    # -- time: a record, and what is due before it ----------------------------------------------

    def process(self, partition: str, record: Record) -> None:
        """Meet the rows of a record in their order: trades, quotes, mark prices (1)."""
        self.fall_due(record.log_ns)
        self.log_ns, self.place = record.log_ns, (record.log_ns, partition, record.offset)
        self.acts = True
        rows: list[Trade | Quote] = [*record.trades, *record.quotes]
        for row in rows:
            if isinstance(row, Quote) or is_traded(row.price):
                venue_ns = self.venue_time(partition, row.event_ns)
                self.meet(row, venue_ns)
                tape = self.tapes[row.instrument]
                tape.delay_ns = record.log_ns - venue_ns
                if isinstance(row, Trade):
                    tape.last, tape.last_place = row.price, (record.log_ns, record.offset)
        for mark in record.marks:
            if is_traded(mark.mark):
                venue_ns = record.log_ns
                if self.rules.clock == "venue":
                    venue_ns -= self.clocks[partition].delay_ns
                self.rows += 1
                self.trigger(mark.instrument, venue_ns, "mark", {1: mark.mark, -1: mark.mark})
        self.acts, self.touch_of_row = False, None
        received, self.here = self.here, []
        for report in received:  # a report that a row brings, at the row's place (8)
            self.hear(report)

    def venue_time(self, partition: str, event_ns: int | None) -> int:
        """Return v of a trade or quote (1)."""
        if self.rules.clock == "log":
            return self.log_ns
        clock = self.clocks[partition]
        if event_ns is None:
            return self.log_ns - clock.delay_ns
        ahead, bucket = event_ns - self.log_ns, self.log_ns // MINUTE_NS
        if bucket != clock.bucket:
            clock.before = clock.ahead if bucket == clock.bucket + 1 else 0
            clock.bucket, clock.ahead = bucket, 0
        clock.ahead = max(clock.ahead, ahead)
        venue_ns = event_ns - max(0, clock.ahead, clock.before)
        clock.delay_ns = self.log_ns - venue_ns
        return venue_ns

    def due_ns(self, live: Live, change: Change) -> int:
        """Return the log time at which a change takes effect if no row comes before (6).

        It is later by the delay of the instrument before all records of its time, or where it
        became known later: of now. Asked when that time has come, or has been.
        """
        now_ns = self.tapes[live.instrument].delay_ns
        return change.at_ns + live.delays.setdefault(change.delay_key, now_ns)

    def fall_due(self, until_ns: int) -> None:
        """Do what is due at log times up to this one, before the records of each (6, 8).

        The least goes first: by log time, what happens at the venue before answers; of the venue
        by venue time, then number. What is due in the past is due now.
        """
        while True:
            due: list[tuple[Any, ...]] = []
            for live in (live for some in self.live for live in some):
                for change in self.changes_of(live):
                    if change.at_ns <= until_ns:  # only then its delay is known
                        log_ns = max(self.log_ns, self.due_ns(live, change))
                        due.append((log_ns, 0, change[:5], change, live))
            for live in self.unanswered:  # it is over: refused at log time C (6)
                for change in self.commands_of(live):
                    is_amendment = change.kind == AMENDMENT
                    rank = (change.at_ns, REFUSAL, is_amendment, live.order.id, change.made)
                    due.append((max(self.log_ns, change.at_ns), 0, rank, change, live))
            for known_ns, made, report in self.answers:
                due.append((max(self.log_ns, known_ns), 1, made, report))
            due = [each for each in due if each[0] <= until_ns]
            if not due:
                return
            least = min(due, key=lambda each: each[:3])
            self.log_ns = least[0]
            if least[1] == 0:
                self.change(least[4], least[3])
            else:
                _, _, made, report = least
                self.answers = [each for each in self.answers if each[1] != made]
                self.hear(Received((self.log_ns, "", -1), *report))

    # -- ends and changes (6) -------------------------------------------------------------------

    def commands_of(self, live: Live) -> list[Change]:
        """Return cancels and amendments that are on their way."""
        return live.amendments + live.cancels

    def changes_of(self, live: Live) -> list[Change]:
        """Return what will change an order if nothing does before: of its ends E, the least."""
        ends = list(live.cancels)
        if live.end_ns is not None:
            ends.append(Change(live.end_ns, END, live.number, TIF, 0))
        patience_ns = self.rules.patience_ns
        if patience_ns is not None and self.ends_by_patience(live):
            ends.append(Change(live.arrival_ns + patience_ns, END, live.number, PATIENCE, 0))
        changes = live.amendments + sorted(ends)[:1]
        if patience_ns is not None and self.rests_by_patience(live):
            changes.append(Change(live.arrival_ns + patience_ns, REST, live.number, 0, 0))
        return changes

    def ends_by_patience(self, live: Live) -> bool:
        """Whether patience ends it: a market order, IOC, FOK, a triggered order that takes (3)."""
        takes = not live.has_limit or live.order.tif in ("IOC", "FOK")
        return takes and (live.triggered or not live.is_conditional)

    def rests_by_patience(self, live: Live) -> bool:
        """Whether it is a limit order that has not entered, which then enters and rests (3)."""
        can_enter = live.triggered or not live.is_conditional
        return live.stage == "coming" and can_enter and not self.ends_by_patience(live)

    def end_of(self, live: Live) -> int | None:
        """Return E of an order, None where it has no end yet."""
        return min((each.at_ns for each in self.changes_of(live) if each.kind == END), default=None)

    def sees(self, live: Live, venue_ns: int) -> bool:
        """Whether an order sees the present row (2)."""
        end_ns = self.end_of(live)
        return (
            not live.is_over
            and self.place > live.since
            and live.arrival_ns <= venue_ns
            and (end_ns is None or venue_ns < end_ns)
        )

    def change(self, live: Live, change: Change) -> None:
        """Let an end, an amendment, or the patience of an order take effect."""
        live.amendments = [each for each in live.amendments if each != change]
        live.cancels = [each for each in live.cancels if each != change]
        at_ns = change.at_ns
        if live.is_over:
            self.refuse(
                live, "AMEND_REFUSED" if change.kind == AMENDMENT else "CANCEL_REFUSED", at_ns
            )
        elif change.kind == AMENDMENT:
            self.amend(live, at_ns, change.command)
        elif change.kind == REST:
            self.enter_without_asking(live, at_ns)
        elif change.cause == CANCEL:
            self.end(live, "CANCELED", "", at_ns)
        else:
            reason = "NO_MARKET" if change.cause == PATIENCE else live.order.tif
            self.end(live, "EXPIRED", reason, at_ns)

    def enter_without_asking(self, live: Live, at_ns: int) -> None:
        """Let a limit order enter and rest when its patience is over (3)."""
        reason = self.refusal(live, None, takes=False)
        if reason:
            self.end(live, "REJECTED", reason, at_ns)
        else:
            self.accept(live, at_ns)
            self.rest(live)

    def refuse(self, live: Live, kind: str, at_ns: int) -> None:
        self.tell(live, kind, at_ns, reason="ORDER_OVER")
        if not self.commands_of(live):
            self.unanswered.remove(live)

    def end(self, live: Live, kind: str, reason: str, at_ns: int) -> None:
        """End an order with a report."""
        self.tell(live, kind, at_ns, reason=reason)
        self.leave(live)

    def leave(self, live: Live) -> None:
        """Take an order that is over from the venue."""
        live.stage = "over"
        self.live[live.instrument].remove(live)
        if self.commands_of(live):
            self.unanswered.append(live)
        late = [each for each in self.commands_of(live) if each.at_ns <= self.log_ns]
        for change in sorted(late, key=lambda each: (each.at_ns, each.kind == AMENDMENT)):
            self.change(live, change)  # with its end

    def amend(self, live: Live, at_ns: int, command: AmendOrder) -> None:
        """Change size, limit and trigger (6)."""
        limit_changed = command.limit is not None and command.limit != live.limit
        trigger_changed = command.trigger is not None and command.trigger != live.trigger
        size_increased = command.size is not None and exact(command.size) > live.size
        if command.size is not None:
            live.size = exact(command.size)
        if command.limit is not None:
            live.limit = command.limit
        if command.trigger is not None:
            live.trigger = command.trigger
        self.tell(live, "AMENDED", at_ns, size=live.size)
        if live.size <= live.filled:
            self.leave(live)
        elif limit_changed or trigger_changed or size_increased:
            live.arrival_ns = at_ns
            if live.stage == "resting":
                self.rest(live)
                live.asks = True

    # -- a row acts (4) -------------------------------------------------------------------------

    def meet(self, row: Trade | Quote, venue_ns: int) -> None:
        """Let a trade or a quote act."""
        tape = self.tapes[row.instrument]
        self.rows += 1
        self.trade_event_ns = row.event_ns
        is_trade = isinstance(row, Trade)
        self.left_of_row = self.rules_share(amount(row.size)) if is_trade else Fraction(0)
        touch_after = None if is_trade else touch_of(row, self.log_ns, self.place[2])
        self.touch_of_row = touch_after
        self.let_changes_take_effect(row.instrument, venue_ns)  # 1
        for live in self.seeing(row.instrument, venue_ns, lambda live: live.priority):  # 2
            if (live.stage == "coming" or live.asks) and self.sees(live, venue_ns):
                self.enter(live, row, touch_after, venue_ns)
        if touch_after:  # 3
            tape.touch = touch_after
            for live in self.seeing(row.instrument, venue_ns, lambda live: live.priority):
                if live.stage == "resting":
                    self.learn_ahead(live)
        for live in self.seeing(row.instrument, venue_ns, lambda live: live.priority):  # 4
            if live.stage == "waiting" and live.entered_row != self.rows:
                self.take_again(live, row, touch_after, venue_ns)
        for live in self.seeing(row.instrument, venue_ns, by_price_and_time):  # 5
            if live.stage == "resting":
                self.fill_resting(live, row, touch_after, venue_ns)
        if is_trade:  # 6
            self.trigger(row.instrument, venue_ns, "trade", {1: row.price, -1: row.price})
        elif touch_after:
            by_buyer = {-side: price for side, price in touch_after.price.items()}
            self.trigger(row.instrument, venue_ns, "quote", by_buyer)

    def let_changes_take_effect(self, instrument: int, venue_ns: int) -> None:
        """Let what is due by venue time take effect before a row (6)."""
        while due := [
            (change[:5], change, live)
            for live in self.live[instrument]
            for change in self.changes_of(live)
            if change.at_ns <= venue_ns
        ]:
            _, change, live = min(due, key=lambda each: each[0])
            self.change(live, change)

    def seeing(self, instrument: int, venue_ns: int, key: Callable[[Live], Any]) -> list[Live]:
        """Return the orders that see the row, sorted; one may end before its turn comes."""
        return [
            each for each in sorted(self.live[instrument], key=key) if self.sees(each, venue_ns)
        ]

    def rules_share(self, size: Fraction) -> Fraction:
        return size * exact(self.rules.share)

    def to_lot(self, live: Live, size: Fraction) -> Fraction:
        """Round a size down to the lot."""
        lot = exact(self.instruments[live.instrument].lot)
        return max(Fraction(0), size // lot * lot)

    def is_usable(self, touch: Touch | None, side: int, tape: Tape) -> bool:
        """Whether a side of the touch is usable at the present row (1)."""
        if touch is None or side not in touch.price:
            return False
        if self.log_ns - touch.log_ns > self.rules.quote_age_ns:
            return False
        if tape.last is None:
            return True
        if tape.last_place > touch.place and tape.last not in touch.price.values():
            return False  # a later trade shows that the touch has moved
        return tape.last / 10 <= touch.price[side] <= tape.last * 10

    def shown(self, touch: Touch, side: int) -> Fraction:
        """Return what a side of the touch shows (1)."""
        return max(Fraction(0), self.rules_share(touch.size[side]) - touch.taken[side])

    def is_within(self, live: Live, price: float | Fraction) -> bool:
        """Whether a price is within the limit of an order; one without has none."""
        if not live.has_limit:
            return True
        return float(price) * live.side <= float(live.limit) * live.side

    # -- entry (2, 3) ---------------------------------------------------------------------------

    def enter(self, live: Live, row, touch_after: Touch | None, venue_ns: int) -> None:
        """Let an order enter at the row, if it can; an amended one takes again, if it can (6)."""
        source = self.met_at_entry(live, row, touch_after)
        if source is STAYS:
            return
        takes = source is not NOTHING and self.is_within(live, self.price_of(live, source))
        reason = self.refusal(live, row, takes)
        policy = self.instruments[live.instrument].self_trade
        crossed = self.crossed_by(live) if takes and not reason else []  # 7
        if policy in ("oldest", "both"):
            for other in crossed:
                self.end(other, "CANCELED", "SELF_TRADE", venue_ns)
        if crossed and policy in ("newest", "both"):
            reason = "SELF_TRADE"
        if reason:
            self.end(live, "REJECTED", reason, venue_ns)
            return
        self.accept(live, venue_ns)
        live.entered_row = self.rows
        if live.is_conditional and not live.triggered:
            live.stage = "armed"
        else:
            self.take_or_rest(live, source if takes else None, row, venue_ns)

    def take_or_rest(self, live: Live, source: Trade | Touch | None, row, venue_ns: int) -> None:
        """Let an order that has entered take; what is left rests, waits, or ends (3)."""
        if source is not None:
            self.take(live, source, row, venue_ns)
        elif live.order.tif == "FOK":
            self.end(live, "CANCELED", "FOK_SHORT", venue_ns)
        if source is not None and not live.is_over and live.order.tif != "IOC":
            self.end_where_nothing_is_left(live, venue_ns)
        if live.is_over:
            return
        if live.order.tif == "IOC":
            self.end(live, "CANCELED", "IOC_REST", venue_ns)
        elif live.has_limit:
            self.rest(live)
        else:
            live.stage = "waiting"

    def accept(self, live: Live, at_ns: int) -> None:
        """Report an order as accepted, once."""
        if not live.accepted:
            live.accepted = True
            self.tell(live, "ACCEPTED", at_ns)

    def refusal(self, live: Live, row, takes: bool) -> str:
        """Return the first of the checks of 2 that fails; those of its form are not repeated."""
        reason = "" if live.accepted else self.refusal_of_form(live, row)
        if not reason and live.order.reduce_only and not self.reducible(live):
            reason = "NOTHING_TO_REDUCE"
        if not reason and takes and live.order.post_only:
            reason = "WOULD_TAKE"
        return reason

    def refusal_of_form(self, live: Live, row) -> str:
        """Return the first of TICK, LOT, SIZE_MIN, SIZE_MAX, NOTIONAL_MIN that fails (2)."""
        listed = self.instruments[live.instrument]
        prices = (live.limit, live.trigger, live.order.activate)
        has_minima = not live.order.reduce_only
        min_size, max_size = listed.min_size, listed.max_size
        failed = {
            "TICK": any(
                price is not None and exact(price) % exact(listed.tick) for price in prices
            ),
            "LOT": live.size % exact(listed.lot) != 0,
            "SIZE_MIN": has_minima and min_size is not None and live.size < exact(min_size),
            "SIZE_MAX": max_size is not None and live.size > exact(max_size),
            "NOTIONAL_MIN": has_minima and self.is_below_notional(live, row, listed),
        }
        return next((reason for reason, fails in failed.items() if fails), "")

    def is_below_notional(self, live: Live, row, listed: InstrumentRules) -> bool:
        """Whether size x price x multiplier is too little; inverse: size x multiplier."""
        if listed.min_notional is None:
            return False
        price = Fraction(1) if listed.inverse else self.price_for_notional(live, row)
        if price is None:
            return False
        return live.size * exact(listed.multiplier) * price < exact(listed.min_notional)

    def price_for_notional(self, live: Live, row) -> Fraction | None:
        """Return limit, trigger, opposite touch, last trade, or the row's own price (2)."""
        touch, last = self.opposite_touch(live), self.tapes[live.instrument].last
        if live.limit is not None:
            return exact(live.limit)
        if live.trigger is not None:
            return exact(live.trigger)
        if touch:
            return exact(touch.price[-live.side])
        if last is not None:
            return exact(last)
        if isinstance(row, Trade):
            return exact(row.price)
        after = touch_of(
            row, self.log_ns, self.place[2]
        )  # a quote: the side that it would take, else the other
        own = after.price.get(-live.side, after.price.get(live.side)) if after else None
        return None if own is None else exact(own)

    def opposite_touch(self, live: Live) -> Touch | None:
        """Return the touch before the row if its opposite side is usable."""
        tape = self.tapes[live.instrument]
        return tape.touch if self.is_usable(tape.touch, -live.side, tape) else None

    def met_at_entry(self, live: Live, row, touch_after: Touch | None):
        """Return what an order meets at entry (3): a trade, a touch, NOTHING, or it STAYS."""
        if live.asks:
            return self.met_again(live)
        if live.is_conditional and not live.triggered:
            return NOTHING
        if self.rules.model == "trade":
            return row if isinstance(row, Trade) else STAYS
        if before := self.opposite_touch(live):
            return before
        if isinstance(row, Trade):
            return row if self.rules.model == "sized" else NOTHING
        usable = self.is_usable(touch_after, -live.side, self.tapes[live.instrument])
        return touch_after if usable else STAYS

    def met_again(self, live: Live):
        """Return the touch that an amended limit order takes, else it STAYS as it rests (6)."""
        live.asks = False
        touch = self.opposite_touch(live) if self.rules.model != "trade" else None
        return touch if touch and self.is_within(live, touch.price[-live.side]) else STAYS

    def take_again(self, live: Live, row, touch_after: Touch | None, venue_ns: int) -> None:
        """Let a waiting market order take from a later row (3)."""
        model = self.rules.model
        source: Trade | Touch | None = None
        if isinstance(row, Trade):
            if model == "trade" or (model == "sized" and not self.opposite_touch(live)):
                source = row
        elif model != "trade" and touch_after and self.opposite_touch(live):
            source = touch_after  # it has become the touch
        if source is not None:
            self.take(live, source, row, venue_ns)

    def price_of(self, live: Live, source: Trade | Touch) -> float:
        return source.price if isinstance(source, Trade) else source.price[-live.side]

    def crossed_by(self, live: Live) -> list[Live]:
        """Return the opposite resting limit orders of the portfolio that an order would cross."""
        return [
            other
            for other in sorted(self.live[live.instrument], key=by_price_and_time)
            if other.stage == "resting" and other.side == -live.side
            if self.is_within(live, exact(other.limit))
        ]

    # -- taking (3) -----------------------------------------------------------------------------

    def take(self, live: Live, source: Trade | Touch, row, venue_ns: int) -> None:
        """Fill an order from a trade or a touch."""
        wanted = self.fillable(live)
        price = exact(self.price_of(live, source))
        is_trade = isinstance(source, Trade)
        shown = self.left_of_row if is_trade else self.shown(source, -live.side)
        covered = min(wanted, self.to_lot(live, shown))
        parts = [(price, covered)]
        if self.rules.model == "trade" or self.rules.slip == 0:
            parts = [(price, wanted)]
        elif self.rules.slip is not None:
            tick = exact(self.instruments[live.instrument].tick)
            beyond = price + live.side * self.rules.slip * tick
            if beyond > 0 and self.is_within(live, beyond):
                parts.append((beyond, wanted - covered))
        if live.order.tif == "FOK" and sum(size for _, size in parts) < live.left:
            self.end(live, "CANCELED", "FOK_SHORT", venue_ns)
            return
        if isinstance(source, Trade):
            self.left_of_row -= covered
        else:
            source.taken[-live.side] += covered
        trade_id = source.trade_id if isinstance(source, Trade) else NO_TRADE
        for price, size in parts:
            if not live.is_over:
                self.fill(live, price, size, "TAKER", trade_id, venue_ns)

    def fillable(self, live: Live) -> Fraction:
        """Return what an order wants: what is left of it, clipped where it is reduce-only (4)."""
        return min(live.left, self.reducible(live)) if live.order.reduce_only else live.left

    def reducible(self, live: Live) -> Fraction:
        """Return what is left of the position that an order of this side can reduce."""
        return max(Fraction(0), -live.side * self.position[live.holder])

    def fill(self, live: Live, price: Fraction, size: Fraction, liquidity: str, trade_id, at_ns):
        """Fill an order, and end reduce-only orders that have nothing left to reduce (4)."""
        if size <= 0:
            return
        live.filled += size
        self.position[live.holder] += live.side * size
        self.tell(
            live, "FILL", at_ns, price=price, size=size, liquidity=liquidity, trade_id=trade_id,
            event_ns=None if trade_id == NO_TRADE else self.trade_event_ns,
        )  # fmt: skip
        if live.left == 0:
            self.leave(live)
        for other in sorted(self.live[live.instrument], key=lambda each: each.number):
            if other.stage in ("resting", "waiting") and other.holder == live.holder:
                self.end_where_nothing_is_left(other, at_ns)

    def end_where_nothing_is_left(self, live: Live, at_ns: int) -> None:
        """End a reduce-only order that has nothing left to reduce (4)."""
        if live.order.reduce_only and not self.reducible(live):
            self.end(live, "CANCELED", "NOTHING_TO_REDUCE", at_ns)

    # -- resting (4) ----------------------------------------------------------------------------

    def rest(self, live: Live) -> None:
        """Let a limit order rest: what stands at its price is ahead of it."""
        live.stage = "resting"
        tape, limit = self.tapes[live.instrument], float(live.limit)
        own: Touch | None = tape.touch
        if not self.is_usable(own, live.side, tape):
            own = self.touch_of_row
            if not self.is_usable(own, live.side, tape):
                own = None
        if own is None:
            stands = tape.touch is not None and live.side in tape.touch.price
            live.ahead = None if stands else Fraction(0)
        elif own.price[live.side] * live.side < limit * live.side:
            live.ahead = Fraction(0)
        elif own.price[live.side] == limit:
            live.ahead = own.size[live.side]
        else:
            live.ahead = None

    def learn_ahead(self, live: Live) -> None:
        """Learn from a later quote what is ahead of a resting order."""
        tape, limit = self.tapes[live.instrument], float(live.limit)
        if not self.is_usable(tape.touch, live.side, tape):
            return
        own, size = tape.touch.price[live.side], tape.touch.size[live.side]
        if own * live.side < limit * live.side:
            live.ahead = Fraction(0)
        elif own == limit:
            live.ahead = size if live.ahead is None else min(live.ahead, size)

    def fill_resting(self, live: Live, row, touch_after: Touch | None, venue_ns: int) -> None:
        """Fill a resting limit order as maker at its limit, by model."""
        limit, wanted = float(live.limit), self.fillable(live)
        if isinstance(row, Trade):
            is_through = row.price * live.side < limit * live.side
            if is_through and self.rules.model == "trade":
                size = wanted
            elif is_through:
                size = min(wanted, self.to_lot(live, self.left_of_row))
            elif self.rules.model == "touch" and row.price == limit and live.ahead is not None:
                for_us = self.left_of_row - self.rules_share(live.ahead)
                size = min(wanted, self.to_lot(live, for_us))
                live.ahead = max(Fraction(0), live.ahead - amount(row.size))
            else:
                return
            if is_through:
                live.ahead = Fraction(0)
            self.left_of_row -= size
            self.fill(live, exact(live.limit), size, "MAKER", row.trade_id, venue_ns)
        elif self.rules.model == "touch" and touch_after:
            tape = self.tapes[live.instrument]
            if not self.is_usable(touch_after, -live.side, tape):
                return
            if touch_after.price[-live.side] * live.side <= limit * live.side:
                size = min(wanted, self.to_lot(live, self.shown(touch_after, -live.side)))
                touch_after.taken[-live.side] += size
                self.fill(live, exact(live.limit), size, "MAKER", NO_TRADE, venue_ns)

    # -- triggers (5) ---------------------------------------------------------------------------

    def trigger(self, instrument: int, venue_ns: int, on: str, prices: Mapping[int, float]) -> None:
        """Trigger the orders that wait for this price; `prices` by side of the order."""
        for live in sorted(self.live[instrument], key=lambda each: each.priority):
            waits = live.stage == "armed" and live.order.trigger_on == on
            hears = waits and live.side in prices and self.sees(live, venue_ns)
            if hears and self.is_triggered(live, prices[live.side]):
                live.triggered, live.stage = True, "coming"
                live.arrival_ns = max(live.arrival_ns, venue_ns)
                live.since = self.place
                self.tell(live, "TRIGGERED", venue_ns)

    def is_triggered(self, live: Live, price: float) -> bool:
        """Whether a price triggers an order; a trailing stop learns from it first."""
        side, order = live.side, live.order
        if order.type in ("stop", "stop_limit"):
            return price * side >= float(live.trigger) * side
        if order.type in ("take_profit", "take_profit_limit"):
            return price * side <= float(live.trigger) * side
        now = exact(price)
        if live.best is None:
            begins = order.activate is None or price * side <= float(order.activate) * side
            if not begins:
                return False
            live.best = now
        live.best = min(live.best, now) if side == 1 else max(live.best, now)
        trail = exact(order.trail)
        if order.trail_unit == "ticks":
            trail *= exact(self.instruments[live.instrument].tick)
        elif order.trail_unit == "bps":
            trail = live.best * trail / 10_000
        return now * side >= (live.best + side * trail) * side

    # -- hearing (8) ----------------------------------------------------------------------------

    def tell(
        self, live: Live, kind: str, at_ns: int, *, event_ns: int | None = None, price=None, size=None, liquidity="",
        trade_id=NO_TRADE, reason="",
    ) -> None:  # fmt: skip
        """Report what happened at venue time `at_ns`: received with the row, or later."""
        self.made += 1
        known_ns = max(self.log_ns, at_ns + self.latency_ns(live.order.id, "answer"))
        report = (
            live.order.id, kind, at_ns if event_ns is None else event_ns, price and to_decimal(price),
            size and to_decimal(size), liquidity, trade_id, reason,
        )  # fmt: skip
        if self.acts and known_ns == self.log_ns:
            self.here.append(Received(self.place, *report))
        else:
            self.answers.append((known_ns, self.made, report))


def in_log_order(log: Mapping[str, Sequence[Record]]) -> list[tuple[str, Record]]:
    """Return the records of all partitions by (log_ns, partition, offset)."""
    records = [(partition, record) for partition, some in log.items() for record in some]
    return sorted(records, key=lambda each: (each[1].log_ns, each[0], each[1].offset))


def reports_of(
    rules: Rules,
    instruments: Sequence[InstrumentRules],
    log: Mapping[str, Sequence[Record]],
    commands: Iterable[Command],
    until_ns: int | None = None,
) -> list[Received]:
    """Return the reports in the order in which the desk hears them.

    Commands of one place are told in their order, after the rows of its record; each is of a place
    that is a record's. `until_ns` lets time go on after the last record, without rows.
    """
    received: list[Received] = []
    venue = Venue(rules, instruments, received.append)
    at = defaultdict(list)
    for command in commands:
        at[command.at].append(command)
    for partition, record in in_log_order(log):
        venue.process(partition, record)
        for command in at[venue.place]:
            tell_venue(venue, command)
        venue.fall_due(record.log_ns)
    if until_ns is not None:
        venue.fall_due(until_ns)
    return received


def tell_venue(venue: Venue, command: Command) -> None:
    """Give a command to the venue."""
    if isinstance(command, PlaceOrder):
        venue.place_order(command.at, command.order, command.size, command.number)
    elif isinstance(command, CancelOrder):
        venue.cancel_order(command)
    else:
        venue.amend_order(command)
