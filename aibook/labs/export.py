"""`aibook labs export`: marks as the learning platform imports them, a row for everyone on the roster.

Whoever handed nothing in has a zero and the reason; an open question that nobody has scored yet has an empty cell, not
a zero. Text that a spreadsheet would take for a formula gets an apostrophe in front.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from aibook.labs import collect, results
from aibook.labs.gradebook import Score, scores
from aibook.labs.grading import Result
from aibook.labs.results import OfficeError
from aibook.labs.roster import Person, Roster
from aibook.labs.submissions import Unreadable, identify, read

FORMATS = ("csv", "moodle", "canvas")
CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
NOTHING = "nothing handed in · 未提交"
UNGRADED = "handed in, not graded yet · 已提交，尚未评分"
NO_LAB = "handed in a notebook that is of no known lab · 提交的笔记本不属于任何已知实验"
WAITING = "not scored yet · 尚未评分"
LATE = "handed in late · 迟交"


@dataclass(frozen=True)
class Column:
    """One column of marks: a lab's checks, or one of its open questions."""

    lab: str
    question: str
    out_of: float

    @property
    def title(self) -> str:
        return f"{self.lab} {self.question}".strip()


@dataclass
class Table:
    """Marks of everyone on the roster, by person and column, and what there is to say of them."""

    columns: list[Column]
    rows: list[tuple[Person, list[float | None]]]
    notes: dict[tuple[str, str], list[str]] = field(default_factory=dict)  # (folder, lab) -> what to say
    strangers: list[Result] = field(default_factory=list)  # handed in, not on the roster


def table(
    found: Iterable[Result], people: Roster, book: dict[tuple[str, str], dict[str, Score]] | None = None,
    collected: Iterable[dict[str, str]] = (), folder: Path | None = None,
) -> Table:  # fmt: skip
    """Everyone's marks. Raises OfficeError where the gradebook is older than the results.

    book: what `gradebook.scores` gives; without it there are no columns of open questions. collected, folder: what
    `collect` noted, and where it put the files, for the reasons.
    """
    found = list(found)
    labs = results.by_lab(found)
    columns = [column for lab in labs for column in _columns(lab, with_questions=book is not None)]
    made = Table(columns, [])
    late = {(row["student"], row["sha256"]) for row in collected if row.get("note") == "late"}
    nameless = {result.student for result in found if not result.lab}
    for person in people.people:
        row: list[float | None] = []
        for column in columns:
            result = labs[column.lab].get(person.folder)
            cells = (book or {}).get((person.folder, column.lab), {})
            points, why = _points(column, result, cells, book is not None)
            said = [why] if why else []
            if why == NOTHING and folder is not None and _is_there(folder / person.folder, column.lab):
                said = [UNGRADED]
            elif why == NOTHING and person.folder in nameless:
                said = [NO_LAB]
            elif result and not column.question and (person.folder, result.sha256) in late:
                said.append(LATE)
            if said:
                made.notes.setdefault((person.folder, column.lab), []).extend(said)
            row.append(points)
        made.rows.append((person, row))
    made.strangers = [result for result in found if result.student not in people.by_folder]
    return made


def write(made: Table, into: Path, form: str) -> Path:
    """Write the table at `into`, and the notes on it beside; return where those are."""
    into.parent.mkdir(parents=True, exist_ok=True)
    {"csv": _csv, "moodle": _moodle, "canvas": _canvas}[form](made, into)
    beside = into.with_name(f"{into.stem}-notes.csv")
    ids = {person.folder: person for person, _ in made.rows}
    rows = [[ids[student].id, ids[student].name, lab, "; ".join(lines)] for (student, lab), lines in made.notes.items()]
    rows += [[r.student, "", r.lab, f"not on the roster · 不在名单上: {r.points:g}"] for r in made.strangers]
    _write(beside, ["student id", "name", "lab", "note"], rows)
    return beside


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula, and that stays in its cell."""
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def _columns(lab: str, *, with_questions: bool) -> list[Column]:
    checks, questions = results.points(lab)
    asked = [Column(lab, name, points) for name, points in questions.items()] if with_questions else []
    return [Column(lab, "", checks), *asked]


def _points(
    column: Column, result: Result | None, cells: dict[str, Score], with_book: bool
) -> tuple[float | None, str]:
    """(points or None, what to say)"""
    if column.question:
        score = cells.get(column.question)
        if result is None:
            return 0.0, ""
        if score is None or (score.waiting and score.manual is None):
            return None, f"{column.question}: {WAITING}"
        return round(score.points, 2), ""
    if result is None:
        return 0.0, NOTHING
    why = " · ".join(result.problem) if result.problem[0] else ""
    if not with_book:
        return result.points, why
    tasks = {task.check: task.points for task in results.tasks(result)}
    checks = {name: score for name, score in cells.items() if name.startswith("check-")}
    if any(name not in checks or checks[name].auto != points for name, points in tasks.items()) or not cells:
        raise OfficeError(
            f"The gradebook is older than the results ({result.student}, {result.lab}). Bring it up to date first: "
            "aibook labs gradebook"
        )
    return round(sum(score.points for score in checks.values()), 2), why


def _is_there(folder: Path, lab: str) -> bool:
    """Whether a student's folder holds a notebook of this lab."""
    grading = [cell.metadata.get("nbgrader", {}) for cell in results.master(lab).cells]
    ids = {lab: [one["grade_id"] for one in grading if "grade_id" in one]}
    for path in folder.glob("*.ipynb"):
        try:
            if identify(read(path), ids, path.stem) == lab:
                return True
        except Unreadable:
            continue
    return False


def _csv(made: Table, into: Path) -> None:
    labs = list(dict.fromkeys(column.lab for column in made.columns))
    header = ["student id", "name", "email", *(f"{c.title} (of {c.out_of:g})" for c in made.columns)]
    _write(into, [*header, *(f"{lab} note" for lab in labs)], [
        [person.id, person.name, person.email, *points, *_said(made, person, labs)] for person, points in made.rows
    ])  # fmt: skip


def _moodle(made: Table, into: Path) -> None:
    """Moodle asks at import which column is what: the feedback columns go to “Feedback for …”."""
    labs = list(dict.fromkeys(column.lab for column in made.columns))
    header = ["ID number", "Full name", "Email address", *(column.title for column in made.columns)]
    _write(into, [*header, *(f"{lab} feedback" for lab in labs)], [
        [person.id, person.name, person.email, *points, *_said(made, person, labs)] for person, points in made.rows
    ])  # fmt: skip


def _canvas(made: Table, into: Path) -> None:
    """Canvas knows students by the columns of its own export, which the roster has if it is one."""
    header = [*CANVAS, *(column.title for column in made.columns)]
    rows: list[list] = [["    Points Possible", "", "", "", "", *(column.out_of for column in made.columns)]]
    for person, points in made.rows:
        usual = {"Student": person.name, "ID": person.number, "SIS User ID": person.id, "SIS Login ID": person.login}
        rows.append([*(person.row.get(name, usual.get(name, "")) for name in CANVAS), *points])
    _write(into, header, rows)


def _said(made: Table, person: Person, labs: list[str]) -> list[str]:
    return ["; ".join(made.notes.get((person.folder, lab), [])) for lab in labs]


def _write(path: Path, header: list[str], rows: Iterable[list]) -> None:
    def cell(value: object) -> str:
        if value is None:
            return ""
        return f"{value:g}" if isinstance(value, float) else harmless(str(value))

    partly = path.with_suffix(".partly")
    with partly.open("w", encoding="utf-8-sig", newline="") as file:  # without the mark, Excel garbles Chinese
        writer = csv.writer(file)
        writer.writerow(map(cell, header))
        writer.writerows([cell(value) for value in row] for row in rows)
    partly.replace(path)


def main(
    submissions: Path, roster_file: Path, form: str, into: Path, db: Path | None, grades: Path | None
) -> int:  # fmt: skip
    """`aibook labs export`: write, and list those who handed in and are not on the roster."""
    from rich.console import Console
    from rich.markup import escape

    from aibook.labs import roster
    from aibook.labs.store import StoreError

    console = Console(highlight=False, soft_wrap=True)
    try:
        people = roster.read(roster_file)
        found = results.stored(submissions, grades)
        made = table(found, people, scores(db) if db else None, collect.notes(submissions), submissions)
        beside = write(made, into, form)
    except (OfficeError, StoreError, roster.RosterError, OSError) as error:
        Console(stderr=True).print(f"[red]Nothing exported:[/red] {escape(str(error))}", soft_wrap=True)
        return 1
    for result in made.strangers:
        lab = result.lab or "no known lab"
        console.print(f"Not on the roster: {result.student} ({lab}, {result.points:g} points)", markup=False)
    none = sum(NOTHING in lines for lines in made.notes.values())
    console.print(
        f"{len(made.rows)} students, {len(made.columns)} columns: {into}\n"
        f"{none} labs not handed in, {len(made.strangers)} submissions not on the roster; all notes are in {beside}",
        markup=False,
    )
    return 0
