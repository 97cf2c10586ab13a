"""A small log with commands: a tape of trades, and one of what two people sign."""

from tapeflow.connectors.duckdb.query import query
from tapeflow.flows.job import settings
from tapeflow.schemas.control import format_key, make_frame, public_key, sign
from tests.frames import MS, S, binance_trade
from tests.running import replay

NOON = 1_735_732_800 * S
ALICE, BOB, EVE = (bytes([number]) * 32 for number in (1, 2, 3))
JOB = f"""
[bars]
width = "1s"
[control]
keys = {{ alice = "{format_key(public_key(ALICE))}", bob = "{format_key(public_key(BOB))}" }}
max_age = "10s"
[control.bounds."account:main"]
gross_max = ["0", "1000"]
[[accounts]]
name = "main"
position_max = 100
gross_max = "1000000"
orders_max = 100
orders_window = "1s"
[[strategies]]
name = "cross"
kind = "ema_cross"
account = "main"
fast = 2
slow = 5
size = "0.5"
[instruments]
"BTC-USDT.BINANCE" = {{ tick = "0.01", lot = "0.1" }}
"""
VERDICTS = 'SELECT verdict, reason FROM control ORDER BY time, "offset"'


def command(second, action="halt", scope="account:main", *, key=ALICE, who="alice", n=None, **args):
    """A command that comes at a second, as (log time, frame)."""
    at = NOON + round(second * S)
    named = {name: str(value) for name, value in args.items()}
    return at, sign(make_frame(who, at if n is None else n, action, scope, named), key)


def trades():
    """Trades of a price that goes up and down: signals on both sides."""
    for second in range(60):
        at = NOON + second * S
        yield at + 5 * MS, binance_trade(second + 1, at=at, price=f"{100 + second % 12}.00")


def write_log(folder, *commands):
    """Write the tapes; return their folder."""
    tapes = folder / "tapes"
    tapes.mkdir()
    for name, records in {"binance-0": [*trades()], "control-0": commands}.items():
        text = b"".join(b"%d %b\n" % each for each in sorted(records, key=lambda each: each[0]))
        (tapes / f"{name}.tape").write_bytes(text)
    return tapes


def job_with(folder, text=JOB):
    path = folder / "job.toml"
    path.write_text(text)
    return settings.load(path, {})


def verdicts(folder, *commands, sql=VERDICTS):
    """What becomes of some commands."""
    results = folder / "r.duckdb"
    replay(write_log(folder, *commands), results, job_with(folder))
    return [tuple(row) for row in query(results, sql).rows]
