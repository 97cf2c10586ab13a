"""The features that the strategies of a job need, checked and bound to what computes them.

    needs = ("macd.hist:12,26,9@1h", "my_range:50")      [features] my_range = "range.py:Range"

A need names a compiled feature, or a class of the user's; parameters that it leaves out have their
defaults. Of the same feature with the same parameters all outputs are computed once.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from tapeflow.flows.job.bar_kinds import kind_name
from tapeflow.flows.job.kinds import find_class
from tapeflow.flows.job.messages import suggestion
from tapeflow.flows.job.settings import Job
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.feature import Feature
from tapeflow.schemas.instruments import InstrumentTable
from tapeflow.schemas.needs import SCORE, FeatureNeed, parse_need
from tapeflow.schemas.signals import DeclaredStrategy
from tapeflow.schemas.time import MAX_NS

if TYPE_CHECKING:  # steps are slow to import, and most jobs need none of them
    from tapeflow.operators.features.fold import Fold
    from tapeflow.operators.features.needed import Needed
    from tapeflow.operators.features.step import ComputeFeatures


def compute_features(
    job: Job, table: InstrumentTable, strategies: Iterable[DeclaredStrategy]
) -> "ComputeFeatures | None":
    """Return the step that computes what strategies need; None where they need no feature.

    Raises UsageError for a need of a feature that there is not, or with wrong parameters.
    """
    needed = needed_features(job, strategies)
    if not needed:
        return None
    from tapeflow.operators.features.step import ComputeFeatures  # noqa: PLC0415  # see above

    hole_ns = MAX_NS if job.normalise.hole is None else job.normalise.hole
    return ComputeFeatures(needed, table.ids, hole_ns)


def needed_features(job: Job, strategies: Iterable[DeclaredStrategy]) -> "tuple[Needed, ...]":
    """Return the features that strategies need, sorted by name. Raises UsageError as above."""
    found: dict[str, Needed] = {}
    check_names(job)
    for place, need in feature_needs(job, strategies):
        where = f"{place}: needs {need.text!r}"
        bound = bind_class(job, need, where) or bind_fold(job, need, where)
        known = found.setdefault(bound.name, bound)
        found[bound.name] = replace(known, outputs={**known.outputs, **bound.outputs})
    return tuple(found[name] for name in sorted(found))


def feature_needs(
    job: Job, strategies: Iterable[DeclaredStrategy]
) -> Iterator[tuple[str, FeatureNeed]]:
    """Yield each need of a feature, with the strategy that has it; its kind is as in batches."""
    for each in strategies:
        place = f"strategies.{each.name}"
        for text in each.needs:
            try:
                need = parse_need(text)
                kind = kind_name(need.kind, job.bars.width)
            except ValueError as error:
                raise UsageError(f"{place}: needs {text!r}: {error}") from None
            if not isinstance(need, FeatureNeed) or need.text == SCORE:
                continue
            if need.name == SCORE:
                raise UsageError(
                    f"{place}: needs {text!r}: {SCORE} is of the bars of the job's own width and "
                    "the window of [normalise]: zret:60@1h has its own"
                )
            yield place, replace(need, kind=kind)


def check_names(job: Job) -> None:
    """Refuse a user's feature with the name of one that comes with the package."""
    if not job.features:
        return
    from tapeflow.operators.features.of_quotes import OF_QUOTES  # noqa: PLC0415  # see above
    from tapeflow.operators.features.registry import FOLDS  # noqa: PLC0415

    for name, source in job.features.items():
        if name in {*FOLDS, *OF_QUOTES, SCORE, "bars"}:
            raise UsageError(f"features.{name}: {name} comes with the package: take another name")
        find_feature(job, name, source)


def find_feature(job: Job, name: str, source: str) -> type[Feature]:
    """Return the class of a user's feature. Raises UsageError where there is none."""
    try:
        if ":" not in source and not source.endswith(".py"):
            raise UsageError(f"{source}: write file.py:Class, or package.module:Class")
        return find_class(source, job.folder, Feature)[0]
    except UsageError as error:
        raise UsageError(f"features.{name}: {error}") from error.__cause__


def file_sha256(job: Job, source: str) -> str:
    """Return the sha256 of the file of a user's feature; "" where no file is named."""
    path = job.folder / source.rpartition(":")[0]
    return sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def bind_class(job: Job, need: FeatureNeed, where: str) -> "Needed | None":
    """Return what computes a user's feature; None where its name is none of [features]."""
    if need.name not in job.features:
        return None
    from tapeflow.operators.features.needed import NeededFeature  # noqa: PLC0415  # see above

    source = job.features[need.name]
    kind = find_feature(job, need.name, source)
    names = [each.name for each in msgspec.structs.fields(kind)]
    if need.output:
        raise UsageError(f"{where}: {need.name} has one output, and no name for it")
    check_count(need, names, where)
    values: dict[str, Any] = {
        name: int(value) if value == int(value) else value
        for name, value in zip(names, need.params, strict=False)
    }
    try:
        feature = msgspec.convert(values, kind)
    except Exception as error:  # also what its own __post_init__ raises
        raise UsageError(f"{where}: {' '.join(str(error).split())}") from None
    return NeededFeature(full_name(need, need.params), need.kind, source, feature, {need.text: 0})


def bind_fold(job: Job, need: FeatureNeed, where: str) -> "Needed":
    """Return what computes a compiled feature. Raises UsageError where there is none."""
    from tapeflow.operators.features.needed import NeededFold  # noqa: PLC0415  # see above
    from tapeflow.operators.features.of_quotes import folds_of  # noqa: PLC0415  # see above

    folds = folds_of(need.kind)
    fold = folds.get(need.name)
    if fold is None:
        refuse_kind(need, where)
        hint = suggestion(need.name, [*folds, *job.features])
        raise UsageError(
            f"{where}: no feature {need.name}{hint or ': docs/reference/features.md lists all'}"
        )
    if need.output and need.output not in fold.outputs:
        names = ", ".join(each for each in fold.outputs if each) or "one, without a name"
        hint = suggestion(need.output, fold.outputs)
        raise UsageError(f"{where}: {need.name} has no output {need.output}, but {names}{hint}")
    output = fold.outputs.index(need.output) if need.output else 0
    check_count(need, [*fold.parameters], where)
    try:
        params = fold.complete(need.params)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None
    name = full_name(need, tuple(params.values()))
    return NeededFold(name, need.kind, fold, params, {need.text: output})


def refuse_kind(need: FeatureNeed, where: str) -> None:
    """Refuse a feature that other bars have. Raises UsageError with what they are."""
    from tapeflow.operators.features.of_quotes import OF_QUOTES, folds_of  # noqa: PLC0415

    if need.name in OF_QUOTES:
        raise UsageError(f"{where}: {need.name} is of bars of quotes: {need.name}@quote:1s")
    if need.name in folds_of(""):
        raise UsageError(f"{where}: bars of quotes have no volume, which {need.name} reads")


def check_count(need: FeatureNeed, names: list[str], where: str) -> None:
    """Refuse more parameters than a feature has."""
    if len(need.params) > len(names):
        has = f"takes {', '.join(names)}" if names else "takes no parameters"
        raise UsageError(f"{where}: {need.name} {has}: {len(need.params)} are too many")


def full_name(need: FeatureNeed, params: Iterable[float]) -> str:
    """Return the name of a feature with all its parameters and its kind of bars.

    >>> full_name(parse_need("macd.hist:12@1h"), (12, 26, 9))
    'macd:12,26,9@1h'
    """
    written = ",".join(f"{each!r}" for each in params)
    return f"{need.name}{written and f':{written}'}{need.kind and f'@{need.kind}'}"


def families() -> "dict[str, dict[str, Fold]]":
    """Return the features that come with the package, by family and name."""
    from tapeflow.operators.features.registry import FAMILIES  # noqa: PLC0415  # see above

    return FAMILIES


def find_first_values(fold: "Fold") -> tuple[int, ...]:
    """Return the bar at which each output of a feature with its defaults has its first value."""
    from tapeflow.operators.features.first_values import first_values  # noqa: PLC0415  # see above

    return first_values(fold, fold.complete(()))
