"""`aibook labs collect`: what a learning platform gives for download, sorted into a folder for each student.

Known are Moodle's names (`Full Name_123456_assignsubmission_file_`, as a folder or before the file's own name), Canvas'
(`lastnamefirstname_LATE_1234_5678_name.ipynb`), a folder for each student, and files that are called after a student.
Nothing that was handed in disappears: a file whose student the roster does not know gets a folder by the name that it
came with, and is listed. Names from an archive are never used as paths.
"""

import csv
import hashlib
import os
import re
import zipfile
import zlib
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath

from aibook.labs import archives, roster
from aibook.labs.archives import Found, SourceError
from aibook.labs.roster import Roster

NOTES = "collected.csv"
# The student may have chosen what follows the platform's own part, and their folders within it.
MOODLE_FOLDER = re.compile(r"(?P<name>.+)_(?P<number>\d+)_assignsubmission_[a-z]+_?")
MOODLE_FILE = re.compile(r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_[a-z]+_(?P<file>.+)")
CANVAS = re.compile(r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<number>\d+)_\d+_(?P<file>.+)")
NOTEBOOK = re.compile(r"(.+?)\.ipynb(\.json|\.txt)?", re.IGNORECASE)  # Safari adds an ending


class CollectError(Exception):
    """The source cannot be collected; the message says why."""


@dataclass
class Report:
    """What became of every file. The lists hold lines to be read."""

    collected: list[str] = field(default_factory=list)
    already: list[str] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)
    kept_both: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    no_notebook: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def collect(source: Path, into: Path, people: Roster | None = None) -> Report:
    """Copy the notebooks of `source`, a folder or a zip, to `into`/<student>/<name>.ipynb. Raises CollectError."""
    if not source.exists():
        raise CollectError(f"There is no {source}.")
    if source.is_dir() and into.resolve().is_relative_to(source.resolve()):
        raise CollectError(f"{into} lies within {source}: choose a folder outside.")
    report, notes = Report(), []
    with ExitStack() as stack:
        for found in archives.files(source, stack):
            if found.refused:
                report.refused.append(f"{found.path}: {found.refused}")
            elif NOTEBOOK.fullmatch(PurePosixPath(found.path).name):
                _place(found, into, people, report, notes)
            elif found.path != NOTES:
                report.no_notebook.append(found.path)
    if not (report.collected or report.already or report.unmatched or report.kept_both):
        what = "; ".join(report.refused[:3]) or "no file ends in .ipynb"
        raise CollectError(f"There are no notebooks in {source}: {what}.")
    _write_notes(into / NOTES, notes)
    if people:
        have = {path.parent.name for path in into.glob("*/*.ipynb")}
        report.missing = [f"{person.id} {person.name}".strip() for person in people.people if person.folder not in have]
    return report


def notes(folder: Path) -> list[dict[str, str]]:
    """What `collect` noted beside the files: rows with student, file, source, sha256 and note ("late", or nothing)."""
    try:
        with (folder / NOTES).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        return []


def _place(found: Found, into: Path, people: Roster | None, report: Report, notes: list[dict[str, str]]) -> None:
    name, number, stem, late = _who(found.path, people)
    persons = people.find(name, number) if people else []
    student = persons[0].folder if len(persons) == 1 else roster.folder_name(f"{name}_{number}" if number else name)
    try:
        content = archives.read(found)
    except (SourceError, OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        report.refused.append(f"{found.path}: {error}")
        return
    target, state = _write(content, into / student, roster.folder_name(stem), found.modified)
    shown = f"{student}/{target.name}  ←  {found.path}"
    if people and len(persons) != 1:
        near = people.nearest(name) if not persons else None
        why = f"fits {' and '.join(person.id for person in persons)}" if persons else "is not on the roster"
        guess = f"; most like {near.name} ({near.id})" if near else ""
        report.unmatched.append(f"{shown}  ({name} {why}{guess})")
    elif state == "new":
        report.collected.append(shown)
    if state == "already":
        report.already.append(shown)
    elif state == "both":
        report.kept_both.append(shown)
    if late:
        report.late.append(shown)
    row = {"student": student, "file": target.name, "source": found.path, "sha256": _hash(content)}
    notes.append({**row, "note": "late" if late else ""})


def _who(path: str, people: Roster | None) -> tuple[str, str, str, bool]:
    """(name, the platform's number, the file's own name without its ending, late), as a path in the source has them."""
    *folders, file = PurePosixPath(path).parts
    for part in folders:
        if moodle := MOODLE_FOLDER.fullmatch(part):
            return moodle["name"], moodle["number"], _stem(file), False
    if moodle := MOODLE_FILE.fullmatch(file):
        return moodle["name"], moodle["number"], _stem(moodle["file"]), False
    if canvas := CANVAS.fullmatch(file):
        return canvas["name"], canvas["number"], _stem(canvas["file"]), bool(canvas["late"])
    stem = _stem(file)
    if people:
        for guess in (*folders, stem):
            if people.find(guess):
                return guess, "", stem, False
        words = [word for word in re.split(r"[\s_()（）—–-]+", stem) if len(word) > 3 or not word.isascii()]
        named = [guess for guess in (*words, *(f"{a} {b}" for a, b in pairwise(words))) if people.find(guess)]
        if len({person.id for guess in named for person in people.find(guess)}) == 1:
            return named[0], "", stem, False
    return folders[0] if folders else stem, "", stem, False


def _stem(file: str) -> str:
    found = NOTEBOOK.fullmatch(file)
    return found[1] if found else file


def _write(content: bytes, folder: Path, stem: str, modified: float) -> tuple[Path, str]:
    """The file's place and "new"; "already" where these bytes are there; "both" where others have its name."""
    folder.mkdir(parents=True, exist_ok=True)
    for there in folder.glob("*.ipynb"):
        if there.stat().st_size == len(content) and _hash(there.read_bytes()) == _hash(content):
            return there, "already"
    target, state = folder / f"{stem}.ipynb", "new"
    number = 2
    while target.exists():
        target, state, number = folder / f"{stem}-{number}.ipynb", "both", number + 1
    partly = target.with_suffix(".partly")
    partly.write_bytes(content)
    os.utime(partly, (modified, modified))  # grading takes the newest
    partly.replace(target)
    return target, state


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write_notes(path: Path, new: list[dict[str, str]]) -> None:
    """Add rows to the notes; one on the same bytes of the same student is replaced, so that a second run adds none."""
    rows = {(row["student"], row["sha256"]): row for row in [*notes(path.parent), *new]}
    partly = path.with_suffix(".partly")
    with partly.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["student", "file", "source", "sha256", "note"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(sorted(rows.values(), key=lambda row: (row["student"], row["file"])))
    partly.replace(path)


def main(source: Path, into: Path, roster_file: Path | None) -> int:
    """`aibook labs collect`: copy, and say what became of every file."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    try:
        people = roster.read(roster_file) if roster_file else None
        report = collect(source, into, people)
    except (CollectError, SourceError, roster.RosterError, OSError) as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"[red]Nothing more collected:[/red] {escape(str(error))}"
        )
        return 1
    lists = [
        ("handed in late", report.late, "yellow"),
        ("another file of this name and other content was there, both are kept", report.kept_both, "yellow"),
        ("not on the roster: rename the folder to the student's id, or leave it to be graded under its name",
         report.unmatched, "red"),
        ("not notebooks, left where they are", report.no_notebook, "yellow"),
        ("refused", report.refused, "red"),
        ("on the roster, with nothing handed in", report.missing, "yellow"),
    ]  # fmt: skip
    for title, lines, colour in lists:
        if lines:
            console.print(f"[{colour}]{len(lines)} {title}:[/{colour}]")
            console.print("\n".join(f"  {line}" for line in lines), markup=False)
    students = len({path.parent for path in into.glob("*/*.ipynb")})
    console.print(
        f"{len(report.collected)} notebooks collected, {len(report.already)} were there already; "
        f"{into} now holds those of {students} students."
    )
    return 0
