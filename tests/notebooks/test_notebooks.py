"""Every notebook of the book, executed from end to end in `smoke`; what is marked deterministic comes out again."""

import json
import os
import subprocess
import sys

import nbformat
import pytest

from aibook import house

NOTEBOOKS = [str(path.relative_to(house.NOTEBOOKS)) for path in house.notebooks()]


@pytest.fixture(scope="session")
def smoke_copies(tmp_path_factory):
    """The folder with the executed copies; made once, by the command that readers use."""
    folder = tmp_path_factory.mktemp("smoke")
    command = [sys.executable, "-c", "from aibook.cli import main; main()", "run", "--all", "--profile", "smoke"]
    done = subprocess.run(
        [*command, "--into", str(folder)], cwd=house.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(params=NOTEBOOKS)
def smoke_copy(request, smoke_copies):
    return smoke_copies / request.param


def test_every_code_cell_ran_without_an_error(smoke_copy):
    node = nbformat.read(smoke_copy, as_version=4)
    code = [cell for cell in node.cells if cell.cell_type == "code" and cell.source.strip()]
    assert code and all(cell.execution_count for cell in code)
    errors = [output for cell in code for output in cell.outputs if output.output_type == "error"]
    assert errors == []


def test_smoke_takes_seconds(smoke_copy):
    stamp = nbformat.read(smoke_copy, as_version=4).metadata["aibook"]
    assert stamp["profile"] == "smoke"
    assert stamp["cpu_seconds"] < 60, "smoke only proves that a notebook runs: make its sizes smaller"


def test_the_notebook_says_nothing_on_stderr(smoke_copy):
    node = nbformat.read(smoke_copy, as_version=4)
    said = [
        output.text
        for cell in node.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr"
    ]
    assert said == []


def test_deterministic_cells_come_out_the_same_again(smoke_copy):
    node = nbformat.read(smoke_copy, as_version=4)
    marked = [c for c in node.cells if "deterministic" in c.metadata.get("tags", [])]
    if "cv" in smoke_copy.parts:
        assert marked, "a chapter marks at least one cell whose output nbval compares"
    assert all("nbval-check-output" in c.metadata["tags"] and c.outputs for c in marked)
    if not marked:
        return
    report = smoke_copy.with_suffix(".json")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval-lax",
        "--nbval-cell-timeout=120",
        "-p",
        "no:cacheprovider",
        "-q",
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(house.ROOT)}
    done = subprocess.run(
        [*command, "--rootdir", str(smoke_copy.parent), f"--junitxml={report}", str(smoke_copy)],
        env=environment, cwd=smoke_copy.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_committed_pictures_have_alt_texts_and_a_modest_size(name):
    path = house.NOTEBOOKS / name
    assert path.stat().st_size < 1_500_000
    for cell in nbformat.read(path, as_version=4).cells:
        pictures = [o for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
        if pictures:
            assert cell.metadata.get("mystnb", {}).get("image", {}).get("alt"), cell.source
            assert cell.metadata["mystnb"].get("figure", {}).get("caption"), cell.source
            assert all(len(json.dumps(o["data"]["image/png"])) < 250_000 for o in pictures), cell.source
