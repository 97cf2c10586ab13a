"""Ids of instruments from the symbols that a venue writes, where they can be known.

BTCUSDT of binance -> BTC-USDT.BINANCE      BTCUSDT of binance-usdm -> BTC-USDT-PERP.BINANCE-USDM
BTC-USD of coinbase -> BTC-USD.COINBASE     BTCUSDT_260327, BTCUSD_PERP -> none: see `why`
"""

from tapeflow.schemas.venues import VENUES

QUOTES = (  # currencies of prices, of which one is at the end of a symbol; the longer ones first
    *("FDUSD", "USDT", "USDC", "TUSD", "BUSD", "USDE", "USDP", "BIDR", "IDRT", "USD1", "DOGE"),
    *("BTC", "ETH", "BNB", "EUR", "GBP", "TRY", "BRL", "JPY", "USD", "AUD", "RUB", "UAH", "NGN"),
    *("ZAR", "PLN", "ARS", "MXN", "XRP", "TRX", "DOT", "DAI", "VAI", "PAX"),
)
PERPETUALS = {"binance-usdm"}  # venues of which every instrument is one


def instrument_id(venue: str, symbol: str) -> str:
    """Return the id of an instrument by its symbol, "" where it cannot be known.

    >>> instrument_id("binance-usdm", "ETHUSDT")
    'ETH-USDT-PERP.BINANCE-USDM'
    """
    base, dash, quote = symbol.partition("-")
    if not dash:
        found = (each for each in QUOTES if symbol.endswith(each) and symbol != each)
        quote = next(found, "")
        base = symbol.removesuffix(quote)
    if not base or not quote or VENUES[venue].venue_symbol(base, quote) != symbol:
        return ""
    if any(mark in base + quote for mark in '-."_ \\'):
        return ""
    kind = "-PERP" if venue in PERPETUALS else ""
    return f"{base}-{quote}{kind}.{venue.upper()}"


def why_unknown(symbol: str) -> str:
    """Return why a symbol has no id, for a comment."""
    if "_" in symbol:
        return (
            "a contract that expires or is margined in coin: name it, with contract and multiplier"
        )
    return "which are its base and its quote? name it, with venue_symbol"
