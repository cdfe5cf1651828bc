"""What is to be executed, and how it went: plain values that cross between processes."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aibook import house

Status = Literal["ok", "failed", "timeout", "memory", "killed", "cancelled"]


def name_of(notebook: Path) -> str:
    """A notebook's name in messages, such as "cv/01-image-recognition"."""
    try:
        return notebook.resolve().relative_to(house.NOTEBOOKS.resolve()).with_suffix("").as_posix()
    except ValueError:
        return notebook.stem


@dataclass(frozen=True)
class Job:
    """One execution. `parameters` equal to the notebook's own are not injected; `output` may be the notebook itself.

    `threads` for its numerical libraries; `timeout` in seconds and `memory_mb` in MB, where 0 stands for no limit and
    for what the machine has; `log` gets what the kernel prints.
    """

    notebook: Path
    output: Path
    parameters: dict[str, Any] = field(default_factory=dict)
    threads: int = 1
    timeout: float = 0
    memory_mb: int = 0
    log: Path = None  # type: ignore[assignment]  # set below

    def __post_init__(self) -> None:
        if self.log is None:
            name = name_of(self.notebook).replace("/", "-")
            object.__setattr__(self, "log", house.BUILD / "logs" / f"{name}.log")

    @property
    def name(self) -> str:
        seed = self.parameters.get("SEED")
        return name_of(self.notebook) + (f" (seed {seed})" if seed is not None else "")


@dataclass(frozen=True)
class Failure:
    """Where and how a notebook failed. `cell` counts code cells from 1; 0 where it failed before its first."""

    message: str
    log: Path
    cell: int = 0
    source: str = ""
    traceback: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a job went. CPU seconds and the peak of memory are those of the kernel with its descendants."""

    job: Job
    status: Status
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0
    machine: str = ""
    failure: Failure | None = None


def failed(job: Job, message: str, status: Status = "failed") -> Outcome:
    """Outcome of a job that did not come to execute its first cell."""
    return Outcome(job, status, failure=Failure(message, job.log))


def progress(folder: Path) -> dict[str, Any]:
    """How far the job of this folder is: `cell`, `of`, `source`; empty before its first cell."""
    try:
        return json.loads((folder / "progress.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # not there yet, or half written
