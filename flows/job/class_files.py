"""A user's file as a module: executed once in a process, under a name of its own.

jobs/dip.py ── bytes ──▶ sha256, code ──▶ sys.modules["tapeflow_file_dip_3fa9c1.."]

The code that runs is that of the bytes whose sha256 is recorded, and the name follows from path and
bytes, so that it is the same in every process of a run. Files beside it can be imported by it.
"""

import sys
from hashlib import sha256
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import NamedTuple

from tapeflow.engine.code_lines import describe_error, find_line
from tapeflow.schemas.errors import UsageError

ONE_AT_A_TIME = Lock()


class ClassFile(NamedTuple):
    """A file that was executed."""

    module: ModuleType
    sha256: str


def load_file(path: Path) -> ClassFile:
    """Execute a file, or return what an earlier call has made of the same bytes.

    Raises UsageError with file and line where it cannot be read, is no Python, or fails.
    """
    try:
        code = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    digest = sha256(code).hexdigest()
    place = sha256(f"{path.resolve()} {digest}".encode()).hexdigest()[:16]
    name = f"tapeflow_file_{path.stem}_{place}"
    with ONE_AT_A_TIME:
        if name not in sys.modules:
            execute(name, path, code)
        return ClassFile(sys.modules[name], digest)


def execute(name: str, path: Path, code: bytes) -> None:
    """Execute the code of a file as a module of this name; it is forgotten where it fails."""
    module = ModuleType(name)
    module.__file__ = str(path)
    look_in(path.parent)
    sys.modules[name] = module  # before: annotations are looked up in it
    try:
        exec(compile(code, str(path), "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UsageError(describe_failure(error, path)) from error


def look_in(folder: Path) -> None:
    """Let modules of a folder be imported, after those of all other places."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def describe_failure(error: BaseException, path: Path) -> str:
    """Return one line: the file and the line at which it fails, and how."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename} line {error.lineno}: {type(error).__name__}: {error.msg}"
    return f"{find_line(error, [path]) or path}: {describe_error(error)}"
