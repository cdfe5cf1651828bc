"""A toy lab with its grader in a toy house: quick to grade, for it needs no torch."""

import json
import os
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from aibook.labs import grading, release
from tests.conftest import ToyHouse, toy_house

LAB = "01-toy"
SECRET = "a secret of the tests"
GRADER = """
import numpy as np

from aibook.labs.compare import array, close, equal
from aibook.labs.grading import Grader, Share
from aibook.labs.sandbox import Limits
from aibook.labs.student import CallLimits

grader = Grader(
    "01-toy", call_limits=CallLimits(1, 6), cell_limits=CallLimits(2, 8),
    limits=Limits(memory_mb=1_500, output_mb=4, file_mb=32, disk_mb=16),
)


@grader.part("double", 2, "twice an array", "两倍的数组")
def arrays(student, rng):
    for _ in range(2):
        x = rng.normal(size=5)
        close(("double", "double"), student.call("double", x), 2 * x)


@grader.part("double", 1, "an empty array", "空数组")
def empty(student, rng):
    close(("double", "double"), student.call("double", np.zeros(0)), np.zeros(0))


@grader.part("largest", 2, "the largest item", "最大的元素")
def largest(student, rng):
    items = [int(n) for n in rng.integers(-99, -1, size=6)]
    equal(("largest", "largest"), student.call("largest", items), max(items))


@grader.part("guess", 2, "within a budget", "预算之内")
def guess(student, rng):
    goal = rng.uniform(1, 2)
    found = float(array(("guess", "guess"), student.call("guess", goal), ()))
    return Share(1 - min(1.0, abs(found - goal)), (f"{found:.2f}", f"{found:.2f}"))
"""
SOLUTIONS = {
    "double": "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * np.asarray(x)\n    ### END SOLUTION",
    "largest": "def largest(items):\n    ### BEGIN SOLUTION\n    return max(items)\n    ### END SOLUTION",
    "guess": "def guess(goal):\n    ### BEGIN SOLUTION\n    return goal\n    ### END SOLUTION",
}
POINTS = {"double": 3, "largest": 2, "guess": 2}
IMPORTS = "import numpy as np\n\nfrom helpers.given import NOTHING"
OPEN = "### BEGIN SOLUTION\nBecause.\n### END SOLUTION"
RIGHT = {name: source.replace("### BEGIN SOLUTION\n    ", "").replace("\n    ### END SOLUTION", "")
         for name, source in SOLUTIONS.items()}  # fmt: skip


def nbgrader(grade_id: str, points: float = 0, *, solution: bool = False) -> dict:
    more = {"points": points} if points else {}
    return {"grade_id": grade_id, "grade": bool(points), "locked": not solution, "solution": solution,
            "schema_version": 3, "task": False, **more}  # fmt: skip


def master() -> nbformat.NotebookNode:
    cells = [
        new_markdown_cell("# Toy"),
        new_code_cell("raise SystemExit('setup')", metadata={"tags": ["setup"]}),
        new_code_cell('PROFILE = "laptop"\nSEED = 7', metadata={"tags": ["parameters"]}),
        new_code_cell(IMPORTS, metadata={"tags": ["graded"]}),
        new_code_cell("data = open('/no/such/file').read()"),
    ]
    for name, source in SOLUTIONS.items():
        cells.append(new_code_cell(source, metadata={"nbgrader": nbgrader(name, solution=True)}))
        cells.append(new_code_cell(f'check("{name}")', metadata={"nbgrader": nbgrader(f"check-{name}", POINTS[name])}))
    cells.append(new_markdown_cell(OPEN, metadata={"nbgrader": nbgrader("why", 3, solution=True)}))
    return new_notebook(cells=cells)


def house(root: Path, patch: pytest.MonkeyPatch, grader: str = GRADER) -> ToyHouse:
    """A toy house with the toy lab, for this process and those that it starts."""
    toy = toy_house(root, patch)
    toy.module("helpers.given", "NOTHING = None\n")
    patch.setenv("AIBOOK_ROOT", str(root))
    patch.setattr(grading, "FOLDER", root / "notebooks" / "labs" / "grading")
    grading.FOLDER.mkdir(parents=True)
    (grading.FOLDER / "toy.py").write_text(grader)
    nbformat.write(master(), root / "notebooks" / "labs" / f"{LAB}.ipynb")
    return toy


def submission(more: list | tuple = (), **answers: str | None) -> nbformat.NotebookNode:
    """A student's notebook: right, but for the answers given by task (None: its cell deleted), and added cells."""
    node = release.release_node(master())
    kept = []
    for cell in node.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if name in SOLUTIONS or name == "why":
            answer = answers.get(name, RIGHT.get(name, "Because of <b>this</b>."))
            if answer is None:
                continue
            cell.source = answer
        kept.append(cell)
    node.cells = [*kept, *(new_code_cell(source) for source in more)]
    return node


def hand_in(folder: Path, student: str, node, name: str = f"{LAB}.ipynb", time: float = 0) -> Path:
    """Lay a notebook (or bytes) into a student's folder."""
    path = folder / student / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(node if isinstance(node, bytes) else json.dumps(node).encode())
    if time:
        os.utime(path, (time, time))
    return path
