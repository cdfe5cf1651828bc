"""`aibook labs gradebook`: marks into nbgrader's gradebook, and the notebooks that its formgrader shows.

A grading run's points become nbgrader's automatic scores; open questions wait for a person, who reads and scores them
in the formgrader. What a person has entered there, scores, extra credit or comments, is never touched: where the
automatic score or the answer beneath it has changed since, the cell is marked as needing a look.

nbgrader executes nothing here. The folder has no `submitted`, so its own `autograde`, which runs students' code beside
the checks, finds nothing to run.
"""

import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from aibook.labs import autograded, results
from aibook.labs.grading import Result
from aibook.labs.release import release_node
from aibook.labs.results import OfficeError
from aibook.labs.roster import Person, Roster

NO_ANSWER = "No response. · 未作答。"
ADVICE = {
    "locked": "another program is writing to it (close the formgrader, or wait), then run the same command again",
    "readonly": "it may not be written to",
    "not a database": "it is no database",
    "no such column": "another version of nbgrader wrote it: run `nbgrader db upgrade` beside it",
}


@dataclass(frozen=True)
class Score:
    """What the gradebook says of one cell of one student's lab. `comment` is a person's, empty where there is none."""

    auto: float | None
    manual: float | None
    extra: float
    waiting: bool
    out_of: float
    comment: str = ""

    @property
    def points(self) -> float:
        return (self.manual if self.manual is not None else self.auto or 0.0) + self.extra


@dataclass
class Report:
    """What was written."""

    labs: dict[str, int] = field(default_factory=dict)  # lab -> submissions
    waiting: int = 0  # cells that a person is to score
    kept: int = 0  # cells scored by a person and left so
    without_file: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)  # submissions of no known lab


def write(found: Iterable[Result], db: Path, submissions: Path, people: Roster | None = None) -> Report:
    """Bring the gradebook at `db`, and the notebooks beside it, up to date with the results. Raises OfficeError."""
    found, report = list(found), Report()
    report.unknown = [f"{result.student}/{result.file}" for result in found if not result.lab]
    db.parent.mkdir(parents=True, exist_ok=True)
    with _opened(db) as book, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SQLAlchemy's on the order in which nbgrader makes its objects
        known = people.by_folder if people else {}
        for student in sorted({result.student for result in found} | set(known)):
            book.update_or_create_student(student, **_names(known.get(student)))
        for lab, of_students in results.by_lab(found).items():
            released = release_node(master := results.master(lab))
            _assignment(book, lab, released)
            _write(db.parent / "source" / lab / f"{lab}.ipynb", master)
            for result in of_students.values():
                _submission(book, result, released, db.parent, submissions, report)
            report.labs[lab] = len(of_students)
    return report


def scores(db: Path) -> dict[tuple[str, str], dict[str, Score]]:
    """(student, lab) -> grade_id -> what the gradebook says. Raises OfficeError."""
    if not db.is_file():
        raise OfficeError(f"There is no gradebook {db}. Write one: aibook labs gradebook SUBMISSIONS --db {db}")
    from nbgrader.api import Assignment, BaseCell, Comment, Grade, GradeCell, Student
    from nbgrader.api import SubmittedAssignment as Submitted
    from nbgrader.api import SubmittedNotebook as Notebook

    def rows(book, what, *columns):
        return (
            book.db.query(Student.id, Assignment.name, BaseCell.name, *columns)
            .select_from(what)
            .join(BaseCell, BaseCell.id == what.cell_id)
            .join(Notebook, Notebook.id == what.notebook_id)
            .join(Submitted, Submitted.id == Notebook.assignment_id)
            .join(Assignment, Assignment.id == Submitted.assignment_id)
            .join(Student, Student.id == Submitted.student_id)
        )

    found: dict[tuple[str, str], dict[str, Score]] = {}
    with _opened(db) as book:
        said = {tuple(row[:3]): row[3] for row in rows(book, Comment, Comment.manual_comment) if row[3]}
        worth = dict(book.db.query(GradeCell.id, GradeCell.max_score))
        of_grade = (Grade.cell_id, Grade.auto_score, Grade.manual_score, Grade.extra_credit, Grade.needs_manual_grade)
        for student, lab, cell, cell_id, auto, manual, extra, waiting in rows(book, Grade, *of_grade):
            comment = said.get((student, lab, cell)) or said.get((student, lab, cell.removeprefix("check-")), "")
            score = Score(auto, manual, extra or 0.0, waiting, float(worth.get(cell_id, 0)), comment)
            found.setdefault((student, lab), {})[cell] = score
    return found


@contextmanager
def _path_of_this_python() -> Iterator[None]:
    """For a new database nbgrader calls the command `alembic`, which is beside this Python but may not be on PATH."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


class _opened:
    """The gradebook at a path; whatever SQL says becomes an OfficeError with advice."""

    def __init__(self, db: Path) -> None:
        from nbgrader.api import Gradebook

        self.db = db
        with self, _path_of_this_python():
            self.book = Gradebook(f"sqlite:///{db.resolve()}")

    def __enter__(self):
        return getattr(self, "book", None)

    def __exit__(self, kind, error, trace) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        if hasattr(self, "book"):
            self.book.close()
        if isinstance(error, SQLAlchemyError):
            what = str(getattr(error, "orig", None) or error)
            why = next((text for word, text in ADVICE.items() if word in what), what)
            raise OfficeError(f"The gradebook {self.db}: {why}.") from error


def _names(person: Person | None) -> dict[str, str]:
    if person is None:
        return {}
    first, last = (person.first, person.last) if person.last else ("", person.name)
    return {"first_name": first, "last_name": last, "email": person.email}


def _assignment(book, lab: str, released: NotebookNode) -> None:
    """The lab's cells as nbgrader's `generate_assignment` enters them."""
    book.update_or_create_assignment(lab)
    book.update_or_create_notebook(lab, lab, kernelspec="{}")
    for cell in released.cells:
        if not (grading := cell.metadata.get("nbgrader")):
            continue
        name, kind = grading["grade_id"], cell.cell_type
        if grading.get("grade"):
            book.update_or_create_grade_cell(name, lab, lab, max_score=float(grading["points"]), cell_type=kind)
        if grading.get("solution"):
            book.update_or_create_solution_cell(name, lab, lab)
        locked = not grading.get("solution") and bool(grading.get("grade") or grading.get("locked"))
        more = {"cell_type": kind, "source": cell.source, "checksum": grading.get("checksum"), "locked": locked}
        book.update_or_create_source_cell(name, lab, lab, **more)


def _submission(book, result: Result, released: NotebookNode, course: Path, submissions: Path, report: Report) -> None:
    from nbgrader.api import Comment, Grade

    submitted = book.update_or_create_submission(result.lab, result.student)
    notebook = next(notebook for notebook in submitted.notebooks if notebook.name == result.lab)
    path = course / "autograded" / result.student / result.lab / f"{result.lab}.ipynb"
    same_answers = autograded.answers_in(path) == {name: text for name, _, text in result.answers}
    source = autograded.find(submissions, result)
    if source is None:
        report.without_file.append(f"{result.student}/{result.file}")
    grades, comments = {g.cell_id: g for g in notebook.grades}, {c.cell_id: c for c in notebook.comments}
    earned = {task.check: task for task in results.tasks(result)}
    answers = {grade_id: text for grade_id, _, text in result.answers}
    cells = notebook.notebook
    if strange := sorted(set(earned) - {cell.name for cell in cells.grade_cells}):
        raise OfficeError(f"{result.lab}: the master has no cell {strange[0]}, of which the grader has given marks")
    for cell in cells.grade_cells:
        grade = grades.get(cell.id) or _new(book, Grade, cell, notebook)
        if cell.cell_type == "markdown" and answers.get(cell.name, "").strip():
            _score(grade, None, changed=not same_answers)
        else:
            task = earned.get(cell.name)
            _score(grade, task.points if task else 0.0, changed=False)
        report.waiting += grade.needs_manual_grade
        report.kept += grade.manual_score is not None
    for cell in cells.solution_cells:
        comment = comments.get(cell.id) or _new(book, Comment, cell, notebook)
        comment.auto_comment = _comment(result, earned.get(f"check-{cell.name}"), answers.get(cell.name))
    book.db.commit()
    # Last: where this is interrupted, the next run finds that answers differ, and says that they need a look.
    _write(path, autograded.notebook(result, released, source))


def _new(book, kind, cell, notebook):
    """A grade or comment on a cell that the master did not have when this was handed in."""
    book.db.add(row := kind(cell_id=cell.id, notebook_id=notebook.id))
    return row


def _score(grade, auto: float | None, changed: bool) -> None:
    """Enter an automatic score; None leaves the cell to a person. Theirs stays, to be looked at if its ground moved."""
    changed = changed or grade.auto_score != auto
    grade.auto_score = auto
    if grade.manual_score is None:
        grade.needs_manual_grade = auto is None
    elif changed:
        grade.needs_manual_grade = True


def _comment(result: Result, task: results.Task | None, answer: str | None) -> str | None:
    if task:
        lines = [results.said(mark) for mark in task.marks]
        return "\n".join([*(english for english, _ in lines), *(chinese for _, chinese in lines)])
    if answer is not None:
        return None if answer.strip() else NO_ANSWER
    return "\n".join(result.problem) if result.problem[0] else None


def _write(path: Path, node: NotebookNode) -> None:
    text = nbformat.writes(node)
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partly = path.with_suffix(".partly")
    partly.write_text(text, encoding="utf-8")
    partly.replace(path)


def main(submissions: Path, db: Path, roster_file: Path | None, results_file: Path | None) -> int:
    """`aibook labs gradebook`: write, and say what waits for a person."""
    from rich.console import Console
    from rich.markup import escape

    from aibook.labs import roster
    from aibook.labs.store import StoreError

    console = Console(highlight=False)
    try:
        people = roster.read(roster_file) if roster_file else None
        report = write(results.stored(submissions, results_file), db, submissions, people)
    except (OfficeError, StoreError, roster.RosterError, OSError) as error:
        Console(stderr=True).print(f"[red]No gradebook:[/red] {escape(str(error))}", soft_wrap=True)
        return 1
    for lab, count in report.labs.items():
        console.print(f"{lab}: {count} submissions", soft_wrap=True)
    for title, names in (
        ("of no known lab, not in the gradebook", report.unknown),
        ("whose file is gone or was changed since it was graded, shown without its code", report.without_file),
    ):
        if names:
            console.print(f"[yellow]{len(names)} {title}:[/yellow] {escape(', '.join(names))}", soft_wrap=True)
    console.print(
        f"{report.waiting} answers wait to be scored by a person; {report.kept} scores that a person gave were kept. "
        f"The formgrader shows them in a Jupyter server that is started in {db.resolve().parent}.",
        soft_wrap=True,
    )
    return 0
