"""Grading one submission: which cells run, what they cost each other, and what is said of them."""

from dataclasses import replace

import pytest

from aibook.labs import grading, masters, session, submissions
from aibook.labs.session import Stopped, grade_one
from aibook.labs.student import CallLimits, stage
from tests.aibook.labs import boxes, toylab


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The toy lab's master, its grader and what is staged for it."""
    with pytest.MonkeyPatch.context() as patch:
        toy = toylab.house(tmp_path_factory.mktemp("session") / "house", patch)
        staged = stage(toy.root / "staged", toy.root / "helpers")
        yield masters.read(toylab.LAB), grading.load(toylab.LAB), staged


@pytest.fixture
def graded(lab, tmp_path):
    master, grader, staged = lab

    def grade(node, **more):
        path = toylab.hand_in(tmp_path, "anna", node)
        return grade_one(path, "anna", grader, toylab.SECRET, staged, master=master, fingerprint="g", **more)

    return grade


def read(tmp_path, node):
    return submissions.read(toylab.hand_in(tmp_path, "anna", node))


def test_run_are_imports_answers_and_own_cells_and_nothing_else(lab, tmp_path):
    node = toylab.submission(["mine = 1", 'check("double")\ncheck("guess")', "data = open('elsewhere')  "])
    sources = [source for _, source in lab[0].cells(read(tmp_path, node))]
    changed = "data = open('elsewhere')  "
    assert sources == [toylab.IMPORTS, *toylab.RIGHT.values(), "mine = 1", changed]
    assert lab[0].parameters == {"PROFILE": "smoke", "SEED": 7}


def test_cells_are_known_where_a_tool_has_dropped_their_metadata(lab, tmp_path):
    node = toylab.submission()
    for cell in node.cells:
        cell.metadata.clear()
        cell.source = cell.source.replace("\n", "  \n") + "\n\n"
    sources = [masters.tidy(source) for _, source in lab[0].cells(read(tmp_path, node))]
    assert sources == [toylab.IMPORTS, *toylab.RIGHT.values()]


def test_open_answers_are_kept_as_text_and_points_are_the_masters(lab, tmp_path):
    node = toylab.submission()
    node.cells[-1].metadata.nbgrader.points = 1_000
    assert lab[0].answers(read(tmp_path, node)) == (("why", 3.0, "Because of <b>this</b>."),)
    for answer in (None, "YOUR ANSWER HERE\n"):
        assert lab[0].answers(read(tmp_path, toylab.submission(why=answer))) == (("why", 3.0, ""),)


def test_no_notebook_and_no_lab_are_problems_not_errors(lab, tmp_path):
    master, grader, staged = lab
    path = toylab.hand_in(tmp_path, "anna", b"%PDF")
    result = grade_one(path, "anna", grader, toylab.SECRET, staged, master=master)
    assert "no JSON" in result.problem[0] and (result.marks, result.lab) == ((), toylab.LAB)
    path = toylab.hand_in(tmp_path, "anna", toylab.submission())
    result = grade_one(path, "anna", None, toylab.SECRET, staged, master=None)
    assert "which lab" in result.problem[0] and result.lab == ""
    assert grade_one(path.parent / "gone", "anna", None, "", staged, master=None).problem[0]


def test_the_fingerprint_is_of_grader_master_and_seed(lab):
    first = session.fingerprint(toylab.LAB, "one")
    assert first == session.fingerprint(toylab.LAB, "one") != session.fingerprint(toylab.LAB, "two")
    path = grading.graders()[toylab.LAB]
    text = path.read_text()
    path.write_text(text + "\n# changed")
    assert first != session.fingerprint(toylab.LAB, "one")
    path.write_text(text)
    with pytest.raises(KeyError):
        session.fingerprint("02-none", "one")


@boxes.needed
def test_a_right_submission_gets_everything_and_the_stub_nothing(graded):
    result = graded(toylab.submission())
    assert (result.points, result.problem, result.cells) == (7.0, ("", ""), ())
    assert result.cpu_seconds > 0 and result.peak_mb > 10 and len(result.sha256) == 64 and result.graded_at
    again = graded(toylab.submission())
    assert [replace(mark, seconds=0) for mark in again.marks] == [replace(mark, seconds=0) for mark in result.marks]

    stub = graded(toylab.submission(**dict.fromkeys(toylab.SOLUTIONS)))
    assert stub.points == 0 and {mark.kind for mark in stub.marks} == {"missing"}


@boxes.needed
def test_a_cell_that_fails_is_named_and_the_rest_counts(graded):
    result = graded(toylab.submission(["print(1"], largest="def largest(items):\n    return max(items\n\nNAME = 1"))
    assert result.points == 5 and [mark.kind for mark in result.marks] == ["right", "right", "missing", "right"]
    broken, own = result.cells
    assert broken[0].startswith("Code cell 7 (`def largest(items):`): it raised SyntaxError") and "training" in own[0]
    assert "第 7 个代码单元" in broken[1] and "评分时" in own[1]


@boxes.needed
def test_parts_that_never_end_end_with_the_total_and_say_so(graded):
    spin = "def {}(x):\n    while True: pass"
    node = toylab.submission(double=spin.format("double"), largest=spin.format("largest"))
    result = graded(node, total=CallLimits(2.2, 30))
    assert [mark.kind for mark in result.marks] == ["time"] * 4 and result.cpu_seconds < 6
    assert "2.2 CPU-seconds for all" in result.cells[-1][0] and "2.2" in result.cells[-1][1]
    assert graded(node).points == 2  # with time enough, each costs itself alone


@boxes.needed
def test_a_run_that_is_to_stop_gives_a_submission_up(graded):
    with pytest.raises(Stopped):
        graded(toylab.submission(), stop=lambda: True)


@boxes.needed
def test_a_grader_that_fails_costs_its_part_and_says_whose_fault_it_is(lab, graded):
    def careless(student, rng):
        return student.call("largest", [1])["no such key"]

    grader = lab[1]
    grader.parts.append(grading.Part("largest", "careless", 1, ("t", "t"), careless))
    result = graded(toylab.submission())
    grader.parts.pop()
    assert (result.points, result.marks[-1].kind) == (7, "grader")
    assert "could not judge" in result.marks[-1].text[0] and "TypeError" in result.marks[-1].text[0]


@boxes.needed
def test_a_grader_that_does_not_end_is_stopped(lab, graded, monkeypatch):
    def endless(student, rng):
        while True:
            pass

    monkeypatch.setattr(session, "PART_SECONDS", 1)
    monkeypatch.setattr(lab[1], "parts", [grading.Part("largest", "endless", 1, ("t", "t"), endless)])
    assert "no mark within 1 s" in graded(toylab.submission()).marks[0].text[0]
