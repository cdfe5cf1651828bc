"""Every notebook of the book, executed from end to end in `smoke`; what is marked deterministic comes out again."""

import json
import os
import subprocess
import sys

import nbformat
import pytest
from filelock import FileLock

from aibook import house

NOTEBOOKS = [str(path.relative_to(house.NOTEBOOKS)) for path in house.notebooks()]
LABS = [name for name in NOTEBOOKS if name.startswith("labs/")]
CHAPTERS = [name for name in NOTEBOOKS if name not in LABS]
REPEATED = ("cv/05-swin.ipynb", "mbrl/01-models-planning-dyna.ipynb", "nlp/02-transformer.ipynb")
DATA = ("fashion-mnist", "efficientnet-lite0", "elpv")  # what `smoke` reads
# The book is executed, and its data perhaps downloaded, in the set-up of whichever test comes first; `aibook run` has
# limits of its own.
pytestmark = pytest.mark.timeout(300, func_only=True)


def aibook(*arguments: str) -> None:
    command = [sys.executable, "-c", "from aibook.cli import main; main()", *arguments]
    done = subprocess.run(command, cwd=house.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def smoke_copies(tmp_path_factory, worker_id):
    """The folder with the executed copies; made once, by the command that readers use, for all workers of pytest."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    folder, done = shared / "smoke", shared / "smoke.done"
    with FileLock(shared / "smoke.lock"):
        if not done.exists():
            aibook("data", "fetch", *DATA)
            aibook("run", "--all", "--profile", "smoke", "--into", str(folder))
            done.touch()
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


def marked(node):
    """id -> cell, of the cells whose output never changes: not with the profile, nor from one machine to another."""
    return {cell.id: cell for cell in node.cells if "deterministic" in cell.metadata.get("tags", [])}


def shown(cell):
    """What a cell has printed and drawn."""
    return [(output.get("name"), output.get("text"), output.get("data")) for output in cell.outputs]


@pytest.mark.parametrize("name", CHAPTERS)
def test_deterministic_cells_come_out_as_in_the_book(name, smoke_copies):
    book, smoke = (marked(nbformat.read(path, as_version=4)) for path in (house.NOTEBOOKS / name, smoke_copies / name))
    assert book, "a chapter marks at least one cell whose output is compared"
    assert all("nbval-check-output" in cell.metadata["tags"] and cell.outputs for cell in book.values())
    assert list(smoke) == list(book)
    for cell_id, cell in book.items():
        assert shown(smoke[cell_id]) == shown(cell), cell.source


@pytest.mark.parametrize("name", REPEATED)
def test_deterministic_cells_come_out_the_same_again_in_nbval(name, smoke_copies):
    """nbval is what readers compare with; a chapter of each part is enough to show that it finds the marks."""
    copy = smoke_copies / name
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-cell-timeout=120", "-p", "no:cacheprovider"]
    command += ["-q", "--rootdir", str(copy.parent), str(copy)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(house.ROOT)}
    done = subprocess.run(command, env=environment, cwd=copy.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


def test_nothing_is_marked_in_a_lab(smoke_copies):
    assert not any(marked(nbformat.read(smoke_copies / name, as_version=4)) for name in LABS)


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
