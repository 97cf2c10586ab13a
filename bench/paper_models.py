"""Compare the models of the paper venue on a recording: fills, their costs and gains.

    python -m bench.paper_models RECORDING.gz [--venue binance] [--symbol BTCUSDT] [--sizes 0.01 2]

    every 2 s, buys and sells by turns, each kind and size in a run of its own:
        a market order                             filled %, cost against the mid of the decision
        a limit order at the touch, 30 s long      filled %, what it has gained 10 s after the fill

A recording is lines of a log time, a space and a frame. The table is printed as Markdown.
"""

import argparse
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import get_args

from bench.paper_replay import Replay, read_rows
from tapeflow.operators.desk.venue.rows import Row, TradeRow
from tapeflow.operators.desk.venue.rules import Model, PaperRules
from tapeflow.schemas.instruments import Instrument, InstrumentTable
from tapeflow.schemas.orders import MARKET, Report, Terms
from tapeflow.schemas.sides import BUY, SELL

EVERY_NS, LIFE_NS, LATER_NS = 2 * 10**9, 30 * 10**9, 10 * 10**9
HEAD = (
    "| model | size | market: filled | cost, bps | limit: filled | after 10 s, bps |\n"
    "|---|---|---|---|---|---|"
)


@dataclass
class Outcome:
    """What came of the orders of one kind and size."""

    sent: Decimal = Decimal(0)
    filled: Decimal = Decimal(0)
    gains: list[tuple[float, float]] = field(default_factory=list)  # size, bps against a mid

    def add(self, report: Report, side: int, mid: float) -> None:
        """Add a fill, and what it gained against a mid."""
        assert report.size is not None and report.price is not None
        self.filled += report.size
        gain_bps = side * (mid - float(report.price)) / mid * 1e4
        self.gains.append((float(report.size), gain_bps))

    @property
    def share(self) -> str:
        """What was filled of what was sent."""
        return f"{100 * float(self.filled / self.sent):.0f}%" if self.sent else "-"

    @property
    def gain(self) -> float:
        """The mean gain by size, in bps."""
        total = sum(size for size, _ in self.gains)
        return sum(size * bps for size, bps in self.gains) / total if total else 0.0


def study(
    rows: list[Row], table: InstrumentTable, rules: PaperRules, kind: str, size: Decimal
) -> Outcome:
    """Send orders of one kind and size all along a recording; return what came of them."""
    replay, outcome = Replay(rules, table), Outcome()
    sent: dict[str, tuple[int, float]] = {}
    next_ns, side = 0, SELL
    for row in rows:
        now_ns, standing = row.position[0], replay.standing
        if now_ns >= next_ns and standing.bid > 0 and standing.ask > 0:
            next_ns, side = now_ns + EVERY_NS, -side
            join = Decimal(repr(standing.bid if side == BUY else standing.ask))
            limit = Terms(type="limit", limit=join, tif="GTD", expire_ns=now_ns + LIFE_NS)
            name = f"o{len(sent)}"
            replay.place(name, side, size, MARKET if kind == "market" else limit, row.position)
            sent[name] = side, (standing.bid + standing.ask) / 2
            outcome.sent += size
        replay.show(row)
    for report in replay.reports:
        if report.kind == "FILL":
            side, mid = sent[report.order_id]
            if kind == "limit":
                later_ns = report.position[0] + LATER_NS
                mid = replay.mids[bisect_right(replay.mid_ns, later_ns) - 1]
            outcome.add(report, side, mid)
    return outcome


def table_of(
    rows: list[Row], table: InstrumentTable, sizes: list[Decimal], slip: int | None
) -> Iterator[str]:
    """Yield the lines of the table, by model and size."""
    yield HEAD
    for model in get_args(Model):
        rules = PaperRules(model=model, slip=slip)
        for size in sizes:
            market = study(rows, table, rules, "market", size)
            limit = study(rows, table, rules, "limit", size)
            yield (
                f"| `{model}` | {size} | {market.share} | {-market.gain:.3f} "
                f"| {limit.share} | {limit.gain:+.3f} |"
            )


def main() -> None:
    """Print the table of one recording."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording", type=Path)
    parser.add_argument("--venue", default="binance")
    parser.add_argument("--symbol", default="BTCUSDT")
    parser.add_argument("--tick", type=Decimal, default=Decimal("0.01"))
    parser.add_argument("--lot", type=Decimal, default=Decimal("0.00001"))
    parser.add_argument("--slip", type=int, default=0)
    parser.add_argument("--sizes", type=Decimal, nargs="+", default=[Decimal("0.01"), Decimal(2)])
    given = parser.parse_args()
    instrument = Instrument(
        id="A-B.BINANCE",
        venue="BINANCE",
        base="A",
        quote="B",
        kind="spot",
        venue_symbol=given.symbol,
        tick=given.tick,
        lot=given.lot,
        multiplier=Decimal(1),
    )
    rows = [*read_rows(given.recording, given.venue, given.symbol)]
    trades = sum(isinstance(row, TradeRow) for row in rows)
    seconds = (rows[-1].position[0] - rows[0].position[0]) / 1e9
    print(f"{trades:,} trades, {len(rows) - trades:,} quotes, {seconds:,.0f} s\n")
    print(
        "\n".join(table_of(rows, InstrumentTable.from_rows([instrument]), given.sizes, given.slip))
    )


if __name__ == "__main__":
    main()
