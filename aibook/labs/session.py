"""One submission graded: read, recognised, run in a sandbox of its own, asked, and its answers compared outside."""

import contextlib
import hashlib
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from aibook import house
from aibook.labs import grading, student, submissions
from aibook.labs.grading import Grader, Mark, Part, Result
from aibook.labs.masters import Master
from aibook.labs.student import RESTARTS, Boxed, CallLimits, Student, StudentError, Text
from aibook.labs.submissions import Submission, Unreadable

# What the whole of a submission may take, many times what a lab that is solved takes. It ends a notebook each of whose
# parts never ends.
TOTAL = CallLimits(cpu_seconds=100, wall_seconds=400)
PART_SECONDS = 900  # of a part, the grader's own work included: an answer may lead it into a loop
NO_LAB: Text = (
    "It cannot be told which lab this notebook belongs to: it has none of the labs' cells.",
    "无法判断该笔记本属于哪个实验：其中没有任何实验的单元。",
)
BROKEN: Text = (
    "The grader could not judge this answer. If it is of the kind that the task asks for, please report this.",
    "评分程序无法判断该答案。如果答案的类型符合题目要求，请告知教师。",
)


def _hash(*contents: bytes) -> str:
    return hashlib.sha256(b"\0".join(hashlib.sha256(content).digest() for content in contents)).hexdigest()


# Whoever changes one of these may change marks. Read now, since it is what this process has imported.
_JUDGES = ("compare", "grading", "inside", "masters", "release", "session", "student", "submissions", "wire")
JUDGED_BY = _hash(*(Path(__file__).with_name(f"{name}.py").read_bytes() for name in _JUDGES)).encode()


class Stopped(Exception):
    """The run is to end now; what is graded is given up."""


class PartTimeout(Exception):
    """A part took too long. No TimeoutError: that is an OSError, which those who talk to sockets and pipes expect."""


class Session(Boxed):
    """A sandbox whose requests together stay within `total`, and which gives up as soon as `stop` says so."""

    def __init__(self, *args, total: CallLimits = TOTAL, stop: Callable[[], bool] = bool, parts: int = 0, **more):
        super().__init__(*args, **more)
        self.total, self.stop = total, stop
        self.restarts = RESTARTS + parts  # each part may end the sandbox once
        self.used_up = False
        self._began = time.monotonic()
        self._looked = 0.0

    def _send_and_receive(self, do: str, arguments: dict, limits: CallLimits):
        cpu = self.total.cpu_seconds - self.cpu_seconds - self._box.measured_seconds
        wall = self.total.wall_seconds - (time.monotonic() - self._began)
        if self.used_up or cpu <= 0 or wall <= 0:
            self.used_up = True
            raise StudentError("time", self.over)
        return super()._send_and_receive(
            do, arguments, CallLimits(min(cpu, limits.cpu_seconds), min(wall, limits.wall_seconds))
        )

    def _hold(self, began: float, used: float, limits: CallLimits) -> None:
        now = time.monotonic()
        if now - self._looked > student.STEP:
            self._looked = now
            if self.stop():
                raise Stopped
        super()._hold(began, used, limits)

    @property
    def over(self) -> Text:
        seconds = f"{self.total.cpu_seconds:g}"
        return (
            f"the notebook had used up its time, {seconds} CPU-seconds for all that is asked",
            f"笔记本已用完全部评分时间（共 {seconds} CPU 秒）",
        )


def grade_one(
    path: Path, name: str, grader: Grader | None, secret: str, staged: Path, unsafe: bool = False, *,
    master: Master | None, fingerprint: str = "", notes: tuple[Text, ...] = (), stop: Callable[[], bool] = bool,
    total: CallLimits = TOTAL,
) -> Result:  # fmt: skip
    """The result of the notebook at `path`, handed in by `name`.

    grader, master: of its lab; None where the lab is unknown. staged: the folder that `student.stage` filled. notes: on
    the submission as such. stop: whether to give up; then Stopped is raised.

    Whatever is in the notebook ends up in the result. Raises SandboxError where the machine has no sandbox for it.
    """
    sha256 = digest(path)
    lab = master.lab if master else ""
    result = Result(name, lab, path.name, sha256, fingerprint, cells=notes, graded_at=_now())
    try:
        submission = submissions.read(path)
    except Unreadable as unreadable:
        return replace(result, problem=unreadable.text)
    if master is None or grader is None:
        return replace(result, problem=NO_LAB)
    began = time.process_time()
    with _session(submission, master, grader, staged, unsafe, stop, total) as box:
        marks = tuple(_marked(grader, part, box, secret) for part in grader.parts)
        problems = _problems(submission, master, box)
    if box.used_up:
        problems = (*problems, _sentence(box.over))
    answers = tuple((grade_id, points, clean(text)) for grade_id, points, text in master.answers(submission))
    cpu = box.cpu_seconds + time.process_time() - began
    return replace(result, marks=marks, cells=(*notes, *problems), answers=answers,
                   cpu_seconds=round(cpu, 2), peak_mb=round(box.peak_mb), graded_at=_now())  # fmt: skip


def fingerprint(lab: str, secret: str) -> str:
    """What a result of this lab depends on beside the submission: the questions, what judges them, and the seed.

    Not among it are the book's helpers and the packages that a grader imports.

    Raises KeyError for a lab without a grader.
    """
    files = [grading.graders()[lab], house.NOTEBOOKS / "labs" / f"{lab}.ipynb"] if lab else []
    return _hash(JUDGED_BY, *(path.read_bytes() for path in files), secret.encode())[:32]


def digest(path: Path) -> str:
    """sha256 of a file; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def clean(text: str) -> str:
    """Text as it can be stored and shown: no half characters."""
    return text.encode("utf-8", "replace").decode()


def _session(submission, master, grader, staged, unsafe, stop, total) -> Session:
    return Session(
        master.cells(submission), staged=staged, names=master.parameters, unsafe=unsafe, stop=stop,
        parts=len(grader.parts), **({"total": total} | grader.box),
    )  # fmt: skip


def _marked(grader: Grader, part: Part, box: Student, secret: str) -> Mark:
    """One part's mark. A grader that fails costs this part, and says so; it does not end the run."""
    _seed(f"{secret}\0{part.name}")
    began = time.monotonic()
    try:
        with _alarm(PART_SECONDS):
            (mark,) = grader.grade(box, secret, only=part.name)
    except (Stopped, student.SandboxError):
        raise
    except Exception as error:
        seconds = time.monotonic() - began
        why = f"{type(error).__name__}: {error}"[:300]
        text = (f"{BROKEN[0]} ({clean(why)})", f"{BROKEN[1]}（{clean(why)}）")
        return Mark(part.task, part.name, 0.0, part.points, "grader", part.title, text, seconds)
    return replace(mark, text=(clean(mark.text[0]), clean(mark.text[1])))


@contextlib.contextmanager
def _alarm(seconds: int) -> Iterator[None]:
    """Raise PartTimeout after so many seconds, where a signal can be had for it: in a process's main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_) -> None:
        raise PartTimeout(f"no mark within {seconds} s")

    old = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


def _seed(words: str) -> None:
    """Seed this process's generators: a grader that forgets to name its own still asks the same of everyone."""
    seed = int.from_bytes(hashlib.sha256(words.encode()).digest()[:4], "big")
    random.seed(seed)
    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def _problems(submission: Submission, master: Master, box: Boxed) -> tuple[Text, ...]:
    """A note on each cell that did not run to its end."""
    return tuple(_note(submission, master, problem) for _, problem in sorted(box.problems.items()))


def _note(submission: Submission, master: Master, problem: student.CellProblem) -> Text:
    cell = submission.code[problem.index]
    lines = [line.strip() for line in cell.source.splitlines() if line.strip()]
    first = next((line for line in lines if not line.startswith(("#", "import ", "from "))), lines[0])[:60]
    number, (english, chinese) = problem.index + 1, problem.text
    note = (f"Code cell {number} (`{first}`): {english}.", f"第 {number} 个代码单元（`{first}`）：{chinese}。")
    if cell.grade_id not in master.ids:
        note = (
            f"{note[0]} When grading, no cells with data, training or plots are run, so what your answers need must "
            "stand in their own cells.",
            f"{note[1]}评分时不会运行加载数据、训练和绘图的单元，因此答案所需的代码应写在作答单元中。",
        )
    return (clean(note[0]), clean(note[1]))


def _sentence(text: Text) -> Text:
    return (f"{text[0][:1].upper()}{text[0][1:]}.", f"{text[1]}。")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def stopped_when_gone(go: str | os.PathLike) -> Callable[[], bool]:
    """Whether the file whose presence lets a run go on is gone."""
    return lambda: not os.path.exists(go)
