"""`tapeflow check`: the laws of each class of a file, one after the other.

file ─▶ classes ─▶ laws of the class ─▶ laws over the made-up log, over tapes ─▶ hash seeds
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from tapeflow.flows.check import watching
from tapeflow.flows.check.breach import Breach
from tapeflow.flows.check.declared import AnyClass, check_class
from tapeflow.flows.check.laws import check_over
from tapeflow.flows.check.logs import logs_of
from tapeflow.flows.check.market import NAME, CheckTask, make_job
from tapeflow.flows.check.seeds import compare_seeds
from tapeflow.flows.check.subject import HANDLERS, Subject
from tapeflow.flows.check.user_file import UserFile
from tapeflow.flows.job.class_files import load_file
from tapeflow.flows.job.kinds import class_names, take_class
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.feature import Feature
from tapeflow.schemas.strategy import Strategy


class Finding(Struct, frozen=True):
    """What the check of a class has found."""

    name: str  # of the class
    breaches: tuple[Breach, ...]
    summary: str  # of what was checked


def classes_of(path: Path, name: str) -> list[AnyClass]:
    """Return the classes of a file that are to be checked: one, or all.

    Raises UsageError where the file fails, or has none.
    """
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    module = load_file(path).module
    names = [*class_names(module, Strategy), *class_names(module, Feature)]
    if name:
        parent = Feature if name in class_names(module, Feature) else Strategy
        return [take_class(f"{path}:{name}", module, name, parent)]
    found = [vars(module)[each] for each in names]
    own = [
        each for each in found if each.__module__ == module.__name__ and not is_base(each, found)
    ]
    if not own:
        raise UsageError(f"{path}: it has no class of a Strategy or a Feature")
    return own


def is_base(type_: AnyClass, others: Iterable[AnyClass]) -> bool:
    """Return whether a class is only what others have in common: it handles nothing itself."""
    if issubclass(type_, Feature):
        return False
    handles = any(getattr(type_, each) is not getattr(Strategy, each) for each in HANDLERS)
    return not handles and any(issubclass(each, type_) for each in others if each is not type_)


def check_one(type_: AnyClass, task: CheckTask) -> Finding:
    """Check a class. Raises UsageError where its settings or the job are wrong."""
    settings = task.row if task.is_feature else make_job(task).strategies[0].own_settings()
    breaches = [*check_class(type_, settings.keys())]
    if breaches:
        return Finding(task.name, tuple(breaches), "")
    watching.install()
    logs, file = logs_of(task), UserFile(task)
    subjects = []
    for log in logs:
        checked = check_over(file, log)
        subjects.append(checked.plain)
        breaches += [each for each in checked.breaches if each not in breaches]
    if not breaches:
        breaches += compare_seeds(subjects, task)
    over = " and ".join(log.name for log in logs)
    return Finding(task.name, tuple(breaches), f"over {over}: {describe_calls(subjects)}")


def describe_calls(subjects: list[Subject]) -> str:
    """Return how often each handler was called, and which never."""
    counts = Counter(call.handler for subject in subjects for call in subject.calls)
    type_ = type(subjects[0].strategy)
    never = [
        name
        for name in HANDLERS
        if name not in counts and getattr(type_, name) is not getattr(Strategy, name)
    ]
    called = ", ".join(f"{name} {counts[name]:,}" for name in HANDLERS if name in counts)
    return f"{called} calls" + (f"; never called: {', '.join(never)}" if never else "")


def check_file(task: CheckTask) -> Iterator[Finding]:
    """Check the class that the task names, or every class of the file.

    Raises UsageError where it gives settings, and does not say of which class.
    """
    found = classes_of(Path(task.path), task.name)
    if task.row and len(found) > 1:
        names = ", ".join(each.__name__ for each in found)
        raise UsageError(
            f"{task.path} has {names}: say of which the settings are, "
            f"{task.path}:{found[0].__name__}"
        )
    for type_ in found:
        name = type_.__name__
        try:
            yield check_one(type_, replace(task, name=name, is_feature=issubclass(type_, Feature)))
        except UsageError as error:  # the row of the check is nobody's: its class is known
            raise UsageError(str(error).replace(f"strategies.{NAME}", name)) from None
