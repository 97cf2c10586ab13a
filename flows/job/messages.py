"""Error lines of a job: the first error, where it is, and a guess at the name that was meant."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

if TYPE_CHECKING:  # the command line suggests names too, and starts without pydantic
    from pydantic import BaseModel, ValidationError


SHAPES = {  # by pydantic's type of an error: what TOML calls it
    "model_type": "write a table: { key = value, ... }",
    "model_attributes_type": "write a table: { key = value, ... }",
    "tuple_type": "write a list: [ ... ]",
}


def first_error(error: "ValidationError", model: "type[BaseModel]") -> str:
    """Return one line about the first error that pydantic found in a `model`."""
    found = error.errors(include_url=False)
    unknown = (each for each in found if each["type"] == "extra_forbidden")
    first = next(unknown, found[0])  # a wrong spelling explains what is missing
    path = [part for part in map(str, first["loc"]) if part[:1] != "<"]  # no tag of a union
    where = ".".join(path)
    if first["type"] == "extra_forbidden":
        return f"{where} is no setting{suggestion(path[-1], keys_at(model, path[:-1]))}"
    if first["type"] == "missing":
        return f"{where} is missing"
    return f"{where}: {SHAPES.get(first['type']) or first['msg'].removeprefix('Value error, ')}"


def keys_at(model: "type[BaseModel]", path: list[str]) -> list[str]:
    """Return the known keys of the section at `path` in the job file."""
    sections = [model]
    for part in path:
        inner = [each for section in sections for each in sections_at(section, part)]
        sections = inner or sections  # a number or a name of the job: which of them, not what
    return [key for section in sections for key in section.model_fields]


def sections_at(model: "type[BaseModel]", key: str) -> "list[type[BaseModel]]":
    """Return the section types that a key of `model` holds: none for a plain value."""
    field = model.model_fields.get(key)
    return [] if field is None else [*section_types(field.annotation)]


def section_types(annotation: Any) -> "Iterable[type[BaseModel]]":
    """Yield the section types inside an annotation: itself, its items, the members of a union."""
    if isinstance(annotation, type) and hasattr(annotation, "model_fields"):
        yield annotation
    for part in get_args(annotation):
        yield from section_types(part)


def suggestion(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return a hint at the known name that was meant, or nothing.

    >>> suggestion("replya", ["replay", "run"])
    ': did you mean replay?'
    """
    close = get_close_matches(name, [*known], n=1)
    return f": did you mean {prefix}{close[0]}?" if close else ""
