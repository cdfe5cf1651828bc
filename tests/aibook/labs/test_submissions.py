"""Reading what students hand in."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from aibook.labs import submissions
from aibook.labs.submissions import Unreadable, identify, read


def written(path, *cells, **more):
    path.write_text(json.dumps({**new_notebook(cells=list(cells)), **more}))
    return path


def graded(source, grade_id):
    nbgrader = {"grade_id": grade_id, "grade": True, "solution": True, "points": 3, "schema_version": 3}
    return new_code_cell(source, metadata={"nbgrader": nbgrader, "tags": ["solution"]})


def test_cells_with_what_nbgrader_says_of_them(tmp_path):
    path = written(tmp_path / "a.ipynb", new_markdown_cell("text"), graded("x = 1", "task-1"))
    text, code = read(path).cells
    assert (text.kind, text.source, text.grade_id) == ("markdown", "text", "")
    assert (code.source, code.grade_id, code.points, code.grade, code.tags) == (
        "x = 1",
        "task-1",
        3,
        True,
        ("solution",),
    )
    assert read(path).grade_ids == {"task-1"}


def test_an_old_format(tmp_path):
    path = tmp_path / "old.ipynb"
    old = nbformat.convert(new_notebook(cells=[new_code_cell("x = 1")]), 3)
    path.write_text(json.dumps(old))
    assert [cell.source for cell in read(path).code] == ["x = 1"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no JSON"),
        (b"\x00\xff", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no cell with code"),
        (b'{"cells": 3}', "no cell with code"),
        (b'{"cells": [null, {"cell_type": "code"}, {"cell_type": "code", "source": "  "}]}', "no cell with code"),
    ],
)
def test_what_is_no_notebook_says_so(tmp_path, content, reason):
    path = tmp_path / "a.ipynb"
    path.write_bytes(content)
    with pytest.raises(Unreadable, match=reason) as caught:
        read(path)
    assert all(caught.value.text)


def test_a_missing_file(tmp_path):
    with pytest.raises(Unreadable):
        read(tmp_path / "none.ipynb")


def test_outputs_may_be_large_but_not_the_file_and_not_the_code(tmp_path, monkeypatch):
    cell = new_code_cell("x = 1", outputs=[nbformat.v4.new_output("stream", text="x" * 5 * 2**20)])
    path = written(tmp_path / "a.ipynb", cell)
    assert [c.source for c in read(path).code] == ["x = 1"]
    monkeypatch.setattr(submissions, "MOST_BYTES", 2**20)
    with pytest.raises(Unreadable, match="Clear its outputs"):
        read(path)
    with pytest.raises(Unreadable, match="of text"):
        monkeypatch.setattr(submissions, "MOST_SOURCE", 2)
        monkeypatch.setattr(submissions, "MOST_BYTES", 2**30)
        read(path)


def test_a_large_file_is_read_apart_from_this_process_and_without_its_outputs(tmp_path, monkeypatch):
    monkeypatch.setattr(submissions, "HERE", 100)
    cell = new_code_cell("x = 1", outputs=[nbformat.v4.new_output("stream", text="x" * 1000)])
    path = written(tmp_path / "a.ipynb", cell)
    assert "x" * 1000 not in submissions._without_outputs(path).decode()
    assert [c.source for c in read(path).code] == ["x = 1"]
    path.write_bytes(b'{"cells": [' + b"[]," * 1000)
    with pytest.raises(Unreadable, match="no JSON"):
        read(path)


def test_metadata_of_any_kind_do_no_harm(tmp_path):
    cell = {"cell_type": "code", "source": ["a\n", 3, "b"], "metadata": {"nbgrader": [], "tags": {"x": 1}}}
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": [cell, {**cell, "metadata": 3}, {**cell, "source": {"no": 1}}]}))
    assert [c.source for c in read(path).cells] == ["a\nb", "a\nb", ""]


def test_a_renamed_notebook_is_known_by_its_tasks(tmp_path):
    labs = {"01-images": ["batches", "block"], "02-boxes": ["iou", "nms", "block"]}
    found = read(written(tmp_path / "final (3).ipynb", graded("x = 1", "iou"), graded("y = 1", "block")))
    assert identify(found, labs, "final (3)") == "02-boxes"
    bare = read(written(tmp_path / "b.ipynb", new_code_cell("x = 1")))
    assert identify(bare, labs, "01-images-anna") == "01-images"
    assert identify(bare, labs, "homework") == ""
