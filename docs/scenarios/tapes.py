"""The log of each scenario, by partition."""

from collections.abc import Callable

from docs.scenarios.frames import CONTROL_TAPE, Record, as_tapes, command, line, market

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


LOGS: dict[str, Callable[[], Log]] = {
    each.__name__: each
    for each in (fat_finger, runaway, restart_while_halted, kill_while_partly_filled)
}


def tapes_of(name: str) -> dict[str, bytes]:
    """Return the text of each tape of a scenario, by the name of its file."""
    return as_tapes(LOGS[name]())
