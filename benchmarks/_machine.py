"""The machine that a benchmark ran on, as it stands beside its results."""

from __future__ import annotations

from typing import Any

import torch

from aibook.execute.machine import processor
from helpers.training import fast_bf16


def machine(threads: int | None = None) -> dict[str, Any]:
    """Processor, PyTorch's version, threads (PyTorch's own unless given) and whether bfloat16 is fast here."""
    threads = torch.get_num_threads() if threads is None else threads
    return {"cpu": processor(), "torch": torch.__version__, "threads": threads, "bf16": fast_bf16()}
