"""The class that the `kind` of a row of [[strategies]] names, in this order of search.

"trend"                  a strategy in the box
"dip.py:Dip"             a file, its path relative to the folder of the job
"package.module:Class"   a module, where Python looks for modules, and last beside the job
"name"                   an entry point of the group tapeflow.strategies

Kernels (`ema_cross`, `reversion`) are no classes: strategies.py. What is not found is refused with
what was searched, and the nearest name.
"""

import sys
from collections.abc import Iterable
from hashlib import sha256
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

from tapeflow.flows.job.class_files import describe_failure, load_file, look_in
from tapeflow.flows.job.messages import suggestion
from tapeflow.flows.job.strategies import KERNELS
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.strategy import Strategy

T = TypeVar("T")
GROUP = "tapeflow.strategies"  # of entry points
BOX = {  # strategies that come with the package
    "arbitrage": "tapeflow.strategies.arbitrage:Arbitrage",
    "breakout": "tapeflow.strategies.breakout:Breakout",
    "market_maker": "tapeflow.strategies.market_maker:MarketMaker",
    "mean_reversion": "tapeflow.strategies.mean_reversion:MeanReversion",
    "pairs": "tapeflow.strategies.pairs:Pairs",
    "trend": "tapeflow.strategies.trend:Trend",
    "twap": "tapeflow.strategies.twap:Twap",
}


class Kind(NamedTuple):
    """A class, and the sha256 of its file; "" where it comes with the package."""

    type: type[Strategy]
    sha256: str


def find_kind(kind: str, folder: Path) -> Kind:
    """Return the class that a kind names in a job of this folder.

    Raises UsageError where there is none, or its file fails.
    """
    if kind in box_kinds():
        path, _, name = BOX[kind].partition(":")
        return Kind(take_class(kind, import_module(path), name, Strategy), "")
    if ":" in kind or kind.endswith(".py"):
        return Kind(*find_class(kind, folder, Strategy))
    return load_entry_point(kind, folder)


def find_class(kind: str, folder: Path, parent: type[T]) -> tuple[type[T], str]:
    """Return the class that `file.py:Class` or `package.module:Class` names, and its file's sha256.

    Raises UsageError where there is none, or its file fails.
    """
    where, _, name = kind.rpartition(":")
    if kind.endswith(".py"):
        names = class_names(load_file(existing_file(kind, kind, folder)).module, parent)
        raise UsageError(f"{kind}: which class of it? write {kind}:{names[0] if names else 'Name'}")
    if where.endswith(".py"):
        file = load_file(existing_file(kind, where, folder))
        return take_class(kind, file.module, name, parent), file.sha256
    if not where or where.startswith("."):
        raise UsageError(f"{kind}: write file.py:Class, or package.module:Class")
    module = import_named(kind, where, folder)
    return take_class(kind, module, name, parent), file_digest(module)


def box_kinds() -> tuple[str, ...]:
    """Return the kinds of the strategies in the box."""
    return tuple(kind for kind, path in BOX.items() if is_there(path.partition(":")[0]))


def is_there(module: str) -> bool:
    """Return whether a module can be imported; the packages above it are."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def existing_file(kind: str, where: str, folder: Path) -> Path:
    """Return the path of a file. Raises UsageError where it is none, with the nearest name."""
    path = folder / where
    if path.is_file():
        return path
    files = (each.name for each in path.parent.glob("*.py")) if path.parent.is_dir() else ()
    raise UsageError(f"{kind}: there is no file {path}{suggestion(path.name, files)}")


def take_class(kind: str, module: ModuleType, name: str, parent: type[T]) -> type[T]:
    """Return a class of a module. Raises UsageError where it has none, or it is no `parent`."""
    place = module.__file__ or module.__name__
    found = vars(module).get(name)
    names, what = class_names(module, parent), parent.__name__
    if found is None:
        has = f"; it has {', '.join(names)}" if names else f", nor any other class of a {what}"
        raise UsageError(f"{kind}: {place} has no {name or 'class'}{has}{suggestion(name, names)}")
    if not isinstance(found, type) or not issubclass(found, parent) or found is parent:
        raise UsageError(
            f"{kind}: {name} in {place} is no {what.lower()}: write class {name}({what}), with "
            f"{what} from tapeflow{suggestion(name, names)}"
        )
    return found


def class_names(module: ModuleType, parent: type) -> list[str]:
    """Return the names of the classes of a `parent` in a module."""
    return sorted(
        name
        for name, each in vars(module).items()
        if isinstance(each, type) and issubclass(each, parent) and each is not parent
    )


def import_named(kind: str, name: str, folder: Path) -> ModuleType:
    """Import a module by its name. Raises UsageError where there is none, or it fails."""
    look_in(folder)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise UsageError(f"{kind}: {describe_in_module(error, name)}") from error
        raise UsageError(
            f"{kind}: there is no module {error.name}, neither where Python looks nor in {folder}"
            f"{suggestion(error.name.rpartition('.')[2], sibling_modules(error.name))}"
        ) from None
    except (Exception, SystemExit) as error:
        raise UsageError(f"{kind}: {describe_in_module(error, name)}") from error


def describe_in_module(error: BaseException, name: str) -> str:
    """Return one line: the file and the line at which the import of a module fails."""
    package = name.partition(".")[0]
    spec = find_spec(package)
    origin = None if spec is None else spec.origin
    return describe_failure(error, Path(origin or package))


def sibling_modules(name: str) -> Iterable[str]:
    """Return the names of the modules beside one that there is not."""
    parent = sys.modules.get(name.rpartition(".")[0])
    path: Any = None if parent is None else getattr(parent, "__path__", None)
    return [each.name for each in iter_modules(path)]


def file_digest(module: ModuleType) -> str:
    """Return the sha256 of the file of a module; "" where it has none."""
    path = Path(module.__file__ or "")
    return sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def load_entry_point(kind: str, folder: Path) -> Kind:
    """Return the class of an entry point.

    Raises UsageError where there is none of this name, where two differ, or where it fails.
    """
    named: dict[str, EntryPoint] = {}
    for each in entry_points(group=GROUP):
        other = named.setdefault(each.name, each)
        if each.name == kind and other.value != each.value:
            raise UsageError(
                f"{kind}: two entry points have this name: {other.value}, {each.value}"
            )
    if kind not in named:
        known = [*KERNELS, *box_kinds(), *named]
        raise UsageError(
            f"{kind} is neither built in nor an entry point of {GROUP}; there are "
            f"{', '.join(known)}, and for a class of your own file.py:Class, the file beside the "
            f"job, or package.module:Class{suggestion(kind, known)}"
        )
    module = import_named(kind, named[kind].module, folder)
    return Kind(take_class(kind, module, named[kind].attr, Strategy), file_digest(module))
