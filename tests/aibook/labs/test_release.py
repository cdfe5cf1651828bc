"""The student version: nbgrader's own steps give the same cells, no solutions, a message at the first gap."""

import re
from copy import deepcopy

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from aibook import house
from aibook.labs.release import LabError, main, release, release_node

MASTERS = house.notebooks([house.NOTEBOOKS / "labs"])


def solution_cell(source, grade_id="task", **more):
    grading = {
        "grade": False,
        "solution": True,
        "locked": False,
        "grade_id": grade_id,
        "schema_version": 3,
        "task": False,
    }
    return new_code_cell(source, metadata={"nbgrader": grading | more})


@pytest.mark.parametrize("master", MASTERS, ids=lambda path: path.stem)
def test_equal_to_nbgraders_own_steps(master):
    from nbgrader.preprocessors import ClearOutput, ClearSolutions, ComputeChecksums, LockCells

    theirs, resources = nbformat.read(master, as_version=4), {}
    for step in (LockCells, ClearSolutions, ClearOutput, ComputeChecksums):
        theirs, resources = step().preprocess(theirs, resources)
    ours = release_node(nbformat.read(master, as_version=4))
    for mine, other in zip(ours.cells, theirs.cells, strict=True):
        # But for the numbers in the text, which nbgrader leaves as references to outputs that it clears.
        between = re.split(r"\{glue(?::text)?\}`[^`]*`", other.source)
        assert re.fullmatch(r"[-\d.,+e]+".join(map(re.escape, between)), mine.source)
        assert mine.get("outputs") == other.get("outputs")
        if "nbgrader" in other.metadata:
            assert mine.metadata == other.metadata


@pytest.mark.parametrize("master", MASTERS, ids=lambda path: path.stem)
def test_points_and_the_manual_question(master):
    cells = nbformat.read(master, as_version=4).cells
    grades = [c.metadata.nbgrader for c in cells if c.metadata.get("nbgrader", {}).get("grade")]
    table = [float(points) for points in re.findall(r"^\| \d+ \|.*\| ([\d.]+) \|$", cells[0].source, re.MULTILINE)]
    assert [grade["points"] for grade in grades] == table  # what the student is told at the top
    manual = [c for c in cells if c.cell_type == "markdown" and c.metadata.get("nbgrader", {}).get("solution")]
    assert len(manual) == 1
    # The question itself stands in the cell before, which the release leaves alone.
    question = cells[cells.index(manual[0]) - 1]
    assert "nbgrader" not in question.metadata
    assert "points)" in question.source


def test_both_languages_are_written_without_solutions(tmp_path):
    written = release(tmp_path)
    assert {path.parent.name for path in written} == {"en", "zh"}
    assert len(written) == 2 * len(MASTERS)
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert "SOLUTION" not in text and "YOUR CODE HERE" in text and "YOUR ANSWER HERE" in text
    en, zh = (nbformat.read(tmp_path / folder / MASTERS[0].name, as_version=4) for folder in ("en", "zh"))
    assert [c.source for c in en.cells if c.cell_type == "code"] == [
        c.source for c in zh.cells if c.cell_type == "code"
    ]


@pytest.mark.parametrize("master", MASTERS, ids=lambda path: path.stem)
def test_the_release_runs_up_to_the_first_gap_and_says_what_to_write(master):
    student = release_node(nbformat.read(master, as_version=4))
    for cell in student.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = cell.source.replace('"laptop"', '"smoke"')
    first = next(c.source for c in student.cells if c.metadata.get("nbgrader", {}).get("grade"))
    with pytest.raises(CellExecutionError, match=r"still to be written"):
        NotebookClient(student, timeout=120, kernel_name="python3").execute()
    failed = [c for c in student.cells if c.cell_type == "code" and any(o.output_type == "error" for o in c.outputs)]
    assert len(failed) == 1 and failed[0].source == first and first.startswith("check(")
    traceback = "\n".join(failed[0].outputs[-1].traceback)
    assert "still to be written" in traceback and "尚未完成" in traceback
    assert "helpers/labs" not in traceback


def test_regions_and_whole_cells():
    node = new_notebook(
        cells=[
            solution_cell("def f(x):\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION\n", "a"),
            solution_cell("answer = 42", "b"),
            new_code_cell("answer", execution_count=3, outputs=[]),
        ],
        metadata={"aibook": {"profile": "laptop"}},
    )
    before = deepcopy(node)
    student = release_node(node)
    assert student.cells[0].source == "def f(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()\n"
    assert student.cells[1].source == "# YOUR CODE HERE\nraise NotImplementedError()"
    assert student.cells[2].execution_count is None
    assert "aibook" not in student.metadata
    assert node == before


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ([solution_cell("### BEGIN SOLUTION\nx = 1")], "cell 0 .* without an END"),
        ([solution_cell("### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION")], "inside another"),
        ([new_markdown_cell("### BEGIN SOLUTION\nx\n### END SOLUTION")], "not marked as a solution"),
        ([solution_cell("x = 1", "same"), solution_cell("y = 1", "same")], "used twice: same"),
    ],
)
def test_a_broken_master_is_named(cells, says):
    with pytest.raises(LabError, match=says):
        release_node(new_notebook(cells=cells))


def test_the_command_says_what_is_wrong(tmp_path, capsys):
    assert main([tmp_path / "missing.ipynb"], tmp_path / "out") == 1
    assert "missing.ipynb" in capsys.readouterr().err


def test_a_lab_from_elsewhere_is_named(tmp_path, capsys):
    lab = tmp_path / "02-new.ipynb"
    nbformat.write(new_notebook(cells=[new_markdown_cell("A sentence that nobody has translated yet.")]), lab)
    assert main([lab], tmp_path / "out") == 1
    assert "lies outside the book" in capsys.readouterr().err.replace("\n", " ")


def test_a_lab_without_its_translation_is_named(tmp_path, capsys, monkeypatch):
    from aibook.translate import tree

    def untranslated(path):
        raise tree.UntranslatedError([(path.name, "A new sentence.")], "zh_CN")

    monkeypatch.setattr(tree, "translated", untranslated)
    assert main([MASTERS[0]], tmp_path / "out") == 1
    assert "1 texts have no translation" in capsys.readouterr().err
