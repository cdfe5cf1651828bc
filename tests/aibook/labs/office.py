"""A toy lab, with results as a grading run would have stored them, for the tests of what comes after it."""

import hashlib
import json
from pathlib import Path

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from aibook.labs.grading import Mark, Result

LAB = "07-toy"
ANSWER = "Because of the *variance*."


def nbgrader(grade_id, *, points=None, solution=False, locked=False):
    more = {"points": points} if points is not None else {}
    return {"nbgrader": {"grade_id": grade_id, "grade": points is not None, "solution": solution, "locked": locked,
                         "task": False, "schema_version": 3, **more}}  # fmt: skip


def region(body):
    return f"### BEGIN SOLUTION\n{body}\n### END SOLUTION"


DOUBLE = "def double(values):\n    ### BEGIN SOLUTION\n    return [2 * value for value in values]\n    ### END SOLUTION"
MEAN = "def mean(values):\n    ### BEGIN SOLUTION\n    total = 0.0\n    for value in values:\n        total += value\n"
MEAN += "    return total / len(values)\n    ### END SOLUTION"


def master():
    return new_notebook(
        cells=[
            new_markdown_cell("# Toy lab"),
            new_code_cell("import math", metadata={"tags": ["graded"]}),
            new_code_cell(DOUBLE, metadata=nbgrader("double", solution=True)),
            new_code_cell('check("double")', metadata=nbgrader("check-double", points=2, locked=True)),
            new_code_cell(MEAN, metadata=nbgrader("mean", solution=True)),
            new_code_cell('check("mean")', metadata=nbgrader("check-mean", points=3, locked=True)),
            new_markdown_cell("Why?"),
            new_markdown_cell(region("Model answer."), metadata=nbgrader("why", points=4, solution=True)),
        ]
    )


def submit(folder: Path, student: str, *, double="", mean="", answer=ANSWER, more=(), name="lab") -> Path:
    """A notebook as a student hands it in: the sources of the solution cells, the answer, and cells of their own."""
    from aibook.labs.release import release_node

    node = release_node(master())
    texts = {"double": double, "mean": mean, "why": answer}
    for cell in node.cells:
        if text := texts.get(cell.metadata.get("nbgrader", {}).get("grade_id")):
            cell.source = text
    node.cells += list(more)
    path = folder / student / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(node))
    return path


def mark(task, part, points, out_of, text=("right", "正确"), kind=""):
    kind = kind or ("right" if points == out_of else "part" if points else "wrong")
    return Mark(task, part, points, out_of, kind, (f"the {part}", f"{part} 的结果"), text, 0.25)


WRONG = ("the mean of [1]: 2 is not right", "[1] 的平均值：2 不正确")


def result(student, path=None, *, mean=3.0, answer=ANSWER, **more):
    marks = (mark("double", "numbers", 1, 1), mark("double", "empty", 1, 1), mark("mean", "average", mean, 3, WRONG))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest() if path else "0" * 64
    usual = {"file": path.name if path else "lab.ipynb", "sha256": sha256, "grader": "g", "marks": marks,
             "answers": (("why", 4.0, answer),), "graded_at": "2026-01-02T03:04:05+00:00"}  # fmt: skip
    return Result(student, **{"lab": LAB} | usual | more)


def problem(student, path=None):
    text = ("The file is not a notebook: it holds no JSON.", "该文件不是笔记本：其内容不是 JSON。")
    return result(student, path, marks=(), answers=(), problem=text)
