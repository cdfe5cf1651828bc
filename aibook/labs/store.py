"""The results of a grading run, in one SQLite file: a transaction for each submission, so that nothing is half there.

SQLite's plain rollback journal and full synchronisation: what was said to be stored survives a power cut. The
write-ahead log would be faster, but it needs memory that all who have the file open share, which a network drive (where
course folders often are) does not give; and a run stores one row every second or so.
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from aibook.labs.grading import Mark, Result

FILE = "grades.sqlite"  # where it lies beside the submissions
VERSION = 1
APPLICATION = 0x41494C42  # "AILB": this is no other program's database
PATIENCE = 10.0  # seconds to wait for another program that is writing
SCHEMA = """
CREATE TABLE results (
    student TEXT NOT NULL, lab TEXT NOT NULL, file TEXT NOT NULL, sha256 TEXT NOT NULL, grader TEXT NOT NULL,
    points REAL NOT NULL, graded_at TEXT NOT NULL, result TEXT NOT NULL, PRIMARY KEY (student, lab)
) WITHOUT ROWID;
CREATE TABLE changes (
    number INTEGER PRIMARY KEY, student TEXT NOT NULL, lab TEXT NOT NULL, at TEXT NOT NULL,
    why TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL
);
"""


class StoreError(Exception):
    """The file cannot be read or written; the message says why, and what to do. What was stored before is whole."""


@dataclass(frozen=True)
class Change:
    """What grading anew has changed: why it was done, and each changed part's points before and after.

    `why` is "submission" (another file), "grader" (other questions, another seed) or "repeat". A part that was not
    there before, or no longer is, has None.
    """

    student: str
    lab: str
    at: str
    why: str
    before: float
    after: float
    parts: tuple[tuple[str, float | None, float | None], ...]


class Store:
    """The results by student and lab. Use as a context manager, from one thread."""

    def __init__(self, path: Path) -> None:
        """Open the file, or begin one that only its owner may read. Raises StoreError."""
        self.path = Path(path)
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise StoreError(f"{self.path} cannot be opened: {error.strerror}") from None
        self._db = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
        try:
            with self._errors():
                self._db.execute("PRAGMA journal_mode = DELETE")
                self._db.execute("PRAGMA synchronous = FULL")
                self._begin()
        except StoreError:
            self.close()
            raise

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def put(self, result: Result) -> Change | None:
        """Store a result in the place of an older one; return what changed, if marks did. Raises StoreError."""
        with self._errors(), self._transaction():
            old = self.get(result.student, result.lab)
            change = _change(old, result) if old else None
            if change:
                marks = [json.dumps([[m.part, m.points] for m in r.marks]) for r in (old, result)]
                row = (change.student, change.lab, change.at, change.why, *marks)
                self._db.execute(
                    "INSERT INTO changes (student, lab, at, why, before, after) VALUES (?, ?, ?, ?, ?, ?)", row
                )
            self._db.execute(
                "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (result.student, result.lab, result.file, result.sha256, result.grader, result.points,
                 result.graded_at, json.dumps(asdict(result))),
            )  # fmt: skip
        return change

    def get(self, student: str, lab: str) -> Result | None:
        """The stored result of one student's lab."""
        with self._errors():
            row = self._db.execute(
                "SELECT result FROM results WHERE student = ? AND lab = ?", (student, lab)
            ).fetchone()
        return _result(row[0]) if row else None

    def forget(self, student: str, lab: str) -> None:
        """Take a result away, such as that of a notebook of no lab which its student has replaced."""
        with self._errors(), self._transaction():
            self._db.execute("DELETE FROM results WHERE student = ? AND lab = ?", (student, lab))

    def current(self) -> dict[tuple[str, str], tuple[str, str]]:
        """(student, lab) -> (sha256 of the file, grader) of all that is stored."""
        with self._errors():
            rows = self._db.execute("SELECT student, lab, sha256, grader FROM results").fetchall()
        return {(student, lab): (sha256, grader) for student, lab, sha256, grader in rows}

    def results(self, lab: str | None = None) -> list[Result]:
        """All results, or those of one lab, by lab and student."""
        with self._errors():
            rows = self._db.execute(
                "SELECT result FROM results WHERE ? IS NULL OR lab = ? ORDER BY lab, student", (lab, lab)
            ).fetchall()
        return [_result(row[0]) for row in rows]

    def history(self, student: str | None = None, lab: str | None = None) -> list[Change]:
        """What regrades have changed, oldest first."""
        with self._errors():
            rows = self._db.execute(
                "SELECT student, lab, at, why, before, after FROM changes"
                " WHERE (? IS NULL OR student = ?) AND (? IS NULL OR lab = ?) ORDER BY number",
                (student, student, lab, lab),
            ).fetchall()
        return [Change(*row[:4], *_difference(*(dict(json.loads(marks)) for marks in row[4:]))) for row in rows]

    def _begin(self) -> None:
        with self._transaction():
            ((application,),) = self._db.execute("PRAGMA application_id")
            ((version,),) = self._db.execute("PRAGMA user_version")
            ((tables,),) = self._db.execute("SELECT count(*) FROM sqlite_master")
            if not tables:
                for statement in filter(str.strip, SCHEMA.split(";")):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA application_id = {APPLICATION}")
                self._db.execute(f"PRAGMA user_version = {VERSION}")
            elif application != APPLICATION:
                raise StoreError(f"{self.path} is the database of another program")
            elif version != VERSION:
                raise StoreError(
                    f"{self.path} has version {version} of the results' format, this program writes version {VERSION}: "
                    "name another file, and grade again"
                )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            said = str(error)
            advice = {
                "locked": "another program is writing to it: wait until it has ended, then run the same command again",
                "full": "the disk is full: make room, then run the same command again",
                "not a database": "it is no database: name another file",
                "readonly": "it may not be written to: change its permissions, or name another file",
                "disk I/O": "the disk fails, or is full: make room, then run the same command again",
            }
            what = next((text for word, text in advice.items() if word in said), said)
            raise StoreError(f"{self.path}: {what}") from error


def _result(text: str) -> Result:
    fields = json.loads(text)
    marks = tuple(Mark(**mark | {"title": tuple(mark["title"]), "text": tuple(mark["text"])})
                  for mark in fields.pop("marks"))  # fmt: skip
    tuples = {name: tuple(map(tuple, fields.pop(name))) for name in ("cells", "answers")}
    return Result(marks=marks, problem=tuple(fields.pop("problem")), **tuples, **fields)


def _change(old: Result, new: Result) -> Change | None:
    before, after, parts = _difference(*({mark.part: mark.points for mark in r.marks} for r in (old, new)))
    if not parts:
        return None
    why = "submission" if old.sha256 != new.sha256 else "grader" if old.grader != new.grader else "repeat"
    return Change(new.student, new.lab, new.graded_at, why, before, after, parts)


def _difference(before: dict[str, float], after: dict[str, float]) -> tuple[float, float, tuple]:
    """Points before, after, and of each part that differs."""
    parts = {name: (before.get(name), after.get(name)) for name in (*before, *after)}
    changed = tuple((name, *points) for name, points in parts.items() if points[0] != points[1])
    return round(sum(before.values()), 2), round(sum(after.values()), 2), changed
