"""What the venues really send and what is easy to read wrong: verbatim frames for each quirk."""

import math

import numpy as np
import pytest

from tapeflow.engine.compiled import COMPILED
from tapeflow.flows.job import settings, wiring
from tapeflow.flows.job.sections import Market
from tapeflow.operators.bars.step import TimeBars
from tapeflow.operators.decode import step as decode
from tapeflow.operators.decode.rows import Rows
from tapeflow.operators.decode.scanner import Scanner
from tapeflow.operators.decode.step import Decoder
from tapeflow.schemas.bar_width import BarWidth
from tapeflow.schemas.batches import Page
from tapeflow.schemas.market import (
    ACCEPTED,
    BUY,
    DECODED,
    HEARTBEAT,
    HISTORICAL,
    IGNORED,
    MALFORMED,
    OFF_MARKET,
    SELL,
    SLOW_PATH,
    UNLISTED,
    MarkPrices,
)
from tapeflow.schemas.time import NO_TIME
from tapeflow.schemas.venues import VENUES, venue_of
from tests.frames import MS, S, rfc3339
from tests.laws import run
from tests.running import ROOT

SPOT, USDM, COINBASE = "binance-0", "binance-usdm-0", "coinbase-0"
LISTED = {
    SPOT: {"BTCUSDT": 0},
    USDM: {"ETHUSDT": 0, "BTCUSDT": 1},
    COINBASE: {"SKL-USD": 0, "BTC-USD": 1, "SKL-GBP": 2},
}

SPOT_TRADE = (
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,'
    b'"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}'
)
SPOT_QUOTE = (
    b'{"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"BTCUSDT","b":"61837.63000000",'
    b'"B":"3.78826000","a":"61837.64000000","A":"1.54698000"}}'
)
SPOT_DEPTH = (
    b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161276318,"s":"BTCUSDT",'
    b'"U":50093247956,"u":50093247956,"b":[["61828.09000000","3.61811000"]],"a":[]}}'
)
SPOT_AGG = (
    b'{"stream":"swrvbusd@aggTrade","data":{"e":"aggTrade","E":1618677373913,"s":"SWRVBUSD","a":749094,'
    b'"p":"2.27600000","q":"21.96300000","f":1135632,"l":1135632,"T":1618677373912,"m":false,"M":true}}'
)
SPOT_KLINE = (
    b'{"stream":"swrvbusd@kline_1m","data":{"e":"kline","E":1618677373907,"s":"SWRVBUSD","k":{'
    b'"t":1618677360000,"T":1618677419999,"s":"SWRVBUSD","i":"1m","f":1135631,"L":1135631,'
    b'"o":"2.27700000","c":"2.27700000","h":"2.27700000","l":"2.27700000","v":"9.82600000","n":1,'
    b'"x":false,"q":"22.37380200","V":"0.00000000","Q":"0.00000000","B":"0"}}}'
)
USDM_TRADE = (
    b'{"stream":"ethusdt@trade","data":{"e":"trade","E":1723161256560,"T":1723161256560,"s":"ETHUSDT",'
    b'"t":4308068523,"p":"2681.62","q":"1.000","X":"MARKET","m":true}}'
)
USDM_QUOTE = (
    b'{"stream":"ethusdt@bookTicker","data":{"e":"bookTicker","u":5123107838717,"s":"ETHUSDT",'
    b'"b":"2681.62","B":"1.165","a":"2681.63","A":"73.077","T":1723161256310,"E":1723161256311}}'
)
USDM_DEPTH = (
    b'{"stream":"ethusdt@depth@0ms","data":{"e":"depthUpdate","E":1723161600247,"T":1723161600194,'
    b'"s":"ETHUSDT","U":5123134855331,"u":5123134855331,"pu":5123134735676,"b":[],'
    b'"a":[["2681.50","7.174"]]}}'
)
USDM_MARK = (
    b'{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1680652701000,"s":"BTCUSDT",'
    b'"p":"28147.27373413","P":"28142.15563565","i":"28159.75642857","r":"0.00002754","T":1680652800000}}'
)
MATCH = (
    b'{"type":"match","trade_id":1568268,"maker_order_id":"cac01d6d-8009-4c33-8e0d-f7f853d7c1bc",'
    b'"taker_order_id":"3dec64e4-f6ad-4ca8-ad3f-e5b1a0eb0d06","side":"sell","size":"450",'
    b'"price":"0.791","product_id":"SKL-USD","sequence":201390075,"time":"2021-04-17T16:43:37.121358Z"}'
)
TICKER = (
    b'{"type":"ticker","sequence":27883501,"product_id":"SKL-GBP","price":"0.5762","open_24h":"0.5102",'
    b'"volume_24h":"3480196.10000000","low_24h":"0.5","high_24h":"0.588","volume_30d":"76124009.10000000",'
    b'"best_bid":"0.5742","best_ask":"0.5771","side":"buy","time":"2021-04-17T16:43:37.270697Z",'
    b'"trade_id":82008,"last_size":"335"}'
)
L2UPDATE = (
    b'{"type":"l2update","product_id":"SKL-GBP","changes":[["sell","0.5762","335.0"]],'
    b'"time":"2021-04-17T16:43:37.078325Z"}'
)
MARKET_TRADES = (
    b'{"channel":"market_trades","timestamp":"2026-08-09T21:05:53.953732465Z","sequence_num":233,'
    b'"events":[{"type":"update","trades":[{"product_id":"BTC-USD","trade_id":"1068572102",'
    b'"price":"65083.67","size":"0.00063806","time":"2026-08-09T21:05:53.915769Z","side":"SELL"},'
    b'{"product_id":"BTC-USD","trade_id":"1068572101","price":"65083.67","size":"0.00010851",'
    b'"time":"2026-08-09T21:05:53.915769Z","side":"SELL"}]}]}'
)
L2_DATA = (
    b'{"channel":"l2_data","timestamp":"2026-08-09T21:05:48.507227366Z","sequence_num":16,"events":[{'
    b'"type":"update","product_id":"BTC-USD","updates":[{"side":"offer",'
    b'"event_time":"2026-08-09T21:05:48.27841Z","price_level":"65083.71","new_quantity":"0.06"}]}]}'
)
ADVANCED_TICKER = (
    b'{"channel":"ticker","timestamp":"2026-08-09T21:05:48.348050942Z","sequence_num":11,"events":[{'
    b'"type":"update","tickers":[{"type":"ticker","product_id":"BTC-USD","price":"65086.18",'
    b'"volume_24_h":"2867.54532609","low_24_h":"64675.22","high_24_h":"65252.99","low_52_w":"57717.55",'
    b'"high_52_w":"126296","price_percent_chg_24_h":"0.09601107287722","best_bid":"65083.66",'
    b'"best_ask":"65083.67","best_bid_quantity":"0.20371215","best_ask_quantity":"0.15556334"}]}]}'
)
HEARTBEATS = (
    b'{"channel":"heartbeats","timestamp":"2026-08-09T21:05:48.856364007Z","sequence_num":35,"events":[{'
    b'"current_time":"2026-08-09 21:05:48.854840045 +0000 UTC m=+41691.260485341",'
    b'"heartbeat_counter":41691}]}'
)


def bare(frame):
    """Return the frame as it is sent on a stream of its own."""
    return frame.partition(b'"data":')[2][:-1]


def decoder(partition, *, scan):
    dialect, symbols = VENUES[venue_of(partition)].dialect, LISTED[partition]
    return Decoder.from_scanner((Scanner if scan else StrictOnly)(dialect, symbols))


class StrictOnly(Scanner):
    """A scanner that leaves every frame to the strict reader."""

    def scan(self, page):
        return Rows.from_strict([]), np.where(page.starts == page.ends, HEARTBEAT, SLOW_PATH)


@pytest.fixture(params=[True, False], ids=["scanner", "strict"])
def read(request):
    """A function that reads frames of a partition: by the scanner, then by the strict reader."""
    if request.param and not COMPILED:
        pytest.skip("numba is not installed")

    def read(partition, *frames, log_ns=5 * S):
        page = Page.from_frames(partition, 0, [log_ns] * len(frames), list(frames))
        return decode.step(page, decoder=decoder(partition, scan=request.param))

    return read


def trades(batch):
    return [
        (trade_id, side, price, size)
        for trade_id, side, price, size in zip(
            batch.market.trades.trade_id.tolist(), batch.market.trades.aggressor.tolist(),
            batch.market.trades.price.tolist(), batch.market.trades.size.tolist(), strict=True,
        )
    ]  # fmt: skip


def best(batch):
    """Return bid, bid size, ask and ask size of the only quote; None for NaN."""
    assert len(batch.market.quotes) == 1
    sides = (
        batch.market.quotes.bid,
        batch.market.quotes.bid_size,
        batch.market.quotes.ask,
        batch.market.quotes.ask_size,
    )
    return [None if math.isnan(side[0]) else side[0] for side in sides]


def trades_in_bars(batch):
    """Return how many of the trades are in bars."""
    _, (output,) = run(TimeBars(BarWidth(S), S, 3), [batch.replace(end_of_log=True)])
    return int(output.bars.count.sum())


# --- Binance ------------------------------------------------------------------------------------


def test_where_the_buyer_is_the_maker_the_aggressor_sold(read):
    batch = read(SPOT, SPOT_TRADE, SPOT_TRADE.replace(b'"m":true', b'"m":false'))
    assert trades(batch) == [(3735683259, SELL, 61837.63, 0.02), (3735683259, BUY, 61837.63, 0.02)]


def test_the_time_of_a_spot_trade_is_T_and_not_E(read):
    assert read(SPOT, SPOT_TRADE).market.trades.event_ns.tolist() == [1723161255342 * MS]


def test_a_trade_may_be_logged_before_its_event_time(read):
    #   the recordings' clock is 1.25 s behind the exchange's: delay is signed
    batch = read(SPOT, SPOT_TRADE, log_ns=1723161254087896568)
    assert batch.market.trades.verdict.tolist() == [ACCEPTED]
    assert batch.market.trades.log_ns[0] < batch.market.trades.event_ns[0]
    assert trades_in_bars(batch) == 1


def test_a_spot_book_ticker_has_no_time(read):
    batch = read(SPOT, SPOT_QUOTE)
    assert best(batch) == [61837.63, 3.78826, 61837.64, 1.54698]
    assert batch.market.quotes.event_ns.tolist() == [NO_TIME]


def test_an_empty_side_of_the_book_is_nan(read):
    batch = read(
        SPOT, SPOT_QUOTE.replace(b"61837.64000000", b"0.00000000").replace(b"1.54698000", b"0")
    )
    assert best(batch) == [61837.63, 3.78826, None, None]


@pytest.mark.parametrize(("partition", "frame"), [(SPOT, SPOT_TRADE), (SPOT, SPOT_QUOTE), (USDM, USDM_TRADE), (USDM, USDM_QUOTE)])  # fmt: skip
def test_bare_and_combined_frames_are_read_alike(read, partition, frame):
    combined, single = read(partition, frame), read(partition, bare(frame))
    assert trades(combined) == trades(single)
    assert combined.market.quotes.bid.tolist() == single.market.quotes.bid.tolist()
    assert len(combined.market.trades) + len(combined.market.quotes) == 1


@pytest.mark.parametrize(
    ("partition", "frame"),
    [
        (SPOT, SPOT_DEPTH), (SPOT, SPOT_AGG), (SPOT, SPOT_KLINE), (SPOT, bare(SPOT_KLINE)),
        (SPOT, b'{"lastUpdateId":50093239218,"bids":[["61837.63","3.78"]],"asks":[]}'),
        (SPOT, b'{"result":null,"id":1}'), (USDM, USDM_DEPTH), (USDM, bare(USDM_DEPTH)),
        (COINBASE, L2UPDATE), (COINBASE, L2_DATA), (COINBASE, HEARTBEATS),
        (COINBASE, b'{"type":"subscriptions","channels":[{"name":"level2","product_ids":["BTC-USD"]}]}'),
        (COINBASE, b'{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"BTC-USD"}'),
        (COINBASE, b'{"type":"status","currencies":[],"products":[]}'),
        (COINBASE, b'{"channel":"subscriptions","timestamp":"2026-08-09T21:05:48Z","sequence_num":0,"events":[]}'),
        (COINBASE, b'{"channel":"candles","timestamp":"2026-08-09T21:05:48Z","events":[{"type":"update"}]}'),
    ],
)  # fmt: skip
def test_acknowledgements_and_channels_without_ticks_are_ignored(read, partition, frame):
    batch = read(partition, frame)
    assert batch.status.tolist() == [IGNORED] and batch.dead_letters == ()


@pytest.mark.parametrize(
    ("partition", "frame"),
    [
        (SPOT, b'{"error":{"code":2,"msg":"Invalid request"},"id":1}'),
        (USDM, b'{"code":-1121,"msg":"Invalid symbol."}'),
        (COINBASE, b'{"type":"error","message":"Failed to subscribe","reason":"no such product"}'),
    ],
)
def test_an_error_frame_is_a_dead_letter_with_that_reason(read, partition, frame):
    batch = read(partition, b"", frame)
    assert batch.status.tolist() == [HEARTBEAT, MALFORMED]
    (letter,) = batch.dead_letters
    assert (letter.reason, letter.frame, letter.length) == (
        "the venue reports an error",
        frame,
        len(frame),
    )
    assert (letter.partition, letter.offset, letter.log_ns) == (partition, 1, 5 * S)


def test_a_usdm_trade_of_another_kind_is_off_market_and_in_no_bar(read):
    kinds = (b"MARKET", b"INSURANCE_FUND", b"ADL", b"NA")
    batch = read(USDM, *(USDM_TRADE.replace(b"MARKET", kind) for kind in kinds))
    assert batch.market.trades.verdict.tolist() == [ACCEPTED, OFF_MARKET, OFF_MARKET, OFF_MARKET]
    assert batch.status.tolist() == [DECODED] * 4
    assert trades_in_bars(batch) == 1


def test_a_usdm_trade_without_its_kind_is_malformed(read):
    batch = read(USDM, USDM_TRADE.replace(b',"X":"MARKET"', b""))
    assert [letter.reason for letter in batch.dead_letters] == ["X is missing"]


def test_the_time_of_a_usdm_book_ticker_is_T(read):
    batch = read(USDM, USDM_QUOTE)
    assert best(batch) == [2681.62, 1.165, 2681.63, 73.077]
    assert batch.market.quotes.event_ns.tolist() == [1723161256310 * MS]


# --- Coinbase Exchange ----------------------------------------------------------------------------


def test_the_side_of_a_match_is_the_makers(read):
    batch = read(COINBASE, MATCH, MATCH.replace(b'"sell"', b'"buy"'))
    assert trades(batch) == [(1568268, BUY, 0.791, 450.0), (1568268, SELL, 0.791, 450.0)]
    assert rfc3339(int(batch.market.trades.event_ns[0])) == "2021-04-17T16:43:37.121358000Z"


def test_the_last_match_sent_on_subscribing_is_historical(read):
    batch = read(COINBASE, MATCH.replace(b'"match"', b'"last_match"'))
    assert batch.market.trades.verdict.tolist() == [HISTORICAL]
    assert trades_in_bars(batch) == 0


def test_the_side_of_a_ticker_is_not_used(read):
    bought, sold = (
        read(COINBASE, TICKER),
        read(COINBASE, TICKER.replace(b'"side":"buy"', b'"side":"sell"')),
    )
    assert best(bought) == best(sold) == [0.5742, None, 0.5771, None]  # it has no sizes
    assert len(bought.market.trades) == 0


def test_a_ticker_before_the_first_trade_of_a_product_has_no_time(read):
    batch = read(COINBASE, TICKER.replace(b'"time":"2021-04-17T16:43:37.270697Z",', b""))
    assert batch.market.quotes.event_ns.tolist() == [NO_TIME]


def test_a_newer_ticker_has_sizes_and_zero_is_no_size(read):
    batch = read(COINBASE, TICKER[:-1] + b',"best_bid_size":"7.5","best_ask_size":"0.00"}')
    assert best(batch) == [0.5742, 7.5, 0.5771, None]


# --- Coinbase Advanced ----------------------------------------------------------------------------


def test_trades_of_a_frame_are_sent_newest_first_and_sorted(read):
    batch = read(COINBASE, MARKET_TRADES)
    assert [trade_id for trade_id, *_ in trades(batch)] == [1068572101, 1068572102]
    assert batch.market.trades.offset.tolist() == [0, 0]


def test_the_side_of_an_advanced_trade_is_the_makers(read):
    batch = read(COINBASE, MARKET_TRADES, MARKET_TRADES.replace(b'"SELL"', b'"BUY"'))
    assert [side for _, side, *_ in trades(batch)] == [BUY, BUY, SELL, SELL]


def test_the_snapshot_of_old_trades_is_historical_and_in_no_bar(read):
    batch = read(COINBASE, MARKET_TRADES.replace(b'"update"', b'"snapshot"'))
    assert batch.market.trades.verdict.tolist() == [HISTORICAL, HISTORICAL]
    assert trades_in_bars(batch) == 0


def test_events_of_one_frame_may_be_old_and_new(read):
    first, _, rest = MARKET_TRADES.partition(b'"events":[')
    old = rest[:-2].replace(b'"update"', b'"snapshot"').replace(b"10685721", b"10685720")
    batch = read(COINBASE, first + b'"events":[' + rest[:-2] + b"," + old + b"]}")
    assert [trade_id for trade_id, *_ in trades(batch)] == [
        1068572001,
        1068572002,
        1068572101,
        1068572102,
    ]
    assert batch.market.trades.verdict.tolist() == [HISTORICAL, HISTORICAL, ACCEPTED, ACCEPTED]


def test_the_time_of_an_advanced_ticker_is_that_of_its_envelope(read):
    batch = read(COINBASE, ADVANCED_TICKER)
    assert best(batch) == [65083.66, 0.20371215, 65083.67, 0.15556334]
    assert rfc3339(int(batch.market.quotes.event_ns[0])) == "2026-08-09T21:05:48.348050942Z"


def test_both_coinbase_feeds_may_be_in_one_partition(read):
    batch = read(COINBASE, MATCH, MARKET_TRADES, TICKER, ADVANCED_TICKER)
    assert batch.status.tolist() == [DECODED] * 4
    assert (len(batch.market.trades), len(batch.market.quotes)) == (3, 2)


# --- of every venue -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("partition", "frame"),
    [
        (SPOT, SPOT_TRADE.replace(b"BTCUSDT", b"NEWUSDT")), (SPOT, SPOT_QUOTE.replace(b"BTCUSDT", b"btcusdt")),
        (USDM, USDM_TRADE.replace(b"ETHUSDT", b"ETHUSDT_240927")), (COINBASE, MATCH.replace(b"SKL-USD", b"SKL-EUR")),
        (COINBASE, MARKET_TRADES.replace(b"BTC-USD", b"BTC-USDC")),
    ],
)  # fmt: skip
def test_a_tick_of_an_unlisted_symbol_is_no_error(read, partition, frame):
    batch = read(partition, frame)
    assert batch.status.tolist() == [UNLISTED] and batch.record_instrument.tolist() == [-1]
    assert (len(batch.market.trades), len(batch.market.quotes), batch.dead_letters) == (0, 0, ())


def test_of_a_frame_with_unlisted_trades_the_listed_are_read(read):
    batch = read(COINBASE, MARKET_TRADES.replace(b"BTC-USD", b"NEW-USD", 1))
    assert batch.status.tolist() == [DECODED] and batch.record_instrument.tolist() == [1]
    assert [trade_id for trade_id, *_ in trades(batch)] == [1068572101]


def test_spaces_and_the_order_of_keys_do_not_matter(read):
    frame = (
        b' { "m" : true , "T" :1723161255342, "q": "0.02000000", "p" :"61837.63000000",'
        b' "t":3735683259,\n"s":"BTCUSDT","E":1,"e":"trade" } '
    )
    assert trades(read(SPOT, frame)) == trades(read(SPOT, SPOT_TRADE))


def test_a_malformed_frame_changes_no_other_frame(read):
    batch = read(COINBASE, MATCH, MATCH[:-20], MATCH.replace(b"1568268", b"1568269"))
    assert batch.status.tolist() == [DECODED, MALFORMED, DECODED]
    assert [trade_id for trade_id, *_ in trades(batch)] == [1568268, 1568269]
    assert [(letter.offset, letter.reason) for letter in batch.dead_letters] == [
        (1, "not one complete JSON value in UTF-8")
    ]


def test_a_mark_price_of_a_perpetual_is_a_tick_where_the_job_reads_them(read):
    batch = read("binance-usdm-0", USDM_MARK)
    assert batch.status.tolist() == [DECODED]
    assert batch.market.mark_prices.mark.tolist() == [28147.27373413]
    assert batch.market.mark_prices.index.tolist() == [28159.75642857]
    assert batch.market.mark_prices.event_ns.tolist() == [1680652701000 * 10**6]


def test_mark_prices_are_ignored_where_the_job_does_not_read_them():
    job = settings.load(ROOT / "jobs" / "demo.toml", {})
    assert [each.table for each in wiring.dialect(job, "binance-usdm").channels].count(
        MarkPrices
    ) == 0
    with_marks = job.model_copy(update={"market": Market(mark_prices=True)})
    tables = [each.table for each in wiring.dialect(with_marks, "binance-usdm").channels]
    assert tables.count(MarkPrices) == 2  # bare, and on a combined stream
