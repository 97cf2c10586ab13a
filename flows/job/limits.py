"""The limits of each scope, built from a job: those of [[accounts]], and [limits."SCOPE"]."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from itertools import chain

from tapeflow.flows.job import wiring
from tapeflow.flows.job.declared import match_instruments
from tapeflow.flows.job.hours import parse_hours
from tapeflow.flows.job.limits_section import Limits
from tapeflow.flows.job.messages import suggestion
from tapeflow.flows.job.settings import Job
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.limits import ScopeLimits
from tapeflow.schemas.risk import PORTFOLIO

KINDS = ("account", "strategy", "venue", "instrument", "group")
OF_ACCOUNTS = ("position_max", "gross_max", "orders_max", "orders_window")
OF_CAPITAL = ("portfolio", "account")  # kinds of scopes that have equity
OF_EQUITY = ("leverage_max", "drawdown", "margin_min")  # limits that need it
OF_KINDS = {  # limits that only some kinds of scopes can have
    "daily_loss": ("portfolio", "account", "strategy"),
    "feed_age": ("portfolio", "venue", "group", "instrument"),
}
DURATIONS = {  # by key of the job: the field in ns
    each.removesuffix("_ns"): each for each in ScopeLimits.__struct_fields__ if each[-3:] == "_ns"
}


def scope_limits(job: Job, table: InstrumentTable) -> dict[str, ScopeLimits]:
    """Return the limits of each scope of a job that has some.

    Raises UsageError for a scope that holds nothing of the job, and for a limit that is said twice.
    """
    of_accounts = {
        f"account:{name}": Limits.model_construct(
            position_max=each.position_max,
            gross_max=each.gross_max,
            orders_max=each.orders_max,
            orders_window=each.orders_window,
            on_exceed="keep",
        )
        for name, each in wiring.accounts(job).items()
    }
    found: dict[str, Limits] = dict(of_accounts)
    for written, limits in job.limits.items():
        check_capital(job, written, limits)
        if limits.clock_offset is not None and job.paper.clock != "venue":
            raise UsageError(f'limits.{written}: clock_offset needs clock = "venue" of [paper]')
        for scope in scopes_named(job, table, written):
            if scope in of_accounts:
                found[scope] = with_account(scope, limits, of_accounts[scope])
            elif scope in found:
                raise UsageError(f"limits.{written}: {scope} has limits by another pattern too")
            else:
                found[scope] = limits
    return {scope: limits_of(scope, each) for scope, each in found.items()}


def with_account(scope: str, limits: Limits, of_account: Limits) -> Limits:
    """Return the limits of an account with those of its row in [[accounts]]."""
    twice = [name for name in OF_ACCOUNTS if name in limits.model_fields_set]
    if twice:
        raise UsageError(f"limits.{scope}: {twice[0]} of an account is a key of [[accounts]]")
    return limits.model_copy(update={name: getattr(of_account, name) for name in OF_ACCOUNTS})


def check_capital(job: Job, scope: str, limits: Limits) -> None:
    """Check that a limit is of such a scope, and equity known where it is a part of it."""
    kind, _, name = scope.partition(":")
    for limit, kinds in OF_KINDS.items():
        if getattr(limits, limit) is not None and kind not in kinds:
            raise UsageError(f"limits.{scope}: {limit} is of {', '.join(kinds)}")
    key = next((each for each in OF_EQUITY if getattr(limits, each) is not None), None)
    if key is None:
        return
    if kind not in OF_CAPITAL:
        raise UsageError(f"limits.{scope}: {key} is of an account or of the portfolio")
    for each in job.accounts:
        if (kind == "portfolio" or each.name == name) and each.capital is None:
            raise UsageError(f"limits.{scope}: {key} needs capital of account {each.name}")


def scopes_named(job: Job, table: InstrumentTable, written: str) -> list[str]:
    """Return the scopes that a name in the job means: of instruments it is a pattern."""
    kind, _, name = written.partition(":")
    if written == PORTFOLIO:
        return [PORTFOLIO]
    if kind not in KINDS or not name:
        guess = suggestion(kind, (PORTFOLIO, *KINDS))
        known = [PORTFOLIO, *(f"{each}:NAME" for each in KINDS)]
        raise UsageError(f"limits.{written} is no scope{guess}; there are {', '.join(known)}")
    if kind == "instrument":
        found = [f"instrument:{each}" for each in table.ids if fnmatchcase(each, name)]
        if not found:
            guess = suggestion(name, table.ids)
            raise UsageError(f"limits.{written}: no instrument of the job is {name}{guess}")
        return found
    known_names = names_of(job, table)[kind]
    if name not in known_names:
        guess = suggestion(name.upper() if kind == "venue" else name, known_names)
        raise UsageError(f"limits.{written}: the job has no {kind} {name}{guess}")
    return [written]


def names_of(job: Job, table: InstrumentTable) -> dict[str, list[str]]:
    """Return the names of a job, by kind of scope."""
    return {
        "account": [each.name for each in job.accounts],
        "strategy": [each.name for each in job.strategies],
        "venue": sorted({row.venue for row in table.rows}),
        "group": [*job.groups],
    }


def limits_of(scope: str, limits: Limits) -> ScopeLimits:
    """Return the limits of a scope as the desk takes them."""
    values = {DURATIONS.get(key, key): value for key, value in limits.model_dump().items()}
    hours = chain.from_iterable(parse_hours(each) for each in limits.hours)
    return ScopeLimits(scope=scope, **{**values, "hours": tuple(hours)})


def groups_of(job: Job, table: InstrumentTable) -> dict[str, frozenset[str]]:
    """Return the instruments of each group. Raises UsageError for a pattern that matches none."""
    return {name: match_group(name, patterns, table) for name, patterns in job.groups.items()}


def match_group(name: str, patterns: Iterable[str], table: InstrumentTable) -> frozenset[str]:
    """Return the ids that match any of the patterns of a group."""
    return match_instruments(f"groups.{name}", patterns, table)
