"""A clock of stages: what each spends, without what it spends in another one."""

import functools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Clock:
    """Time of each stage, without that of the stages it calls."""

    def __init__(self, now_ns: Callable[[], int] = time.thread_time_ns) -> None:
        """Begin; `now_ns` is read where a stage begins and ends: CPU time of its thread."""
        self.now_ns = now_ns
        self.spent_ns: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.inner = threading.local()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of the block as that of a stage."""
        outer_ns, self.inner.ns = getattr(self.inner, "ns", 0), 0
        began_ns = self.now_ns()
        try:
            yield
        finally:
            passed_ns = self.now_ns() - began_ns
            self.spent_ns[name] += passed_ns - self.inner.ns
            self.calls[name] += 1
            self.inner.ns = outer_ns + passed_ns

    def time_calls(
        self, function: Callable[..., Any], stage_of: Callable[..., str]
    ) -> Callable[..., Any]:
        """Return the function; its time then counts for the stage that its arguments give."""

        @functools.wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            with self.stage(stage_of(*arguments)):
                return function(*arguments, **options)

        return call

    def on_collection(self, phase: str, _info: dict[str, int]) -> None:
        """Count the garbage collector, which runs inside of stages."""
        if phase == "start":
            self.inner.collection_began_ns = self.now_ns()
            return
        passed_ns = self.now_ns() - self.inner.collection_began_ns
        self.spent_ns["collector"] += passed_ns
        self.calls["collector"] += 1
        self.inner.ns = getattr(self.inner, "ns", 0) + passed_ns
