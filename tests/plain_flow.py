"""The flow of flows/trade.py as plain folds over lists, without the engine, and a job for it.

pages ─▶ inputs_of ─▶ run(step, ...)                       one partition, any step
log ─▶ desk_batches ─▶ interleave ─▶ run(desk, ...)     all partitions, in some order
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import chain, cycle
from typing import Any

from msgspec.structs import replace

from tapeflow.flows.job import bar_steps, declared, features, portfolio, wiring
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.paper import Paper
from tapeflow.flows.job.risk import Risk
from tapeflow.flows.job.settings import Job
from tapeflow.operators import batch_facts, records
from tapeflow.operators.decode import step as decode
from tapeflow.operators.desk.booking import MoneyRules
from tapeflow.operators.desk.fees import FeeTable, FeeTier, VenueFees
from tapeflow.operators.desk.selection import desk_batch
from tapeflow.operators.desk.step import Desk
from tapeflow.operators.quality.step import CountQuality
from tapeflow.operators.sequence.settle import SettleGaps
from tapeflow.operators.strategies.step import EvaluateStrategies, bind
from tapeflow.operators.unlisted import CountUnlisted
from tapeflow.schemas.batches import Batch, DeskBatch, Page
from tapeflow.schemas.venues import venue_of
from tests.frames import PARTITIONS, Log, to_pages
from tests.laws import AnyStep, Stateless, run

JOB = Job.model_validate(
    {
        "bars": {"width": "1s", "lateness": "200ms"},
        "dedupe": {"window": 12},
        "normalise": {"window": 2},
        "market": {"mark_prices": True},
        "paper": {"model": "trade", "clock": "log", "patience": "none", "funding": False},
        "risk": {"counting": "net"},
        "results": {"equity_interval": "3s", "stale_mark": "1s", "order_events": False, "position_values": False},
        "instruments": {
            name: {"tick": "0.25", "lot": "0.5"}
            for name in (
                "BTC-USD.COINBASE",
                "BTC-USDT-PERP.BINANCE-USDM",
                "BTC-USDT.BINANCE",
                "ETH-USD.COINBASE",
                "ETH-USDT-PERP.BINANCE-USDM",
                "ETH-USDT.BINANCE",
            )
        },
        "accounts": [
            {"name": "main", "position_max": 1, "gross_max": 420, "orders_max": 4, "orders_window": "4s"},
            {"name": "wide", "position_max": 9, "gross_max": 9e6, "orders_max": 99, "orders_window": "9s"},
        ],
        "strategies": [
            {"name": "trend", "kind": "ema_cross", "fast": 1, "slow": 2, "account": "main", "size": 1},
            {"name": "back", "kind": "reversion", "entry": 1.0, "account": "wide", "size": "2.5"},
            {"name": "more", "kind": "ema_cross", "fast": 1, "slow": 3, "account": "wide", "size": 3},
        ],
    }
)  # fmt: skip
DEFAULT_JOB = JOB.model_copy(  # the same by the rules of risk and of the venue that a new job has
    update={
        "paper": Paper(),
        "risk": Risk(),
        "results": JOB.results.model_copy(update={"order_events": True, "position_values": True}),
    }
)
INSTRUMENTS = instrument_table(JOB)
IDS = INSTRUMENTS.ids  # by the instrument's number


def flow_steps(job: Job = JOB, partitions: Sequence[str] = PARTITIONS) -> dict[str, AnyStep]:
    """Return every step of the flow, with the settings of a job."""
    table = instrument_table(job)
    ids = table.ids
    decoders = wiring.decoders(job, table)
    in_columns = declared.in_columns(declared.strategies(job, table))
    strategies = bind(in_columns, table)

    def decode_page(page: Page) -> list[Batch]:
        return [decode.step(page, decoder=decoders[venue_of(page.partition)])]

    def facts_of(batch: Batch) -> Iterable[Any]:
        return records.expand_blocks(batch_facts.step(batch, instruments=ids), ids)

    return {
        "decode": Stateless(decode_page),
        "dedupe": bar_steps.dedupe(job, table),
        "judge": bar_steps.judge_trades(job, table),
        "bars": bar_steps.time_bars(job, table),
        "settle": SettleGaps(job.bars.width),
        "other_bars": bar_steps.other_bars(job, table, declared.strategies(job, table))
        or Stateless(lambda batch: (batch,)),
        "normalise": bar_steps.score_bars(job, table),
        "features": features.compute_features(job, table, ()) or Stateless(lambda batch: (batch,)),
        "signals": EvaluateStrategies(strategies),
        "quality": CountQuality(ids, wiring.channels(job)),
        "unlisted": CountUnlisted(),
        "batch_facts": Stateless(facts_of),
        "desk": Desk(portfolio.desk_settings(job, table, sorted(partitions))),
        "records": Stateless(lambda fact: (records.step(fact, prefix="t."),)),
    }


TO_SIGNALS = (
    *("decode", "dedupe", "judge", "bars", "settle"),
    *("other_bars", "normalise", "features", "signals"),
)


def inputs_of(name: str, pages: Sequence[Page], steps: Mapping[str, AnyStep]) -> list[Any]:
    """Return one partition's pages as they arrive at a step."""
    values: list[Any] = list(pages)
    for step in TO_SIGNALS:
        if step == name:
            return values
        values = run(steps[step], values)[1]
    if name == "records":
        return run(steps["batch_facts"], values)[1] + run(steps["quality"], values)[1]
    return values


def desk_batches(
    log: Log, sizes: Iterable[int], steps: Mapping[str, AnyStep], *, end_of_log=True
) -> dict[str, list[DeskBatch]]:
    """Return the batches that the desk receives, by partition."""
    decided = decided_batches(log, sizes, steps, end_of_log=end_of_log)
    desk = steps["desk"]
    assert isinstance(desk, Desk)
    return {
        name: [desk_batch(each, desk.settings) for each in batches]
        for name, batches in decided.items()
    }


def facts_of_account(facts: Iterable[Any], account: str) -> list[Any]:
    """Return the facts of one account."""
    return [fact for fact in facts if fact.account == account]


def decided_batches(
    log: Log, sizes: Iterable[int], steps: Mapping[str, AnyStep], *, end_of_log=True
) -> dict[str, list[Batch]]:
    """Return the batches that all accounts are sent their share of, by partition."""
    sizes = list(sizes)
    return {
        name: inputs_of("desk", to_pages(name, logged, sizes, end_of_log=end_of_log), steps)
        for name, logged in log.items()
    }


def interleave(streams: Mapping[str, Sequence[Any]], choices: Iterable[int]) -> list[Any]:
    """Return the values of all streams in one order of arrival; each stream keeps its own order.

    Each choice selects the stream whose next value arrives; when they are used up, it is the first.
    """
    waiting = [list(stream) for _, stream in sorted(streams.items()) if stream]
    arrived = []
    for choice in chain(choices, cycle([0])):
        if not waiting:
            break
        stream = waiting[choice % len(waiting)]
        arrived.append(stream.pop(0))
        waiting = [stream for stream in waiting if stream]
    return arrived


def money_rules(rules: MoneyRules, changes: dict[str, Any]) -> MoneyRules:
    """Return the rules of money with one fee for all, and other digits, taken from `changes`."""
    if "fee_rate" in changes:
        rate = changes.pop("fee_rate")
        rules = replace(rules, fees=FeeTable(VenueFees((FeeTier(Decimal(0), rate, rate),)), {}))
    if "money_digits" in changes:
        rules = replace(rules, digits=changes.pop("money_digits"))
    return rules
