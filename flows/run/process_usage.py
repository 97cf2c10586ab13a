"""CPU time and memory of the processes of a run, from the system's /proc.

    one process, the one that serves the metrics   "0"
    processes of a supervisor                      "0", "1", ...   CPU adds up over restarts

Nothing is shown where there is no /proc. Of the process that serves them there are also the
standard `process_*` metrics.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
USER_TICKS, SYSTEM_TICKS, RESIDENT_PAGES = 11, 12, 21  # fields behind the name in /proc/PID/stat


class ProcessUsage:
    """The usage of all processes that there were."""

    def __init__(self) -> None:
        self.cpu_s: dict[str, dict[int, float]] = defaultdict(dict)  # by name and pid

    def collect(self, pids: tuple[int, ...]) -> Iterator[Metric]:
        """Yield CPU and memory of the processes of a run, of this one where it has no others."""
        cpu = CounterMetricFamily(
            "tapeflow_process_cpu_seconds", "User and system CPU time", labels=["process"]
        )
        memory = GaugeMetricFamily(
            "tapeflow_process_resident_memory_bytes", "Resident memory", labels=["process"]
        )
        for number, pid in enumerate(pids or (os.getpid(),)):
            name = str(number)
            with suppress(OSError, ValueError, IndexError):  # it has ended
                self.cpu_s[name][pid], resident = read_usage(pid)
                memory.add_metric([name], resident)
        for name, seconds in sorted(self.cpu_s.items()):
            cpu.add_metric([name], sum(seconds.values()))
        yield cpu
        yield memory


def read_usage(pid: int) -> tuple[float, float]:
    """Return CPU time (s) and resident memory (bytes) of a process.

    Raises OSError where there is none.
    """
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[USER_TICKS]) + int(fields[SYSTEM_TICKS])
    return ticks / TICKS_PER_S, float(fields[RESIDENT_PAGES]) * PAGE_BYTES
