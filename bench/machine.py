"""What a measurement ran on, to be printed and kept beside it."""

import os
import platform
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from bench.processes import children_of

LIBRARIES = ("bytewax", "confluent-kafka", "duckdb", "msgspec", "numba", "numpy", "pyarrow")


def described() -> dict[str, object]:
    """Processor, cores, memory and versions."""
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


def machine_s() -> float:
    """CPU seconds that all processes of the machine have taken."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, _idle, _io, irq, softirq, steal = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def ours_s() -> float:
    """CPU seconds of this process and all below it, dead or alive."""
    spent = sum(os.times()[:4])
    waiting = [os.getpid()]
    while waiting:
        for child in children_of(waiting.pop()):
            waiting.append(child)
            with suppress(OSError):
                fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
                spent += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return spent
