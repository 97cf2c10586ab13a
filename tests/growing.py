"""A log of several instruments, jobs that list some of them, and runs that stop on the way.

stop_at(200)    records  0 ........ 200 |  the same state goes on with another job
"""

import multiprocessing
import random
import time
from contextlib import contextmanager
from datetime import UTC

from tapeflow.connectors.duckdb.query import connect
from tapeflow.connectors.source.progress import Progress
from tapeflow.connectors.source.source import STOP_REQUESTED
from tapeflow.flows.job.settings import Job
from tapeflow.flows.run.plan import Plan
from tapeflow.flows.run.run import run_plan
from tapeflow.flows.run.tape_files import find_tapes
from tapeflow.schemas.errors import StoppedError
from tests.frames import MS, S, quote_frame, trade_frame
from tests.running import silent

BEGIN = 1_767_600_000 * S
STEP = 100 * MS  # of log time, between two records
PAGE = 25  # records
ADA, BTC, ETH, ZEC = (f"{name}-USDT.BINANCE" for name in ("ADA", "BTC", "ETH", "ZEC"))
SOL, PERP = "SOL-USD.COINBASE", "BTC-USDT-PERP.BINANCE-USDM"
ROW = {"tick": "0.01", "lot": "0.001"}
ACCOUNT = {"position_max": 10**6, "gross_max": 10**9, "orders_max": 10**5, "orders_window": "1s"}


def strategy(name, *instruments, account="main", size="1", **settings):
    """Return the settings of a strategy that trades often."""
    return {
        "name": name, "kind": "ema_cross", "fast": 1, "slow": 2, "account": account, "size": size,
        "instruments": list(instruments), **settings,
    }  # fmt: skip


def job_of(instruments, strategies=(), accounts=("main",), **sections):
    """Return a job with small pages; `sections` are set over those of here."""
    keys = {
        "bars": {"width": "1s", "lateness": "0ms"},
        "source": {"page_records": PAGE},
        "paper": {"latency": "150ms", "fee_bps": 10},
        "normalise": {"window": 5},
        "results": {"equity_interval": "10s"},
        "recovery": {"epoch": "100ms"},
        "accounts": [{"name": name, **ACCOUNT} for name in accounts],
        "instruments": {name: ROW for name in instruments},
        "strategies": [*strategies],
    }
    return Job.model_validate({**keys, **sections})


OLD = job_of([BTC, ETH], [strategy("trend", BTC, ETH)])


def records_of(pairs, count, *, seed=1, partition="binance-0"):
    """Return (log time, frame) of trades, and of some quotes between them.

    A trade of the first pair is the first of each second: it closes the bars of all.
    """
    draw, prices, ids = random.Random(seed), dict.fromkeys(pairs, 1000), dict.fromkeys(pairs, 0)
    records = []
    for number in range(count):
        log_ns = BEGIN + number * STEP
        pair = pairs[0] if number % 10 == 1 else draw.choice(pairs)
        at, price = log_ns - 5 * MS, f"{prices[pair] / 100:.2f}"
        if number % 10 in {4, 7}:
            frame = quote_frame(partition, price, f"{float(price) + 0.01:.2f}", at=at, pair=pair)
        else:
            prices[pair] += draw.choice((-3, -1, 1, 3))
            ids[pair] += 1
            size = str(draw.randint(1, 9))
            frame = trade_frame(partition, ids[pair], pair=pair, at=at, price=price, size=size)
        records.append((log_ns, frame))
    return records


def write_tape(folder, records, partition="binance-0"):
    """Write records as a tape; return its folder."""
    folder.mkdir(exist_ok=True, parents=True)
    text = b"".join(b"%d %b\n" % record for record in records)
    (folder / f"{partition}.tape").write_bytes(text)
    return folder


@contextmanager
def stop_at(records, monkeypatch):
    """Stop a run of this process as soon as it has read so many records."""
    with monkeypatch.context() as patched:
        update = Progress.update

        def spy(progress, *arguments, **named):
            update(progress, *arguments, **named)
            if progress.records() >= records:
                STOP_REQUESTED.set()

        patched.setattr(Progress, "update", spy)
        yield


def run_on(folder, tapes, job, **shape):
    """Run a job on the state of a folder to the end of the tapes, or until stopped; return lines."""
    lines = []
    plan = Plan(
        command="replay", log=find_tapes([tapes], job, lines.append), job=job,
        results=folder / "r.duckdb", state=folder / "state", **shape,
    )  # fmt: skip
    try:
        run_plan(plan, silent, lines.append)
    except StoppedError:
        lines.append("stopped")
    return lines


def killed_on(folder, tapes, job, after_s, **shape):
    """Run a job on the state of a folder in a process, and kill that where it is after some time."""
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=run_on, args=(folder, tapes, job), kwargs=shape)
    process.start()
    manifest = folder / "state" / "manifest.json"
    before = manifest.stat().st_mtime_ns if manifest.exists() else 0
    while process.is_alive() and not (manifest.exists() and manifest.stat().st_mtime_ns > before):
        time.sleep(0.01)
    process.join(after_s)
    process.kill()
    process.join()


def records_until(time):
    """Return how many records of a log come before or at a time as DuckDB gives it, in UTC."""
    return round((time.replace(tzinfo=UTC).timestamp() - BEGIN / S) / (STEP / S)) + 1


def facts(folder, table, where="true", without=()):
    """Return the rows of a table that a condition holds for, without some of its columns."""
    with connect(folder / "r.duckdb") as con:
        names = [name for name, *_ in con.execute(f"DESCRIBE {table}").fetchall()]
        columns = ", ".join(f'"{name}"' for name in names if name not in without)
        return con.execute(f"SELECT {columns} FROM {table} WHERE {where} ORDER BY ALL").fetchall()
