"""What grading needs to know of a lab's master notebook: how to recognise it, and which of its cells it runs.

The processes that grade get it ready made: nbformat, with which it is read, takes two seconds to import.
"""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aibook import house
from aibook.labs.submissions import Cell, Submission

if TYPE_CHECKING:
    from nbformat import NotebookNode

NEVER = {"setup", "parameters"}  # tags of cells that no grading runs
ANSWER = 20_000  # characters of an open answer that are kept


@dataclass(frozen=True)
class Question:
    """An open question: its points, and what its cell says as long as nobody has answered."""

    grade_id: str
    points: float
    untouched: frozenset[str]


@dataclass(frozen=True)
class Master:
    """A lab's master notebook, as far as grading is concerned. Sources are compared without trailing white space.

    `ids` of its solution cells, `checks` of the cells that students may not edit; `given` are the sources of the
    cells that answers need (imports, say), `other` those of all further cells that students get; `parameters` are
    set before each cell.
    """

    lab: str
    ids: frozenset[str]
    checks: frozenset[str]
    given: frozenset[str]
    other: frozenset[str]
    questions: tuple[Question, ...]
    parameters: dict[str, Any]

    def cells(self, submission: Submission) -> list[tuple[int, str]]:
        """What of a submission is run: its number among the code cells, from 0, and source.

        That is the given cells, the solution cells and whatever the student has added or changed; neither the
        master's other cells (data, training, plots) nor the checks.
        """
        return [(number, cell.source) for number, cell in enumerate(submission.code) if self._runs(cell)]

    def answers(self, submission: Submission) -> tuple[tuple[str, float, str], ...]:
        """Each open question with its points and what the student wrote; empty where nothing was."""
        found = {cell.grade_id: cell.source for cell in reversed(submission.cells)}
        return tuple((q.grade_id, q.points, _answer(q, found.get(q.grade_id, ""))) for q in self.questions)

    def _runs(self, cell: Cell) -> bool:
        source = tidy(cell.source)
        if not source or NEVER & set(cell.tags) or cell.grade_id in self.checks or _only_checks(source):
            return False
        if any(cell.grade_id == question.grade_id for question in self.questions):
            return False
        return source in self.given or cell.grade_id in self.ids or source not in self.other


def tidy(source: str) -> str:
    """A cell's source without what editors change by themselves."""
    return "\n".join(line.rstrip() for line in source.splitlines()).strip("\n")


def read(lab: str) -> Master:
    """The master of a lab. Raises FileNotFoundError."""
    from aibook.labs.release import release_node

    path = house.NOTEBOOKS / "labs" / f"{lab}.ipynb"
    released = [release_node(node) for node in _editions(path)]
    code = [cell for node in released for cell in node.cells if cell.cell_type == "code"]
    solutions = {id for cell in code if _grading(cell).get("solution") and (id := _grading(cell).get("grade_id"))}
    locked = {id for cell in code if not _grading(cell).get("solution") and (id := _grading(cell).get("grade_id"))}
    given = {tidy(cell.source) for cell in code if "graded" in _tags(cell)}
    other = {tidy(cell.source) for cell in code if _grading(cell).get("grade_id") not in solutions} - given
    return Master(lab, frozenset(solutions), frozenset(locked), frozenset(given), frozenset(other),
                  tuple(_questions(released)), _parameters(code))  # fmt: skip


def _editions(path: Path) -> Iterable["NotebookNode"]:
    """The master in every language that it is wholly translated into."""
    import nbformat

    from aibook.labs.release import FOLDERS
    from aibook.translate.tree import UntranslatedError, translated

    for language in FOLDERS:
        try:
            yield nbformat.read(path, as_version=4) if language == "en" else translated(path, language)
        except (UntranslatedError, ValueError, OSError):
            if language == "en":
                raise


def _questions(released: list["NotebookNode"]) -> Iterable[Question]:
    cells = [(cell, _grading(cell)) for node in released for cell in node.cells if cell.cell_type == "markdown"]
    cells = [(cell, grading) for cell, grading in cells if grading.get("grade") and grading.get("solution")]
    for name in dict.fromkeys(grading["grade_id"] for _, grading in cells):
        own = [(cell, grading) for cell, grading in cells if grading["grade_id"] == name]
        yield Question(name, float(own[0][1].get("points", 0)), frozenset(tidy(cell.source) for cell, _ in own))


def _answer(question: Question, source: str) -> str:
    return "" if tidy(source) in question.untouched else source.strip()[:ANSWER]


def _parameters(code: list["NotebookNode"]) -> dict[str, Any]:
    """The parameters as the master sets them, in the smallest profile."""
    found: dict[str, Any] = {}
    for cell in code:
        for statement in ast.parse(cell.source).body if "parameters" in _tags(cell) else []:
            if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
                found |= {target.id: statement.value.value for target in statement.targets}
    return found | ({"PROFILE": "smoke"} if "PROFILE" in found else {})


def _only_checks(source: str) -> bool:
    """Whether a cell does nothing but call the visible checks."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    calls = [part.value.func for part in body if isinstance(part, ast.Expr) and isinstance(part.value, ast.Call)]
    return bool(body) and len(calls) == len(body) and all(isinstance(f, ast.Name) and f.id == "check" for f in calls)


def _grading(cell: "NotebookNode") -> dict:
    return cell.metadata.get("nbgrader", {})


def _tags(cell: "NotebookNode") -> list[str]:
    return cell.metadata.get("tags", [])
