"""The whole path of an instructor, command by command: from a platform's archive to marks, feedback, and an appeal."""

import csv
import json
import zipfile

import pytest
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from aibook.cli import app
from tests.aibook.labs import boxes, toylab

ROSTER = "Identifier,Full name,ID number,Email address\n" + "".join(
    f"Participant {4710 + n},{name},20230{n},{name.split()[0].lower()}@uni.example\n"
    for n, name in enumerate(("Anna Lee", "Bo Wu", "Cy Kim"), 1)
)


@pytest.fixture
def aibook(tmp_path, monkeypatch):
    toylab.house(tmp_path / "house", monkeypatch)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "seed").write_text(toylab.SECRET)
    (tmp_path / "roster.csv").write_text(ROSTER)

    def call(line):
        done = CliRunner().invoke(app, ["labs", *line.split()])
        assert done.exit_code == 0, (done.output, done.exception)
        return " ".join(done.output.split())

    return call


def archive(path, **notebooks):
    with zipfile.ZipFile(path, "w") as made:
        for name, node in notebooks.items():
            who = name.replace("_", " ")
            made.writestr(f"{who}_{SUFFIX[name]}_assignsubmission_file_/lab.ipynb", json.dumps(node))


SUFFIX = {"Anna_Lee": 4711, "Bo_Wu": 4712, "Zoe_Doe": 4799}


def marks(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {row["ID number"]: row for row in csv.DictReader(file)}


@boxes.needed
def test_from_the_archive_to_marks_and_an_appeal(aibook, tmp_path):
    wrong = toylab.submission(largest="def largest(items):\n    return items[0]", why="<script>alert(1)</script>")
    archive(tmp_path / "moodle.zip", Anna_Lee=toylab.submission(), Bo_Wu=wrong, Zoe_Doe=toylab.submission(why=""))
    said = aibook("collect moodle.zip --into in --roster roster.csv")
    assert "Zoe_Doe_4799/lab.ipynb" in said and "202303 Cy Kim" in said
    aibook("grade in --seed-file seed --jobs 1")
    assert "2 answers wait" in aibook("gradebook in --db course/gradebook.db --roster roster.csv")
    with Gradebook(f"sqlite:///{tmp_path}/course/gradebook.db") as book:
        for student, points in (("202301", 3), ("202302", 1)):
            grade = book.find_grade("why", toylab.LAB, toylab.LAB, student)
            grade.manual_score, grade.needs_manual_grade = points, False
        book.db.commit()
    export = "export in --roster roster.csv --format moodle --into marks.csv --db course/gradebook.db"
    assert "Not on the roster: Zoe_Doe_4799" in aibook(export)
    found = marks(tmp_path / "marks.csv")
    lab, why = toylab.LAB, f"{toylab.LAB} why"
    assert {name: (row[lab], row[why]) for name, row in found.items()} == {
        "202301": ("7", "3"), "202302": ("5", "1"), "202303": ("0", "0")
    }  # fmt: skip
    assert "nothing handed in" in found["202303"][f"{lab} feedback"]
    aibook("feedback in --into feedback --roster roster.csv --db course/gradebook.db")
    page = (tmp_path / "feedback" / "202302.html").read_text(encoding="utf-8")
    assert "Bo Wu" in page and "&lt;script&gt;" in page and "<script" not in page
    assert "3 submissions" in aibook("similarity in --into similarity.html")
    # An appeal: handed in anew, graded anew; it says whose marks changed, and a person's points stay.
    archive(tmp_path / "again.zip", Bo_Wu=toylab.submission(why="<script>alert(1)</script>"))
    assert "both are kept" in aibook("collect again.zip --into in --roster roster.csv")
    newer = tmp_path / "in" / "202302" / "lab-2.ipynb"
    newer.touch()
    assert "202302, 01-toy: 5 → 7" in aibook("grade in --seed-file seed --jobs 1")
    aibook("gradebook in --db course/gradebook.db --roster roster.csv")
    aibook(export)
    assert (marks(tmp_path / "marks.csv")["202302"][lab], marks(tmp_path / "marks.csv")["202302"][why]) == ("7", "1")
