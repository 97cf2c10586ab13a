"""The file and line of somebody's own code at which an error arose; frames of ours are left out.

desk calls ── dip.py line 12 ── numpy ── error      dip.py line 12
"""

import sys
import sysconfig
from collections.abc import Collection
from pathlib import Path

from tapeflow.schemas import errors

MESSAGE_CHARS = 300  # of an exception in a line
PACKAGE = Path(errors.__file__).resolve().parents[1]
OURS = [PACKAGE / room for room in ("schemas", "engine", "operators", "connectors", "flows")]
LIBRARIES = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]


def describe_error(error: BaseException) -> str:
    """Return type and text of an error in one line."""
    text = " ".join(str(error).split())[:MESSAGE_CHARS]
    return f"{type(error).__name__}{f': {text}' if text else ''}"


def find_line(error: BaseException, files: Collection[Path]) -> str | None:
    """Return file and line of the innermost frame in one of these files, or beside them.

    None where the error passed none.
    """
    found, trace = None, error.__traceback__
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file in files or any(is_of_folder(file, each.parent) for each in files):
            found = f"{file} line {trace.tb_lineno}"
        trace = trace.tb_next
    return found


def is_of_folder(file: Path, folder: Path) -> bool:
    """Return whether a file is in a folder, or below, and neither ours nor a library in it."""
    if not file.is_relative_to(folder) or is_in(file.resolve(), OURS):
        return False
    return not any(each.is_relative_to(folder) and is_in(file, [each]) for each in LIBRARIES)


def is_in(file: Path, folders: Collection[Path]) -> bool:
    """Return whether a file is in one of these folders, or below."""
    return any(file.is_relative_to(folder) for folder in folders)


def files_of(kind: type, until: type) -> list[Path]:
    """Return the files of a class and of those that it inherits from, below `until`."""
    names = [each.__module__ for each in kind.__mro__ if issubclass(each, until) and each != until]
    paths = (getattr(sys.modules.get(name), "__file__", None) for name in names)
    return [Path(path) for path in paths if path]


def describe_failure(kind: type, until: type, handler: str, error: BaseException) -> str:
    """Return one line on an error in a handler of a user's class: file and line, and the error.

    An error that passed no line of the class's files, as of a wrong number of arguments, is that of
    the line where the handler begins.
    """
    files = files_of(kind, until)
    code = getattr(getattr(kind, handler, None), "__code__", None)
    begin = f"{code.co_filename} line {code.co_firstlineno}" if code else f"{files[0]}"
    ended = error.__cause__ if isinstance(error.__cause__, StopIteration) else error
    place = find_line(ended, files) or begin  # of an iterator that ended inside a generator
    return f"{place}: {describe_error(error)}"
