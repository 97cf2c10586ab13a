"""configuration.md: every key of a job file, from the types of its sections."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from docs.generate.markdown import NOTE, code, join, table
from tapeflow.flows.job.duration import OFF, format_duration, parse_duration, parse_limit
from tapeflow.flows.job.messages import section_types
from tapeflow.flows.job.paper import parse_ticks
from tapeflow.flows.job.sections import Unit
from tapeflow.flows.job.settings import Job, variables
from tapeflow.flows.job.width import format_width
from tapeflow.schemas.bar_width import BarWidth
from tapeflow.schemas.meanings import summarise
from tapeflow.schemas.venues import VENUES, Venue

TYPES = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    Decimal: "decimal",
    BarWidth: "width",
    Any: "values",
}
PREFIXES = {  # of what a type holds, in words
    tuple: "list of ",
    dict: "table of ",
    Annotated: "",
    Union: "",
    UnionType: "",
}
BOUNDS = {Gt: (">", "gt"), Ge: (">=", "ge"), Lt: ("<", "lt"), Le: ("<=", "le")}
HEADER = ("key", "type", "default", "unit", "variable", "meaning")
INTRO = """\
A job is one TOML file, given with `--config` or `TAPEFLOW_CONFIG`. Unknown keys are refused, with the
nearest one that is known. A variable stands over the key of its row; `TAPEFLOW_KAFKA_CLIENT` is JSON.

A *duration* is text: `250ms`, `1s`, `5m`, `1h`, `1d`; also `us` and `ns`. A *decimal* may be written as text,
`"0.01"`, to be exact."""
RUN = """\
## Runs under the engine's own command

`python -m bytewax.run tapeflow.flows.trade:flow` takes the job from `TAPEFLOW_CONFIG`, tapes from `TAPEFLOW_TAPES`
(paths with a colon between them; the raw topics where it is not set), and the results file from
`TAPEFLOW_RESULTS` (`results.duckdb`)."""


def page(in_the_box: Iterable[str] = ()) -> str:
    """Return the page, with the sections of the strategies in the box."""
    sections = [
        part
        for name, field in Job.model_fields.items()
        for kind in section_types(field.annotation)
        for part in (section(name, field, kind), *inner_sections(name, kind))
    ]
    once = dict.fromkeys(sections)  # kinds of one section share some that are inside them
    return join("# Configuration", NOTE, INTRO, *once, *in_the_box, channels(), RUN)


def section(name: str, field: FieldInfo, kind: type[BaseModel]) -> str:
    """Return one section: a table of its keys."""
    known = {key: variable for variable, (place, key) in variables().items() if place == name}
    rows = [key_row(key, each, known.get(key, "")) for key, each in kind.model_fields.items()]
    header = HEADER if known else [column for column in HEADER if column != "variable"]
    text = " ".join(filter(None, (summarise(kind), field.description)))
    return f"## {heading(name, field, kind)}\n\n{text}\n\n{table(header, rows)}"


def inner_sections(name: str, outer: type[BaseModel]) -> Iterator[str]:
    """Yield the sections that the keys of a section hold, with those inside them."""
    for key, field in outer.model_fields.items():
        for kind in section_types(field.annotation):
            place = f"{name}.{key}"
            yield section(place, field, kind)
            yield from inner_sections(place, kind)


def names_of(venue: Venue) -> dict[str, int]:
    """Return the names of a venue's channels; ours are read in any case."""
    return {code(each.name): 1 for each in venue.dialect.channels if not each.imported}


def channels() -> str:
    """Return the section of channels, with the names of each venue."""
    rows = [(code(name), ", ".join(names_of(venue))) for name, venue in VENUES.items()]
    text = Job.model_fields["channels"].description
    return f"## `[channels]`\n\n{text}\n\n{table(('key', 'list of'), rows)}"


def heading(name: str, field: FieldInfo, kind: type[BaseModel]) -> str:
    """Return how the section is written in the file."""
    if "." in name and get_origin(field.annotation) is dict:
        return f"`[{name}.<name>]`"
    if get_origin(field.annotation) is not tuple:
        return f"`[{name}]`"
    tag = kind.model_fields.get("kind")
    if tag is None:
        return f"`[[{name}]]`"
    values = get_args(tag.annotation)
    return f"`[[{name}]]` with " + (f'`kind = "{values[0]}"`' if values else "any other `kind`")


def key_row(key: str, field: FieldInfo, variable: str) -> list[str]:
    """Return the row of a key; a cell for the variable only where there is one."""
    default = "required" if field.is_required() else code(default_text(field))
    unit = next((part.name for part in marks(field) if isinstance(part, Unit)), "")
    cells = [code(key), type_text(field), default, unit, field.description or ""]
    return [*cells[:4], code(variable), cells[4]] if variable else cells


def marks(field: FieldInfo) -> Iterator[Any]:
    """Yield what is noted of a key's type: bounds, units, validators; also of one left out."""
    yield from field.metadata
    for member in get_args(field.annotation):
        for mark in getattr(member, "__metadata__", ()):
            yield from mark.metadata if isinstance(mark, FieldInfo) else (mark,)


def is_duration(field: FieldInfo, *parsers: Any) -> bool:
    """Return whether a key is a duration, or with `parsers` what these read."""
    read = {mark.func for mark in marks(field) if isinstance(mark, BeforeValidator)}
    return bool(read & {*(parsers or (parse_duration, parse_limit))})


def type_text(field: FieldInfo) -> str:
    """Return the type of a key and its bounds, in words."""
    name = "duration" if is_duration(field) else annotation_text(field.annotation)
    name += f" or `{OFF}`" if is_duration(field, parse_limit, parse_ticks) else ""
    bounds = [
        f"{sign} {getattr(mark, attribute):,}"
        for mark in marks(field)
        for kind, (sign, attribute) in BOUNDS.items()
        if isinstance(mark, kind)
    ]
    return ", ".join((name, *bounds))


def annotation_text(annotation: Any) -> str:
    """Return a type in words."""
    if annotation in TYPES:
        return TYPES[annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return (
            TYPES[str] if len(arguments) == 1 else " or ".join(f'`"{each}"`' for each in arguments)
        )
    if origin in (Union, UnionType) and NoneType not in arguments:
        texts = [annotation_text(each) for each in arguments]
        return " or ".join(texts) if "table" in texts else "values"
    if origin in PREFIXES:
        return PREFIXES[origin] + annotation_text(arguments[origin is dict])
    raise TypeError(f"no words for {annotation}: add them to {__file__}")


def default_text(field: FieldInfo) -> str:
    """Return a default as it would be written in the file."""
    value = field.default
    if value is None or isinstance(value, BaseModel):
        return ""
    if is_duration(field):
        return f'"{format_duration(value)}"'
    if isinstance(value, BarWidth):
        return f'"{format_width(value)}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{each}"' for each in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)
