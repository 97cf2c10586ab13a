"""The settings of a strategy's class: the keys of its row become an instance of it.

depth = 2.5, wait = "5m"  ──▶  Dip(depth=2.5, wait=300_000_000_000)

A field annotated `Ns` takes a duration as all other keys do; a Decimal takes a number or text.
"""

import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

from tapeflow.flows.job.class_files import describe_failure
from tapeflow.flows.job.duration import parse_duration
from tapeflow.flows.job.messages import suggestion
from tapeflow.flows.job.strategies import ClassStrategy
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.needs import parse_need
from tapeflow.schemas.strategy import Strategy

COMMON = tuple(ClassStrategy.model_fields)  # keys of every row


def make_strategy(place: str, type_: type[Strategy], keys: Mapping[str, Any]) -> Strategy:
    """Return an instance of a class with the settings of a row, which is at `place` in the job.

    Raises UsageError for the first key that is unknown, missing or wrong.
    """
    check_keys(place, type_, keys)
    try:
        hints = get_type_hints(type_, include_extras=True)
    except Exception as error:
        raise UsageError(f"{place}: the types of its fields: {describe(error, type_)}") from error
    field_of = {each.encode_name: each.name for each in msgspec.structs.fields(type_)}
    values = {
        key: read_durations(hints[field_of[key]], value, f"{place}.{key}")
        for key, value in keys.items()
    }
    try:
        made = msgspec.convert(values, type_)
    except msgspec.ValidationError as error:
        raise UsageError(describe_value(place, str(error))) from error
    except Exception as error:
        raise UsageError(f"{place}: {describe(error, type_)}") from error
    check_numbers(place, made)
    check_needs(place, made)
    return made


def check_keys(place: str, type_: type[Strategy], keys: Mapping[str, Any]) -> None:
    """Refuse a class with fields of every row, and keys that it does not have or that miss."""
    fields = msgspec.structs.fields(type_)
    names = [each.encode_name for each in fields]
    if taken := [name for name in names if name in COMMON]:
        raise UsageError(
            f"{place}: {type_.__name__} has a field {taken[0]}, which is a key of every strategy: "
            "give it another name"
        )
    for key in keys:
        if key not in names:
            hint = suggestion(key, [*names, *COMMON])
            has = f": {type_.__name__} has {', '.join(names) or 'no settings'}" if not hint else ""
            raise UsageError(f"{place}.{key} is no setting{hint}{has}")
    for each in fields:
        if each.required and each.encode_name not in keys:
            raise UsageError(f"{place}.{each.encode_name} is missing: {type_.__name__} needs it")


def read_durations(hint: Any, value: Any, place: str) -> Any:
    """Return a value with the durations that its type asks for as nanoseconds."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated and "ns" in arguments[1:]:
        try:
            return parse_duration(value)
        except ValueError as error:
            raise UsageError(f"{place}: {error}") from None
    if origin is Annotated:
        return read_durations(arguments[0], value, place)
    if origin in (Union, UnionType):
        inner = [each for each in arguments if each is not NoneType]
        return read_durations(inner[0], value, place) if len(inner) == 1 else value
    if isinstance(value, list) and origin in (tuple, list):
        return [read_durations(arguments[0], each, place) for each in value]
    if isinstance(value, dict) and origin is dict:
        return {key: read_durations(arguments[1], each, place) for key, each in value.items()}
    return value


def describe_value(place: str, text: str) -> str:
    """Return the line about a value that msgspec refuses.

    >>> describe_value("strategies.dip", "Expected `float`, got `str` - at `$.depth`")
    'strategies.dip.depth: expected float, got str'
    """
    message, _, path = text.partition(" - at `$")
    if message.startswith("Expected "):
        message = message[0].lower() + message[1:].replace("`", "")
    return f"{place}{path.rstrip('`')}: {' '.join(message.split())}"


def check_numbers(place: str, made: Strategy) -> None:
    """Refuse a decimal that is written as text, and is infinite or none."""
    for each in msgspec.structs.fields(made):
        value = getattr(made, each.name)
        if isinstance(value, Decimal) and not value.is_finite():
            raise UsageError(f"{place}.{each.encode_name}: {value} is no number")


def check_needs(place: str, made: Strategy) -> None:
    """Refuse needs that are none."""
    try:
        needs = made.needs()
        if isinstance(needs, str):
            raise ValueError(f"write a tuple of texts: ({needs!r},)")
        for each in needs:
            parse_need(each)
    except ValueError as error:
        raise UsageError(f"{place}: its needs: {' '.join(str(error).split())}") from error
    except Exception as error:
        raise UsageError(f"{place}: its needs: {describe(error, type(made))}") from error


def describe(error: BaseException, type_: type[Strategy]) -> str:
    """Return one line about an error in the code of a class."""
    file = getattr(sys.modules.get(type_.__module__), "__file__", None)
    return describe_failure(error, Path(file or type_.__module__))
