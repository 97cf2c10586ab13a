"""The log of each scenario, by partition."""

import math
from collections.abc import Callable
from functools import partial

from docs.scenarios.frames import (
    CONTROL_TAPE,
    Path,
    Record,
    as_tapes,
    command,
    heartbeats,
    line,
    market,
)

Log = dict[str, list[Record]]
BTC = "BTCUSDT"


def fat_finger() -> Log:
    """Return a quiet market."""
    return {"binance-0": [*market(BTC, line((0, 60_000)), 0, 20)]}


def runaway() -> Log:
    """Return a quiet market of two coins."""
    return {
        "binance-0": [
            *market(BTC, line((0, 60_000)), 0, 28),
            *market("ETHUSDT", line((0, 3_000)), 0, 28, size=20),
        ]
    }


def restart_while_halted() -> Log:
    """Return a price that goes up and down; a halt, and later a resume."""
    path = line(*((second, 60_040 - 40 * (second // 5 % 2)) for second in range(0, 45, 5)))
    return {
        "binance-0": [*market(BTC, path, 0, 40)],
        CONTROL_TAPE: [
            command(12, "alice", "halt", "account:main"),
            command(28, "bob", "resume", "account:main"),
        ],
    }


def kill_while_partly_filled() -> Log:
    """Return a quiet market that shows 0.5 at a time, and a kill."""
    return {
        "binance-0": [*market(BTC, line((0, 60_000)), 0, 20, size=0.5)],
        CONTROL_TAPE: [command(6.5, "alice", "kill", "account:main")],
    }


def flash_crash() -> Log:
    """Return a price that falls 30 % in two seconds and is back eight seconds later; a resume."""
    path = line((0, 60_000), (12, 60_000), (14, 42_000), (16, 42_000), (22, 60_000))
    return {
        "binance-0": [*market(BTC, path, 0, 40, size=10)],
        CONTROL_TAPE: [command(30, "alice", "resume", "account:main", reset="day")],
    }


def dead_feed() -> Log:
    """Return two venues, falling from 12 s on, of which one says nothing from 10 s to 22 s."""
    path = line((12, 60_000), (20, 58_000))
    return {
        "binance-0": [*market(BTC, path, 0, 10), *heartbeats(10, 22), *market(BTC, path, 22, 40)],
        "coinbase-0": [*market("BTC-USD", path, 0, 40)],
    }


def venue_rejects() -> Log:
    """Return quiet markets of two venues; a resume."""
    path = line((0, 60_000))
    return {
        "binance-0": [*market(BTC, path, 0, 30)],
        "coinbase-0": [*market("BTC-USD", path, 0, 30)],
        CONTROL_TAPE: [command(20, "alice", "resume", "venue:BINANCE")],
    }


def falling_together() -> Log:
    """Return three coins that move and fall together at two venues, and one that does neither."""
    fall = line((75, 1), (90, 0.88))  # 12 % in fifteen seconds

    def together(price: float) -> Path:
        return lambda second: price * fall(second) * (1 + 0.0005 * wave(second))

    def alone(second: float) -> float:
        return 2_500 * (1 + 0.0005 * wave(1.7 * second + 40))

    of = partial(market, begin=0, end=100, step=1)
    return {
        "binance-0": [
            *of(BTC, together(60_000), size=10),
            *of("ETHUSDT", together(3_000), spread=0.1, size=200),
            *of("PAXGUSDT", alone, spread=0.1, size=200),
        ],
        "coinbase-0": [*of("SOL-USD", together(150), spread=0.02, size=4_000)],
    }


def wave(second: float) -> float:
    """Return a number from -1 to 1: small moves up and down."""
    return (math.sin(1.3 * second) + math.sin(0.37 * second)) / 2


LOGS: dict[str, Callable[[], Log]] = {
    each.__name__: each
    for each in (
        *(fat_finger, runaway, restart_while_halted, kill_while_partly_filled),
        *(flash_crash, dead_feed, venue_rejects, falling_together),
    )
}


def tapes_of(name: str) -> dict[str, bytes]:
    """Return the text of each tape of a scenario, by the name of its file."""
    return as_tapes(LOGS[name]())
