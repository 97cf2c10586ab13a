"""Which settings may change under a state: none, but for those that are listed here.

    fixed    a state that was made with another value is refused: it would give a third answer
    notified the value may change while a run goes on, as limits do; the run says so at its start
    free     no answer depends on it

A setting that is new is fixed until it is listed. Rows may come and go, which is said: those of
accounts and strategies may also change, those of instruments and venues are fixed while they stay.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from tapeflow.connectors.state.manifest import Rows
from tapeflow.flows.job.declared import strategies
from tapeflow.flows.job.features import file_sha256
from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.settings import Job
from tapeflow.flows.job.wiring import money_digits
from tapeflow.schemas.strategy_source import find_sources

ALL = "*"
FREE: Mapping[str, frozenset[str]] = {  # by section
    "source": frozenset({"page_records", "max_lead", "stall_warning", "heartbeat_after"}),
    "recovery": frozenset({ALL}),
    "kafka": frozenset({ALL}),
    "metrics": frozenset({ALL}),
    "alerts": frozenset({ALL}),
    "sweep": frozenset({ALL}),
    "tapes": frozenset({ALL}),  # names of files: what is in them is proven
}
NOTIFIED = ("accounts", "strategies")  # sections of rows; features, by name, are notified too
OF_VENUES = ("channels", "market.trades", "paper.fees")  # settings by venue


def fixed_settings(job: Job) -> dict[str, Any]:
    """Return the settings with which a state must go on, as JSON values by name."""
    found = flat_settings(job, {"instruments", "features", "limits", "groups", *NOTIFIED})
    for section, keys in FREE.items():
        for name in [each for each in found if each.partition(".")[0] == section]:
            if ALL in keys or name.partition(".")[2] in keys:
                del found[name]
    for name in [each for each in found if each.startswith(tuple(f"{s}." for s in OF_VENUES))]:
        del found[name]
    found["results.money_digits"] = money_digits(job, instrument_table(job))
    return found


def fixed_rows(job: Job) -> Rows:
    """Return the settings of each row that must stay as they are while it stays, by section."""
    listed, found = instrument_table(job), flat_settings(job, set(NOTIFIED))
    prefixes: dict[str, dict[str, tuple[str, ...]]] = {
        "instruments": {each: (f"instruments.{each}.",) for each in listed.ids},
        "venues": {
            each: tuple(f"{section}.{each}{end}" for section in OF_VENUES for end in ("", "."))
            for each in sorted({row.venue.lower() for row in listed.rows})
        },
    }
    return {
        section: {name: settings_of(found, some) for name, some in rows.items()}
        for section, rows in prefixes.items()
    }


def settings_of(found: dict[str, Any], prefixes: tuple[str, ...]) -> dict[str, Any]:
    """Return the settings with one of these names, or below one that ends in a point."""
    return {
        name: value
        for name, value in found.items()
        if name in prefixes or name.startswith(tuple(each for each in prefixes if each[-1] == "."))
    }


def notified_rows(job: Job) -> Rows:
    """Return the settings of each row that may change under a state, by section."""
    found: Rows = {}
    for section in NOTIFIED:
        rows, written = (
            {row["name"]: row for row in job.model_dump(mode=mode)[section]}
            for mode in ("python", "json")
        )
        found[section] = {
            name: dict(flatten(row, written[name], f"{section}.{name}."))
            for name, row in rows.items()
        }
    for source in find_sources(strategies(job, instrument_table(job))):
        if source.sha256:
            found["strategies"][source.name][f"strategies.{source.name}.sha256"] = source.sha256
    found["limits"] = {
        scope: dict(
            flatten(limits.model_dump(), limits.model_dump(mode="json"), f"limits.{scope}.")
        )
        for scope, limits in job.limits.items()
    }
    found["groups"] = {name: {f"groups.{name}": [*each]} for name, each in job.groups.items()}
    found["features"] = {
        name: {f"features.{name}": source, f"features.{name}.sha256": file_sha256(job, source)}
        for name, source in job.features.items()
    }
    return found


def flat_settings(job: Job, exclude: set[str]) -> dict[str, Any]:
    """Return the settings of a job without some sections, as JSON values by name."""
    values = (job.model_dump(exclude=exclude), job.model_dump(mode="json", exclude=exclude))
    return dict(flatten(*values))


def flatten(
    values: Mapping[str, Any], written: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yield name and JSON value of each setting; equal numbers are written alike.

    >>> dict(flatten({"a": {"b": Decimal("1.0")}}, {"a": {"b": "1.0"}}))
    {'a.b': '1'}
    """
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from flatten(value, written[key], f"{name}.")
        elif isinstance(value, tuple) and all(isinstance(row, dict) for row in value):
            for number, rows in enumerate(zip(value, written[key], strict=True)):
                yield from flatten(*rows, f"{name}.{number}.")
        elif isinstance(value, Decimal):
            yield name, f"{value.normalize():f}"
        else:
            yield name, written[key]
