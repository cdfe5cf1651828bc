"""What was graded, for the commands that hand it on: the stored results of a folder of submissions."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import nbformat

from aibook import house
from aibook.labs.grading import Mark, Result
from aibook.labs.student import Text


class OfficeError(Exception):
    """There is nothing to hand on, or not with what was given; the message says what to do."""


@dataclass(frozen=True)
class Task:
    """One task of a lab as the gradebook sees it: the check's cell, the solution's, its points and what was earned."""

    name: str
    points: float
    out_of: float
    marks: tuple[Mark, ...]

    @property
    def check(self) -> str:
        return f"check-{self.name}"


def stored(submissions: Path, file: Path | None = None) -> list[Result]:
    """All results of a folder of submissions, by lab and student. Raises OfficeError, StoreError."""
    from aibook.labs.store import FILE, Store

    path = file or submissions / FILE
    if not path.is_file():
        raise OfficeError(f"There are no results in {path}. Grade first: aibook labs grade {submissions}")
    with Store(path) as store:
        found = store.results()
    if not found:
        raise OfficeError(f"{path} holds no results yet. Grade first: aibook labs grade {submissions}")
    return found


def tasks(result: Result) -> list[Task]:
    """The tasks of a result in the grader's order."""
    by_task: dict[str, list[Mark]] = defaultdict(list)
    for mark in result.marks:
        by_task[mark.task].append(mark)
    return [
        Task(name, round(sum(m.points for m in marks), 2), round(sum(m.out_of for m in marks), 2), tuple(marks))
        for name, marks in by_task.items()
    ]


def by_lab(results: Iterable[Result]) -> dict[str, dict[str, Result]]:
    """lab -> student -> result. Submissions of which no lab is known are not among them."""
    found: dict[str, dict[str, Result]] = defaultdict(dict)
    for result in results:
        if result.lab:
            found[result.lab][result.student] = result
    return dict(sorted(found.items()))


def master(lab: str) -> nbformat.NotebookNode:
    """The master notebook of a lab. Raises OfficeError where it is not in this copy of the book."""
    path = house.NOTEBOOKS / "labs" / f"{lab}.ipynb"
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, ValueError) as error:
        raise OfficeError(f"The master of {lab} cannot be read ({error}): it belongs to {path}") from None


def points(lab: str) -> tuple[float, dict[str, float]]:
    """What a lab's checks are worth together, and each of its open questions, by grade_id."""
    checks, questions = 0.0, {}
    for cell in master(lab).cells:
        grading = cell.metadata.get("nbgrader", {})
        if grading.get("grade") and grading.get("solution"):
            questions[grading["grade_id"]] = float(grading["points"])
        elif grading.get("grade"):
            checks += float(grading["points"])
    return checks, questions


def said(mark: Mark) -> Text:
    """One mark in a line: what was asked, what it earned, and why."""
    sign = {"right": "✓", "part": "◐"}.get(mark.kind, "✗")
    english, chinese = (f"{sign} {title}: {mark.points:g}/{mark.out_of:g}" for title in mark.title)
    if mark.kind == "right":
        return english, chinese
    return f"{english}. {mark.text[0]}", f"{chinese}。{mark.text[1]}"
