"""The laws of a class before it runs: its handlers are spelt right, its settings are there."""

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from types import CodeType
from typing import Any

import msgspec

from tapeflow.flows.check.breach import Breach
from tapeflow.flows.check.lines import begin_of, line_of_class
from tapeflow.flows.check.subject import HANDLERS
from tapeflow.flows.job.class_settings import COMMON
from tapeflow.schemas.feature import Feature
from tapeflow.schemas.strategy import Strategy

AnyClass = type[Strategy] | type[Feature]


def check_class(type_: AnyClass, settings: Collection[str]) -> Iterator[Breach]:
    """Yield the breaches of a class, for which a job has some settings."""
    if issubclass(type_, Strategy):
        yield from check_handlers(type_)
    for field in msgspec.structs.fields(type_):
        name = field.encode_name
        if name in COMMON and issubclass(type_, Strategy):
            yield Breach(
                line_of_class(type_),
                f"its field {name} is a key of every strategy: give it another name",
            )
        elif field.required and name not in settings:
            yield Breach(
                line_of_class(type_),
                f"its setting {name} has no default: give it one, or a value for this check: "
                f"--set {name}=...",
            )


def check_handlers(type_: type[Strategy]) -> Iterator[Breach]:
    """Yield the methods that look like handlers, and are never called."""
    known = (*HANDLERS, "needs", "start")
    called = {name for each in vars(type_).values() for name in names_in(each)}
    for name, member in vars(type_).items():
        if not callable(member) or name in known or name.startswith("_"):
            continue
        near = get_close_matches(name, known, 1, 0.8)
        if (name.startswith("on_") or near) and name not in called:
            meant = (near or get_close_matches(name, HANDLERS, 1, 0.0))[0]
            yield Breach(
                begin_of(type_, name),
                f"nothing calls {name}: the handlers are {', '.join(HANDLERS)}: did you mean "
                f"{meant}?",
            )
    if not any(getattr(type_, each) is not getattr(Strategy, each) for each in HANDLERS):
        yield Breach(line_of_class(type_), f"it has no handler: write one of {', '.join(HANDLERS)}")


def names_in(member: Any) -> Iterator[str]:
    """Yield the names that the code of a method looks up, and that of functions within it."""
    to_visit = [getattr(getattr(member, "fget", member), "__code__", None)]
    while to_visit:
        code = to_visit.pop()
        if code is not None:
            yield from code.co_names
            to_visit += [each for each in code.co_consts if isinstance(each, CodeType)]
