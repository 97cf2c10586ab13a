"""What a measurement ran on, to be printed and kept beside it."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

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
