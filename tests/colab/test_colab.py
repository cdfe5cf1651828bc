"""Each notebook as a reader opens it in Colab: Colab's packages, an empty folder, the one file, the wheel by HTTP."""

import functools
import http.server
import json
import os
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from aibook import house
from aibook.editions import colab, setup_cell, wheel
from tests.colab import environment

pytestmark = [pytest.mark.verify, pytest.mark.timeout(1800)]
KEPT = ("torch", "torchvision", "numpy")
SET_UP_SECONDS = 60


@pytest.fixture(scope="session")
def colab_folder():
    """Folder of the environment that stands for Colab's image."""
    return environment.build().parent.parent


@pytest.fixture(scope="session")
def wheel_url(tmp_path_factory):
    """Address on this machine from which the book's wheel is served."""
    built = wheel.build(tmp_path_factory.mktemp("wheels"))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(built.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{built.name}"
        server.shutdown()


@pytest.fixture(scope="session")
def set_up(colab_folder, wheel_url, tmp_path_factory):
    """A copy of that environment by hard links, after the cell with which every notebook begins: what it took, too.

    The cell is the same in all notebooks and does nothing the second time, so that all can share what it has installed.
    """
    with tempfile.TemporaryDirectory(dir=colab_folder.parent) as folder:
        copy = Path(folder) / "colab"
        shutil.copytree(colab_folder, copy, symlinks=True, copy_function=os.link)
        python, content = copy / "bin" / "python", tmp_path_factory.mktemp("set-up") / "content"
        content.mkdir()
        before = environment.versions(python, KEPT)
        node = new_notebook(cells=[new_code_cell(setup_cell.source(), metadata={"tags": [setup_cell.TAG]})])
        _execute(node, python, content, AIBOOK_WHEEL=wheel_url)
        yield SetUp(python, before, _seconds(node.cells[0]))


@dataclass(frozen=True)
class SetUp:
    """The environment's Python, the versions that it had of what has to be kept, and the seconds the cell took."""

    python: Path
    before: dict[str, str]
    seconds: float


def test_the_first_cell_installs_the_helpers_and_keeps_colabs_packages(set_up):
    assert environment.versions(set_up.python, KEPT) == set_up.before
    assert set_up.seconds < SET_UP_SECONDS
    command = [set_up.python, "-I", "-c", "import helpers; print(helpers.__file__)"]
    where = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert where.startswith(str(set_up.python.parents[1]))


@pytest.mark.parametrize("path", house.notebooks(), ids=lambda path: str(path.relative_to(house.NOTEBOOKS)))
def test_a_bare_notebook_works_in_colab(path, set_up, tmp_path):
    folder = tmp_path / "content"
    folder.mkdir()
    notebook = folder / path.name
    node = colab.edition(nbformat.read(path, as_version=4), "en", path.relative_to(house.ROOT))
    nbformat.write(node, notebook)

    node = nbformat.read(notebook, as_version=4)
    assert setup_cell.problems(node) == []
    _execute(_smoke(node), set_up.python, folder)

    assert environment.versions(set_up.python, KEPT) == set_up.before


def _smoke(node: nbformat.NotebookNode) -> nbformat.NotebookNode:
    position = node.cells.index(_tagged(node, "parameters")) + 1
    node.cells.insert(position, new_code_cell('PROFILE = "smoke"'))
    return node


def _execute(node: nbformat.NotebookNode, python: Path, folder: Path, **variables: str) -> None:
    """Execute a notebook in a folder with another environment's Python, its caches empty."""
    specs = folder.parent / "kernels"
    (specs / "colab").mkdir(parents=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Colab", "language": "python"}
    (specs / "colab" / "kernel.json").write_text(json.dumps(spec))
    dropped = ("VIRTUAL_ENV", "PYTHONPATH", "AIBOOK_CACHE", "AIBOOK_ROOT")
    inherited = {name: value for name, value in os.environ.items() if name not in dropped}
    caches = {"XDG_CACHE_HOME": str(folder.parent / "cache"), "AIBOOK_CACHE": str(folder.parent / "cache" / "aibook")}
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(node, kernel_name="colab", timeout=900, resources=resources, record_timing=True)
    client.create_kernel_manager().kernel_spec_manager = KernelSpecManager(kernel_dirs=[str(specs)])
    client.execute(env=inherited | caches | variables)


def _tagged(node: nbformat.NotebookNode, tag: str) -> nbformat.NotebookNode:
    (found,) = [cell for cell in node.cells if tag in cell.metadata.get("tags", [])]
    return found


def _seconds(cell: nbformat.NotebookNode) -> float:
    times = cell.metadata.execution
    start, end = times["iopub.execute_input"], times["shell.execute_reply"]
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
