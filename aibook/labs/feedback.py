"""`aibook labs feedback`: a page for each student, in both languages, with every task's points and why."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from aibook.labs import pages, results
from aibook.labs.gradebook import Score
from aibook.labs.grading import Mark, Result
from aibook.labs.roster import Roster, folder_name


@dataclass(frozen=True)
class Task:
    """A task as it is shown. `person` are the points that a person set in place of the program's."""

    name: str
    points: float
    out_of: float
    marks: tuple[Mark, ...]
    person: float | None
    comment: str


@dataclass(frozen=True)
class Question:
    """An open question as it is shown. `score` is None as long as nobody has scored it."""

    name: str
    answer: str
    out_of: float
    score: float | None
    comment: str


@dataclass(frozen=True)
class Lab:
    """One lab of a student as it is shown."""

    result: Result
    tasks: list[Task]
    questions: list[Question]

    @property
    def waiting(self) -> bool:
        return any(question.score is None for question in self.questions)

    @property
    def points(self) -> float:
        checks = sum(task.points if task.person is None else task.person for task in self.tasks)
        return round(checks + sum(question.score or 0.0 for question in self.questions), 2)

    @property
    def out_of(self) -> float:
        scored = sum(question.out_of for question in self.questions if question.score is not None)
        return round(sum(task.out_of for task in self.tasks) + scored, 2)


def write(
    found: Iterable[Result], into: Path, people: Roster | None = None,
    book: dict[tuple[str, str], dict[str, Score]] | None = None, language: str = "en",
) -> list[Path]:  # fmt: skip
    """Write `into`/<student>.html for each student that has results; return the files.

    book: what `gradebook.scores` gives, for open questions' points and comments. language: which is shown at first.
    """
    of_student: dict[str, list[Result]] = defaultdict(list)
    for result in found:
        of_student[result.student].append(result)
    written = []
    for student, theirs in sorted(of_student.items()):
        person = people.by_folder.get(student) if people else None
        labs = [_lab(result, (book or {}).get((student, result.lab), {})) for result in theirs]
        page = pages.rendered(
            "feedback.html.j2", student=student, name=person.name if person else "", labs=labs, language=language
        )
        written.append(into / f"{folder_name(student)}.html")
        pages.write(written[-1], page)
    return written


def _lab(result: Result, cells: dict[str, Score]) -> Lab:
    tasks = []
    for task in results.tasks(result):
        score = cells.get(task.check)
        changed = score is not None and (score.manual is not None or score.extra)
        person = round(score.points, 2) if changed else None
        tasks.append(Task(task.name, task.points, task.out_of, task.marks, person, score.comment if score else ""))
    questions = []
    for name, out_of, answer in result.answers:
        score = cells.get(name)
        known = score is not None and not (score.waiting and score.manual is None)
        points = round(score.points, 2) if known else None
        questions.append(Question(name, answer, out_of, points, score.comment if score else ""))
    return Lab(result, tasks, questions)


def main(
    submissions: Path, into: Path, roster_file: Path | None, db: Path | None, grades: Path | None, language: str
) -> int:  # fmt: skip
    """`aibook labs feedback`: write the pages and say where they are."""
    from rich.console import Console
    from rich.markup import escape

    from aibook.labs import gradebook, roster
    from aibook.labs.store import StoreError

    try:
        people = roster.read(roster_file) if roster_file else None
        book = gradebook.scores(db) if db else None
        written = write(results.stored(submissions, grades), into, people, book, language)
    except (results.OfficeError, StoreError, roster.RosterError, OSError) as error:
        Console(stderr=True).print(f"[red]No feedback:[/red] {escape(str(error))}", soft_wrap=True)
        return 1
    Console(highlight=False).print(f"{len(written)} pages in {into}", markup=False, soft_wrap=True)
    return 0
