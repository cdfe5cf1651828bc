"""What a piece of code costs: milliseconds, bytes of memory at its peak, bytes on disk."""

from __future__ import annotations

import contextlib
import ctypes
import io
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")  # Linux


def milliseconds(f: Callable[[], Any], repeats: int = 5) -> float:
    """Median wall-clock milliseconds of `repeats` calls, after one that is not counted.

    Raises ValueError for fewer than one repeat.
    """
    if repeats < 1:
        raise ValueError(f"{repeats} repeats: there must be one at least")
    f()
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        f()
        found.append(time.perf_counter() - start)
    return 1e3 * median(found)


def in_turn(runs: Mapping[Any, Callable[[], Any]], repeats: int = 5) -> dict[Any, float]:
    """Median wall-clock milliseconds of each of `runs`, called in rounds, one after the other, `repeats` times.

    A machine that is slow for a while is slow for all of them, so that their ratios can be trusted more than those of
    runs measured one by one. A first round is not counted.

    Raises ValueError for fewer than one repeat.
    """
    if repeats < 1:
        raise ValueError(f"{repeats} repeats: there must be one at least")
    found: dict[Any, list[float]] = {name: [] for name in runs}
    for i in range(repeats + 1):
        for name, f in runs.items():
            start = time.perf_counter()
            f()
            if i:
                found[name].append(time.perf_counter() - start)
    return {name: 1e3 * median(values) for name, values in found.items()}


def _status(name: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return 1024 * int(line.split()[1])


def peak_bytes(f: Callable[[], Any]) -> int:
    """By how many bytes this process grew, at the highest, while `f` ran (its answer included).

    On Linux the kernel's own mark of the highest resident size is reset before and read after the call, so that
    buffers inside a compiled kernel count, too. Elsewhere only growth beyond all earlier peaks is seen (`resource`), so
    measure what needs least first; without `resource` the answer is 1. Small answers (below about a megabyte) drown in
    the allocator's own steps. Never less than 1.
    """
    if not CLEAR.exists():
        return _growth(f)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # give back what the allocator keeps, lest it serve the call
    CLEAR.write_text("5")
    before = _status("VmRSS")
    f()
    return max(1, _status("VmHWM") - before)


def _growth(f: Callable[[], Any]) -> int:
    try:
        import resource
    except ImportError:  # Windows
        f()
        return 1
    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    f()
    return max(1, unit * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))


def bytes_saved(tensors: Mapping[str, Tensor], compress: bool = False) -> int:
    """How large a file these tensors make, as `torch.save` writes it; `compress`: through zlib, as in a .zip."""
    file = io.BytesIO()
    torch.save({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    return len(zlib.compress(file.getbuffer(), 1)) if compress else file.getbuffer().nbytes
