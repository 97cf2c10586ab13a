"""Sections of configuration.md about the strategies in the box, from the fields of their classes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from docs.generate.configuration import annotation_text
from docs.generate.markdown import code, table
from tapeflow.flows.job.duration import format_duration
from tapeflow.flows.job.kinds import box_kinds, find_kind
from tapeflow.schemas.meanings import field_comments, summarise
from tapeflow.schemas.strategy import Strategy

HEADER = ("key", "type", "default", "meaning")
BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def sections() -> Iterator[str]:
    """Yield a section for each kind in the box: the keys of its own."""
    for kind in sorted(box_kinds()):
        found = find_kind(kind, Path()).type
        rows = [*key_rows(found)]
        keys = table(HEADER, rows) if rows else "It has no keys of its own."
        yield f'## `[[strategies]]` with `kind = "{kind}"`\n\n{summarise(found)}\n\n{keys}'


def key_rows(kind: type[Strategy]) -> Iterator[tuple[str, ...]]:
    """Yield the row of each field of a class.

    Raises KeyError for a field without a comment.
    """
    hints, comments = get_type_hints(kind, include_extras=True), field_comments(kind)
    for field in msgspec.structs.fields(kind):
        meaning = comments.get(field.name, "")
        if not meaning:
            raise KeyError(f"{kind.__name__}.{field.name} has no meaning: add a comment")
        hint = hints[field.name]
        default = "required" if field.required else code(default_text(hint, field.default))
        text = f"{meaning[0].upper()}{meaning[1:].rstrip('.')}."
        yield code(field.encode_name), type_text(hint), default, text


def is_duration(hint: Any) -> bool:
    """Return whether a field takes a duration."""
    return get_origin(hint) is Annotated and "ns" in get_args(hint)[1:]


def type_text(hint: Any) -> str:
    """Return the type of a field and its bounds, in words."""
    name = "duration" if is_duration(hint) else annotation_text(hint)
    metas = [each for each in get_args(hint)[1:] if isinstance(each, msgspec.Meta)]
    bounds = [
        f"{sign} {getattr(meta, key):,}"
        for meta in metas
        for key, sign in BOUNDS.items()
        if getattr(meta, key) is not None
    ]
    return ", ".join((name, *bounds))


def default_text(hint: Any, value: Any) -> str:
    """Return a default as it would be written in the file."""
    if value is None or value is msgspec.NODEFAULT:
        return ""
    if is_duration(hint):
        return f'"{format_duration(value)}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(default_text(None, each) for each in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)
