"""Facts for the views of a results file: fills, the positions after them, and their storage."""

import json
from contextlib import contextmanager
from decimal import Decimal

import pyarrow as pa

from tapeflow.connectors.duckdb.file import ResultPaths
from tapeflow.connectors.duckdb.insertion import create, insert, insert_facts
from tapeflow.flows.job.fees import fee_table
from tapeflow.flows.job.paper import Paper
from tapeflow.operators.desk.account import Account
from tapeflow.operators.desk.booking import MoneyRules, book_fill, position_fields
from tapeflow.operators.desk.books import Books
from tapeflow.operators.desk.rates import Rates, foreign_instruments
from tapeflow.schemas.accounts import Position
from tapeflow.schemas.arrow import to_record_batch
from tapeflow.schemas.instruments import Instrument, InstrumentTable
from tapeflow.schemas.orders import Fill, Order, Report
from tapeflow.schemas.registry import TABLES

D = Decimal
S = 1_000_000_000
DAY = 86_400 * S
BEGIN = 1_767_600_000 * S  # 2026-01-05 08:00 UTC
SPOT, INVERSE, QUANTO = "ETH-USDT.X", "BTC-USD-PERP.X", "ETH-USD-PERP.X"
TABLE = InstrumentTable.from_rows(
    [
        Instrument(SPOT, "X", "ETH", "USDT", "spot", "ETHUSDT", D("0.01"), D("0.1"), D(1)),
        Instrument(
            INVERSE, "X", "BTC", "USD", "perp", "BTCUSD", D("0.1"), D(1), D(100),
            contract="inverse", settle="BTC",
        ),
        Instrument(
            QUANTO, "X", "ETH", "USD", "perp", "ETHUSD", D("0.1"), D(1), D("0.001"),
            contract="quanto", settle="BTC",
        ),
    ]
)  # fmt: skip
PAR = ("USD", "USDT")
RULES = MoneyRules(fee_table(Paper()), 8)


def job_json(*accounts, capital=None):
    """Return the job of a run as it is stored, as far as views read it."""
    rows = [
        {"name": name, "capital": capital, "at_par": [*PAR]}
        for name in accounts or ("main", "more")
    ]
    return json.dumps({"accounts": rows, "strategies": []})


class Book:
    """Fills in the order of an account's seq, and the positions after them, as the desk has them."""

    def __init__(self):
        self.accounts = {}
        self.facts = []

    def fill(
        self, owner, side, size, price, fee="0", at_ns=BEGIN, order_id=None, *, fee_currency=""
    ):
        """Book a fill of (account, strategy, instrument); add it and the position to the facts."""
        account, strategy, instrument = owner
        money = self.accounts.setdefault(account, Account(Books(foreign_instruments(TABLE, PAR))))
        seq = len(self.facts)
        order_id = order_id or f"order-{seq}"
        order = Order(
            seq, order_id, "signal", account, strategy, instrument, side, "market", D(size),
            D(price), at_ns, at_ns, "x-0", seq,
        )  # fmt: skip
        report = Report(
            order_id, "FILL", (at_ns, "x-0", seq), at_ns, price=D(price), size=D(size),
            liquidity="TAKER", fee=D(fee), fee_currency=fee_currency,
        )  # fmt: skip
        booking = book_fill(money, RULES, order, report, Rates(TABLE, PAR, lambda _: None))
        row = TABLE.get(instrument)
        fill = Fill(
            seq, f"fill-{seq}", order_id, account, strategy, instrument, side, D(price), D(size),
            booking.fee.amount, booking.fee.currency, "TAKER", at_ns, at_ns, -1, "x-0", seq,
            fee_value=None if booking.fee.currency == row.settlement else booking.fee.value,
        )  # fmt: skip
        position = Position(
            seq=seq + 1, account=account, strategy=strategy, instrument=instrument, time_ns=at_ns,
            fill_id=fill.id, **position_fields(RULES, booking, None),
        )  # fmt: skip
        self.facts += [fill, position]
        return fill

    def rows(self, kind):
        """Return the facts of a type."""
        return [each for each in self.facts if type(each) is kind]


class Views:
    """Fresh results, which hold facts as long as `holding` does."""

    def __init__(self, folder):
        path = folder / "views.duckdb"
        self.con = create(ResultPaths(path, path))
        insert(
            self.con,
            "instruments",
            pa.Table.from_batches([to_record_batch(Instrument, TABLE.rows)]),
        )

    @contextmanager
    def holding(self, facts, job=None):
        """Hold facts of a run with this job, in a transaction that is rolled back."""
        tables = {}
        for kind in {type(fact) for fact in facts}:
            rows = [fact for fact in facts if type(fact) is kind]
            tables[TABLES[kind]] = pa.Table.from_batches([to_record_batch(kind, rows)])
        self.con.begin()
        try:
            self.con.execute("INSERT INTO runs (id, job) VALUES (1, ?)", [job or job_json()])
            insert_facts(self.con, 1, tables)
            yield self
        finally:
            self.con.rollback()

    def rows(self, sql, *values):
        """Return the rows of a query, each as a dict by column."""
        result = self.con.execute(sql, list(values))
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
