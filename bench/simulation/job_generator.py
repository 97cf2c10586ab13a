"""Random jobs: instruments, accounts and strategies, and numbers for every setting of meaning."""

import random
import tomllib
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from bench.paths import JOB
from bench.simulation.case import Listed

VENUES = ("binance", "binance-usdm", "coinbase")
BASES = ("BTC", "ETH", "ADA", "SOL", "XRP", "DOGE", "LTC", "1INCH")
MS, SECOND = 10**6, 10**9
CHANNELS = {
    "binance": (["trade"], ["trade", "bookTicker"], ["combined.trade", "trade"]),
    "binance-usdm": (["trade"], ["trade", "bookTicker", "combined.trade", "combined.bookTicker"]),
    "coinbase": (["match"], ["match", "ticker", "market_trades"], ["ticker"]),
}


def draw_instruments(draw: random.Random, busy: bool) -> list[Listed]:
    """Return one to many instruments over the partitions of some venues."""
    venues = draw.sample(VENUES, draw.choice([1, 2, 2, 3]))
    bases = draw.sample(BASES, draw.randint(1, 3 if busy else len(BASES)))
    partitions = {venue: draw.choice([1, 1, 2, 3]) for venue in venues}
    listed = []
    for venue in venues:
        for base in bases:
            quote_name = draw.choice(["USDT", "USDC"]) if venue != "coinbase" else "USD"
            perpetual = "-PERP" if venue == "binance-usdm" else ""
            joined = "-" if venue == "coinbase" else ""
            symbol = f"{base}{joined}{quote_name}"
            listed.append(
                Listed(
                    id=f"{base}-{quote_name}{perpetual}.{venue.upper()}",
                    venue=venue,
                    symbol=f"X{symbol}" if draw.random() < 0.05 else symbol,
                    tick=Decimal(draw.choice(["0.01", "0.0001", "0.5", "1", "0.00000001", "0.03"])),
                    lot=Decimal(draw.choice(["1", "0.1", "0.001", "0.5", "0.00000001"])),
                    multiplier=Decimal(draw.choice(["1", "1", "1", "10", "0.001"])),
                    quote=quote_name,
                    partition=f"{venue}-{draw.randrange(partitions[venue])}",
                )
            )
    return listed


def draw_job(draw: random.Random, instruments: list[Listed], busy: bool) -> dict[str, Any]:
    """Return a job: the meanings that jobs/reference.toml pins, with random numbers.

    Half of the jobs take some of the newer rules instead.
    """
    fixed = tomllib.loads(JOB.read_text())
    for name in ("accounts", "strategies", "channels", "instruments"):
        fixed.pop(name, None)
    drawn = draw_sections(draw, busy)
    if draw.random() < 0.5:
        add_newer_rules(draw, drawn)
    job: dict[str, Any] = fixed
    for name, section in drawn.items():
        job[name] = {**fixed.get(name, {}), **section}
    channels = {
        venue: draw.choice(CHANNELS[venue])
        for venue in sorted({each.venue for each in instruments})
        if draw.random() < 0.15
    }
    accounts = [
        draw_account(draw, f"acc{number}", busy) for number in range(draw.choice([1, 1, 2, 3]))
    ]
    names = [each["name"] for each in accounts]
    strategies = [
        draw_strategy(draw, f"{draw.choice('sS')}{number}", names, instruments)
        for number in range(draw.choice([0, 1, 2, 3, 5]))
    ]
    return {**job, "channels": channels, "accounts": accounts, "strategies": strategies}


def draw_sections(draw: random.Random, busy: bool) -> dict[str, dict[str, Any]]:
    """Return numbers for the settings of meaning, by section."""
    width = draw.choice(["1ms", "32ms", "1s", "3s", "60s", "1d", "7d", "1mo", "6mo"])
    lateness = draw.choice([0, 1, MS, 200 * MS, 2 * SECOND, 10 * SECOND])
    if busy:
        width, lateness = draw.choice(["100ms", "1s"]), draw.choice([0, 50 * MS, 200 * MS])
    return {
        "bars": {"width": width, "lateness": f"{lateness}ns"},
        "dedupe": {"window": draw.choice([1, 2, 5, 20, 50, 4096])},
        "normalise": {"window": draw.choice([2, 3, 5, 8, 60])},
        "paper": {
            "latency": f"{draw.choice([0, 1, 250 * MS] if busy else [0, MS, 5 * SECOND])}ns",
            "fee_bps": draw.choice(["0", "10", "0.5", "33.333", "1234.56789"]),
        },
        "results": {
            "equity_interval": f"{draw.choice([100 * MS, SECOND, 7 * SECOND, 60 * SECOND])}ns",
            "money_digits": draw.choice([0, 2, 8, 12]),
        },
    }


def add_newer_rules(draw: random.Random, drawn: dict[str, dict[str, Any]]) -> None:
    """Take some of the rules that jobs/reference.toml does not know, which are defaults today."""
    newer: tuple[tuple[str, str, list[Any]], ...] = (
        ("bars", "ahead", ["1s", "10s"]),
        ("bars", "gaps", [True]),
        ("bars", "pause", ["5s", "1m"]),
        ("bars", "ties", ["id"]),
        ("market", "time_unit", ["by_digits"]),
        ("results", "stale_mark", ["1s", "10s", "1m"]),
    )
    for section, key, values in newer:
        if draw.random() < 0.7:
            drawn.setdefault(section, {})[key] = draw.choice(values)


def draw_account(draw: random.Random, name: str, busy: bool) -> dict[str, Any]:
    """Return an account: some limits bind, some never do."""
    return {
        "name": name,
        "position_max": draw.choice(["1", "3", "1000"] if busy else ["0", "1", "1000", "0.5"]),
        "gross_max": draw.choice(
            ["1000000000000", "1000000000000", "100", "60000", "1000000", "0"]
        ),
        "orders_max": draw.choice([1, 8, 100_000] if busy else [0, 2, 100_000]),
        "orders_window": f"{draw.choice([1, MS, SECOND, 10 * SECOND])}ns",
    }


def draw_strategy(
    draw: random.Random, name: str, accounts: list[str], instruments: list[Listed]
) -> dict[str, Any]:
    """Return a strategy on all instruments or on some."""
    one = draw.choice(instruments).id
    patterns = [["*"], ["*"], [one], [f"*.{one.partition('.')[2]}"], [f"{one.split('-')[0]}-*"]]
    strategy: dict[str, Any] = {
        "name": name,
        "account": draw.choice(accounts),
        "size": draw.choice(["1", "2", "10", "0.5"]),
        "instruments": draw.choice(patterns),
    }
    if draw.random() < 0.6:
        fast = draw.randint(1, 3)
        return strategy | {"kind": "ema_cross", "fast": fast, "slow": fast + draw.randint(1, 3)}
    return strategy | {"kind": "reversion", "entry": draw.choice([0.5, 1.0, 1.5, 2.5])}


def fit_lots(instruments: list[Listed], strategies: list[dict[str, Any]]) -> None:
    """Give an instrument a smaller lot where a strategy's size is no multiple of it."""
    for number, each in enumerate(instruments):
        for strategy in strategies:
            traded = any(fnmatchcase(each.id, pattern) for pattern in strategy["instruments"])
            if traded and Decimal(strategy["size"]) % each.lot:
                instruments[number] = each._replace(lot=Decimal("0.5"))
