"""What this machine lends to notebooks: cores and memory that are really usable, within any container's limits."""

import os
import platform
from functools import cache
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")
# What a notebook of the book may need; so many share the machine's memory.
USUAL_MB = 3000


def cores() -> int:
    """Cores that this process may use: its affinity, cut by a container's quota."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (CGROUP / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return usable
    return usable if quota == "max" else max(1, min(usable, int(quota) // int(period)))


def memory_mb() -> int:
    """Memory in MB that is free for use now, within a container's limit."""
    available = psutil.virtual_memory().available
    try:
        limit = (CGROUP / "memory.max").read_text().strip()
        if limit != "max":
            available = min(available, int(limit) - int((CGROUP / "memory.current").read_text()))
    except (OSError, ValueError):
        pass  # no container, or one whose limits cannot be read
    return available // 2**20


def workers(jobs: int) -> int:
    """How many of so many notebooks to execute at once."""
    return max(1, min(jobs, cores(), memory_mb() // USUAL_MB))


@cache
def processor() -> str:
    """Name of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def describe() -> str:
    """The machine in a few words, as it stands beside times."""
    return f"{processor()}, {cores()} core{'s' * (cores() > 1)}, {platform.system()}"
