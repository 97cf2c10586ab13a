"""Describes the machine of a measurement, and counts the CPU time spent on it."""

import os
import platform
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from bench.processes import children_of, cpu_s

LIBRARIES = ("bytewax", "confluent-kafka", "duckdb", "msgspec", "numba", "numpy", "pyarrow")


def describe() -> dict[str, object]:
    """Return processor, cores, memory, and the versions of Python and the libraries."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "")
    return {
        "processor": model or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def machine_cpu_s() -> float:
    """Return the CPU seconds that all processes of the machine have taken since it started."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, _idle, _io, irq, softirq, steal = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def own_cpu_s() -> float:
    """Return the CPU seconds of this process and of all that it started, running or ended."""
    total = sum(os.times()[:4])
    unvisited = [os.getpid()]
    while unvisited:
        for child in children_of(unvisited.pop()):
            unvisited.append(child)
            with suppress(OSError):
                total += cpu_s(child, ended_children=True)
    return total
