"""Many submissions graded at once, each of them once, whatever happens to those who do it.

Processes of this machine, or the workers of a Dask cluster, grade; only the caller stores. What a process had in hand
when it was killed is given to another one, alone, so that a submission which kills its grader cannot take others along.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from aibook.labs import grading, session, warm
from aibook.labs.grading import Grader, Result
from aibook.labs.masters import Master
from aibook.labs.student import Text

TRIES = 3
LOOK = 0.3  # seconds between two looks at the futures


class ClusterError(Exception):
    """The cluster is not there, or not fit to grade; the message says why."""


@dataclass(frozen=True)
class Job:
    """One submission to grade."""

    student: str
    lab: str
    path: Path
    notes: tuple[Text, ...] = ()


@dataclass(frozen=True)
class Run:
    """What all jobs of a lab share. `go` is a file: once it is gone, all stop."""

    master: Master | None
    fingerprint: str
    secret: str
    staged: Path
    go: Path
    unsafe: bool = False


@dataclass
class Ended:
    """How a job ended: with its result, or with what went wrong with the grading itself."""

    job: Job
    result: Result | None = None
    failure: str = ""


_one = threading.Lock()  # graders use generators that a process has once


def grade(job: Job, run: Run) -> Result:
    """Grade one submission in this process. Raises Stopped, SandboxError, or ClusterError where other code is here."""
    with _one:
        if not run.go.exists():
            raise session.Stopped
        grader = None
        if run.master is not None:
            if session.fingerprint(job.lab, run.secret) != run.fingerprint:
                raise ClusterError("this worker has other code than the command: bring it up to date and restart it")
            grader = _grader(job.lab, run.fingerprint)
        return session.grade_one(
            job.path, job.student, grader, run.secret, run.staged, run.unsafe, master=run.master,
            fingerprint=run.fingerprint, notes=job.notes, stop=session.stopped_when_gone(run.go),
        )  # fmt: skip


@lru_cache(maxsize=16)
def _grader(lab: str, fingerprint: str) -> Grader:
    return grading.load(lab)


def graded(jobs: Iterable[Job], runs: dict[str, Run], workers: int, scheduler: str | None, go: Path) -> Iterator[Ended]:
    """Grade the jobs, and yield each when it has ended; none is graded twice. Ends early when `go` is gone.

    runs: by lab. workers: processes on this machine, unless there is a scheduler. Raises ClusterError.
    """
    waiting = deque((job, 1) for job in jobs)
    suspects: deque[tuple[Job, int]] = deque()
    while (waiting or suspects) and go.exists():
        boxes = not any(run.unsafe for run in runs.values())
        with _executor(workers, scheduler, boxes) as (executor, at_once):
            yield from _until_broken(executor, at_once, waiting, suspects, runs, go)


def _until_broken(executor: Executor, at_once: int, waiting, suspects, runs, go) -> Iterator[Ended]:
    """Grade until all is done, or the executor lost a process; what it had in hand is then among the suspects."""
    running: dict[Future, tuple[Job, int]] = {}
    while running or ((waiting or suspects) and go.exists()):
        alone = bool(suspects)
        while go.exists() and (suspects or waiting) and len(running) < (1 if alone else at_once):
            job, attempt = (suspects if alone else waiting).popleft()
            try:
                running[executor.submit(grade, job, runs[job.lab])] = (job, attempt)
            except (BrokenProcessPool, RuntimeError) as error:  # it did not begin
                if attempt < TRIES:
                    suspects.append((job, attempt + 1))
                else:
                    yield Ended(job, failure=_why(error))
                if not running:
                    return
                break
        broken = False
        for future in wait(running, LOOK, FIRST_COMPLETED).done:
            job, attempt = running.pop(future)
            try:
                ended = Ended(job, future.result())
            except session.Stopped:
                continue
            except Exception as error:
                broken |= isinstance(error, BrokenProcessPool)
                if attempt < TRIES:
                    suspects.append((job, attempt + 1))
                    continue
                ended = Ended(job, failure=_why(error))
            yield ended
        if broken and not running:
            return
        if not go.exists():
            for future in running:
                future.cancel()
            running = {future: job for future, job in running.items() if not future.cancelled()}


def _why(error: BaseException) -> str:
    if isinstance(error, BrokenProcessPool):
        return "the process that graded it was killed, most likely because memory ran out"
    return f"{type(error).__name__}: {error}"


@contextmanager
def _executor(workers: int, scheduler: str | None, boxes: bool) -> Iterator[tuple[Executor, int]]:
    """The executor, and how many jobs to give it at once. boxes: whether its processes will enter sandboxes."""
    if scheduler is not None:
        with _cluster(scheduler) as found:
            yield found
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # for the processes that begin now
    # Spawned: a fork of a process with threads may hang. Each takes jobs until the end, so that torch is loaded once.
    context = multiprocessing.get_context("spawn")
    address = warm.start() if boxes else ""  # one for all; it imports while they do
    with ProcessPoolExecutor(workers, context, _begin, (os.getpid(), address)) as executor:
        yield executor, 2 * workers


def _begin(parent: int, address: str) -> None:
    """Leave Ctrl-C to the parent, and end when it is gone, however it went."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warm.use(address)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _cluster(address: str) -> Iterator[tuple[Executor, int]]:
    from distributed import Client

    from aibook.labs import sandbox

    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise ClusterError(f"no Dask scheduler answers at {address}: {error}") from error
    with client:
        said = client.run(sandbox.probe)
        if not said:
            raise ClusterError(f"the Dask scheduler at {address} has no workers")
        if unfit := {worker: why for worker, why in said.items() if why}:
            worker, why = next(iter(unfit.items()))
            raise ClusterError(f"{len(unfit)} of {len(said)} workers have no sandbox; {worker}: {why}")
        with client.get_executor(pure=False, retries=0) as executor:
            yield executor, 2 * max(sum(client.nthreads().values()), 1)


@contextmanager
def stopping(go: Path) -> Iterator[Callable[[], bool]]:
    """SIGINT and SIGTERM, however often they come, take `go` away; yields whether that happened."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: not go.exists()  # signals are the main thread's
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    old = {number: signal.signal(number, lambda *_: go.unlink(missing_ok=True)) for number in numbers}
    try:
        yield lambda: not go.exists()
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
