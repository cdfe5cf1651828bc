"""What a lab's grader is made of: parts, each a question to a student's code, with its points and its own hidden cases.

    grader = Grader("01-image-recognition")

    @grader.part("one-cycle", 3, "the rate at every step", "每一步的学习率")
    def rates(student, rng):
        total = int(rng.integers(50, 200))
        found = [student.call("one_cycle", step, total, 0.5) for step in range(total)]
        close(("the rates", "学习率"), found, reference(total))

A part that returns has earned its points; one that raises `Wrong` has not. One that returns a share between 0 and 1
(`Share`) has earned so much of them: the tasks that ask for a performance. Whatever else goes wrong in a student's code
arrives here as a `StudentError`, so that an endless loop in one part costs that part alone.

The graders stand in `notebooks/labs/grading`, a module for each lab, and are public: what is secret is the seed.
"""

import hashlib
import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from aibook import house
from aibook.labs.student import Student, StudentError, Text

FOLDER = house.NOTEBOOKS / "labs" / "grading"
FULL: Text = ("right", "正确")


class Wrong(Exception):
    """An answer that is not right; `text` says in what, in English and Chinese, and gives nothing away."""

    def __init__(self, english: str, chinese: str) -> None:
        super().__init__(english)
        self.text: Text = (english, chinese)


@dataclass(frozen=True)
class Share:
    """What part of the points an answer earns, from 0 to 1, and why."""

    share: float
    text: Text


Ask = Callable[[Student, np.random.Generator], Share | None]


@dataclass(frozen=True)
class Part:
    """One question. `task` is the grade_id of the task's check in the notebook, without its "check-"."""

    task: str
    name: str
    points: float
    title: Text
    ask: Ask


@dataclass(frozen=True)
class Mark:
    """What one part has earned. `kind` is "right", "part", "wrong", or the kind of a StudentError."""

    task: str
    part: str
    points: float
    out_of: float
    kind: str
    title: Text
    text: Text
    seconds: float


@dataclass(frozen=True)
class Result:
    """One submission, graded: its marks, or the problem because of which there are none.

    `file` as it was handed in and its sha256; `problem` is empty, or says why nothing could be graded; `cells` are
    notes on cells that did not run; `answers` the open questions, (grade_id, points, text), for a person to read;
    `grader` identifies graders and seed, so that a result is known to be out of date.
    """

    student: str
    lab: str
    file: str
    sha256: str
    grader: str
    marks: tuple[Mark, ...] = ()
    problem: Text = ("", "")
    cells: tuple[Text, ...] = ()
    answers: tuple[tuple[str, float, str], ...] = ()
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0
    graded_at: str = ""  # ISO 8601, UTC

    @property
    def points(self) -> float:
        return round(sum(mark.points for mark in self.marks), 2)


class Grader:
    """All parts of one lab, and what its notebook may use: see `Boxed` for the keywords."""

    def __init__(self, lab: str, **box) -> None:
        self.lab, self.box = lab, box
        self.parts: list[Part] = []

    def part(self, task: str, points: float, english: str, chinese: str) -> Callable[[Ask], Ask]:
        """Decorate the function that asks and compares; its name is the part's."""

        def add(ask: Ask) -> Ask:
            if any(part.name == ask.__name__ for part in self.parts):
                raise ValueError(f"{self.lab}: two parts are called {ask.__name__}")
            self.parts.append(Part(task, ask.__name__, points, (english, chinese), ask))
            return ask

        return add

    def grade(self, student: Student, secret: str, *, only: str = "") -> list[Mark]:
        """The marks of each part. The same secret asks the same questions, of everyone and whatever was asked before.

        only: the name of the one part to grade.
        """
        return [self._mark(part, student, secret) for part in self.parts if only in ("", part.name)]

    def _mark(self, part: Part, student: Student, secret: str) -> Mark:
        began = time.monotonic()
        try:
            student.seed(_number(secret, self.lab, part.name, "global") % 2**31)
            earned = part.ask(student, generator(secret, self.lab, part.name))
        except Wrong as wrong:
            kind, share, text = "wrong", 0.0, wrong.text
        except StudentError as error:
            kind, share, text = error.kind, 0.0, error.text
        else:
            earned = earned or Share(1.0, FULL)
            share = min(1.0, max(0.0, float(earned.share)))
            kind, text = "right" if share == 1 else "part" if share else "wrong", earned.text
        points = round(share * part.points, 2)
        return Mark(part.task, part.name, points, part.points, kind, part.title, text, time.monotonic() - began)


def generator(secret: str, *names: str) -> np.random.Generator:
    """The generator of hidden inputs that belongs to these names."""
    return np.random.default_rng(_number(secret, *names))


def _number(*words: str) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(words).encode()).digest()[:8], "big")


def graders() -> dict[str, Path]:
    """Name of each lab that has a grader -> the grader's file."""
    files = {path.stem.replace("_", "-"): path for path in FOLDER.glob("[a-z]*.py")}
    labs = [path.stem for path in house.notebooks([FOLDER.parent])]
    return {lab: files[lab.partition("-")[2]] for lab in labs if lab.partition("-")[2] in files}


def load(lab: str) -> Grader:
    """The grader of a lab. Raises KeyError for a lab that has none."""
    return _module(lab).grader


def solutions(lab: str) -> dict:
    """The names that the master's own solutions define: imports and solution cells, executed here. Trusted code."""
    import nbformat

    names: dict = {"__name__": f"solutions of {lab}"}
    cells = nbformat.read(house.NOTEBOOKS / "labs" / f"{lab}.ipynb", as_version=4).cells
    for cell in cells:
        tags, grading = cell.metadata.get("tags", []), cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code" and (grading.get("solution") or "graded" in tags):
            exec(compile(cell.source, f"<{lab}>", "exec"), names)
    return names


def _module(lab: str) -> ModuleType:
    path = graders()[lab]
    spec = importlib.util.spec_from_file_location(f"grading.{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
