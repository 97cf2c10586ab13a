"""Grids: a strategy with `[strategies.grid]` becomes variants, one for each combination of values.

    [strategies.grid]
    fast = [5, 8]
    slow = { from = 20, to = 40, step = 10 }     20, 30, 40

    ──▶ trend/fast=5,slow=20  trend/fast=5,slow=30  ..  trend/fast=8,slow=40

The last key changes first, in the order of the file. Each variant has an account of its own, with
the limits of its strategy's account, and both bear its name. Where a job has one variant in all, it
keeps the names of the job: it is the strategy itself. What the strategy refuses is left out.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from pydantic import ValidationError

from tapeflow.flows.job.class_settings import make_strategy
from tapeflow.flows.job.grid_values import VARIANTS_MAX, format_value, read_values
from tapeflow.flows.job.kinds import find_kind
from tapeflow.flows.job.messages import suggestion
from tapeflow.flows.job.settings import Job
from tapeflow.flows.job.strategies import ClassStrategy, StrategySettings
from tapeflow.schemas.errors import UsageError

Values = dict[str, Any]  # of the settings of a strategy, by key


class Variant(NamedTuple):
    """One combination of the values of a grid."""

    strategy: str  # the name in the job
    name: str
    parameters: Values
    row: StrategySettings  # as it runs: of that name, and with an account of its own


class Grids(NamedTuple):
    """The variants of a job, in their order, and what is not one of them."""

    variants: tuple[Variant, ...]
    refused: dict[str, tuple[int, str]]  # by strategy: combinations, and why the first was refused
    without: tuple[str, ...]  # strategies without a grid


def check_grids(job: Job) -> None:
    """Check the keys and the values of all grids, and how many combinations they have.

    Raises UsageError with the key, and the name that was meant.
    """
    sizes = {
        row.name: prod(map(len, read_grid(row, job.folder).values()))
        for row in job.strategies
        if row.grid
    }
    total = sum(sizes.values())
    if total > VARIANTS_MAX:
        largest = max(sizes, key=sizes.__getitem__)
        raise UsageError(
            f"strategies.{largest}.grid: {total:,} combinations in all, at most {VARIANTS_MAX:,}: "
            "give fewer values, or larger steps"
        )


def read_grid(row: StrategySettings, folder: Path) -> dict[str, list[Any]]:
    """Return the values of each key of a grid.

    Raises UsageError for a key that is no setting of the strategy, or without a list of values.
    """
    known = parameter_names(row, folder)
    found = {}
    for key, values in (row.grid or {}).items():
        where = f"strategies.{row.name}.grid.{key}"
        if key not in known:
            raise UsageError(f"{where} is no setting{suggestion(key, known)}")
        found[key] = read_values(where, values)
    return found


def parameter_names(row: StrategySettings, folder: Path) -> list[str]:
    """Return the keys of the strategy itself, those that not every strategy has."""
    if isinstance(row, ClassStrategy):
        fields = msgspec.structs.fields(find_kind(row.kind, folder).type)
        return [each.encode_name for each in fields]
    return [*row.own_settings()]


def expand_grids(job: Job) -> Grids:
    """Return the variants of all grids of a job.

    Raises UsageError for a value that the strategy never takes, and where no combination is left.
    """
    check_grids(job)
    refused: dict[str, tuple[int, str]] = {}
    found: list[tuple[StrategySettings, Values, Values]] = []
    for row in job.strategies:
        if not row.grid:
            continue
        before, reasons = len(found), []
        for values in combine(read_grid(row, job.folder)):
            checked = check_combination(row, values, job.folder)
            if isinstance(checked, str):
                reasons.append(checked)
            else:
                found.append((row, values, checked))
        if len(found) == before:
            raise UsageError(f"strategies.{row.name}.grid: it refuses every one: {reasons[0]}")
        if reasons:
            refused[row.name] = len(reasons), reasons[0]
    without = tuple(row.name for row in job.strategies if not row.grid)
    alone = len(found) == 1
    return Grids(tuple(make_variant(*each, alone=alone) for each in found), refused, without)


def combine(grid: Mapping[str, list[Any]]) -> Iterator[Values]:
    """Yield all combinations of the values of a grid; the last key changes first."""
    for values in product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def check_combination(row: StrategySettings, values: Values, folder: Path) -> Values | str:
    """Return all settings of the strategy itself with these values, or why it refuses them.

    Raises UsageError for a value that is wrong in any combination.
    """
    own = row.own_settings() | values
    place = f"strategies.{row.name}"
    if isinstance(row, ClassStrategy):
        try:
            make_strategy(place, find_kind(row.kind, folder).type, own)
        except UsageError as error:
            if str(error).startswith(f"{place}: "):
                return str(error).removeprefix(f"{place}: ")
            raise
        return own
    shared = {"name": row.name, "account": row.account, "size": 1, "kind": row.kind}
    try:
        return type(row).model_validate({**shared, **own}).own_settings()
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
    line = found["msg"].removeprefix("Value error, ")
    if not found["loc"]:
        return line
    key = str(found["loc"][0])
    raise UsageError(f"{place}.grid.{key}: {format_value(own.get(key))}: {line}")


def make_variant(row: StrategySettings, values: Values, own: Values, *, alone: bool) -> Variant:
    """Return the variant of some values; `alone`: it is the only one of the job."""
    text = ",".join(f"{key}={format_value(value)}" for key, value in values.items())
    name = row.name if alone else f"{row.name}/{text}"
    account = row.account if alone else name
    changed = {**own, "name": name, "account": account, "grid": None}
    return Variant(row.name, name, values, row.model_copy(update=changed))


def variant_job(job: Job, variants: tuple[Variant, ...]) -> Job:
    """Return the job that runs these variants, each with an account of its own."""
    accounts = {each.name: each for each in job.accounts}
    base = {row.name: row.account for row in job.strategies}
    own = {
        each.row.account: accounts[base[each.strategy]].model_copy(
            update={"name": each.row.account}
        )
        for each in variants
        if base[each.strategy] in accounts
    }
    changed = {"strategies": tuple(each.row for each in variants), "accounts": tuple(own.values())}
    return job.model_copy(update=changed)
