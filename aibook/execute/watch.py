"""One notebook's execution, watched from outside: its limits, its end, and the processes that it leaves behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from aibook import house
from aibook.execute import machine, outcome, store
from aibook.execute.outcome import Failure, Job, Outcome

INTERVAL = 0.2  # seconds between two looks
THREADS = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB_MAXIMUM")
# A user's own settings that would show in the outputs.
UNWANTED = ("MPLBACKEND", "PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONHOME")


def watch(job: Job, folder: Path) -> Outcome:
    """Execute a job and, if it went well, write its output. Never raises for what can go wrong in a notebook.

    `folder`, which is made, is the job's own, on a disk that the caller sees too: there `progress.json` tells how far
    it is. The job goes on as long as there is a file `go` beside the folder.
    """
    try:
        folder.mkdir()
        (folder / "cwd").mkdir()
        job.log.parent.mkdir(parents=True, exist_ok=True)
        prepared = store.prepare(job, folder)
        job.log.write_text("", encoding="utf-8")
    except (store.Unfit, OSError) as error:
        return outcome.failed(job, str(error))
    with job.log.open("ab") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "aibook.execute.worker", str(folder)],
            stdin=subprocess.PIPE, stdout=log, stderr=log, env=_environment(job, folder), cwd=folder / "cwd",
            start_new_session=True,  # so that Ctrl-C reaches the command alone, which then ends this in good order
        )  # fmt: skip
    tree = Tree(worker)
    began = time.monotonic()
    limit_mb = job.memory_mb or machine.memory_mb()
    status = ""
    try:
        while worker.poll() is None and not status:
            time.sleep(INTERVAL)
            tree.look(limit_mb)
            if not (folder.parent / "go").exists():
                status = "cancelled"
            elif tree.memory_mb > limit_mb:
                status = "memory"
            elif job.timeout and time.monotonic() - began > job.timeout:
                status = "timeout"
    finally:
        tree.end()
    measured = {"wall_seconds": time.monotonic() - began, "cpu_seconds": tree.cpu_seconds, "peak_mb": tree.peak_mb}
    result = _result(job, folder, status, worker.returncode)
    for name in measured.keys() & result.keys():  # what the worker was told at its kernel's end is exact
        measured[name] = max(measured[name], result[name]) if name == "peak_mb" else result[name]
    if result["status"] == "ok":
        try:
            store.store(job, prepared, folder / "executed.ipynb", measured)
        except (store.Unfit, OSError) as error:
            result = {"status": "failed", "message": f"its outputs could not be written: {error}"}
    failure = None if result["status"] == "ok" else _failure(job, result)
    return Outcome(job, result["status"], machine=machine.describe(), failure=failure, **measured)


class Tree:
    """A worker's descendants, with those that outlive their parents."""

    def __init__(self, worker: subprocess.Popen) -> None:
        self.worker = worker
        self.cpu_seconds = self.memory_mb = self.peak_mb = 0.0
        self._seen: dict[psutil.Process, float] = {}

    def look(self, limit_mb: float) -> None:
        """Measure what runs now: CPU seconds so far, and memory, of which shared pages count once near the limit."""
        try:
            processes = psutil.Process(self.worker.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return
        self.memory_mb = self._memory(processes, "memory_info", "rss")
        if self.memory_mb > limit_mb and len(processes) > 1 and sys.platform == "linux":
            self.memory_mb = self._memory(processes, "memory_full_info", "pss")
        self.peak_mb = max(self.peak_mb, self.memory_mb)
        for process in processes:
            try:
                times = process.cpu_times()
                self._seen[process] = times.user + times.system
            except psutil.Error:
                self._seen.setdefault(process, 0.0)
        self.cpu_seconds = sum(self._seen.values())

    def end(self) -> None:
        """Kill every process that is left."""
        self.look(float("inf"))
        if self.worker.poll() is None:
            os.killpg(self.worker.pid, signal.SIGKILL)
        for process in self._seen:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue  # ended by itself; psutil knows a new process under an old number
        psutil.wait_procs(self._seen, timeout=5)
        self.worker.wait()
        self.worker.stdin.close()

    @staticmethod
    def _memory(processes: list[psutil.Process], method: str, field: str) -> float:
        total = 0
        for process in processes:
            try:
                total += getattr(getattr(process, method)(), field)
            except psutil.Error:
                continue
        return total / 2**20


def _environment(job: Job, folder: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    return inherited | {f"{library}_NUM_THREADS": str(job.threads) for library in THREADS} | {
        "COLUMNS": "100",
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(house.ROOT), os.environ.get("PYTHONPATH")])),
        "PYTHONUNBUFFERED": "1",
    }  # fmt: skip


def _result(job: Job, folder: Path, status: str, exit_status: int) -> dict:
    """How it ended: as the watch decided, as the worker said, or as its exit status tells."""
    if not status:
        try:
            return json.loads((folder / "result.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            if exit_status == -signal.SIGKILL:
                return {
                    "status": "killed",
                    "message": "it was killed by the system, most likely because memory ran out",
                }
            return {"status": "failed", "message": "its process ended before the notebook did; the log says more"}
    message = {
        "cancelled": "it was cancelled",
        "memory": f"it used more than its {job.memory_mb or machine.memory_mb()} MB of memory",
        "timeout": f"it took longer than its {job.timeout:g} seconds",
    }[status]
    return {"status": status, "message": message, **outcome.progress(folder)}


def _failure(job: Job, result: dict) -> Failure:
    return Failure(
        message=result["message"], cell=result.get("cell", 0), source=result.get("source", ""),
        traceback=tuple(result.get("traceback", ())), log=job.log,
    )  # fmt: skip
