"""Fine points of the answer that a small change of the code would move, and no other test saw.

Each test is killed by the change that its comment names.
"""

from concurrent.futures import Future
from decimal import Decimal
from typing import Any, get_type_hints

import pytest
from msgspec import NODEFAULT
from msgspec.structs import fields, replace

from tapeflow.connectors.duckdb.async_writer import AsyncWriter
from tapeflow.connectors.duckdb.fact_digest import digest_of
from tapeflow.connectors.state.directory import StateDir
from tapeflow.connectors.state.manifest import FORMAT, Manifest
from tapeflow.flows.job import portfolio, wiring
from tapeflow.operators import batch_facts
from tapeflow.operators.decode import step as decode
from tapeflow.operators.desk.positions import PositionState, apply_fill
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.step import Desk
from tapeflow.operators.desk.venue.rules import Latency
from tapeflow.operators.strategies.step import EvaluateStrategies, bind
from tapeflow.schemas.accounts import Decision, Equity, Limits
from tapeflow.schemas.batches import Page
from tapeflow.schemas.errors import TapeflowError
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.market import LATE
from tapeflow.schemas.orders import Fill, Order
from tapeflow.schemas.quality import LateTrade
from tapeflow.schemas.registry import FACT_TYPES
from tapeflow.schemas.sides import BUY, SELL
from tapeflow.schemas.signals import DeclaredStrategy, Intent, Signal
from tapeflow.schemas.tables import kind_of
from tests.columns import bar, batch, heartbeat, tick, with_quotes
from tests.frames import S
from tests.plain_flow import IDS, INSTRUMENTS, JOB, money_rules

BTC = IDS.index("BTC-USDT.BINANCE")
A, B = "binance-0", "coinbase-0"
WIDE = Limits(Decimal(10**6), Decimal(10**12), 1000, S)


def account(*partitions, limits=WIDE, multiplier=1, **changes):
    rows = [replace(each, multiplier=Decimal(multiplier)) for each in INSTRUMENTS.rows]
    desk = portfolio.desk_settings(JOB, INSTRUMENTS, partitions)
    table = InstrumentTable.from_rows(rows)
    paper = replace(desk.paper, entry=Latency(0))
    accounts = {"main": replace(desk.accounts["main"], limits=limits)}
    money = money_rules(desk.money, changes)
    return replace(desk, accounts=accounts, instruments=table, paper=paper, money=money, **changes)


def intent(offset, log_ns, *, side=BUY, price=100.0, size="1", partition=A):
    signal = Signal(
        f"s{offset}", "t", IDS[BTC], log_ns, side, 1.0, "a bar", 0, price, partition, offset
    )
    return Intent("main", signal, Decimal(size))


def facts_of(context, *batches, restart=False):
    step = Desk(context)
    state, facts = step.initial(), []
    for each in batches:
        if restart:
            state = step.restore(step.snapshot(state))
        state, made = step.step(state, desk_batch(each, context))
        facts += made
    return facts


def only(kind, facts):
    return [fact for fact in facts if isinstance(fact, kind)]


# --- the desk -------------------------------------------------------------------------------


def test_equity_after_a_silence_is_sampled_at_the_next_quote_as_at_the_next_trade():
    """Killed by: the next change of a mark is looked for among trades only."""
    log = batch(
        tick(5 * S, instrument=BTC), tick(6 * S, instrument=BTC), heartbeat(99 * S), heartbeat(200 * S),
        end_of_log=True,
    ).replace(intents=(intent(0, 5 * S),))  # fmt: skip
    quoted = with_quotes(log, (2, 99 * S, BTC, 120.0, 121.0))
    rows = only(Equity, facts_of(account(A, sample_ns=3 * S), quoted))
    assert [(row.time_ns // S, row.unrealized) for row in rows] == [(9, 0), (102, 20), (200, 20)]


@pytest.mark.parametrize("restart", [False, True])
def test_equity_is_not_sampled_where_no_mark_has_changed_also_after_a_restart(restart):
    """Killed by: the snapshot forgets whether a mark has changed, or says that one has."""
    first = batch(tick(5 * S, instrument=BTC), tick(6 * S, instrument=BTC)).replace(
        intents=(intent(0, 5 * S),)
    )
    silent = [batch(heartbeat(second * S), first_offset=second - 5) for second in range(7, 20)]
    later = batch(tick(20 * S, 130.0, instrument=BTC), first_offset=15)
    end = batch(heartbeat(30 * S), first_offset=16, end_of_log=True)
    rows = only(
        Equity, facts_of(account(A, sample_ns=3 * S), first, *silent, later, end, restart=restart)
    )
    assert [(row.time_ns // S, row.unrealized) for row in rows] == [(9, 0), (21, 30), (30, 30)]


def test_a_mark_that_has_changed_is_sampled_after_a_restart_in_between():
    """Killed by: the snapshot forgets that a mark has changed."""
    log = [
        batch(tick(5 * S, instrument=BTC), tick(6 * S, instrument=BTC)).replace(
            intents=(intent(0, 5 * S),)
        ),
        batch(tick(10 * S, 140.0, instrument=BTC), first_offset=2),
        batch(heartbeat(11 * S), first_offset=3),  # the mark is released, the sample is not due
        batch(heartbeat(13 * S), first_offset=4, end_of_log=True),
    ]
    context = account(A, sample_ns=3 * S)
    assert facts_of(context, *log, restart=True) == facts_of(context, *log)
    assert [row.time_ns // S for row in only(Equity, facts_of(context, *log))] == [9, 12, 13]


def test_a_fee_is_of_price_size_and_multiplier():
    """Killed by: a fee that ignores the size, or the multiplier."""
    log = batch(tick(5 * S, instrument=BTC), tick(6 * S, 200.0, instrument=BTC), end_of_log=True)
    context = account(A, multiplier=10, fee_rate=Decimal("0.001"))
    (fill,) = only(Fill, facts_of(context, log.replace(intents=(intent(0, 5 * S, size="3"),))))
    assert fill.fee == Decimal("0.001") * 200 * 3 * 10


@pytest.mark.parametrize(("gross_max", "orders"), [(2999, 0), (3000, 1)])
def test_the_gross_limit_is_of_price_size_and_multiplier(gross_max, orders):
    """Killed by: a gross exposure without the multiplier."""
    limits = replace(WIDE, gross_max=Decimal(gross_max))
    log = batch(tick(5 * S, instrument=BTC), end_of_log=True)
    facts = facts_of(
        account(A, limits=limits, multiplier=10), log.replace(intents=(intent(0, 5 * S, size="3"),))
    )
    assert len(only(Order, facts)) == orders


@pytest.mark.parametrize(("multiplier", "reason"), [("0.01", "MONEY_STEP"), ("1", "")])
def test_the_value_of_an_order_is_of_price_size_and_multiplier(multiplier, reason):
    """Killed by: the value of an order without the multiplier."""
    log = batch(tick(5 * S, instrument=BTC), end_of_log=True)
    context = account(A, multiplier=multiplier, money_digits=0)
    facts = facts_of(context, log.replace(intents=(intent(0, 5 * S, price=10.0),)))
    assert only(Decision, facts)[0].reason == reason


@pytest.mark.parametrize(
    ("price", "reason"),
    [(1e12, "PRICE_RANGE"), (999_999_999_999.0, ""), (1e-12, ""), (9e-13, "PRICE_RANGE")],
)
def test_a_price_of_a_trillion_is_out_of_range_and_the_one_below_is_not(price, reason):
    """Killed by: a range that holds its upper end, or lacks its lower one."""
    limits = replace(WIDE, gross_max=Decimal(10) ** 20)
    log = batch(tick(5 * S, instrument=BTC), end_of_log=True)
    facts = facts_of(
        account(A, limits=limits, money_digits=12),
        log.replace(intents=(intent(0, 5 * S, price=price),)),
    )
    assert only(Decision, facts)[0].reason == reason


@pytest.mark.parametrize("price", [1e12, 999_999_999_999.0])
def test_an_order_is_not_filled_at_a_price_of_a_trillion(price):
    """Killed by: a range of payable prices that holds its upper end."""
    log = batch(
        tick(5 * S, instrument=BTC), tick(6 * S, price, instrument=BTC),
        tick(7 * S, 100.0, instrument=BTC), end_of_log=True,
    ).replace(intents=(intent(0, 5 * S),))  # fmt: skip
    (fill,) = only(Fill, facts_of(account(A), log))
    assert fill.price == (100 if price == 1e12 else price)


def test_quotes_of_one_instrument_from_two_partitions_are_refused_as_trades_are():
    """Killed by: a check that looks at trades only."""
    one = with_quotes(batch(heartbeat(5 * S)), (0, 5 * S, BTC, 1.0, 2.0))
    other = replace(with_quotes(batch(heartbeat(6 * S)), (0, 6 * S, BTC, 1.0, 2.0)), partition=B)
    with pytest.raises(TapeflowError, match="comes from two partitions, binance-0 and coinbase-0"):
        facts_of(account(A, B), one, other)


def test_a_part_of_a_position_takes_its_cost_rounded_and_the_rest_keeps_what_is_left():
    """Killed by: rounding what remains instead of what is freed, or the rest instead of the part."""
    cents = Decimal("0.05")
    long = apply_fill(PositionState(), Decimal(2), cents, Decimal(0), 2)
    half = apply_fill(long, Decimal(-1), Decimal("0.04"), Decimal(0), 2)
    assert (half.cost, half.realized) == (Decimal("0.03"), Decimal("0.02"))  # freed: 0.025 -> 0.02
    flipped = apply_fill(
        apply_fill(PositionState(), Decimal(1), Decimal("0.01"), Decimal(0), 2),
        Decimal(-2), cents, Decimal(0), 2,
    )  # fmt: skip
    assert (flipped.cost, flipped.realized) == (Decimal("-0.03"), Decimal("0.01"))


# --- facts of a partition -------------------------------------------------------------------


def test_a_late_trade_has_its_own_price_and_size():
    """Killed by: the size of a late trade is its price."""
    late = batch(tick(5 * S, 70.0, 3.0, instrument=BTC, verdict=LATE, side=SELL, trade_id=9))
    (fact,) = only(LateTrade, batch_facts.step(late, instruments=IDS))
    assert (fact.price, fact.size, fact.aggressor, fact.trade_id) == (70.0, 3.0, SELL, 9)


@pytest.mark.parametrize("length", [10, 65_536, 65_537, 200_000])
def test_a_dead_letter_says_the_length_of_the_whole_frame(length):
    """Killed by: the length of what is stored of it."""
    decoder = wiring.decoders(JOB, INSTRUMENTS)["binance"]
    page = Page.from_frames(A, 0, [5 * S], [b"x" * length])
    (letter,) = decode.step(page, decoder=decoder).dead_letters
    assert (letter.length, len(letter.frame)) == (length, min(length, 65_536))


def test_a_signal_names_the_close_of_the_bar_that_caused_it():
    """Killed by: the reference price of the bar before, or behind."""
    strategy = DeclaredStrategy(
        "t", "ema_cross", {"fast": 1, "slow": 2}, "main", Decimal(1), frozenset(IDS)
    )
    step = EvaluateStrategies(bind([strategy], INSTRUMENTS))
    closes = [100.0, 90.0, 80.0, 200.0, 190.0, 10.0]
    bars = [bar(close, number=number, offset=number) for number, close in enumerate(closes)]
    made = batch(*(heartbeat(number * S) for number in range(7)), bars=bars)
    _, (out,) = step.step(step.initial(), made.replace(scores=made.bars.close * float("nan")))
    assert out.signals
    assert [each.ref_price for each in out.signals] == [closes[each.offset] for each in out.signals]


def test_a_strategy_whose_parameters_have_changed_starts_over():
    """Killed by: a snapshot that is taken for any strategy of its kind."""

    def step_of(slow):
        params = {"fast": 1, "slow": slow}
        return EvaluateStrategies(
            bind(
                [DeclaredStrategy("t", "ema_cross", params, "main", Decimal(1), frozenset(IDS))],
                INSTRUMENTS,
            )
        )

    state = step_of(2).initial()
    state["t"][:] = 7.0
    snapshot = step_of(2).snapshot(state)
    assert (step_of(2).restore(snapshot)["t"] == 7.0).all()
    assert (step_of(3).restore(snapshot)["t"] == 0.0).all()


# --- what is stored -------------------------------------------------------------------------


EXAMPLES: dict[Any, tuple[Any, Any]] = {  # of each kind of column, a value and another one
    "ns": (1_000, 1_001),
    "side": (BUY, SELL),
    int: (1, 2),
    float: (1.5, 2.5),
    bool: (True, False),
    str: ("BTC-USDT.BINANCE", "ETH-USDT.BINANCE"),
    bytes: (b"f", b"g"),
    Decimal: (Decimal("1.5"), Decimal("1.500000000001")),
}


def examples_of(kind, which):
    """A value for each field of a fact; `which` of the two that its column's kind has."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: EXAMPLES[kind_of(hint)][which] for name, hint in hints.items()}


@pytest.mark.parametrize("fact_type", FACT_TYPES, ids=lambda each: each.table)
def test_the_digest_of_a_table_changes_with_every_one_of_its_columns(fact_type):
    """Killed by: a column that is missing from the digest."""
    fact = fact_type.type(**examples_of(fact_type.type, 0))
    digest = digest_of(fact_type, [fact])
    for name, other in examples_of(fact_type.type, 1).items():
        assert digest_of(fact_type, [replace(fact, **{name: other})]) != digest, name


@pytest.mark.parametrize(
    ("fact_type", "name", "default"),
    [
        (fact_type, field.name, field.default)
        for fact_type in FACT_TYPES
        for field in fields(fact_type.type)
        if field.default is not NODEFAULT
    ],
)
def test_the_digest_knows_a_later_field_from_its_default_in_any_of_the_rows(
    fact_type, name, default
):
    """Killed by: a later field that is left out although a row has another value than the default."""
    values = examples_of(fact_type.type, 0)
    filled = fact_type.type(**values)
    rows = [filled, replace(filled, **{name: default})]
    digests = {
        digest_of(fact_type, [rows[0], rows[0]]),
        digest_of(fact_type, [rows[0], rows[1]]),
        digest_of(fact_type, [rows[1], rows[1]]),
    }
    assert len(digests) == 3


def test_the_digest_knows_two_later_fields_apart():
    """Killed by: a digest without the names of the later fields that it holds."""
    (fact_type,) = (each for each in FACT_TYPES if each.table == "data_quality_minutes")
    later = {field.name: 0 for field in fields(fact_type.type) if field.default == 0}
    row = replace(fact_type.type(**examples_of(fact_type.type, 0)), **later)
    same = [replace(row, **{name: 7}) for name in later]
    assert len({digest_of(fact_type, [each]) for each in same}) == len(later) > 1


class Disk:
    """A disk that fails at a transaction, and otherwise waits until it is let go on."""

    def __init__(self, fails_at=0):
        self.written, self.fails_at, self.go_on = [], fails_at, Future()

    def write(self, number, _tables):
        self.go_on.result(10)
        if number == self.fails_at:
            raise OSError("full")
        self.written.append(number)


def test_after_a_failed_epoch_no_later_one_is_written():
    """Killed by: a writer that goes on after a failure."""
    disk = Disk(fails_at=2)
    writer = AsyncWriter(0, disk.write)
    for number in (1, 2, 3):
        writer.submit(number, {})
    disk.go_on.set_result(None)
    assert not writer.close()
    assert disk.written == [1]


def test_every_epoch_that_is_not_committed_is_pending_and_none_is_called_committed():
    """Killed by: a state that holds the last epoch only, or counts one as committed early."""
    disk = Disk()
    writer = AsyncWriter(4, disk.write)
    for number in (5, 6, 7):
        writer.submit(number, {})
    assert writer.pending_state() == (4, [(5, {}), (6, {}), (7, {})])
    disk.go_on.set_result(None)
    assert writer.close()
    assert writer.pending_state() == (7, [])


def test_a_new_partition_comes_behind_those_that_the_state_knows(tmp_path):
    """Killed by: partitions sorted by name: the engine's workers would read others than before."""

    def manifest(*partitions):
        return Manifest(FORMAT, "trade", "engine", {}, {}, "tapes", partitions)

    state = StateDir(tmp_path)
    assert state.check_compatible(manifest("m-0", "z-0"))[:2] == (("m-0", "z-0"), ())
    assert state.check_compatible(manifest("a-0", "m-0", "z-0"))[:2] == (
        ("m-0", "z-0", "a-0"),
        ("a-0",),
    )
    assert state.check_compatible(manifest("a-0", "m-0", "z-0"))[:2] == (("m-0", "z-0", "a-0"), ())
    state.release()
