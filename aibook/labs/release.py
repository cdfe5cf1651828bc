"""Student versions of the labs: solutions removed, outputs cleared, cells locked, in nbgrader's format.

The steps are those of `nbgrader generate_assignment`, and the tests hold them equal to it; written out here because the
site's small environment, which publishes the student versions, has no nbgrader.
"""

import hashlib
import re
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from aibook import house

GLUED = re.compile(r"\{glue(?::text)?\}`([^`:]+)(?::([^`]*))?`")
CODE_STUB = "# YOUR CODE HERE\nraise NotImplementedError()"
TEXT_STUB = "YOUR ANSWER HERE"
FOLDERS = {"en": "en", "zh_CN": "zh"}


class LabError(Exception):
    """A master notebook that cannot be released; the message names the notebook's cell and what to mend."""


def main(notebooks: Iterable[Path], into: Path) -> int:
    """`aibook labs release`: write the student versions and say where they are."""
    from rich.console import Console

    from aibook.translate.catalog import CatalogError
    from aibook.translate.sources import SourceError
    from aibook.translate.tree import UntranslatedError

    console = Console(stderr=True)
    try:
        written = release(into, [Path(path) for path in notebooks] or None)
    except (
        LabError,
        CatalogError,
        SourceError,
        UntranslatedError,
        FileNotFoundError,
        nbformat.reader.NotJSONError,
    ) as error:
        console.print(f"[red]Nothing more released:[/red] {error}", soft_wrap=True)
        return 1
    for path in written:
        console.print(f"{path}", soft_wrap=True, highlight=False)
    return 0


def release(
    destination: Path, notebooks: list[Path] | None = None, *, languages: Iterable[str] = tuple(FOLDERS)
) -> list[Path]:
    """Write the student version of each lab to `destination`/en and `destination`/zh; return the files written."""
    from aibook.translate.tree import translated

    masters = house.notebooks(notebooks or [house.NOTEBOOKS / "labs"])
    written = []
    for master in masters:
        if not master.is_relative_to(house.ROOT):
            raise LabError(f"{master} lies outside the book ({house.ROOT}), so it has no translation")
        for language in languages:
            folder = FOLDERS[language]
            node = nbformat.read(master, as_version=4) if language == "en" else translated(master)
            try:
                student = release_node(node)
            except LabError as error:
                raise LabError(f"{master.name}: {error}") from None
            target = destination / folder / master.name
            target.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(student, target)
            written.append(target)
    return written


def release_node(node: NotebookNode) -> NotebookNode:
    """The student version of a master lab; `node` itself stays as it is.

    Raises LabError where a solution region is unclosed, nested or outside a solution cell, or an id is used twice.
    """
    student = deepcopy(node)
    student.metadata.pop("aibook", None)
    _check_ids(student)
    _write_out_records(student)
    for index, cell in enumerate(student.cells):
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        grading = cell.metadata.get("nbgrader", {})
        stub = CODE_STUB if cell.cell_type == "code" else TEXT_STUB
        source = _cut_solutions(cell.source, stub, index)
        if source != cell.source and not grading.get("solution"):
            raise LabError(f"cell {index} has a solution region but is not marked as a solution cell")
        if grading.get("solution") and source == cell.source:
            source = stub
        cell.source = source
        if grading:
            _lock(cell)
    return student


def _write_out_records(node: NotebookNode) -> None:
    """The master's records as plain numbers in the text, since the outputs that the text refers to are cleared."""
    from aibook import recordbook

    records = recordbook.read(node)

    def number(found: re.Match) -> str:
        name, form = found.groups()
        if name not in records:
            raise LabError(f"the text shows the record {name!r}, which the notebook does not keep; execute it anew")
        return format(records[name].value, form or "")

    for cell in node.cells:
        if cell.cell_type == "markdown":
            cell.source = GLUED.sub(number, cell.source)


def _cut_solutions(source: str, stub: str, index: int) -> str:
    """`source` with each `### BEGIN SOLUTION … ### END SOLUTION` replaced by the stub, indented as the region is."""
    kept, inside = [], False
    for line in source.split("\n"):
        if "BEGIN SOLUTION" in line:
            if inside:
                raise LabError(f"cell {index} has a BEGIN SOLUTION inside another")
            inside = True
            indent = re.match(r"\s*", line).group(0)
            kept += [indent + part for part in stub.split("\n")]
        elif "END SOLUTION" in line:
            inside = False
        elif not inside:
            kept.append(line)
    if inside:
        raise LabError(f"cell {index} has a BEGIN SOLUTION without an END SOLUTION")
    return "\n".join(kept)


def _lock(cell: NotebookNode) -> None:
    """Mark as nbgrader does what a student may not delete or edit, and stamp the cell's checksum."""
    grading = cell.metadata.nbgrader
    if grading.get("solution"):
        cell.metadata["deletable"] = False
    elif grading.get("grade") or grading.get("locked"):
        cell.metadata["deletable"] = False
        cell.metadata["editable"] = False
    else:
        return
    grading["cell_type"] = cell.cell_type
    grading["checksum"] = _checksum(cell)


def _checksum(cell: NotebookNode) -> str:
    """nbgrader's checksum of a cell (`nbgrader.utils.compute_checksum`): how it knows that a student changed it."""
    grading = cell.metadata.nbgrader
    solution, grade = grading.get("solution", False), grading.get("grade", False)
    locked = not solution and (grade or grading.get("locked", False))
    parts = [cell.source, cell.cell_type, str(grade), str(solution), str(locked), grading["grade_id"]]
    if grade:
        parts.append(str(float(grading["points"])))
    return hashlib.md5("".join(parts).encode(), usedforsecurity=False).hexdigest()


def _check_ids(node: NotebookNode) -> None:
    ids = [cell.metadata.nbgrader["grade_id"] for cell in node.cells if "nbgrader" in cell.metadata]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise LabError(f"these grade_ids are used twice: {', '.join(twice)}")
