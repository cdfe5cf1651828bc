"""Marks for learning platforms: everyone on the roster has a row, and nobody is left out silently."""

import csv

import pytest

from aibook.labs import roster
from aibook.labs.export import FORMULA, LATE, NO_LAB, NOTHING, UNGRADED, harmless, main, table, write
from aibook.labs.gradebook import Score
from aibook.labs.results import OfficeError
from aibook.labs.store import FILE, Store
from tests.aibook.labs.office import LAB, problem, result, submit

PEOPLE = "Student ID,Name,Email\nanna,Anna Lee,a@uni.example\nbo,Bo Wu,\ncy,=cmd|' /C calc'!A0,\n"
CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Old (1)\n    Points Possible,,,,,5\n"
    '"Lee, Anna",901,anna,alee,"S1, S2",1\n"Wu, Bo",902,bo,bwu,S1,2\n'
)


@pytest.fixture
def people(tmp_path):
    def read(text=PEOPLE):
        (tmp_path / "roster.csv").write_text(text)
        return roster.read(tmp_path / "roster.csv")

    return read


def rows(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def book(student="anna", *, mean=3.0, manual=None, waiting=True, why=None):
    auto = {"check-double": Score(2.0, None, 0, False, 2), "check-mean": Score(mean, manual, 0, False, 3)}
    return {(student, LAB): auto | {"why": Score(None, why, 0, waiting, 4)}}


def test_everyone_has_a_row_and_missing_work_a_zero_with_its_reason(toy, tmp_path, people):
    made = table([result("anna"), problem("bo")], people())
    beside = write(made, tmp_path / "marks.csv", "csv")
    header, anna, bo, cy = rows(tmp_path / "marks.csv")
    assert header == ["student id", "name", "email", f"{LAB} (of 5)", f"{LAB} note"]
    assert anna == ["anna", "Anna Lee", "a@uni.example", "5", ""]
    assert bo[3] == "0" and "holds no JSON" in bo[4]
    assert cy[3:] == ["0", NOTHING]
    assert {row[0] for row in rows(beside)[1:]} == {"bo", "cy"}


def test_reasons_tell_what_was_handed_in(toy, people):
    late = submit(toy, "anna")
    submit(toy, "bo")
    (toy / "cy").mkdir()
    (toy / "cy" / "essay.ipynb").write_text("{}")
    found = [anna := result("anna", late), result("cy", lab="")]
    made = table(found, people(), None, [{"student": "anna", "sha256": anna.sha256, "note": "late"}], toy)
    assert made.notes == {("anna", LAB): [LATE], ("bo", LAB): [UNGRADED], ("cy", LAB): [NO_LAB]}


def test_who_is_not_on_the_roster_is_listed(toy, tmp_path, people):
    made = table([result("anna"), result("zoe")], people())
    assert [found.student for found in made.strangers] == ["zoe"]
    assert any(
        row[0] == "zoe" and "not on the roster" in row[3] for row in rows(write(made, tmp_path / "m.csv", "csv"))
    )


def test_open_questions_come_from_the_gradebook(toy, tmp_path, people):
    waiting = table([result("anna")], people(), book())
    assert [column.title for column in waiting.columns] == [LAB, f"{LAB} why"]
    assert waiting.rows[0][1] == [5, None] and "why: not scored yet" in waiting.notes["anna", LAB][0]
    assert waiting.rows[1][1] == [0, 0]
    scored = table([result("anna")], people(), book(why=3.5, waiting=False))
    assert scored.rows[0][1] == [5, 3.5] and ("anna", LAB) not in scored.notes
    write(waiting, tmp_path / "m.csv", "csv")
    assert rows(tmp_path / "m.csv")[1][3:5] == ["5", ""]


def test_a_persons_score_of_a_check_counts(toy, people):
    assert table([result("anna")], people(), book(manual=1.0)).rows[0][1][0] == 3


@pytest.mark.parametrize("older", [book(mean=2.0), {}, {("anna", LAB): {}}])
def test_a_gradebook_older_than_the_results_is_refused(toy, people, older):
    with pytest.raises(OfficeError, match="older than the results"):
        table([result("anna")], people(), older)


def test_canvas_gets_its_own_columns_back(toy, tmp_path, people):
    write(table([result("anna")], people(CANVAS), book(why=4.0, waiting=False)), tmp_path / "c.csv", "canvas")
    assert rows(tmp_path / "c.csv") == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", LAB, f"{LAB} why"],
        ["    Points Possible", "", "", "", "", "5", "4"],
        ["Lee, Anna", "901", "anna", "alee", "S1, S2", "5", "4"],
        ["Wu, Bo", "902", "bo", "bwu", "S1", "0", "0"],
    ]


def test_moodle_gets_ids_marks_and_feedback(toy, tmp_path, people):
    write(table([result("anna", mean=1.25)], people()), tmp_path / "m.csv", "moodle")
    header, anna, bo, _ = rows(tmp_path / "m.csv")
    assert header == ["ID number", "Full name", "Email address", LAB, f"{LAB} feedback"]
    assert anna[3] == "3.25" and bo[3:] == ["0", NOTHING]


@pytest.mark.parametrize("form", ["csv", "moodle", "canvas"])
def test_no_cell_is_a_formula(toy, tmp_path, people, form):
    evil = 'Student ID,Name,Email\n=1+1,@SUM(1),"+x\n=y"\n-a,＝cmd,\n'
    found = [result("=HYPERLINK(0)"), problem("-a", None)]
    beside = write(table(found, people(evil)), tmp_path / "m.csv", form)
    for path in (tmp_path / "m.csv", beside):
        assert not [cell for row in rows(path) for cell in row if cell.lstrip(" ").startswith(FORMULA)]
    assert harmless("Anna-Lee = x") == "Anna-Lee = x" and harmless(" =1") == "' =1"


def test_the_command_and_its_errors(toy, tmp_path, people, capsys):
    people()
    call = (toy, tmp_path / "roster.csv", "csv", tmp_path / "out" / "m.csv")
    assert main(*call, None, None) == 1
    assert "Grade first" in capsys.readouterr().err
    with Store(toy / FILE) as store:
        store.put(result("anna"))
        store.put(result("zoe"))
    assert main(*call, None, None) == 0
    out = capsys.readouterr().out
    assert "Not on the roster: zoe" in out and "3 students" in out and "2 labs not handed in" in out
    assert main(*call, tmp_path / "none.db", None) == 1
    assert "There is no gradebook" in capsys.readouterr().err
    (tmp_path / "roster.csv").write_text("Colour\nred\n")
    assert main(*call, None, None) == 1
    assert "no column of student ids" in capsys.readouterr().err
