"""Builders of frames, pages and batches for the tests; random logs for hypothesis.

pages = to_pages("binance-0", [(5 * S, binance_trade(1, at=5 * S)), (6 * S, HEARTBEAT_FRAME)], sizes=[1])
batch(tick(3 * S, 100.0), heartbeat(4 * S))      columns without frames, for one step

Times are in ns. `S` and `MS` are a second and a millisecond.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import chain, cycle, pairwise
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from tapeflow.flows.job import wiring
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.settings import Job
from tapeflow.operators import batch_facts, records
from tapeflow.operators.bars.step import TimeBars
from tapeflow.operators.decode import step as decode
from tapeflow.operators.dedupe import Dedupe
from tapeflow.operators.desk.step import Desk, account_batch
from tapeflow.operators.features.normalise import Normalise
from tapeflow.operators.quality import CountQuality
from tapeflow.operators.strategies.step import EvaluateStrategies, bind
from tapeflow.schemas.batches import AccountBatch, Batch, Page
from tapeflow.schemas.market import (
    ACCEPTED,
    BUY,
    DECODED,
    HEARTBEAT,
    IGNORED,
    MALFORMED,
    UNLISTED,
    Bar,
    Bars,
    Market,
    Quotes,
    Trades,
)
from tapeflow.schemas.time import NO_TIME
from tapeflow.schemas.venues import venue_of
from tests.laws import AnyStep, Stateless, run

MS, S = 1_000_000, 1_000_000_000  # ns
BEGIN = 1_700_000_000 * S  # of random logs: 20 s after a whole minute
PARTITIONS = ("binance-0", "binance-usdm-0", "coinbase-0")
PAIRS = ("BTC", "ETH")

JOB = Job.model_validate(
    {
        "bars": {"width": "1s", "lateness": "200ms"},
        "dedupe": {"window": 12},
        "normalise": {"window": 2},
        "results": {"equity_interval": "3s"},
        "instruments": {
            name: {"tick": "0.25", "lot": "0.5"}
            for name in (
                "BTC-USD.COINBASE",
                "BTC-USDT-PERP.BINANCE-USDM",
                "BTC-USDT.BINANCE",
                "ETH-USD.COINBASE",
                "ETH-USDT-PERP.BINANCE-USDM",
                "ETH-USDT.BINANCE",
            )
        },
        "accounts": [
            {"name": "main", "position_max": 1, "gross_max": 420, "orders_max": 4, "orders_window": "4s"},
            {"name": "wide", "position_max": 9, "gross_max": 9e6, "orders_max": 99, "orders_window": "9s"},
        ],
        "strategies": [
            {"name": "trend", "kind": "ema_cross", "fast": 1, "slow": 2, "account": "main", "size": 1},
            {"name": "back", "kind": "reversion", "entry": 1.0, "account": "wide", "size": "2.5"},
            {"name": "more", "kind": "ema_cross", "fast": 1, "slow": 3, "account": "wide", "size": 3},
        ],
    }
)  # fmt: skip
INSTRUMENTS = instrument_table(JOB)
IDS = INSTRUMENTS.ids  # by the instrument's number


# --- frames -------------------------------------------------------------------------------


def binance_trade(
    trade_id: int,
    *,
    at: int,
    price: Any = "100.0",
    size: Any = "1.0",
    symbol="BTCUSDT",
    seller=False,
    kind="",
) -> bytes:
    """Return a trade of Binance spot, or with `kind` of USD-M; `at` is its time in ns."""
    return (
        f'{{"e":"trade","E":{at // MS},"s":"{symbol}","t":{trade_id},"p":"{price}","q":"{size}",'
        f'"T":{at // MS},{kind and f"{chr(34)}X{chr(34)}:{chr(34)}{kind}{chr(34)},"}'
        f'"m":{"true" if seller else "false"}}}'
    ).encode()


def coinbase_match(
    trade_id: int,
    *,
    at: int,
    price: Any = "100.0",
    size: Any = "1.0",
    symbol="BTC-USD",
    seller=False,
    kind="match",
) -> bytes:
    """Return a match of Coinbase; `seller`: the taker sold, so the maker bought."""
    return (
        f'{{"type":"{kind}","trade_id":{trade_id},"side":"{"buy" if seller else "sell"}","size":"{size}",'
        f'"price":"{price}","product_id":"{symbol}","time":"{rfc3339(at)}"}}'
    ).encode()


def rfc3339(ns: int) -> str:
    """Return a time as Coinbase writes it, to the ns."""
    return f"{datetime.fromtimestamp(ns // S, UTC):%Y-%m-%dT%H:%M:%S}.{ns % S:09d}Z"


def trade_frame(partition: str, trade_id: int, *, pair="BTC", **more: Any) -> bytes:
    """Return a trade as the partition's venue sends it."""
    if partition.startswith("coinbase"):
        return coinbase_match(trade_id, symbol=f"{pair}-USD", **more)
    kind = "MARKET" if "usdm" in partition else ""
    return binance_trade(trade_id, symbol=f"{pair}USDT", kind=kind, **more)


def quote_frame(partition: str, bid: Any, ask: Any, *, at: int, pair="BTC") -> bytes:
    """Return a best bid and ask as the partition's venue sends them."""
    if partition.startswith("coinbase"):
        return (
            f'{{"type":"ticker","product_id":"{pair}-USD","best_bid":"{bid}","best_ask":"{ask}",'
            f'"best_bid_size":"2","best_ask_size":"3","time":"{rfc3339(at)}"}}'
        ).encode()
    usdm = f'"e":"bookTicker","T":{at // MS},' if "usdm" in partition else ""
    return f'{{{usdm}"u":7,"s":"{pair}USDT","b":"{bid}","B":"2","a":"{ask}","A":"3"}}'.encode()


def ack_frame(partition: str) -> bytes:
    """Return the venue's answer to a subscription: a frame without a tick."""
    return (
        b'{"type":"subscriptions"}'
        if partition.startswith("coinbase")
        else b'{"result":null,"id":1}'
    )


HEARTBEAT_FRAME = b""
MALFORMED_FRAME = b'{"e":"trade","type":"match","s":"BTCUSDT"'


# --- pages --------------------------------------------------------------------------------

Records = Sequence[tuple[int, bytes]]  # log time, frame
Log = Mapping[str, Records]  # by partition


def to_pages(partition: str, log: Records, sizes: Iterable[int], *, end_of_log=True) -> list[Page]:
    """Return the records in pages of these sizes, over and over; a size of 0 is an empty page."""
    pages, offset, page_sizes = [], 0, cycle([*sizes, 1])
    while offset < len(log):
        records = log[offset : offset + next(page_sizes)]
        log_ns, frames = [ns for ns, _ in records], [frame for _, frame in records]
        pages.append(Page.from_frames(partition, offset, log_ns, frames))
        offset += len(records)
    if end_of_log:
        pages.append(Page.from_frames(partition, offset, [], [], end_of_log=True))
    return pages


# --- the flow of flows/trade.py as plain folds, without the engine --------------------------


def flow_steps(job: Job = JOB, partitions: Sequence[str] = PARTITIONS) -> dict[str, AnyStep]:
    """Return every step of the flow, with the settings of a job."""
    table = instrument_table(job)
    ids = table.ids
    decoders = wiring.decoders(job, table)
    strategies = bind(wiring.strategies(job, table), ids)

    def decode_page(page: Page) -> list[Batch]:
        return [decode.step(page, decoder=decoders[venue_of(page.partition)])]

    def facts_of(batch: Batch) -> Iterable[Any]:
        return records.expand_blocks(batch_facts.step(batch, instruments=ids), ids)

    return {
        "decode": Stateless(decode_page),
        "dedupe": Dedupe(job.dedupe.window),
        "bars": TimeBars(job.bars.width, job.bars.lateness, len(ids)),
        "normalise": Normalise(job.normalise.window, len(ids)),
        "signals": EvaluateStrategies(strategies),
        "quality": CountQuality(ids),
        "batch_facts": Stateless(facts_of),
        "desk": Desk(wiring.account_contexts(job, table, sorted(partitions))),
        "records": Stateless(lambda fact: (records.step(fact, prefix="t."),)),
    }


TO_SIGNALS = ("decode", "dedupe", "bars", "normalise", "signals")


def inputs_of(name: str, pages: Sequence[Page], steps: Mapping[str, AnyStep]) -> list[Any]:
    """Return one partition's pages as they arrive at a step."""
    values: list[Any] = list(pages)
    for step in TO_SIGNALS:
        if step == name:
            return values
        values = run(steps[step], values)[1]
    if name == "records":
        return run(steps["batch_facts"], values)[1] + run(steps["quality"], values)[1]
    return values


def account_batches(
    log: Log,
    sizes: Iterable[int],
    steps: Mapping[str, AnyStep],
    account: str,
    *,
    end_of_log=True,
) -> dict[str, list[AccountBatch]]:
    """Return the batches that the desk of an account receives, by partition."""
    sizes = list(sizes)
    received = {}
    for name, logged in log.items():
        pages = to_pages(name, logged, sizes, end_of_log=end_of_log)
        batches = inputs_of("desk", pages, steps)
        received[name] = [account_batch(each, account=account) for each in batches]
    return received


def interleave(streams: Mapping[str, Sequence[Any]], choices: Iterable[int]) -> list[Any]:
    """Return the values of all streams in one order of arrival; each stream keeps its own order.

    Each choice selects the stream whose next value arrives; when they are used up, it is the first.
    """
    waiting = [list(stream) for _, stream in sorted(streams.items()) if stream]
    arrived = []
    for choice in chain(choices, cycle([0])):
        if not waiting:
            break
        stream = waiting[choice % len(waiting)]
        arrived.append(stream.pop(0))
        waiting = [stream for stream in waiting if stream]
    return arrived


# --- random logs --------------------------------------------------------------------------

GAPS_MS = (0, 0, 0, 1, 5, 60, 130, 250, 400, 800, 1000, 2300)
PRICES = (100, 101, 99.5, 103, 97, 100.25, 100.3, 90)


def records_from_bytes(
    partition: str, drawn: bytes, *, whole_seconds: bool
) -> list[tuple[int, bytes]]:
    """Return a record for each three bytes: its kind, the time since the one before, its price.

    Six of sixteen are trades that happened when they are logged; the others are heartbeats,
    malformed frames, trades of an unlisted pair, copies, late trades, quotes, acknowledgements and
    trades out of order. `whole_seconds`: log times are whole seconds, so that many are equal.
    """
    records: list[tuple[int, bytes]] = []
    now, trades = BEGIN, [HEARTBEAT_FRAME]
    columns = (drawn[column::3] for column in range(3))
    for number, (kind, gap, price) in enumerate(zip(*columns, strict=False)):
        now += GAPS_MS[gap % len(GAPS_MS)] * MS
        trade = partial(
            trade_frame,
            partition,
            number,
            price=PRICES[price % 8],
            seller=price > 127,
            pair=PAIRS[kind & 1],
        )
        match kind // 2 % 16:
            case 0 | 1:
                frame = HEARTBEAT_FRAME
            case 2:
                frame = MALFORMED_FRAME
            case 3:
                frame = trade(at=now, pair="DOGE")
            case 4 | 5:
                frame = trades[-1 - price % min(len(trades), 20)]
            case 6:
                frame = trade(at=now - (price % 4) * 700 * MS)
            case 7:
                frame = quote_frame(
                    partition, 90 + price % 16, 101 + price % 7, at=now, pair=PAIRS[kind & 1]
                )
            case 8:
                frame = ack_frame(partition)
            case 9:
                frame = trade(at=now - price % 200 * MS, size="0.5")
            case _:
                frame = trade(at=now + price % 3 * MS)
        if b"trade" in frame or b"match" in frame:
            trades.append(frame)
        records.append((now - now % S if whole_seconds else now, frame))
    return records


def record_bytes() -> st.SearchStrategy[bytes]:
    """Draw bytes for `records_from_bytes`: few records or many."""
    return st.binary(max_size=60) | st.binary(min_size=90, max_size=270)


@st.composite
def logs(draw: Any, partitions: Sequence[str] = PARTITIONS) -> dict[str, list[tuple[int, bytes]]]:
    """Draw a log of several partitions; in half of all logs many log times are equal."""
    whole_seconds = draw(st.booleans())
    return {
        name: records_from_bytes(name, draw(record_bytes()), whole_seconds=whole_seconds)
        for name in partitions
    }


def page_sizes(smallest=0) -> st.SearchStrategy[list[int]]:
    """Draw sizes of pages, in records; 0 is an empty page."""
    return st.lists(st.integers(smallest, 40), min_size=1, max_size=4)


def arrival_orders() -> st.SearchStrategy[list[int]]:
    """Draw an order of arrival for `interleave`."""
    return st.lists(st.integers(0, 5), max_size=60)


# --- batches of columns, for one step --------------------------------------------------------


class Tick(NamedTuple):
    """One trade, a row of `Trades` to be built."""

    event_ns: int
    price: float
    size: float
    instrument: int
    trade_id: int
    side: int
    log_ns: int
    verdict: int


class OtherRecord(NamedTuple):
    """A record without a trade."""

    log_ns: int
    status: int


def tick(
    event_ns,
    price=100.0,
    size=1.0,
    *,
    instrument=0,
    trade_id=0,
    side=BUY,
    log_ns=None,
    verdict=ACCEPTED,
) -> Tick:
    """Return a trade, by default logged when it happened."""
    log_ns = event_ns if log_ns is None else log_ns
    return Tick(event_ns, price, size, instrument, trade_id, side, log_ns, verdict)


def heartbeat(log_ns: int) -> OtherRecord:
    """Return a heartbeat."""
    return OtherRecord(log_ns, HEARTBEAT)


def no_tick(log_ns: int, status: int = MALFORMED) -> OtherRecord:
    """Return a record whose frame gives no tick."""
    assert status in (MALFORMED, IGNORED, UNLISTED)
    return OtherRecord(log_ns, status)


def batch(
    *records: Any,
    first_offset=0,
    partition="binance-0",
    end_of_log=False,
    bars: Sequence[Bar] = (),
    **fields: Any,
) -> Batch:
    """Return a batch of records: a tick, a list of ticks (of one record), or no tick."""
    ticks, log_ns, status, instruments = [], [], [], []
    for offset, record in enumerate(records, first_offset):
        trades = record if isinstance(record, list) else [record]
        trades = [each for each in trades if isinstance(each, Tick)]
        ticks += [(offset, each) for each in trades]
        log_ns.append(trades[0].log_ns if trades else record.log_ns)
        status.append(DECODED if trades else record.status)
        instruments.append(trades[0].instrument if trades else -1)
    columns = Trades(
        offset=ints(offset for offset, _ in ticks),
        log_ns=ints(log_ns[offset - first_offset] for offset, _ in ticks),  # the record's
        instrument=ints(each.instrument for _, each in ticks),
        trade_id=ints(each.trade_id for _, each in ticks),
        aggressor=ints(each.side for _, each in ticks),
        event_ns=ints(each.event_ns for _, each in ticks),
        verdict=ints(each.verdict for _, each in ticks),
        price=np.array([each.price for _, each in ticks], np.float64),
        size=np.array([each.size for _, each in ticks], np.float64),
    )
    return Batch(
        partition,
        first_offset,
        ints(log_ns),
        ints(status),
        ints(instruments),
        end_of_log,
        Market(columns),
        bars=to_bars(bars),
        **fields,
    )


def batches(records: Sequence[Any], splits: Iterable[int] = (), *, end_of_log=True) -> list[Batch]:
    """Return the records as batches, split before these offsets, and an empty one at the end."""
    edges = sorted({0, len(records), *(each for each in splits if 0 < each < len(records))})
    split = [batch(*records[begin:end], first_offset=begin) for begin, end in pairwise(edges)]
    if end_of_log:
        split.append(batch(first_offset=len(records), end_of_log=True))
    return split


def ints(values: Iterable[int]) -> Any:
    """Return a column of int64."""
    return np.array(list(values), np.int64)


def quotes(*rows: tuple[int, int, int, float, float]) -> Quotes:
    """Return quotes of (offset, log_ns, instrument, bid, ask)."""
    columns = list(zip(*rows, strict=True)) or [()] * 5
    ones = np.ones(len(rows))
    return Quotes(
        offset=ints(columns[0]),
        log_ns=ints(columns[1]),
        instrument=ints(columns[2]),
        event_ns=ints([NO_TIME] * len(rows)),
        bid=np.array(columns[3], np.float64),
        bid_size=ones,
        ask=np.array(columns[4], np.float64),
        ask_size=ones,
    )


def with_quotes(trades: Batch, *rows: tuple[int, int, int, float, float]) -> Batch:
    """Return a batch of trades with these quotes; see `quotes`."""
    return trades.replace(market=Market(trades.market.trades, quotes(*rows)))


def bar(
    close: float, *, number=0, instrument=IDS[0], log_ns=None, partition="binance-0", offset=0
) -> Bar:
    """Return the bar of second `number`, of which only the close matters."""
    return Bar(
        instrument, "BINANCE", number * S, (number + 1) * S, close, close, close, close, 1.0, close, 1, 1.0,
        close, close, True, (number + 1) * S if log_ns is None else log_ns, partition, offset, 0, 0,
    )  # fmt: skip


def to_bars(values: Sequence[Bar]) -> Bars:
    """Return bars as columns."""
    columns = {
        name: np.array([getattr(each, name) for each in values], kind.dtype)
        for name, kind in zip(Bars.column_names(), Bars.empty().arrays(), strict=True)
        if name != "instrument"
    }
    return Bars(instrument=ints(IDS.index(each.instrument) for each in values), **columns)


def bar_values(output: Batch, instruments: Sequence[str] = IDS) -> list[Bar]:
    """Return the bars of a batch as values; `instruments` are the ids by number."""
    return list(output.bars.values(output.partition, instruments))
