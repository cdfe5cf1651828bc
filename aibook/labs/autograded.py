"""A student's notebook as nbgrader's formgrader may show it to a teacher: their text and code, and nothing that acts.

The formgrader shows Markdown with all its HTML, in a page that may do on the teacher's Jupyter server what the teacher
may. So nothing of the file is copied but text: no outputs, no attachments, no metadata, and in the text no HTML and no
links. What the cells are and how many points they have comes from the master; the checks' outputs are the grader's.
"""

import re
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from aibook.labs import results, submissions
from aibook.labs.grading import Result
from aibook.labs.session import digest
from aibook.labs.submissions import Cell, Unreadable

# What begins HTML, an entity (which may spell the rest), a link, a picture, or one of MathJax' ways out of a formula.
BEGINNINGS = re.compile(
    r"<(?=[A-Za-z/!?])|&(?=[#\w])|\](?=[(:\[])|\\(?=(?:href|url|style|class|cssId|require|unicode|mmlToken|csname)\b)"
)


def notebook(result: Result, released: NotebookNode, path: Path | None) -> NotebookNode:
    """The notebook for the formgrader. path: the student's file; None shows the open answers alone."""
    ours = {cell.metadata.nbgrader["grade_id"]: cell for cell in released.cells if "nbgrader" in cell.metadata}
    outputs = {task.check: _lines(task) for task in results.tasks(result)}
    cells = [new_markdown_cell(_harmless(note)) for note in _notes(result, path)]
    for cell in _cells(path):
        master = ours.pop(cell.grade_id, None)
        if master is not None:
            cells.append(_graded(master, cell.source, result, outputs))
        elif cell.source.strip():
            cells.append(
                new_code_cell(cell.source) if cell.kind == "code" else new_markdown_cell(_harmless(cell.source))
            )
    for master in ours.values():  # the student has deleted them, or there is no file
        cells.append(_graded(master, "", result, outputs))
    answers = {grade_id: text for grade_id, _, text in result.answers}
    node = new_notebook(cells=cells, metadata={"aibook": {"sha256": result.sha256, "answers": answers}})
    for number, cell in enumerate(node.cells):
        cell.id = f"cell-{number}"  # not drawn by chance: the same submission gives the same file
    return node


def answers_in(path: Path) -> dict[str, str] | None:
    """The open answers that the notebook at `path` was written for; None where there is none."""
    import json

    try:
        return json.loads(path.read_bytes())["metadata"]["aibook"]["answers"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def find(folder: Path, result: Result) -> Path | None:
    """The very file that was graded, among the student's; None where it is gone or was changed since."""
    return next((path for path in sorted((folder / result.student).rglob("*")) if _is(path, result)), None)


def _is(path: Path, result: Result) -> bool:
    return path.is_file() and path.suffix == ".ipynb" and digest(path) == result.sha256


def _cells(path: Path | None) -> tuple[Cell, ...]:
    try:
        return submissions.read(path).cells if path else ()
    except Unreadable:
        return ()


def _graded(master: NotebookNode, source: str, result: Result, outputs: dict[str, str]) -> NotebookNode:
    """A cell of the master with the student's text in it, if it is theirs to write."""
    grading = master.metadata.nbgrader
    if not grading.get("solution"):
        source = master.source
    answer = next((text for grade_id, _, text in result.answers if grade_id == grading["grade_id"]), None)
    metadata = {
        name: master.metadata[name] for name in ("nbgrader", "deletable", "editable") if name in master.metadata
    }
    if master.cell_type == "markdown":
        return new_markdown_cell(_harmless(source if answer is None else answer), metadata=metadata)
    cell = new_code_cell(source, metadata=metadata)
    if text := outputs.get(grading["grade_id"]):
        cell.outputs = [new_output("stream", name="stdout", text=text)]
    return cell


def _notes(result: Result, path: Path | None) -> list[str]:
    notes = [" · ".join(text) for text in ((result.problem,) if result.problem[0] else ()) + result.cells]
    if path is None:
        notes.append(
            f"The file {result.file} that was graded is not among the submissions any more; code is not shown."
        )
    return notes


def _lines(task: results.Task) -> str:
    lines = [results.said(mark) for mark in task.marks]
    return "\n".join([*(english for english, _ in lines), *(chinese for _, chinese in lines)]) + "\n"


def _harmless(text: str) -> str:
    """Markdown that looks nearly as it did: a blank keeps it from being HTML, or from leading anywhere."""
    return BEGINNINGS.sub(r"\g<0> ", text)
