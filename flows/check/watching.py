"""Watches a handler: it may use no clock, randomness, file, network, thread or process.

    handler ── time.time() ──▶ profiler sees the call  ─┐
            ── open(..) ─────▶ audit event ─────────────┴─▶ Misdeed(line, what, what to do)

Only while a handler runs. What a library does by itself is no misdeed: imports, logging, compiling.
"""

import gc
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

CLOCK = "ask context.time_ns"
RANDOM = "derive what it draws from the event, or leave it out"
OUTSIDE = "read it where the file is loaded, not in a handler"
CLOCKS = {
    *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"),
    *("process_time", "process_time_ns", "thread_time", "thread_time_ns", "clock_gettime"),
    *("clock_gettime_ns", "sleep"),
}
TODAYS = {"now", "utcnow", "today"}
THREADS = {"start_new_thread", "start_joinable_thread"}  # of which 3.11 has no audit event
NO_THREAD = "a strategy runs in the thread it is called in"
ENTROPY = {"urandom", "getrandom", "generate_time_safe"}
AUDITED = {  # beginnings of the names of audit events
    "open": ("opens a file", OUTSIDE),
    "sqlite3.connect": ("opens a database", OUTSIDE),
    "socket.": ("uses the network", "a strategy sees the log alone"),
    "urllib.": ("uses the network", "a strategy sees the log alone"),
    "subprocess.": ("starts a process", "a strategy runs in the one it is called in"),
    "os.system": ("starts a process", "a strategy runs in the one it is called in"),
    "os.exec": ("starts a process", "a strategy runs in the one it is called in"),
    "os.fork": ("starts a process", "a strategy runs in the one it is called in"),
    "os.posix_spawn": ("starts a process", "a strategy runs in the one it is called in"),
    "os.listdir": ("reads a folder", OUTSIDE),
    "os.scandir": ("reads a folder", OUTSIDE),
    "os.remove": ("deletes a file", "a strategy answers with requests alone"),
    "os.rename": ("renames a file", "a strategy answers with requests alone"),
    "os.mkdir": ("makes a folder", "a strategy answers with requests alone"),
}
HARMLESS = {"open", "os.listdir", "os.scandir"}  # these go on; all others are stopped
LIBRARIES = (  # what these do by themselves is no misdeed of the handler
    *("importlib", "_frozen_importlib", "_frozen_importlib_external", "logging", "linecache"),
    *("tapeflow", "numba", "llvmlite", "warnings", "traceback", "tokenize", "inspect"),
)


class Misdeed(NamedTuple):
    """Something that a handler must not do."""

    place: str  # file and line
    text: str  # what it did, and what to do


class StoppedError(Exception):
    """An act of a handler that was stopped."""


class Watch:
    """What the handlers of some files have done that they must not."""

    def __init__(self, folder: Path, file: Path) -> None:
        self.folder, self.file = folder, file
        self.found: list[Misdeed] = []
        self.handler = ""  # that runs now

    @contextmanager
    def during(self, handler: str) -> Iterator[None]:
        """Watch while a handler runs; what a collection of garbage calls is none of its own."""
        before, others, collects = sys.getprofile(), list(ACTIVE), gc.isenabled()
        gc.disable()
        self.handler = handler
        ACTIVE[:] = [self]
        sys.setprofile(self.profile)
        try:
            yield
        finally:
            sys.setprofile(before)
            ACTIVE[:] = others
            if collects:
                gc.enable()

    def profile(self, frame: FrameType, event: str, callee: Any) -> None:
        """Look at a call of a function that is written in C, or of an unseeded generator."""
        if event == "c_call":
            found = judge_call(callee)
            if callee.__name__ in THREADS and self.note(frame, "starts a thread", NO_THREAD):
                raise StoppedError(f"{self.handler} starts a thread")
        elif event == "call" and frame.f_code is UNSEEDED and frame.f_locals.get("x") is None:
            found = ("random.Random() without a seed", RANDOM)
        else:
            return
        if found is not None:
            self.note(frame, f"calls {found[0]}", found[1])

    def note(self, frame: FrameType | None, act: str, advice: str) -> bool:
        """Add a misdeed at the line of the handler's own code; return whether it is one."""
        place = None
        while frame is not None:
            module = frame.f_globals.get("__name__", "").partition(".")[0]
            path = frame.f_code.co_filename
            if path == str(self.file) or is_in_folder(path, self.folder):
                place = f"{path} line {frame.f_lineno}"
                break
            if module in LIBRARIES:
                return False
            frame = frame.f_back
        if place is None:
            return False
        misdeed = Misdeed(place, f"{self.handler} {act}: {advice}")
        if misdeed not in self.found:
            self.found.append(misdeed)
        return True


ACTIVE: list[Watch] = []  # the watch of the handler that runs, if one does
UNSEEDED = random.Random.__init__.__code__


@cache
def is_in_folder(path: str, folder: Path) -> bool:
    """Return whether a file is in a folder itself."""
    return Path(path).parent == folder


def judge_call(callee: Any) -> tuple[str, str] | None:
    """Return what a C function is that no handler may call, and what to do instead."""
    name, owner = callee.__name__, getattr(callee, "__self__", None)
    if name in CLOCKS and getattr(callee, "__module__", None) == "time":
        return f"time.{name}()", CLOCK
    if name in TODAYS and isinstance(owner, type) and issubclass(owner, date):
        return f"{owner.__name__}.{name}()", CLOCK
    if owner is GLOBAL_RANDOM and name != "getstate":
        return f"random.{name}() of the whole process", RANDOM
    if name in ENTROPY:
        return f"{name}()", RANDOM
    return None


GLOBAL_RANDOM = getattr(random, "_inst", None)


def hear_audit(event: str, arguments: tuple[Any, ...]) -> None:
    """Judge an audit event. Raises StoppedError where it would reach outside the process."""
    if not ACTIVE:
        return
    for beginning, (act, advice) in AUDITED.items():
        if event.startswith(beginning):
            watch = ACTIVE[0]
            what = f" ({arguments[0]})" if arguments and isinstance(arguments[0], str) else ""
            is_misdeed = watch.note(sys._getframe(1), f"{act}{what}", advice)
            if is_misdeed and event not in HARMLESS:
                raise StoppedError(f"{watch.handler} {act}")
            return


@cache
def install() -> None:
    """Hear the audit events of this process, and calls of numpy's generator, from now on."""
    sys.addaudithook(hear_audit)
    import numpy as np  # noqa: PLC0415  # only a check needs it

    shared = getattr(np.random, "mtrand")._rand  # noqa: B009
    for name in dir(np.random):
        function = getattr(np.random, name)
        if getattr(function, "__self__", None) is shared:
            setattr(np.random, name, noting(f"numpy.random.{name}()", function))


def noting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that notes its calls by handlers."""

    def call(*arguments: Any, **named: Any) -> Any:
        if ACTIVE:
            ACTIVE[0].note(sys._getframe(1), f"calls {name} of the whole process", RANDOM)
        return function(*arguments, **named)

    return call
