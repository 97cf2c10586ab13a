"""The scanner alone: frames read along plans and along templates, ns a frame by channel.

    python -m bench.scan [--records 20000] [--runs 40]

    one page of a channel  ▶  without templates  ▶  with them  ▶  without  ▶ ...      CPU time

Both read the same page, by turns, and must return the same rows. Pages are of the reference tapes,
and of one frame of a channel with other numbers each time.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from statistics import median

import numpy as np

from bench import report
from bench.replay import reference_tapes
from tapeflow.connectors.tapes.text import TapeReader
from tapeflow.operators.decode.scanner import Scanner, load_kernel
from tapeflow.operators.decode.template_layout import NEVER, TEMPLATE_OF
from tapeflow.schemas.batches import Page
from tapeflow.schemas.venues import VENUES

BASES = ("BTC", "ETH", "BNB", "SOL", "XRP", "ADA", "DOGE", "AVAX", "LINK", "DOT")
QUOTES = {"binance": "USDT", "coinbase": "USD"}
TRADE = (
    '{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":%d,"p":"%.8f","q":"%.8f",'
    '"T":1723161255342,"m":true,"M":true}'
)
FRAMES = {
    "bookTicker": '{"u":%d,"s":"BTCUSDT","b":"%.8f","B":"3.78826000","a":"%.8f","A":"1.54698000"}',
    "aggTrade": TRADE.replace('"trade"', '"aggTrade"').replace('"t":', '"f":100,"l":105,"a":'),
    "combined.trade": f'{{"stream":"btcusdt@trade","data":{TRADE}}}',
}


def pages(records: int) -> Iterator[tuple[str, str, Page]]:
    """Yield the venue, the channel and a page of its frames."""
    tapes = reference_tapes(1_000_000)
    for venue in QUOTES:
        reader = TapeReader(venue, (tapes / f"{venue}-0.tape",), records, None)
        page = reader.read()
        assert page is not None
        yield venue, "reference tape", page
    for channel, frame in FRAMES.items():
        frames = [(frame % (n, n / 7 + 1, n / 9 + 1)).encode() for n in range(1, 4 * records, 4)]
        yield "binance", channel, Page.from_frames("binance-0", 0, [0] * records, frames)


def scanner_of(venue: str, *, templates: bool) -> Scanner:
    """Return a scanner of a venue that makes templates, or none."""
    loaded = load_kernel()
    if loaded is None:
        sys.exit("bench.scan: kernels are not compiled here")
    symbol_of = VENUES[venue].venue_symbol
    symbols = {symbol_of(base, QUOTES[venue]): number for number, base in enumerate(BASES)}
    dialect = VENUES[venue].dialect.with_trades("trade")
    scanner = Scanner(dialect, symbols)
    if not templates:
        scanner.memory(loaded[1]).templates[TEMPLATE_OF:] = NEVER
    return scanner


def spent_ns(scanner: Scanner, page: Page) -> int:
    """Return the CPU time of reading a page."""
    began_ns = time.thread_time_ns()
    scanner.scan(page)
    return time.thread_time_ns() - began_ns


def compare(venue: str, page: Page, runs: int) -> tuple[float, float, float]:
    """Return ns a frame along plans and along templates, and the median of their ratios."""
    plain, fast = (scanner_of(venue, templates=each) for each in (False, True))
    for _ in range(3):  # of the first page templates are made
        (rows, status, _), (same, same_status, _) = plain.scan(page), fast.scan(page)
        assert np.array_equal(rows.frame, same.frame) and np.array_equal(status, same_status)
    pairs = [(spent_ns(plain, page), spent_ns(fast, page)) for _ in range(runs)]
    before_ns, after_ns = (median(each) / len(page.starts) for each in zip(*pairs, strict=True))
    return before_ns, after_ns, median(after / before for before, after in pairs)


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(description="Measure the scanner, ns a frame.")
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=40)
    args = parser.parse_args()
    print(f"{'ns/frame, median of ' + str(args.runs):<28}{'plans':>8}{'templates':>11}{'ratio':>8}")
    for venue, channel, page in pages(args.records):
        before_ns, after_ns, ratio = compare(venue, page, args.runs)
        print(f"{venue + ' ' + channel:<28}{before_ns:>8.1f}{after_ns:>11.1f}{ratio:>8.2f}")
    print(report.machine_line())


if __name__ == "__main__":
    main()
