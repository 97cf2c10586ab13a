"""Results made up for reports: many days of facts that agree with each other, without a log.

Each strategy goes in and out of one instrument; its equity is sampled at the close of each bar.
"""

import json
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from tapeflow.connectors.duckdb.tables import INTERNAL, create_tables

BEGIN_NS = 1_767_225_600_000_000_000  # 2026-01-01
HOUR_NS = 3_600_000_000_000
EVIL = "</script><b>\u2028&"
JOB = {
    "accounts": [
        {"name": "main", "capital": "100000", "gross_max": "50000", "at_par": ["USD", "USDT"]}
    ],
    "bars": {"width": "1h"},
    "limits": {},
    "results": {"equity_interval": "1h"},
}


def put(con, table, rows):
    """Insert rows, each an object by column; times are ns."""
    if not rows:
        return
    columns = {name: pa.array([row[name] for row in rows]) for name in rows[0]}
    put_columns(con, table, columns)


def put_columns(con, table, columns):
    """Insert columns of a table of facts by name."""
    made = pa.table(columns)
    names = ", ".join(
        f'make_timestamp_ns("{name}") AS "{name}"' if name.endswith("time") else f'"{name}"'
        for name in made.column_names
    )
    con.register("made", made)
    con.execute(f"INSERT INTO {table} BY NAME SELECT {names} FROM made")
    con.unregister("made")


def price_walk(count, seed, start=100.0):
    """Closes on a tick of 0.01 that walk."""
    steps = np.random.default_rng(seed).normal(0, 0.4, count)
    return np.round(np.maximum(start + np.cumsum(steps), 5), 2)


def bars_of(name, closes, width_ns=HOUR_NS):
    """The columns of the bars of an instrument, one after another."""
    count = len(closes)
    opened = BEGIN_NS + np.arange(count, dtype=np.int64) * width_ns
    opens = np.concatenate([[closes[0]], closes[:-1]])
    return {
        "instrument": pa.array([name] * count), "venue": pa.array(["BINANCE"] * count),
        "open_time": opened, "close_time": opened + width_ns, "log_time": opened + width_ns,
        "open": opens, "close": closes, "high": np.round(np.maximum(opens, closes) + 0.05, 2),
        "low": np.round(np.minimum(opens, closes) - 0.05, 2), "volume": np.full(count, 3.0),
        "vwap": closes, "count": np.full(count, 7), "buy_volume": np.full(count, 1.0),
        "notional": closes * 3, "buy_notional": closes, "complete": np.full(count, True),
        "partition": pa.array(["binance-0"] * count), "offset": np.arange(count),
        "first_offset": np.arange(count), "last_offset": np.arange(count),
    }  # fmt: skip


class Desk:
    """The facts of one account, made one fill after another."""

    def __init__(self, account="main") -> None:
        """Begin without facts."""
        self.account, self.seq, self.number = account, 0, 0
        self.facts = {
            name: []
            for name in (
                "signals",
                "decisions",
                "orders",
                "commands",
                "fills",
                "positions",
                "equity",
            )
        }
        self.held = {}

    def count(self):
        self.seq += 1
        return self.seq

    def trade(self, strategy, instrument, side, size, price, time_ns, fee_bps=5):
        """One signal, decision, order and fill, and the position after it."""
        self.number += 1
        made = {kind: f"{kind[0]}{self.number:023x}" for kind in ("signal", "order", "fill")}
        owner = {"account": self.account, "strategy": strategy, "instrument": instrument}
        terms = {"side": side, "size": Decimal(size), "ref_price": Decimal(str(price))}
        cause = f"{instrument}@{time_ns - HOUR_NS}+{HOUR_NS}"
        place = {"partition": "binance-0", "offset": 1}
        self.facts["signals"].append({
            "id": made["signal"], "strategy": strategy, "instrument": instrument, "time": time_ns,
            "side": side, "strength": 1.5, "bar_id": cause, "close_time": time_ns,
            "ref_price": float(price), **place,
        })  # fmt: skip
        self.facts["decisions"].append({
            "seq": self.count(), "order_id": made["order"], "signal_id": made["signal"], **owner,
            "time": time_ns, **terms, "close_time": time_ns, "decision": "APPROVED", "reason": "",
            "detail": "", "checks": '[["LOT",true,"1","0.1",""]]', "approved_by": "",
        })  # fmt: skip
        order = {"seq": self.count(), "id": made["order"], "signal_id": made["signal"], **owner, **terms,
                 "type": "market", "time": time_ns, "active_time": time_ns, **place, "tif": "GTC",
                 "role": "entry", "parent": "", "group": "", "rule": "", "reduce_only": False}  # fmt: skip
        self.facts["orders"].append(order)
        filled_ns = time_ns + 250_000_000
        value = Decimal(size) * Decimal(str(price))
        fee = value * fee_bps / 10_000
        self.facts["fills"].append({
            "seq": self.count(), "id": made["fill"], "order_id": made["order"], **owner, "side": side,
            "price": Decimal(str(price)), "size": Decimal(size), "fee": fee, "fee_currency": "USDT",
            "liquidity": "TAKER", "log_time": filled_ns, "event_time": filled_ns - 1_000_000,
            "trade_id": 1, **place, "beyond": Decimal(0),
        })  # fmt: skip
        self.change(owner, side, Decimal(size), Decimal(str(price)), fee, filled_ns, made["fill"])

    def deny(self, strategy, instrument, time_ns, reason="GROSS_LIMIT"):
        """One intent that a check denied."""
        self.number += 1
        self.facts["decisions"].append({
            "seq": self.count(), "order_id": f"d{self.number:023x}", "signal_id": "", "account": self.account,
            "strategy": strategy, "instrument": instrument, "time": time_ns, "side": "BUY", "size": Decimal(9),
            "ref_price": Decimal(100), "close_time": time_ns, "decision": "DENIED", "reason": reason,
            "detail": f"{reason}: observed=9, limit=5", "checks": f'[["{reason}",false,9,"5","account:main"]]',
            "approved_by": "",
        })  # fmt: skip

    def change(self, owner, side, size, price, fee, time_ns, fill):
        """Book a fill: quantity, cost, realized profit and fees of the strategy."""
        key = owner["strategy"], owner["instrument"]
        quantity, cost, realized, fees = self.held.get(key, (Decimal(0),) * 4)
        signed = size if side == "BUY" else -size
        if quantity * signed < 0:
            closed = min(abs(signed), abs(quantity)) * (1 if quantity > 0 else -1)
            realized += closed * price - cost * closed / quantity
            cost -= cost * closed / quantity
            cost += (signed + closed) * price
        else:
            cost += signed * price
        quantity, fees = quantity + signed, fees + fee
        self.held[key] = quantity, cost, realized, fees
        entry = abs(cost / quantity) if quantity else Decimal(0)
        self.facts["positions"].append({
            "seq": self.count(), **owner, "time": time_ns, "quantity": quantity, "cost": round(cost, 12),
            "entry_price": round(entry, 12), "realized": round(realized, 12), "fees": round(fees, 12),
            "fill_id": fill, "currency": "USDT", "funding": Decimal(0), "net": quantity,
            "unrealized": round(quantity * price - cost, 12) if quantity else None,
            "mark": price, "mark_time": time_ns, "unvalued": "",
        })  # fmt: skip

    def sample(self, strategy, marks, time_ns):
        """Sample the equity of a strategy at marks by instrument."""
        held = [(name, values) for (owner, name), values in self.held.items() if owner == strategy]
        realized = sum((each[2] for _, each in held), Decimal(0))
        fees = sum((each[3] for _, each in held), Decimal(0))
        value = sum(
            (each[0] * Decimal(str(marks[name])) - each[1] for name, each in held), Decimal(0)
        )
        gross = sum((abs(each[0]) * Decimal(str(marks[name])) for name, each in held), Decimal(0))
        self.facts["equity"].append({
            "seq": self.count(), "account": self.account, "strategy": strategy, "time": time_ns,
            "realized": round(realized, 12), "unrealized": round(value, 12), "fees": round(fees, 12),
            "equity": round(realized + value - fees, 12), "gross": round(gross, 12),
            "funding": Decimal(0), "unvalued": "",
        })  # fmt: skip


def create_results(path: Path, job, names):
    """A results file with its tables, a run and instruments; it is open for writing."""
    con = duckdb.connect(str(path))
    con.execute("SET TimeZone = 'UTC'")
    con.begin()
    create_tables(con)
    con.execute(
        "INSERT INTO runs SELECT 1, t, t, NULL, t, '0.1.0', 'replay', ?, '[]' "
        "FROM (SELECT TIMESTAMP_NS '2026-06-01 00:00:00' AS t)",
        [json.dumps(job)],
    )
    put(con, "instruments", [
        {"id": name, "venue": "BINANCE", "base": name.split("-")[0], "quote": "USDT", "kind": "spot",
         "venue_symbol": "", "tick": Decimal("0.01"), "lot": Decimal("0.1"), "multiplier": Decimal(1),
         "contract": "linear", "settle": "", "self_trade": "none"} for name in names
    ])  # fmt: skip
    con.commit()
    return con


def invent(path: Path, days=90, strategies=("trend", EVIL), seed=7, job=None):
    """Results of some days: a fill every few hours, a refusal a day; the closes by instrument."""
    names = [f"C{index}-USDT.BINANCE" for index, _ in enumerate(strategies)]
    listed = [{"name": name, "kind": "ema_cross"} for name in strategies]
    con = create_results(path, (job or JOB) | {"strategies": listed}, names)
    count, desk = days * 24, Desk()
    closes = {name: price_walk(count, seed + index) for index, name in enumerate(names)}
    draws = np.random.default_rng(seed).integers(0, 100, (count, len(names)))
    for hour in range(count):
        time_ns = BEGIN_NS + (hour + 1) * HOUR_NS
        for index, (name, strategy) in enumerate(zip(names, strategies, strict=True)):
            price, draw = closes[name][hour], draws[hour][index]
            if draw < 12:
                held = desk.held.get((strategy, name), (0,))[0]
                side = "SELL" if held > 0 else "BUY" if held < 0 else ("BUY", "SELL")[draw % 2]
                size = str(abs(held) * (2 if draw < 3 else 1) if held else 10)
                desk.trade(strategy, name, side, size, price, time_ns)
            elif draw == 99:
                desk.deny(strategy, name, time_ns)
        if hour + 1 < count:
            for strategy, name in sorted(zip(strategies, names, strict=True)):  # as an account does
                desk.sample(strategy, {name: closes[name][hour]}, time_ns)
    for name in names:
        put_columns(con, f"{INTERNAL}.bars", bars_of(name, closes[name]))
    for table, rows in desk.facts.items():
        put(con, f"{INTERNAL}.{table}", rows)
    con.close()
    return closes
