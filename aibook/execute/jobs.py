"""Many notebooks at once, each in its own process, through a `concurrent.futures` executor: local, or Dask's."""

import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from aibook import house
from aibook.execute import machine, outcome, progress
from aibook.execute.outcome import Failure, Job, Outcome
from aibook.execute.watch import watch

__all__ = ["Failure", "Job", "Outcome", "SchedulerUnreachable", "execute"]


class SchedulerUnreachable(Exception):
    """No Dask scheduler answers at the address."""


def execute(
    jobs: list[Job], *, workers: int = 0, scheduler: str | None = None, console: Console | None = None
) -> list[Outcome]:
    """Execute the jobs and return their outcomes in the same order; one that fails does not stop the others.

    workers: how many at once on this machine; 0 chooses by its cores and memory.
    scheduler: address of a Dask scheduler, whose workers see the same files under the same paths; raises
        SchedulerUnreachable where none answers.
    console: where progress is shown; nowhere when left out.

    SIGINT (Ctrl-C) and SIGTERM end every kernel; what was not finished then comes back as "cancelled".
    """
    if not jobs:
        return []
    home = house.BUILD / "run"
    home.mkdir(parents=True, exist_ok=True)
    shared = Path(tempfile.mkdtemp(prefix=".state-", dir=home))
    folders = [shared / str(number) for number in range(len(jobs))]
    go = shared / "go"
    go.touch()
    at_once = workers or machine.workers(len(jobs))
    try:
        with (
            _signals_stop(go),
            _executor(at_once, scheduler) as executor,
            progress.shown_on(console, jobs) as shown,
        ):
            futures = [executor.submit(watch, job, folder) for job, folder in zip(jobs, folders, strict=True)]
            return _follow(futures, jobs, folders, go, shown)
    finally:
        shutil.rmtree(shared, ignore_errors=True)


def _follow(
    futures: list[Future], jobs: list[Job], folders: list[Path], go: Path, shown: progress.Silent
) -> list[Outcome]:
    """Show how far each job is until all have an outcome."""
    outcomes: dict[int, Outcome] = {}
    while len(outcomes) < len(futures):
        wait([future for number, future in enumerate(futures) if number not in outcomes], timeout=0.2)
        for number, future in enumerate(futures):
            if number in outcomes:
                continue
            if not go.exists() and not folders[number].exists():
                future.cancel()  # it did not begin; one that runs is ended by its watch, which misses the file too
            if future.done():
                outcomes[number] = _outcome(future, jobs[number])
                shown.finished(number, outcomes[number])
            elif folders[number].exists():
                shown.running(number, outcome.progress(folders[number]))
    return [outcomes[number] for number in range(len(jobs))]


def _outcome(future: Future, job: Job) -> Outcome:
    try:
        return future.result()
    except CancelledError:
        return outcome.failed(job, "it was cancelled before it began", "cancelled")
    except Exception as error:  # a worker of the cluster that is gone, or has other code than this one
        return outcome.failed(job, f"its worker failed: {type(error).__name__}: {error}")


@contextmanager
def _executor(workers: int, scheduler: str | None) -> Iterator[Executor]:
    if scheduler is None:
        # Threads, since each does nothing but watch a process of its own: a pool of processes would break as a whole
        # when the system kills one of them for its memory.
        with ThreadPoolExecutor(workers) as executor:
            yield executor
        return
    from distributed import Client

    try:
        client = Client(scheduler, timeout=10)
    except (OSError, ValueError) as error:
        raise SchedulerUnreachable(f"no Dask scheduler answers at {scheduler}: {error}") from error
    with client, client.get_executor(pure=False, retries=0) as executor:
        yield executor


@contextmanager
def _signals_stop(go: Path) -> Iterator[None]:
    """SIGINT and SIGTERM, however often they come, ask for an orderly end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    old = {
        number: signal.signal(number, lambda *_: go.unlink(missing_ok=True))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
