"""What the venues really send and what is easy to read wrong: verbatim frames for each quirk."""

import math

import numpy as np
import pytest

from tapeflow.engine.rungs import are_compiled
from tapeflow.flows.job import settings, wiring
from tapeflow.flows.job.market import Market
from tapeflow.operators.bars.step import TimeBars
from tapeflow.operators.decode import step as decode
from tapeflow.operators.decode.rows import Rows
from tapeflow.operators.decode.scanner import Scanner
from tapeflow.operators.decode.step import Decoder
from tapeflow.schemas.bar_width import BarWidth
from tapeflow.schemas.batches import Page
from tapeflow.schemas.market import (
    ACCEPTED,
    DECODED,
    HEARTBEAT,
    HISTORICAL,
    IGNORED,
    MALFORMED,
    OFF_MARKET,
    SLOW_PATH,
    UNLISTED,
    MarkPrices,
)
from tapeflow.schemas.sides import BUY, SELL
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
        status = np.where(page.starts == page.ends, HEARTBEAT, SLOW_PATH)
        return Rows.from_strict([]), status, np.empty((len(status), 2), np.int64)


@pytest.fixture(params=[True, False], ids=["scanner", "strict"])
def read(request):
    """A function that reads frames of a partition: by the scanner, then by the strict reader."""
    if request.param and not are_compiled():
        pytest.skip("kernels are not compiled")

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
        (COINBASE, b'{"type":"balance","account_id":"d50ec984","currency":"USD"}'),
        (COINBASE, b'{"type":"rfq_match","maker_order_id":"ac9","product_id":"BTC-USD"}'),
        (COINBASE, b'{"type":"auction","product_id":"LTC-USD","auction_state":"collection"}'),
        (COINBASE, b'{"channel":"futures_balance_summary","events":[{"type":"snapshot"}]}'),
        (SPOT, b'{"e":"avgPrice","E":1693907033000,"s":"BTCUSDT","i":"5m","w":"25776.86"}'),
        (SPOT, b'{"e":"referencePrice","s":"BAZUSD","r":null,"t":1770313263917}'),
        (SPOT, b'{"e":"blockTrade","E":1772506983582,"s":"BNBBTC","t":582,"p":"0.052"}'),
        (SPOT, b'{"stream":"btcusdt@ticker_1h","data":{"e":"1hTicker","s":"BTCUSDT"}}'),
        (USDM, b'{"e":"continuous_kline","E":1607443058651,"ps":"BTCUSDT","ct":"PERPETUAL"}'),
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


def test_a_usdm_trade_from_before_there_were_kinds_is_of_the_market(read):
    batch = read(USDM, USDM_TRADE.replace(b',"X":"MARKET"', b""))
    assert batch.market.trades.verdict.tolist() == [ACCEPTED] and trades_in_bars(batch) == 1


@pytest.mark.parametrize("kind", [b"NA", b"INSURANCE_FUND", b"ADL", b""])
@pytest.mark.parametrize(
    ("price", "size"),
    [(b'"0"', b'"0"'), (b'"0.0"', b'"1"'), (b'"2681.62"', b'"0.000"'), (b'""', b'"-1"'), (b"null", b"0")],
)  # fmt: skip
def test_an_off_market_trade_is_not_malformed_whatever_its_price_and_size(read, kind, price, size):
    frame = USDM_TRADE.replace(b"MARKET", kind).replace(b'"2681.62"', price)
    batch = read(USDM, frame.replace(b'"1.000"', size), USDM_TRADE)
    assert batch.dead_letters == ()
    assert batch.market.trades.verdict.tolist() == [OFF_MARKET, ACCEPTED]
    assert trades_in_bars(batch) == 1


def test_an_off_market_trade_without_a_price_is_not_malformed(read):
    frame = USDM_TRADE.replace(b"MARKET", b"NA").replace(b'"p":"2681.62",', b"")
    assert read(USDM, frame).market.trades.verdict.tolist() == [OFF_MARKET]


@pytest.mark.parametrize("without", [b"", b',"X":"MARKET"'])
def test_a_trade_of_the_market_at_price_zero_is_a_dead_letter(read, without):
    frame = USDM_TRADE.replace(b'"2681.62"', b'"0.00"').replace(without, b"")
    assert [letter.reason for letter in read(USDM, frame).dead_letters] == ["p is not above zero"]


@pytest.mark.parametrize(
    "without", [b',"T":1723161256310,"E":1723161256311', b',"T":1723161256310']
)
def test_a_book_ticker_of_an_old_recording_has_no_time(read, without):
    batch = read(USDM, USDM_QUOTE.replace(without, b""))
    assert best(batch) == [2681.62, 1.165, 2681.63, 73.077]
    assert batch.market.quotes.event_ns.tolist() == [NO_TIME]


def test_a_book_ticker_of_usdm_before_it_had_a_name_is_a_quote(read):
    assert best(read(USDM, SPOT_QUOTE)) == [61837.63, 3.78826, 61837.64, 1.54698]


@pytest.mark.parametrize("index", [b"", b'"i":null,', b'"i":"",'])
def test_a_mark_price_of_an_old_recording_has_no_index(read, index):
    batch = read(USDM, USDM_MARK.replace(b'"i":"28159.75642857",', index))
    assert batch.market.mark_prices.mark.tolist() == [28147.27373413]
    assert math.isnan(batch.market.mark_prices.index[0])


def test_a_spot_trade_of_an_old_recording_names_both_orders(read):
    old = SPOT_TRADE.replace(b'"T":', b'"b":88,"a":50,"T":')
    assert trades(read(SPOT, old)) == trades(read(SPOT, SPOT_TRADE))


# --- Binance: units of time -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "ns"),
    [
        (b"1723161255342", 1723161255342 * MS), (b"1723161255342123", 1723161255342123 * 1000),
        (b"1723161255", 1723161255 * S), (b"1723161255342123456", 1723161255342123456),
        (b"9223372036854", 9223372036854 * MS), (b"9223372036854775", 9223372036854775 * 1000),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("partition", "frame", "time"),
    [
        (SPOT, SPOT_TRADE, b"1723161255342,"), (SPOT, bare(SPOT_TRADE), b"1723161255342,"),
        (USDM, USDM_TRADE, b"1723161256560,"), (USDM, USDM_QUOTE, b"1723161256310,"),
        (USDM, USDM_MARK, b"1680652701000,"),
    ],
)  # fmt: skip
def test_the_unit_of_a_time_is_what_its_digits_show(read, partition, frame, time, written, ns):
    market = read(partition, frame.replace(time, written + b",")).market
    (ticks,) = [table for table in market.columns() if len(table)]
    assert ticks.event_ns.tolist() == [ns]


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (b"5", "T has 1 digits"), (b"946684800000", "T has 12 digits"),
        (b"17231612553421", "T has 14 digits"), (b"172316125534212", "T has 15 digits"),
        (b"17231612553421234", "T has 17 digits"), (b"9999999999999", "T is out of range"),
        (b"9999999999999999", "T is out of range"), (b"9223372036854775807", "T is out of range"),
        (b"-1723161255342", "T is out of range"),
        (b'"1723161255342"', "T is not int"), (b"1723161255342.5", "T is not int"),
    ],
)  # fmt: skip
def test_a_time_in_no_unit_is_malformed_and_says_so(read, written, reason):
    (letter,) = read(SPOT, SPOT_TRADE.replace(b"1723161255342", written)).dead_letters
    assert letter.reason.startswith(reason)


@pytest.mark.parametrize("moment", [b"0001-01-01T00:00:00Z", b"1970-01-01T00:00:00Z", b"1999-12-31T23:59:59.9Z"])  # fmt: skip
def test_a_time_before_2000_is_no_time_of_a_venue(read, moment):
    (letter,) = read(COINBASE, MATCH.replace(b"2021-04-17T16:43:37.121358Z", moment)).dead_letters
    assert letter.reason in {"time is before 2000", "time is out of range"}


def test_the_last_nanosecond_of_int64_is_infinity_in_a_table_and_no_time_of_a_venue(read):
    for digit, letters in (("6", 0), ("7", 1)):
        moment = f"2262-04-11T23:47:16.85477580{digit}Z".encode()
        batch = read(COINBASE, MATCH.replace(b"2021-04-17T16:43:37.121358Z", moment))
        assert [each.reason for each in batch.dead_letters] == ["time is out of range"] * letters


# --- Binance: arrays of all symbols -----------------------------------------------------------------

DAY_TICKER = b'{"e":"24hrTicker","E":1672515782136,"s":"BNBBTC","p":"0.0015","n":18151}'
OTHER_EVENT = b'{"e":"news","E":1672515782136,"s":"BNBBTC"}'


def array(*frames, stream=b""):
    """Return frames as a stream of all symbols sends them: bare, or on a combined stream."""
    whole = b"[" + b",".join(frames) + b"]"
    return b'{"stream":"%b","data":%b}' % (stream, whole) if stream else whole


@pytest.mark.parametrize("stream", [b"", b"!ticker@arr", b"!miniTicker@arr@1000ms"])
@pytest.mark.parametrize("partition", [SPOT, USDM])
@pytest.mark.parametrize("event", [b"24hrTicker", b"24hrMiniTicker"])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_an_array_of_a_documented_stream_is_recognised(read, partition, event, count, stream):
    frame = array(*[DAY_TICKER.replace(b"24hrTicker", event)] * count, stream=stream)
    batch = read(partition, frame, b" " + frame + b"\n")
    assert batch.status.tolist() == [IGNORED, IGNORED] and batch.dead_letters == ()


@pytest.mark.parametrize("event", [b"assetIndexUpdate", b"forceOrder", b"contractInfo"])
def test_streams_of_usdm_are_recognised_as_objects_and_as_arrays(read, event):
    frame = b'{"e":"%b","E":1591154240950,"s":"BTCUSDT"}' % event
    frames = [frame, array(frame), array(frame, stream=b"!any@arr")]
    assert read(USDM, *frames).status.tolist() == [IGNORED] * 3


@pytest.mark.parametrize("stream", [b"", b"!markPrice@arr", b"!markPrice@arr@1s"])
def test_an_array_of_mark_prices_is_read(read, stream):
    marks = [bare(USDM_MARK), bare(USDM_MARK).replace(b"BTCUSDT", b"NEWUSDT"), bare(USDM_MARK)]
    batch = read(USDM, array(*marks, stream=stream), array(marks[1], stream=stream))
    assert batch.status.tolist() == [DECODED, UNLISTED]
    assert batch.market.mark_prices.mark.tolist() == [28147.27373413] * 2
    assert batch.market.mark_prices.instrument.tolist() == [1, 1]


@pytest.mark.parametrize("bad", [OTHER_EVENT, b"5", b"[]", b"{}", b"null", b'"24hrTicker"'])
@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("stream", [b"", b"!ticker@arr"])
def test_an_array_with_an_element_of_another_kind_is_a_dead_letter(read, bad, at, stream):
    elements = [DAY_TICKER, DAY_TICKER]
    elements.insert(at, bad)
    batch = read(SPOT, array(*elements, stream=stream))
    assert batch.status.tolist() == [MALFORMED]
    assert "array of" in batch.dead_letters[0].reason


def test_an_array_with_a_mark_price_that_is_none_is_a_dead_letter(read):
    good = bare(USDM_MARK)
    batch = read(USDM, array(good, good.replace(b'"28147.27373413"', b'"much"')))
    assert [letter.reason for letter in batch.dead_letters] == ["p is not a plain decimal"]
    assert len(batch.market.mark_prices) == 0


# --- empty sides ------------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", [b'""', b"null", b'"0"', b'"0.00000000"'])
@pytest.mark.parametrize(
    ("partition", "frame", "value", "at"),
    [
        (SPOT, SPOT_QUOTE, b'"61837.63000000"', 0), (SPOT, SPOT_QUOTE, b'"1.54698000"', 3),
        (USDM, USDM_QUOTE, b'"2681.63"', 2), (COINBASE, TICKER, b'"0.5742"', 0),
        (COINBASE, ADVANCED_TICKER, b'"65083.67"', 2), (COINBASE, ADVANCED_TICKER, b'"0.20371215"', 1),
    ],
)  # fmt: skip
def test_a_side_that_the_venue_leaves_empty_is_nan(read, partition, frame, value, at, nothing):
    whole, part = best(read(partition, frame)), best(read(partition, frame.replace(value, nothing)))
    assert part == [None if number == at else side for number, side in enumerate(whole)]


def test_an_empty_ticker_of_a_batch_spoils_no_other(read):
    batch = read(
        COINBASE,
        b'{"channel":"ticker_batch","timestamp":"2025-01-01T12:00:00.5Z","sequence_num":1,"events":[{'
        b'"type":"update","tickers":[{"type":"ticker","product_id":"BTC-USD","best_bid":"",'
        b'"best_ask":null,"best_bid_quantity":"","best_ask_quantity":""},{"type":"ticker",'
        b'"product_id":"SKL-USD","best_bid":"3400","best_ask":"3401"}]}]}',
    )
    assert batch.dead_letters == () and batch.market.quotes.instrument.tolist() == [1, 0]
    np.testing.assert_array_equal(batch.market.quotes.bid, [math.nan, 3400])
    np.testing.assert_array_equal(batch.market.quotes.ask_size, [math.nan, math.nan])


def test_tickers_without_a_book_are_recognised_and_no_quotes(read):
    advanced = ADVANCED_TICKER.replace(b',"best_bid":"65083.66","best_ask":"65083.67"', b"")
    exchange = TICKER.replace(b'"best_bid":"0.5742","best_ask":"0.5771",', b"")
    batch = read(COINBASE, advanced, advanced.replace(b'"ticker"', b'"ticker_batch"', 1), exchange)
    assert batch.status.tolist() == [IGNORED] * 3


def test_a_ticker_with_one_side_has_no_other(read):
    assert best(read(COINBASE, TICKER.replace(b'"best_ask":"0.5771",', b""))) == [0.5742, None, None, None]  # fmt: skip


def test_a_side_that_is_no_number_is_a_dead_letter(read):
    (letter,) = read(COINBASE, TICKER.replace(b'"0.5742"', b'"none"')).dead_letters
    assert letter.reason == "best_bid is not a plain decimal"


# --- aggTrade ---------------------------------------------------------------------------------------


def read_aggregated(scan, *frames):
    dialect = VENUES["binance"].dialect.with_trades("aggTrade")
    reader = (Scanner if scan else StrictOnly)(dialect, {"SWRVBUSD": 0, "BTCUSDT": 1})
    page = Page.from_frames(SPOT, 0, [5 * S] * len(frames), list(frames))
    return decode.step(page, decoder=Decoder.from_scanner(reader))


@pytest.mark.parametrize("scan", [True, False])
def test_an_agg_trade_counts_its_trades_and_no_single_trade_is_read_with_it(scan):
    several = SPOT_AGG.replace(b'"l":1135632', b'"l":1135636')
    batch = read_aggregated(scan, SPOT_AGG, bare(several), SPOT_TRADE, bare(SPOT_TRADE))
    assert trades(batch) == [(749094, BUY, 2.276, 21.963)] * 2
    assert batch.market.trades.count.tolist() == [1, 5]
    assert batch.status.tolist() == [DECODED, DECODED, IGNORED, IGNORED]
    assert batch.record_instrument.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("scan", [True, False])
@pytest.mark.parametrize("last", [b"1135631", b"0", b"99999999999999"])
def test_an_agg_trade_whose_ids_are_no_range_is_a_dead_letter(scan, last):
    batch = read_aggregated(scan, SPOT_AGG.replace(b'"l":1135632', b'"l":' + last))
    assert [each.reason for each in batch.dead_letters] == ["the ids of its trades are no range"]


def test_an_agg_trade_that_is_not_read_tells_its_instrument(read):
    listed = SPOT_AGG.replace(b"SWRVBUSD", b"BTCUSDT")
    batch = read(SPOT, listed, SPOT_AGG, bare(listed), listed.replace(b'"BTCUSDT"', b"7"))
    assert batch.status.tolist() == [IGNORED] * 4
    assert batch.record_instrument.tolist() == [0, -1, 0, -1]
    names = [VENUES["binance"].dialect.channels[each].name for each in batch.ignored.channel]
    assert names == ["combined.aggTrade", "combined.aggTrade", "aggTrade", "combined.aggTrade"]
    assert batch.ignored.offset.tolist() == [0, 1, 2, 3]


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


@pytest.mark.parametrize("field", [b'"best_bid_size":null,', b'"time":null,"best_ask_size":null,'])
def test_a_field_that_may_be_missing_may_be_null(read, field):
    frame = TICKER.replace(b'"time":"2021-04-17T16:43:37.270697Z",', field)
    assert best(read(COINBASE, frame)) == [0.5742, None, 0.5771, None]


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
    assert tables.count(MarkPrices) == 4  # bare and on a combined stream, of one symbol and of all
