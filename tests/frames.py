"""Small makers of frames, pages and batches; random logs for hypothesis.

pages = cut("binance-0", [(5 * S, binance_trade(1, at=5 * S)), (6 * S, BEAT)], sizes=[1])
batch(tick(3 * S, 100.0), beat(4 * S))           columns without frames, for one step
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import chain, cycle, pairwise
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from tapeflow.flows.job import wiring as jobs
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

MS, S = 1_000_000, 1_000_000_000
BEGIN = 1_700_000_000 * S  # of random logs: a whole second and minute hand of 20 s
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
TABLE = jobs.instruments(JOB)
NAMES = tuple(each.id for each in TABLE)


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
    """A spot trade, or with `kind` one of USD-M; `at` in ns."""
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
    """A match; `seller`: the taker sold, so the maker bought."""
    return (
        f'{{"type":"{kind}","trade_id":{trade_id},"side":"{"buy" if seller else "sell"}","size":"{size}",'
        f'"price":"{price}","product_id":"{symbol}","time":"{rfc3339(at)}"}}'
    ).encode()


def rfc3339(ns: int) -> str:
    """A time as Coinbase writes it, to the ns."""
    return f"{datetime.fromtimestamp(ns // S, UTC):%Y-%m-%dT%H:%M:%S}.{ns % S:09d}Z"


def trade_frame(partition: str, trade_id: int, *, pair="BTC", **more: Any) -> bytes:
    """A trade as the partition's venue says it."""
    if partition.startswith("coinbase"):
        return coinbase_match(trade_id, symbol=f"{pair}-USD", **more)
    kind = "MARKET" if "usdm" in partition else ""
    return binance_trade(trade_id, symbol=f"{pair}USDT", kind=kind, **more)


def quote_frame(partition: str, bid: Any, ask: Any, *, at: int, pair="BTC") -> bytes:
    """A best bid and ask as the partition's venue says it."""
    if partition.startswith("coinbase"):
        return (
            f'{{"type":"ticker","product_id":"{pair}-USD","best_bid":"{bid}","best_ask":"{ask}",'
            f'"best_bid_size":"2","best_ask_size":"3","time":"{rfc3339(at)}"}}'
        ).encode()
    usdm = f'"e":"bookTicker","T":{at // MS},' if "usdm" in partition else ""
    return f'{{{usdm}"u":7,"s":"{pair}USDT","b":"{bid}","B":"2","a":"{ask}","A":"3"}}'.encode()


def ack_frame(partition: str) -> bytes:
    """What a venue says that is no tick."""
    return (
        b'{"type":"subscriptions"}'
        if partition.startswith("coinbase")
        else b'{"result":null,"id":1}'
    )


BEAT = b""
BROKEN = b'{"e":"trade","type":"match","s":"BTCUSDT"'


# --- pages --------------------------------------------------------------------------------

Records = Sequence[tuple[int, bytes]]  # log time, frame
Log = Mapping[str, Records]  # by partition


def cut(partition: str, log: Records, sizes: Iterable[int], *, end=True) -> list[Page]:
    """The records in pages of these sizes, over and over; a size of 0 is an empty page."""
    pages, lo, some = [], 0, cycle([*sizes, 1])
    while lo < len(log):
        mine = log[lo : lo + next(some)]
        pages.append(
            Page.from_frames(partition, lo, [ns for ns, _ in mine], [frame for _, frame in mine])
        )
        lo += len(mine)
    return [*pages, Page.from_frames(partition, lo, [], [], end_of_log=True)] if end else pages


# --- the flow of flows/trade.py as plain folds, without the engine ---------------------------


def flow_steps(job: Job = JOB, partitions: Sequence[str] = PARTITIONS) -> dict[str, AnyStep]:
    """Return every step of the flow, with the settings of a job."""
    table = jobs.instruments(job)
    ids = tuple(each.id for each in table)
    decoders = jobs.decoders(job, table)
    strategies = bind(jobs.strategies(job, table), ids)

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
        "desk": Desk(jobs.accounts_of(job, table, sorted(partitions))),
        "records": Stateless(lambda fact: (records.step(fact, prefix="t."),)),
    }


TO_SIGNALS = ("decode", "dedupe", "bars", "normalise", "signals")


def inputs_of(name: str, pages: Sequence[Page], steps: Mapping[str, AnyStep]) -> list[Any]:
    """Return one partition's pages as they arrive at a step."""
    values: list[Any] = list(pages)
    for each in TO_SIGNALS:
        if each == name:
            return values
        values = run(steps[each], values)[1]
    if name == "records":
        return run(steps["batch_facts"], values)[1] + run(steps["quality"], values)[1]
    return values


def account_batches(
    log: Log, sizes: Iterable[int], steps: Mapping[str, AnyStep], account: str, *, end=True
) -> dict[str, list[AccountBatch]]:
    """Return what the desk of an account receives of each partition."""
    sizes = list(sizes)
    return {
        name: [
            account_batch(each, account=account)
            for each in inputs_of("desk", cut(name, records, sizes, end=end), steps)
        ]
        for name, records in log.items()
    }


def interleaved(streams: Mapping[str, Sequence[Any]], turns: Iterable[int]) -> list[Any]:
    """One order of arrival: each turn the next of some stream; each stream keeps its own order."""
    left = [list(stream) for _, stream in sorted(streams.items()) if stream]
    given = []
    for turn in chain(turns, cycle([0])):
        if not left:
            return given
        stream = left[turn % len(left)]
        given.append(stream.pop(0))
        left = [each for each in left if each]
    return given


# --- random logs --------------------------------------------------------------------------

GAPS = (0, 0, 0, 1, 5, 60, 130, 250, 400, 800, 1000, 2300)  # ms
PRICES = (100, 101, 99.5, 103, 97, 100.25, 100.3, 90)


def records_of(partition: str, drawn: bytes, *, floored: bool) -> list[tuple[int, bytes]]:
    """A record from each three bytes: what it is, how long after the one before, and its price.

    Four of ten are trades of now; the rest are out of order, late, copies, heartbeats, quotes, trades of
    nobody's, acks and rubbish. `floored`: log times in whole seconds, full of ties.
    """
    told: list[tuple[int, bytes]] = []
    now, trades = BEGIN, [BEAT]
    for number, (what, gap, price) in enumerate(
        zip(*(drawn[at::3] for at in range(3)), strict=False)
    ):
        now += GAPS[gap % len(GAPS)] * MS
        say = partial(
            trade_frame,
            partition,
            number,
            price=PRICES[price % 8],
            seller=price > 127,
            pair=PAIRS[what & 1],
        )
        match what // 2 % 16:
            case 0 | 1:
                frame = BEAT
            case 2:
                frame = BROKEN
            case 3:
                frame = say(at=now, pair="DOGE")
            case 4 | 5:
                frame = trades[-1 - price % min(len(trades), 20)]
            case 6:
                frame = say(at=now - (price % 4) * 700 * MS)
            case 7:
                frame = quote_frame(
                    partition, 90 + price % 16, 101 + price % 7, at=now, pair=PAIRS[what & 1]
                )
            case 8:
                frame = ack_frame(partition)
            case 9:
                frame = say(at=now - price % 200 * MS, size="0.5")
            case _:
                frame = say(at=now + price % 3 * MS)
        if b"trade" in frame or b"match" in frame:
            trades.append(frame)
        told.append((now - now % S if floored else now, frame))
    return told


def some_records() -> st.SearchStrategy[bytes]:
    """Bytes for records_of: few records or many."""
    return st.binary(max_size=60) | st.binary(min_size=90, max_size=270)


@st.composite
def logs(draw: Any, partitions: Sequence[str] = PARTITIONS) -> dict[str, list[tuple[int, bytes]]]:
    """A log of several partitions, half of them with ties all over."""
    floored = draw(st.booleans())
    return {name: records_of(name, draw(some_records()), floored=floored) for name in partitions}


def sizes(least=0) -> st.SearchStrategy[list[int]]:
    """Sizes of pages; 0 is an empty one."""
    return st.lists(st.integers(least, 40), min_size=1, max_size=4)


def turns() -> st.SearchStrategy[list[int]]:
    """An order of arrival for `interleaved`."""
    return st.lists(st.integers(0, 5), max_size=60)


# --- batches of columns, for one step --------------------------------------------------------


class Tick(NamedTuple):
    """A trade to be; where `at` is its time at the venue."""

    at: int
    price: float
    size: float
    instrument: int
    trade_id: int
    side: int
    log_ns: int
    verdict: int


class Other(NamedTuple):
    """A record without a trade."""

    log_ns: int
    status: int


def tick(
    at, price=100.0, size=1.0, *, of=0, trade_id=0, side=BUY, log_ns=None, verdict=ACCEPTED
) -> Tick:
    """A trade, by default logged when it happened."""
    return Tick(at, price, size, of, trade_id, side, at if log_ns is None else log_ns, verdict)


def heartbeat(log_ns: int) -> Other:
    """A heartbeat."""
    return Other(log_ns, HEARTBEAT)


def junk(log_ns: int, status: int = MALFORMED) -> Other:
    """A record that gives no tick."""
    assert status in (MALFORMED, IGNORED, UNLISTED)
    return Other(log_ns, status)


def batch(
    *given: Any, lo=0, partition="binance-0", end=False, bars: Sequence[Bar] = (), **more: Any
) -> Batch:
    """A batch of records: ticks, lists of ticks (one record), beats and junk."""
    ticks, log_ns, status, instruments = [], [], [], []
    for number, each in enumerate(given):
        mine = each if isinstance(each, list) else [each] if isinstance(each, Tick) else []
        ticks += [(lo + number, one) for one in mine]
        log_ns.append(mine[0].log_ns if mine else each.log_ns)
        status.append(DECODED if mine else each.status)
        instruments.append(mine[0].instrument if mine else -1)
    columns = Trades(
        offset=ints(offset for offset, _ in ticks),
        log_ns=ints(log_ns[offset - lo] for offset, _ in ticks),  # one record, one log time
        instrument=ints(each.instrument for _, each in ticks),
        trade_id=ints(each.trade_id for _, each in ticks),
        aggressor=ints(each.side for _, each in ticks),
        event_ns=ints(each.at for _, each in ticks),
        verdict=ints(each.verdict for _, each in ticks),
        price=np.array([each.price for _, each in ticks], np.float64),
        size=np.array([each.size for _, each in ticks], np.float64),
    )
    return Batch(
        partition,
        lo,
        ints(log_ns),
        ints(status),
        ints(instruments),
        end,
        Market(columns),
        bars=bars_of(bars),
        **more,
    )


def batches(given: Sequence[Any], cuts: Iterable[int] = (), *, end=True) -> list[Batch]:
    """The same records in several batches, cut at these places; the last says the end."""
    edges = sorted({0, len(given), *(each for each in cuts if 0 < each < len(given))})
    made = [batch(*given[lo:hi], lo=lo) for lo, hi in pairwise(edges)]
    return [*made, batch(lo=len(given), end=True)] if end else made


def ints(values: Iterable[int]) -> Any:
    """A column of int64."""
    return np.array(list(values), np.int64)


def quotes(*given: tuple[int, int, int, float, float]) -> Quotes:
    """Quotes of (offset, log_ns, instrument, bid, ask)."""
    columns = list(zip(*given, strict=True)) or [()] * 5
    ones = np.ones(len(given))
    return Quotes(
        offset=ints(columns[0]),
        log_ns=ints(columns[1]),
        instrument=ints(columns[2]),
        event_ns=ints([NO_TIME] * len(given)),
        bid=np.array(columns[3], np.float64),
        bid_size=ones,
        ask=np.array(columns[4], np.float64),
        ask_size=ones,
    )


def with_quotes(given: Batch, *rows: tuple[int, int, int, float, float]) -> Batch:
    """Return a batch with these quotes; see `quotes`."""
    return given.replace(market=Market(given.market.trades, quotes(*rows)))


def bar(
    close: float, *, number=0, instrument=NAMES[0], log_ns=None, partition="binance-0", offset=0
) -> Bar:
    """The bar of second `number`, of which only the close matters."""
    return Bar(
        instrument, "BINANCE", number * S, (number + 1) * S, close, close, close, close, 1.0, close, 1, 1.0,
        close, close, True, (number + 1) * S if log_ns is None else log_ns, partition, offset, 0, 0,
    )  # fmt: skip


def bars_of(values: Sequence[Bar]) -> Bars:
    """Bars as columns."""
    told = {
        name: np.array([getattr(each, name) for each in values], kind.dtype)
        for name, kind in zip(Bars.column_names(), Bars.empty().arrays(), strict=True)
        if name != "instrument"
    }
    return Bars(instrument=ints(NAMES.index(each.instrument) for each in values), **told)


def values_of(said: Batch, instruments: Sequence[str] = NAMES) -> list[Bar]:
    """The bars of a batch, a value each."""
    return list(said.bars.values(said.partition, instruments))
