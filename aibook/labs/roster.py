"""Who is in the class: a CSV file with a header, as Moodle, Canvas, or a spreadsheet writes it.

Only a student's id is needed; name and e-mail let files be told apart that the learning platform has named. The id is
also the name of the student's folder, so characters that a folder cannot have become `_`.
"""

import csv
import io
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

# What the header says -> what it means here; compared without case, blanks and punctuation. The first that is there
# counts: Canvas has both a number of its own ("ID") and the university's ("SIS User ID").
COLUMNS = {
    "id": ("student id", "student number", "sis user id", "id number", "matriculation number", "学号", "学生编号",
           "id 号", "编号", "sis login id", "login id", "username", "用户名", "id", "email address", "email",
           "identifier"),
    "name": ("name", "full name", "student name", "student", "姓名", "全名", "学生姓名", "学生"),
    "first": ("first name", "given name", "firstname", "名", "名字"),
    "last": ("last name", "surname", "family name", "lastname", "姓", "姓氏"),
    "email": ("email address", "e-mail address", "email", "e-mail", "mail", "电子邮件地址", "邮箱地址",
              "电子邮件", "邮箱"),
    "login": ("sis login id", "login id", "username", "user name", "login", "用户名", "登录名"),
    "number": ("identifier", "id", "canvas id", "moodle id", "lms id", "标识", "识别码", "编号"),
}  # fmt: skip


class RosterError(Exception):
    """The roster cannot be used; the message says where and what to mend."""


@dataclass(frozen=True)
class Person:
    """One student. `number` is what the learning platform calls them in names of files; `row` the line of the CSV."""

    id: str
    name: str = ""
    email: str = ""
    first: str = ""
    last: str = ""
    login: str = ""
    number: str = ""
    row: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def folder(self) -> str:
        """The name of their folder among the submissions, and in results."""
        return folder_name(self.id)


class Roster:
    """All students of a class, in the order of the file."""

    def __init__(self, people: Iterable[Person]) -> None:
        self.people = list(people)
        self.by_folder = {person.folder: person for person in self.people}
        self._numbers = {person.number: person for person in self.people if person.number}
        self._known: dict[str, set[int]] = defaultdict(set)
        for index, person in enumerate(self.people):
            words = [person.id, person.email, person.email.partition("@")[0], person.login, person.name]
            for first, last in ((person.first, person.last), _halves(person.name)):
                words += [f"{first}{last}", f"{last}{first}"]
            for word in words:
                self._known[key(word)].add(index)

    def __len__(self) -> int:
        return len(self.people)

    def find(self, name: str, number: str = "") -> list[Person]:
        """Who is meant by the platform's number, an id, a name, e-mail or login; several where that is not clear."""
        if number in self._numbers:
            return [self._numbers[number]]
        if name in self.by_folder:
            return [self.by_folder[name]]
        return [self.people[index] for index in sorted(self._known.get(key(name), ()))] if key(name) else []

    def nearest(self, name: str) -> Person | None:
        """Whose name is most like this one, if any is; to be suggested, never to be taken."""
        from rapidfuzz import fuzz, process

        names = {index: key(person.name) for index, person in enumerate(self.people) if person.name}
        best = process.extractOne(key(name), names, scorer=fuzz.token_sort_ratio, score_cutoff=70)
        return self.people[best[2]] if best else None


def read(path: Path) -> Roster:
    """The roster at `path`. Raises RosterError."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise RosterError(f"{path} cannot be read: {error.strerror}") from None
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        raise RosterError(f"{path} is not in UTF-8. In a spreadsheet, save it as “CSV UTF-8”.") from None
    header = text.partition("\n")[0]
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count)))
    if not rows:
        raise RosterError(f"{path} is empty.")
    names = [name.strip() for name in rows[0]]
    at = {meaning: _column(names, known) for meaning, known in COLUMNS.items()}
    if at["id"] is None:
        raise RosterError(f"{path} has no column of student ids, such as “Student ID” or “学号”: {', '.join(names)}")
    people, seen = [], {}
    for line, row in enumerate(rows[1:], 2):
        cells = [_bare(cell) for cell in row] + [""] * (len(names) - len(row))
        found = {meaning: cells[index] if index is not None else "" for meaning, index in at.items()}
        if not any(cells) or _is_no_student(cells):
            continue
        if not found["id"]:
            raise RosterError(f"{path}, line {line}: {found['name'] or 'a row'} has no student id.")
        if at["number"] == at["id"]:
            found["number"] = ""
        found["number"] = re.sub(r"\D", "", found["number"])  # "Participant 4711" in Moodle's grading worksheet
        found["name"] = found["name"] or " ".join(filter(None, (found["first"], found["last"])))
        person = Person(**found, row=dict(zip(names, cells, strict=False)))
        if (twice := person.folder.casefold()) in seen:
            raise RosterError(f"{path}, lines {seen[twice]} and {line}: two students with the id {person.id}.")
        seen[twice] = line
        people.append(person)
    if not people:
        raise RosterError(f"{path} has a header and no students.")
    return Roster(people)


def folder_name(name: str) -> str:
    """`name` as the name of a folder on every system, never one that leads elsewhere."""
    name = re.sub(r"[^\w.@+-]+", "_", unicodedata.normalize("NFC", name)).strip("._- ")
    return name[:100] or "_"


def key(word: str) -> str:
    """`word` without case, accents, blanks and punctuation, as platforms shorten names."""
    decomposed = unicodedata.normalize("NFKD", word).casefold()
    return "".join(letter for letter in decomposed if letter.isalnum())


def _column(names: list[str], known: tuple[str, ...]) -> int | None:
    keys = [key(name) for name in names]
    return next((keys.index(key(name)) for name in known if key(name) in keys), None)


def _halves(name: str) -> tuple[str, str]:
    """First and last name of "Last, First" or "First Last"."""
    last, comma, first = name.partition(",")
    return (first.strip(), last.strip()) if comma else name.rpartition(" ")[::2]


def _is_no_student(cells: list[str]) -> bool:
    """Canvas puts the points that are possible, and sometimes how grades are posted, between header and students."""
    return any(cell in ("Points Possible", "Student, Test") for cell in cells[:1]) or "Manual Posting" in cells


def _bare(cell: str) -> str:
    """A cell without what spreadsheets are told by: ="0123" keeps a zero in front, '=x is a text."""
    cell = cell.strip()
    quoted = re.fullmatch(r'="(.*)"', cell)
    return quoted[1] if quoted else cell.removeprefix("'")
