"""What cannot be executed is named; what cannot be written leaves what was there."""

import errno
import json
import os

import nbformat
import pytest

from aibook.execute import store
from aibook.execute.jobs import Job, execute


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"cells": [{"cell_type": "co', "not a valid notebook (truncated?)"),
        ("", "not a valid notebook (truncated?)"),
        ("[]", "not a valid notebook"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "co"}]}', "not a valid"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}', "no cell tagged `parameters`"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": {"name": "ir", "display_name": "R", '
         '"language": "R"}}, "cells": []}', "asks for a kernel of R"),
    ],
)  # fmt: skip
def test_a_broken_notebook_fails_with_its_reason_and_stays(toy, content, message):
    path = toy.root / "notebooks" / "broken.ipynb"
    path.write_text(content)
    (outcome,) = execute([Job(path, path)])
    assert outcome.status == "failed"
    assert str(path) in outcome.failure.message
    assert message in outcome.failure.message
    assert path.read_text() == content


def test_a_missing_notebook_is_named(toy):
    path = toy.root / "none.ipynb"
    (outcome,) = execute([Job(path, path)])
    assert "No such file" in outcome.failure.message


def test_parameters_must_be_plain_and_known(toy):
    computed = toy.notebook("computed", "1", parameters="import os\nSEED = os.getpid()")
    unknown = toy.notebook("unknown", "1", parameters='PROFILE = "laptop"')
    outcomes = execute([Job(computed, computed), Job(unknown, unknown, {"SEED": 1})])
    assert "only set names to plain values" in outcomes[0].failure.message
    assert "has no parameter SEED; its `parameters` cell sets PROFILE" in outcomes[1].failure.message


def test_a_notebook_without_cell_ids_is_executed(toy):
    path = toy.notebook("old", "1 + 1")
    node = json.loads(path.read_text())
    node["nbformat_minor"] = 4
    for cell in node["cells"]:
        del cell["id"]
    path.write_text(json.dumps(node))
    (outcome,) = execute([Job(path, path)])
    assert outcome.status == "ok", outcome.failure
    ids = [cell["id"] for cell in store.read(path).cells]
    assert len(set(ids)) == 3


def test_a_full_disk_leaves_the_notebook_as_it_was(toy, monkeypatch):
    path = toy.notebook("a", "1 + 1")
    before = path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    (outcome,) = execute([Job(path, path)])
    assert outcome.status == "failed"
    assert "could not be written: [Errno 28] No space left on device" in outcome.failure.message
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_before_it_begins_is_told_too(toy, monkeypatch):
    path = toy.notebook("a", "1 + 1")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(nbformat, "write", full)
    (outcome,) = execute([Job(path, path)])
    assert "No space left" in outcome.failure.message


EDITS = """
import os, pathlib
path = pathlib.Path(os.environ["EDITED"])
path.write_text(path.read_text().replace("# a", "# Edited meanwhile"))
"""


def test_a_notebook_edited_while_it_ran_is_not_overwritten(toy, monkeypatch):
    path = toy.notebook("a", EDITS)
    monkeypatch.setenv("EDITED", str(path))
    (outcome,) = execute([Job(path, path)])
    assert "was edited while it was executed" in outcome.failure.message
    assert '"execution_count": null' in path.read_text()
    assert "# Edited meanwhile" in path.read_text()


def test_an_edit_meanwhile_costs_no_run_into_another_file(toy, monkeypatch):
    path, into = toy.notebook("a", EDITS), toy.root / "into" / "a.ipynb"
    monkeypatch.setenv("EDITED", str(path))
    (outcome,) = execute([Job(path, into)])
    assert outcome.status == "ok", outcome.failure
    assert store.read(path).cells[0].source == "# Edited meanwhile"
    executed = store.read(into)
    assert executed.cells[0].source == "# a", "what was executed is what is written"
    assert executed.cells[-1].execution_count
