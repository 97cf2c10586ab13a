"""The settings of the desk, built from a job: its accounts, the rules of the paper venue, money."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tapeflow.flows.job import wiring
from tapeflow.flows.job.bar_kinds import own_kinds
from tapeflow.flows.job.declared import in_merge, strategies
from tapeflow.flows.job.limits import groups_of, scope_limits
from tapeflow.flows.job.protections import protections
from tapeflow.flows.job.risk_checks import check_risk
from tapeflow.flows.job.sections import Account
from tapeflow.flows.job.settings import Job
from tapeflow.schemas.accounts import Limits
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.protections import Protection
from tapeflow.schemas.signals import DeclaredStrategy
from tapeflow.schemas.time import MIN_NS

if TYPE_CHECKING:  # steps are slow to import, and checking a job needs none
    from tapeflow.operators.desk.risk.rules import RiskRules
    from tapeflow.operators.desk.settings import AccountSettings, DeskSettings
    from tapeflow.operators.desk.venue.rules import PaperRules


def desk_settings(job: Job, table: InstrumentTable, partitions: Iterable[str]) -> "DeskSettings":
    """Return the settings of the desk."""
    from tapeflow.flows.job.fees import fee_table  # noqa: PLC0415  # see above
    from tapeflow.operators.desk.booking import MoneyRules  # noqa: PLC0415
    from tapeflow.operators.desk.settings import DeskSettings  # noqa: PLC0415

    by_name = wiring.accounts(job)
    wiring.check_accounts(job, table, by_name)
    declared, protected = strategies(job, table), tuple(protections(job, table))
    settings = DeskSettings(
        accounts={name: account_settings(each) for name, each in by_name.items()},
        partitions=tuple(partitions),
        instruments=table,
        paper=paper_rules(job),
        venue_clock=job.paper.clock == "venue",
        money=MoneyRules(
            fee_table(job.paper), wiring.money_digits(job, table), job.results.position_values
        ),
        risk=risk_rules(job, table),
        sample_ns=job.results.equity_interval,
        stale_mark_ns=job.results.stale_mark,
        protections=protected,
        reads_bars=reads_bars(job, declared, protected),
        has_triggers=any(each.has_triggers for each in declared),
        pays_funding=job.market.mark_prices and job.paper.funding,
        order_events=job.results.order_events,
        stores_quotes=job.results.quotes,
        control=job.control.rules(),
        warm_up_ns=job.warmup.span_ns,
        warm_until_ns=MIN_NS if job.warmup.until is None else job.warmup.until,
    )
    called = in_merge(declared)
    return settings.with_strategies(called, own_kinds(job.bars.width, called))


def account_settings(account: Account) -> "AccountSettings":
    """Return the settings of an account at the desk."""
    from tapeflow.operators.desk.settings import AccountSettings  # noqa: PLC0415  # see above

    limits = Limits(
        account.position_max, account.gross_max, account.orders_max, account.orders_window
    )
    return AccountSettings(account.name, limits, account.at_par, account.capital)


def reads_bars(
    job: Job, declared: Iterable[DeclaredStrategy], protected: Iterable[Protection]
) -> bool:
    """Return whether orders in slices, protections or limits follow the bars of the job's width."""
    by_volume = any(each.slices_by_volume for each in declared)
    by_range = any(each.stop_atr is not None for each in protected)
    by_return = any(each.correlated_max is not None for each in job.limits.values())
    return by_volume or by_range or by_return


def trading_instruments(job: Job, table: InstrumentTable) -> dict[tuple[str, str], frozenset[str]]:
    """Return the ids of the instruments that each strategy trades, by account and strategy."""
    return {(each.account, each.name): each.instruments for each in strategies(job, table)}


def risk_rules(job: Job, table: InstrumentTable) -> "RiskRules":
    """Return the rules of the risk checks."""
    from tapeflow.operators.desk.risk.rules import RiskRules  # noqa: PLC0415  # see above

    check_risk(job, table)
    limits, groups = scope_limits(job, table), groups_of(job, table)
    return RiskRules(job.risk.counting, job.risk.flips, job.risk.on_breach, limits, groups)


def paper_rules(job: Job) -> "PaperRules":
    """Return the rules of the paper venue."""
    from tapeflow.operators.desk.venue.rules import Latency, PaperRules  # noqa: PLC0415

    paper = job.paper
    return PaperRules(
        model=paper.model,
        share=paper.share,
        slip=paper.slip,
        quote_age_ns=paper.quote_age,
        patience_ns=paper.patience,
        entry=Latency(paper.latency, paper.latency_spread),
        cancel=Latency(paper.cancel_ns, paper.cancel_latency_spread),
        answer=Latency(paper.answer_latency, paper.answer_latency_spread),
    )
