"""The venues of the synthetic market, and what they list: every coin at each of them."""

from tapeflow.connectors.synthetic.binance import BINANCE, BINANCE_USDM
from tapeflow.connectors.synthetic.coinbase import COINBASE
from tapeflow.connectors.synthetic.listings import COINS, Listing

VENUES = (BINANCE, BINANCE_USDM, COINBASE)
LISTINGS = tuple(Listing(venue, coin) for venue in VENUES for coin in COINS)
