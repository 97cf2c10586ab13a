"""Which settings may change under a state: none, but for those that are listed here.

    fixed    a state that was made with another value is refused: it would give a third answer
    notified the value may change while a run goes on, as limits do; the run says so at its start
    free     no answer depends on it

A setting that is new is fixed until it is listed.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from tapeflow.flows.job.instruments import instrument_table
from tapeflow.flows.job.settings import Job
from tapeflow.flows.job.wiring import money_digits

ALL = "*"
FREE: Mapping[str, frozenset[str]] = {  # by section
    "source": frozenset({"page_records", "max_lead", "stall_warning", "heartbeat_after"}),
    "recovery": frozenset({ALL}),
    "kafka": frozenset({ALL}),
    "metrics": frozenset({ALL}),
    "tapes": frozenset({ALL}),  # names of files: what is in them is proven
}
NOTIFIED = ("accounts", "strategies")  # their names as well, but for those of accounts


def fixed_settings(job: Job) -> dict[str, Any]:
    """Return the settings with which a state must go on, as JSON values by name."""
    values = (
        job.model_dump(exclude=set(NOTIFIED)),
        job.model_dump(mode="json", exclude=set(NOTIFIED)),
    )
    found = dict(flatten(*values))
    for section, keys in FREE.items():
        for name in [each for each in found if each.partition(".")[0] == section]:
            if ALL in keys or name.partition(".")[2] in keys:
                del found[name]
    found["results.money_digits"] = money_digits(job, instrument_table(job))
    found["accounts"] = sorted(each.name for each in job.accounts)
    return found


def notified_settings(job: Job) -> dict[str, Any]:
    """Return the settings that may change under a state, as JSON values by name."""
    found: dict[str, Any] = {}
    for section in NOTIFIED:
        rows, written = (
            {row["name"]: row for row in job.model_dump(mode=mode)[section]}
            for mode in ("python", "json")
        )
        found |= flatten(rows, written, f"{section}.")
    found["strategies"] = [each.name for each in job.strategies]
    return found


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
