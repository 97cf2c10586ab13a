"""Errors that nobody expected: one line for the user, and a file with the whole trace.

    exception ──explain──▶ a known cause of the machine: a TapeflowError
        └──describe──▶ what failed, in which strategy and step, file and line
        └──save──────▶ tapeflow-error-<time>.txt: trace, what the engine printed, version, command

Imports nothing that is slow, and nothing that could be what failed.
"""

import errno
import platform
import shlex
import sys
import sysconfig
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tapeflow.flows.run.version import package_version
from tapeflow.schemas import errors
from tapeflow.schemas.errors import PeerEndedError, StrategyError, TapeflowError

PACKAGE = Path(errors.__file__).resolve().parents[1]
LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
PASSES_ON = {"compiled.py", "errors.py", "fold.py"}  # of engine/: they call what fails
OF_THE_MACHINE = {  # causes that are not in the code
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE,
    errno.EACCES, errno.EPERM, errno.ENOMEM, errno.EAGAIN, errno.ENAMETOOLONG, errno.ELOOP,
    errno.ENOTDIR, errno.EISDIR,
}  # fmt: skip
NO_TEMPORARY = "No usable temporary directory"
PANIC, PEER_GONE = "PanicException", "thread panic"  # of the engine, when a connection breaks
NO_THREAD = "can't start new thread"
TEXT_CHARS = 300  # of a message in the line


class ProcessFailure(Exception):
    """What nobody expected, in a process of its own: its line, and the text of its trace."""

    def __init__(self, line: str, trace: str, *, is_final: bool = False) -> None:
        """Carry the line and the trace to the process that reports them.

        `is_final`: it would come again at the same record, however often it is tried.
        """
        super().__init__(line)
        self.line, self.trace, self.is_final = line, trace, is_final


def explain(error: BaseException | None) -> TapeflowError | None:
    """Return the known cause inside what was wrapped around it, or that the machine refused."""
    seen: set[int] = set()  # an error that is raised again may be its own context
    while error is not None and id(error) not in seen:
        if isinstance(error, StrategyError):
            return None  # whatever its code met, it is the strategy's
        seen.add(id(error))
        cause = known_cause(error)
        if cause is not None and not (len(seen) > 1 and isinstance(cause, PeerEndedError)):
            return cause  # the end of a peer explains only itself: it follows any failure
        error = error.__cause__ or error.__context__
    return None


def explain_first(errors: Sequence[BaseException]) -> TapeflowError | None:
    """Return the first known cause; that a peer has ended only where nothing else failed."""
    causes = [cause for cause in map(explain, errors) if cause is not None]
    own = [cause for cause in causes if not isinstance(cause, PeerEndedError)]
    return next(iter(own or causes * (len(causes) == len(errors))), None)


def known_cause(error: BaseException) -> TapeflowError | None:
    """Return what a user can act on, of this error alone."""
    match error:
        case TapeflowError():
            return error
        case FileNotFoundError() if NO_TEMPORARY in str(error):
            line = "no folder of temporary files can be written: set TMPDIR"
        case OSError() if error.errno in OF_THE_MACHINE:
            line = f"{error.filename or 'the system'}: {error.strerror}"
        case UnicodeEncodeError() if "surrogates" in error.reason:
            line = f"{error.object!r} is not UTF-8: rename the file or folder"
        case ModuleNotFoundError() if not is_ours(error.name):
            line = f"{error.name} is not installed: see `tapeflow doctor`"
        case RuntimeError() if NO_THREAD in str(error):
            line = "the system allows no more threads: use fewer --workers"
        case BaseException() if type(error).__name__ == PANIC and PEER_GONE in str(error):
            return PeerEndedError("another process of the cluster has ended: see what it said")
        case _:
            return None
    return TapeflowError(line)


def is_ours(module: str | None) -> bool:
    """Return whether a module is one of the package's own."""
    return (module or "").partition(".")[0] in {"", "tapeflow"}


def describe(error: BaseException) -> str:
    """Return one line: what failed, in which strategy and step, and where in the code."""
    if isinstance(error, ProcessFailure):
        return error.line
    if isinstance(error, StrategyError):
        return str(error)
    text = " ".join(str(error).split())[:TEXT_CHARS]
    parts = [f"unexpected {type(error).__name__}{f': {text}' if text else ''}"]
    parts += [note for note in getattr(error, "__notes__", ()) if "\n" not in note]
    if not any(part.startswith("in kernel ") for part in parts):  # its line is known already
        parts += [*own_frames(error)][-1:]
    return ", ".join(parts)


def own_frames(error: BaseException) -> Iterator[str]:
    """Yield file and line of the frames that are no library's, the outermost first."""
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        inside = path.resolve().is_relative_to(PACKAGE)
        if frame.filename[:1] == "<" or (not inside and frame.filename.startswith(LIBRARIES)):
            continue
        if inside and path.parent.name == "engine" and path.name in PASSES_ON:
            continue
        shown = path.resolve().relative_to(PACKAGE) if inside else path
        yield f"{shown} line {frame.lineno}"


def is_of_command(error: OSError) -> bool:
    """Return whether an error without a file arose in the command line: it wrote its output."""
    frames = [*own_frames(error)]
    return error.filename is None and bool(frames) and frames[-1].startswith("flows/cli/")


def format_trace(error: BaseException) -> str:
    """Return the whole trace of an error, with that of what it was raised from."""
    if isinstance(error, ProcessFailure):
        return error.trace
    return "".join(traceback.format_exception(error))


def save_trace(error: BaseException, folders: Iterable[Path]) -> Path | None:
    """Write the trace to a file in the first folder that takes it; None where none does."""
    name = time.strftime("tapeflow-error-%Y%m%d-%H%M%S", time.gmtime())
    for folder in [*folders, None]:
        try:
            place = Path(tempfile.gettempdir()) if folder is None else folder
            if place.is_dir():
                return write_new(place, name, heading() + format_trace(error))
        except OSError:
            continue
    return None


def write_new(folder: Path, name: str, text: str) -> Path:
    """Write a file that does not exist yet; a number in its name where another has it."""
    for number in range(100):
        path = folder / f"{name}{f'-{number}' if number else ''}.txt"
        try:
            with path.open("x", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
            return path
        except FileExistsError:
            continue
    raise FileExistsError(name)


def heading() -> str:
    """Return what the trace says of this installation and its command."""
    return (
        f"tapeflow {package_version()}, Python {platform.python_version()}, {platform.platform()}\n"
        f"command: {shlex.join(sys.argv)}\n"
        f"folder: {Path.cwd()}\n\n"
    )
