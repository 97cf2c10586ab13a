"""Reads children and CPU time of processes from /proc."""

import os
from pathlib import Path


def children_of(pid: int) -> list[int]:
    """Return the pids of the running processes that a process has started."""
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = fields_of(stat)
        except OSError:
            continue
        if int(fields[1]) == pid:
            children.append(int(stat.parent.name))
    return children


def cpu_s(pid: int, *, ended_children: bool = False) -> float:
    """Return the CPU seconds of a process, with those of its ended children if `ended_children`.

    Raises OSError where there is no such process.
    """
    fields = fields_of(Path(f"/proc/{pid}/stat"))
    ticks = sum(map(int, fields[11 : 15 if ended_children else 13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def fields_of(stat: Path) -> list[str]:
    """Return the fields of a stat file behind the name, which may hold spaces and brackets."""
    return stat.read_text().rpartition(")")[2].split()
