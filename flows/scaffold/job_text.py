"""The text of a new job: its settings with what they mean, and the instruments that were found."""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tapeflow.flows.scaffold.steps import step_of
from tapeflow.flows.scaffold.symbols import instrument_id, why_unknown
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.instruments import parse_id
from tapeflow.schemas.time import format_time

if TYPE_CHECKING:  # a job from nothing needs neither settings nor a decoder
    from tapeflow.flows.job.sections import Kafka, Tape
    from tapeflow.flows.scaffold.learn import Learnt, Log

AT_PAR = ("USDT", "USDC", "USD")  # currencies in which the account counts
TRADED = 3  # instruments that the strategy trades: those with the most ticks
HOUR_NS = 3_600_000_000_000
WIDTHS = ((2 * HOUR_NS, "1s"), (48 * HOUR_NS, "1m"))  # of bars, by the time that was looked at
LONG_WIDTH = "5m"

JOB = """\
# A job: what is read, how bars are made, who trades. Every setting: docs/reference/configuration.md

[bars]
width = "{width}"                    # time from a bar's open to its close
lateness = "200ms"              # a bar waits so long for what comes late

[paper]
latency = "250ms"               # from a decision to the venue
fee_bps = 5                     # of the notional, in 1/10000: yours may be another

[[accounts]]
name = "main"
at_par = {at_par}    # currencies that count as one another in limits and capital
capital = 100000
position_max = 10000000         # units of any one instrument
gross_max = 50000               # notional of all together
orders_max = 20                 # at most so many orders ..
orders_window = "10s"           # .. in this time

[[strategies]]
name = "dip"
kind = "strategy.py:Dip"        # the class in the file beside this one
account = "main"
size = {{ notional = "1000" }}    # of each order, in the quote currency; or a number of units
instruments = [{traded}]
depth = 2.5                     # a setting of the class
"""
DEMO = """
# The instruments of the demo's made-up market.
[instruments]
{rows}
"""
LEARNT = """
# LEARNT from {frames:,} frames, {first} to {last} UTC: tick and lot are the smallest decimal
# steps of prices and sizes that were seen there. A longer look may show smaller ones, and a venue's
# rules are its own: check them, and add min_size and min_notional as the venue has them.
[instruments]
{rows}
"""


def demo_job(instruments: str) -> str:
    """Return the job of a start from nothing; `instruments` are the rows of the demo's job."""
    text = JOB.format(width="1s", at_par=json.dumps(AT_PAR), traded='"BTC-*", "ETH-*"')
    return text + DEMO.format(rows=instruments.strip())


def learnt_job(log: "Log", tapes: Sequence["Tape"], kafka: "Kafka | None") -> str:
    """Return the job of what was learnt from a log.

    `tapes` are the mappings of files it was read with, `kafka` the broker it was read from.

    Raises UsageError where no instrument can be named.
    """
    order = sorted(log.instruments.values(), key=lambda each: (-count_ticks(each), each.symbol))
    at_par, traded = choose_traded(order)
    width = next((width for span, width in WIDTHS if log.span_ns < span), LONG_WIDTH)
    text = JOB.format(
        width=width, at_par=json.dumps(at_par), traded=", ".join(map(json.dumps, traded))
    )
    if aggregated := sorted(venue for venue, way in log.ways.items() if way == "aggTrade"):
        text += (
            "\n[market.trades]                 # aggregate trades were seen, and no single ones\n"
        )
        text += "".join(f'{venue} = "aggTrade"\n' for venue in aggregated)
    if kafka is not None:
        text += "\n[kafka]                         # secrets: in TAPEFLOW_KAFKA_CLIENT\n"
        text += f"bootstrap = {json.dumps(kafka.bootstrap)}\n"
        text += f"raw_prefix = {json.dumps(kafka.raw_prefix)}\n"
    for tape in tapes:
        text += f"\n[[tapes]]\nfiles = {json.dumps(tape.files)}\n"
        text += f"partition = {json.dumps(tape.partition)}\n"
    return text + LEARNT.format(
        frames=log.frames,
        first=format_time(log.first_ns),
        last=format_time(log.last_ns),
        rows="\n".join(rows_of(sorted(order, key=lambda each: (each.venue, each.symbol)))),
    )


def count_ticks(each: "Learnt") -> int:
    """Return how many ticks of an instrument were seen."""
    return each.trades + each.quotes


def choose_traded(order: Iterable["Learnt"]) -> tuple[Sequence[str], list[str]]:
    """Return the ids of the instruments with the most ticks of one currency, and those at par.

    They are in the usual ones where one is, else in that of the first. Raises UsageError where no
    instrument can be named.
    """
    ids = [name for each in order if (name := instrument_id(each.venue, each.symbol))]
    if not ids:
        raise UsageError("none of the symbols is one of which base and quote are known")
    at_par: Sequence[str] = AT_PAR
    if not any(quote_of(each) in at_par for each in ids):
        at_par = [quote_of(ids[0])]
    return at_par, [each for each in ids if quote_of(each) in at_par][:TRADED]


def quote_of(instrument: str) -> str:
    """Return the currency of an instrument's prices."""
    return parse_id(instrument).quote


def rows_of(instruments: Iterable["Learnt"]) -> Iterable[str]:
    """Yield the line of each instrument; those without an id are comments."""
    for each in instruments:
        tick, lot = step_of(each.price_places), step_of(each.size_places)
        name = instrument_id(each.venue, each.symbol)
        seen = f"{each.trades:,} trades, {each.quotes:,} quotes"
        values = f'tick = "{tick:f}", lot = "{lot:f}"'
        if name:
            yield f"{json.dumps(name)} = {{ {values} }}  # learnt from {seen}"
        else:
            yield f"# {each.symbol} of {each.venue}, {values}, {seen}: {why_unknown(each.symbol)}"
