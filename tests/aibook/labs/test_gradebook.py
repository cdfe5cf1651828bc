"""Marks in nbgrader's gradebook, read back by its own API, and the notebooks that its formgrader shows."""

import shutil
import sqlite3
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader.api import Gradebook

from aibook.labs import gradebook, results, roster
from aibook.labs.gradebook import main, scores, write
from aibook.labs.results import OfficeError
from aibook.labs.store import FILE, Store
from tests.aibook.labs.office import ANSWER, LAB, WRONG, mark, nbgrader, problem, result, submit


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A new gradebook, made where `alembic` is not on the path: nbgrader takes seconds to make one."""
    db = tmp_path_factory.mktemp("empty") / "course" / "gradebook.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/usr/bin")
        assert write([], db, db.parent).labs == {}
    return db


@pytest.fixture
def db(tmp_path, empty):
    (tmp_path / "course").mkdir()
    return Path(shutil.copy(empty, tmp_path / "course"))


def opened(db):
    return Gradebook(f"sqlite:///{db}")


def grades(db, student):
    with opened(db) as book:
        (notebook,) = book.find_submission(LAB, student).notebooks
        return {g.name: (g.auto_score, g.manual_score, g.needs_manual_grade, g.score) for g in notebook.grades}


def shown(db, student):
    return nbformat.read(db.parent / "autograded" / student / LAB / f"{LAB}.ipynb", as_version=4)


def by_person(db, student, cell, score, comment=None):
    """What the formgrader does when a teacher enters a score."""
    with opened(db) as book:
        grade = book.find_grade(cell, LAB, LAB, student)
        grade.manual_score, grade.needs_manual_grade = score, False
        if comment:
            book.find_comment(cell, LAB, LAB, student).manual_comment = comment
        book.db.commit()


def test_nbgraders_own_api_reads_it_back(toy, db):
    path = submit(toy, "anna")
    people = roster.Roster([roster.Person("anna", "Anna Lee", "a@uni.example"), roster.Person("bo", "Bo Wu")])
    report = write([result("anna", path, mean=1.5)], db, toy, people)
    assert (report.labs, report.waiting) == ({LAB: 1}, 1)
    with opened(db) as book:
        assignment = book.find_assignment(LAB)
        assert (assignment.max_score, assignment.max_code_score, assignment.max_written_score) == (9, 5, 4)
        assert {student.id for student in book.students} == {"anna", "bo"}
        assert book.find_student("anna").email == "a@uni.example"
        submission = book.find_submission(LAB, "anna")
        assert (submission.score, submission.code_score, submission.needs_manual_grade) == (3.5, 3.5, True)
        comment = book.find_comment("mean", LAB, LAB, "anna").comment
        assert all(text in comment for text in WRONG) and "1.5/3" in comment
    assert grades(db, "anna") == {
        "check-double": (2, None, False, 2),
        "check-mean": (1.5, None, False, 1.5),
        "why": (None, None, True, 0),
    }


def test_twice_is_once(toy, db):
    found = [result(student, submit(toy, student)) for student in ("anna", "bo")]
    write(found, db, toy)

    def everything():
        with sqlite3.connect(db) as connection:
            return "\n".join(connection.iterdump())

    before, files = everything(), {p: p.stat().st_mtime_ns for p in db.parent.rglob("*.ipynb")}
    write(found, db, toy)
    assert everything() == before
    assert {p: p.stat().st_mtime_ns for p in db.parent.rglob("*.ipynb")} == files


def test_what_a_person_entered_stays_and_is_marked_when_its_ground_has_moved(toy, db):
    path = submit(toy, "anna")
    write([result("anna", path)], db, toy)
    by_person(db, "anna", "why", 3, "Say which variance.")
    by_person(db, "anna", "check-mean", 2.5)
    assert write([result("anna", path)], db, toy).kept == 2
    assert grades(db, "anna")["why"] == (None, 3, False, 3)
    assert grades(db, "anna")["check-mean"] == (3, 2.5, False, 2.5)
    # Another answer, and another automatic score beneath a person's.
    write([result("anna", submit(toy, "anna", answer="Other."), answer="Other.", mean=0.0)], db, toy)
    assert grades(db, "anna")["why"] == (None, 3, True, 3)
    assert grades(db, "anna")["check-mean"] == (0, 2.5, True, 2.5)
    assert grades(db, "anna")["check-double"] == (2, None, False, 2)
    with opened(db) as book:
        assert book.find_comment("why", LAB, LAB, "anna").comment == "Say which variance."


def test_scores_as_the_other_commands_read_them(toy, db):
    write([result("anna", submit(toy, "anna"))], db, toy)
    by_person(db, "anna", "why", 3, "Good.")
    of_anna = scores(db)["anna", LAB]
    assert (of_anna["why"].points, of_anna["why"].out_of, of_anna["why"].comment) == (3, 4, "Good.")
    assert (of_anna["check-mean"].points, of_anna["check-mean"].waiting) == (3, False)


def test_an_empty_answer_needs_nobody(toy, db):
    write([result("anna", submit(toy, "anna", answer=""), answer="")], db, toy)
    assert grades(db, "anna")["why"] == (0, None, False, 0)
    with opened(db) as book:
        assert book.find_comment("why", LAB, LAB, "anna").comment == gradebook.NO_ANSWER


def test_what_could_not_be_graded_has_no_points_and_says_why(toy, db):
    write([problem("anna")], db, toy)
    assert {score for *_, score in grades(db, "anna").values()} == {0}
    with opened(db) as book:
        assert "holds no JSON" in book.find_comment("mean", LAB, LAB, "anna").comment
    assert "holds no JSON" in shown(db, "anna").cells[0].source


def test_a_task_that_the_master_gained_reaches_older_submissions(toy, db, monkeypatch):
    write([result("anna", submit(toy, "anna"))], db, toy)
    node = results.master(LAB)
    node.cells.append(new_code_cell('check("third")', metadata=nbgrader("check-third", points=1, locked=True)))
    monkeypatch.setattr(results, "master", lambda lab: node)
    third = result("anna", submit(toy, "anna"))
    third = result("anna", marks=(*third.marks, mark("third", "last", 1, 1)))
    write([third], db, toy)
    assert grades(db, "anna")["check-third"] == (1, None, False, 1)
    with pytest.raises(OfficeError, match="no cell check-fourth"):
        write([result("anna", marks=(mark("fourth", "x", 1, 1),))], db, toy)


# -- the notebook that is shown ----------------------------------------------------------------------------------------
def test_the_notebook_has_the_students_text_in_the_masters_cells(toy, db):
    own = [new_code_cell("helper = 3"), new_markdown_cell("My thoughts.")]
    path = submit(toy, "anna", double="def double(v):\n    return v", more=own)
    node = nbformat.read(path, 4)
    for cell in node.cells:  # a student who gives themselves points and edits a check
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "check-mean":
            cell.metadata.nbgrader.points, cell.source = 100, "print('10 of 10')"
    nbformat.write(node, path)
    write([result("anna", path, mean=1.0)], db, toy)
    cells = {c.metadata.get("nbgrader", {}).get("grade_id"): c for c in shown(db, "anna").cells}
    assert cells["double"].source == "def double(v):\n    return v"
    assert (cells["check-mean"].source, cells["check-mean"].metadata.nbgrader.points) == ('check("mean")', 3)
    assert WRONG[0] in cells["check-mean"].outputs[0].text and "1/3" in cells["check-mean"].outputs[0].text
    assert cells["why"].source == ANSWER
    assert [c.source for c in shown(db, "anna").cells][-2:] == ["helper = 3", "My thoughts."]


def test_a_file_that_is_gone_or_changed_shows_the_answers_alone(toy, db):
    path = submit(toy, "anna", double="def double(v):\n    return v")
    graded = result("anna", path)
    path.write_text(path.read_text() + "\n")
    report = write([graded], db, toy)
    assert report.without_file == ["anna/lab.ipynb"]
    sources = [cell.source for cell in shown(db, "anna").cells]
    assert ANSWER in sources and not any("return v" in source for source in sources)


HOSTILE = [
    "<script>parent.stolen = 1</script>",
    "<img src=x onerror=alert(1)>",
    "</textarea><svg onload=alert(1)>",
    "[click](javascript:alert(1))",
    "[click](java&#115;cript:alert(1))",
    "<javascript:alert(1)>",
    "[click]\n\n[click]: javascript:alert(1)",
    "![x](attachment:gone.png)",
    r"$\href{javascript:alert(1)}{x}$",
    "$a<b$ and `a<b`",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_the_formgraders_page_of_it_runs_nothing_of_a_student(toy, db, text):
    from nbconvert.exporters import HTMLExporter
    from nbgrader.server_extensions.formgrader import handlers
    from traitlets.config import Config

    output = nbformat.v4.new_output("display_data", data={"text/html": text})
    more = [new_markdown_cell(text), new_code_cell("1", outputs=[output], metadata={"nbgrader": {"grade_id": text}})]
    write([result("anna", submit(toy, "anna", answer=text, more=more), answer=text)], db, toy)
    config = Config()
    config.HTMLExporter.template_name = "formgrade"
    config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    resources = {"base_url": "", "index": 0, "total": 1, "student": "anna", "assignment_id": LAB, "notebook_id": LAB,
                 "submission_id": "s", "notebook_path": "", "first_name": "", "last_name": ""}  # fmt: skip
    html, _ = HTMLExporter(config=config).from_filename(
        str(db.parent / "autograded/anna" / LAB / f"{LAB}.ipynb"), resources=resources
    )
    page = Page()
    page.feed(html[html.index('id="notebook"') :])
    assert "textarea" in page.tags and not page.tags & {"script", "img", "svg", "iframe"}
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    links = [value for name, value in page.attributes if name == "href"]
    assert links and all(link.startswith("#") for link in links)
    assert r"\href" not in html


class Page(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes = set(), []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes


def test_nbgrader_lists_it_for_manual_grading(toy, db):
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config

    write([result("anna", submit(toy, "anna")), result("bo", submit(toy, "bo", answer=""), answer="")], db, toy)
    config = Config()
    config.CourseDirectory.root = str(db.parent)
    api = NbGraderAPI(CourseDirectory(config=config), config=config)
    (assignment,) = api.get_assignments()
    assert (assignment["name"], assignment["max_score"]) == (LAB, 9)
    listed = {found["student"]: found for found in api.get_notebook_submissions(LAB, LAB)}
    assert {student: found["needs_manual_grade"] for student, found in listed.items()} == {"anna": True, "bo": False}
    assert api.get_autograded_students(LAB) == {"anna", "bo"}


# -- the command -------------------------------------------------------------------------------------------------------
def test_the_command_and_its_errors(toy, db, capsys):
    assert main(toy, db, None, None) == 1
    assert "Grade first" in capsys.readouterr().err
    with Store(toy / FILE) as store:
        store.put(result("anna", submit(toy, "anna")))
        store.put(result("bo", lab=""))
    assert main(toy, db, None, None) == 0
    out = capsys.readouterr().out
    assert "1 submissions" in out and "1 answers wait" in out and "of no known lab" in out and "bo/lab.ipynb" in out
    with sqlite3.connect(db) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        assert main(toy, db, None, None) == 1
    assert "another program is writing" in " ".join(capsys.readouterr().err.split())
    db.write_bytes(b"no database" * 100)
    assert main(toy, db, None, None) == 1
    assert "no database" in capsys.readouterr().err
    with pytest.raises(OfficeError, match="There is no gradebook"):
        scores(db.with_name("none.db"))
