"""Runs a command and prints what its start and its end consist of; bench.start starts it.

    python -m bench.start_parts replay TAPES --config jobs/reference.toml

    every module ── its loader in a clock ──▶ its package; of the standard library: who imports it
    CALLS        ── each in a clock ────────▶ its part

Prints one JSON object: ns of each part, by CPU and wall time, before the first tick and after it.
"""

import time

BEGAN_NS = {"cpu": time.process_time_ns(), "wall": time.perf_counter_ns()}

import atexit  # noqa: E402
import json  # noqa: E402  # what the bench imports counts for the interpreter
import sys  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Callable, Iterator, Sequence  # noqa: E402
from contextlib import ExitStack, contextmanager  # noqa: E402
from functools import partial, reduce  # noqa: E402
from importlib.abc import MetaPathFinder  # noqa: E402
from importlib.machinery import ModuleSpec  # noqa: E402
from types import ModuleType  # noqa: E402
from typing import Any  # noqa: E402

from bench.clock import Clock  # noqa: E402
from bench.first_tick import LAST_STEP  # noqa: E402

OWN, FIRST_PAGE = "own modules", "first page"
PACKAGES = {  # modules that belong to another package: its name
    "tapeflow": OWN,
    "_duckdb": "duckdb",
    "llvmlite": "numba",
    "annotated_types": "pydantic",
    "pydantic_core": "pydantic",
    "typing_extensions": "pydantic",
    "typing_inspection": "pydantic",
}
CALLS = (  # part, module, name in it
    ("job read", "tapeflow.flows.job.settings", "load"),
    ("log found", "tapeflow.flows.run.tape_files", "find_tapes"),
    ("flow built", "tapeflow.flows.trade", "dataflow"),
    ("signal handlers", "tapeflow.flows.run.fatal_signals", "install"),
    ("kernels", "tapeflow.engine.compiled", "make_kernel"),
    ("prepared", "tapeflow.engine.prepare", "prepare"),
    ("DuckDB created", "tapeflow.connectors.duckdb.sink", "ResultsSink.build_part"),
    ("commit", "tapeflow.connectors.duckdb.sink", "ResultsSinkPartition.snapshot"),
    ("commit", "tapeflow.connectors.duckdb.sink", "ResultsSinkPartition.close"),
    ("publish", "tapeflow.flows.run.results", "finish"),
    ("summary", "tapeflow.flows.cli.summary", "print_summary"),
)
EXECUTE = ("tapeflow.flows.run.engine", "execute")
FOLD = ("tapeflow.engine.fold", "Fold.on_batch")


class Clocks:
    """CPU and wall time of each part, before the first tick and after it."""

    def __init__(self) -> None:
        self.clocks = {"cpu": Clock(time.process_time_ns), "wall": Clock(time.perf_counter_ns)}
        self.open: list[str] = ["interpreter"]  # parts, the innermost last
        self.executing: dict[str, tuple[int, int]] = {}  # since, what was spent before
        self.before: dict[str, Counter[str]] = {}  # what was spent at the first tick

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the block as a part."""
        with ExitStack() as stages:
            for clock in self.clocks.values():
                stages.enter_context(clock.stage(name))
            self.open.append(name)
            try:
                yield
            finally:
                self.open.pop()

    def begin_execution(self, *_: Any) -> None:
        """Note when the engine has begun."""
        for name, clock in self.clocks.items():
            self.executing[name] = clock.now_ns(), sum(clock.spent_ns.values())

    def end_first_page(self, fold: Any, *_: Any) -> None:
        """Split the times here, where the last step has folded its first page."""
        if self.before or type(fold.step).__name__ != LAST_STEP:
            return
        for name, clock in self.clocks.items():
            began_ns, spent_ns = self.executing[name]
            parts_ns = sum(clock.spent_ns.values()) - spent_ns
            clock.spent_ns[FIRST_PAGE] = clock.now_ns() - began_ns - parts_ns
            self.before[name] = clock.spent_ns.copy()
            self.before[name]["total"] = clock.now_ns()

    def figures(self) -> dict[str, dict[str, Counter[str]]]:
        """Return ns by clock, by phase and part; `total` is the time since the start."""
        figures = {}
        for name, clock in self.clocks.items():
            clock.spent_ns["total"] = clock.now_ns()
            before = self.before.get(name, clock.spent_ns)
            figures[name] = {"start": before, "end": clock.spent_ns - before}
        figures["wall"]["start"]["total"] -= BEGAN_NS["wall"] - BEGAN_NS["cpu"]
        return figures


class TimedImports(MetaPathFinder):
    """Finds modules as the other finders do, and clocks their loaders."""

    def __init__(self, clocks: Clocks, on_load: Callable[[ModuleType], None]) -> None:
        self.clocks, self.on_load = clocks, on_load

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module whose loader counts for the module's package."""
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((each for each in found if each is not None), None)
        if spec is not None and hasattr(spec.loader, "__dict__"):  # one that is its own
            self.wrap(spec.loader, fullname.partition(".")[0])
        return spec

    def wrap(self, loader: Any, package: str) -> None:
        """Clock a loader: an extension is linked where its module is created."""
        create, execute = loader.create_module, loader.exec_module

        def name() -> str:
            if package in sys.stdlib_module_names or package.startswith("_sysconfigdata"):
                return self.clocks.open[-1]
            return PACKAGES.get(package, package)

        def create_module(spec: ModuleSpec) -> Any:
            with self.clocks.part(name()):
                return create(spec)

        def exec_module(module: ModuleType) -> None:
            with self.clocks.part(name()):
                execute(module)
            self.on_load(module)

        if not isinstance(loader, type):  # those of built-in and frozen modules are classes
            loader.create_module, loader.exec_module = create_module, exec_module


def replace(module: ModuleType, name: str, wrap: Callable[[Any], Any]) -> None:
    """Replace a function in a module, or a method in a class of it, by its wrapped form."""
    *outer, last = name.split(".")
    owner = reduce(getattr, outer, module)
    setattr(owner, last, wrap(getattr(owner, last)))


def install(clocks: Clocks) -> None:
    """Clock all imports from now on, and the calls as soon as their module is there."""

    def in_part(part: str, function: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            with clocks.part(part):
                return function(*arguments, **named)

        return call

    def on_fold(function: Any) -> Any:
        def call(*arguments: Any) -> Any:
            result = function(*arguments)
            clocks.end_first_page(*arguments)
            return result

        return call

    def on_execute(function: Any) -> Any:
        def call(*arguments: Any) -> Any:
            clocks.begin_execution()
            return function(*arguments)

        return call

    def on_load(module: ModuleType) -> None:
        for home, name, wrap in wraps:
            if module.__name__ == home:
                replace(module, name, wrap)

    wraps: list[tuple[str, str, Callable[[Any], Any]]] = [(*FOLD, on_fold), (*EXECUTE, on_execute)]
    wraps += [(home, name, partial(in_part, part)) for part, home, name in CALLS]
    sys.meta_path.insert(0, TimedImports(clocks, on_load))


def main() -> int:
    """Run the command in this process, and print the times when it ends."""
    output, sys.stdout = sys.stdout, sys.stderr  # stdout carries nothing but our JSON
    clocks = Clocks()
    for name, clock in clocks.clocks.items():  # before BEGAN, CPU time was all that there was
        clock.spent_ns["interpreter"] = clock.now_ns() - BEGAN_NS[name] + BEGAN_NS["cpu"]
    install(clocks)
    atexit.register(lambda: print(json.dumps(clocks.figures()), file=output, flush=True))
    from tapeflow.__main__ import run  # noqa: PLC0415  # its import is measured

    return run()


if __name__ == "__main__":
    sys.exit(main())
