"""A file of a user: its class, executed anew as often as it is asked for, and lines in errors."""

import sys
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from tapeflow.flows.check.feature_reader import FeatureReader
from tapeflow.flows.check.market import CheckTask
from tapeflow.flows.job.class_files import execute
from tapeflow.flows.job.class_settings import make_strategy
from tapeflow.schemas.errors import UsageError
from tapeflow.schemas.feature import Feature
from tapeflow.schemas.signals import DeclaredStrategy
from tapeflow.schemas.strategy import Strategy

NUMBERS = count()


def make_feature(type_: type[Feature], settings: Mapping[str, Any]) -> Feature:
    """Return a feature with settings. Raises UsageError where they are wrong."""
    try:
        return msgspec.convert(settings, type_)
    except Exception as error:  # also what its own __post_init__ raises
        raise UsageError(f"{type_.__name__}: {' '.join(str(error).split())}") from None


class UserFile:
    """A file, and a class in it."""

    def __init__(self, task: CheckTask) -> None:
        self.path, self.name, self.task = Path(task.path), task.name, task
        self.before = set(sys.modules)  # that were there before the check
        self.module = ""

    def loader(self, declared: DeclaredStrategy) -> Callable[[], Strategy]:
        """Return what executes the file anew, and makes its strategy with the same settings."""
        code = self.path.read_bytes()

        def load() -> Strategy:
            self.forget()
            self.module = f"tapeflow_check_{next(NUMBERS)}"
            execute(self.module, self.path, code)
            type_: Any = getattr(sys.modules[self.module], self.name)
            if self.task.is_feature:
                return FeatureReader(feature=make_feature(type_, self.task.row))
            return make_strategy(declared.name, type_, declared.params)

        return load

    def forget(self) -> None:
        """Forget the module, and those beside it that it has imported."""
        sys.modules.pop(self.module, None)
        for name in set(sys.modules) - self.before:
            file = getattr(sys.modules[name], "__file__", None)
            is_own = file is not None and Path(file).parent == self.path.parent
            if is_own and "." not in name and not name.startswith("tapeflow"):
                del sys.modules[name]

    def line_of_error(self, error: BaseException) -> str | None:
        """Return the innermost line of the file, or of one beside it, that an error passed."""
        found, trace = None, error.__traceback__
        while trace is not None:
            file = Path(trace.tb_frame.f_code.co_filename)
            if file == self.path or file.parent == self.path.parent:
                found = f"{file} line {trace.tb_lineno}"
            trace = trace.tb_next
        return found
