"""The set-up cell: its text, and what it does with helpers and without."""

import subprocess
import sys

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from aibook import house
from aibook.editions import setup_cell


def notebook(*cells):
    return new_notebook(cells=[new_markdown_cell("# Title"), *cells])


def cell(source=None, tags=(setup_cell.TAG,)):
    return new_code_cell(setup_cell.source() if source is None else source, metadata={"tags": list(tags)})


def run(tmp_path, code, **environment):
    """Run the cell in a Python that finds no `helpers`, with `pip` played by a module in `tmp_path`."""
    (tmp_path / "pip.py").write_text(code)
    hide = "from importlib import util\nutil.find_spec = lambda name: None\n"
    command = [sys.executable, "-c", hide + setup_cell.source()]
    environment = {"PATH": "", "PYTHONPATH": str(tmp_path), **environment}
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)


def test_short_and_the_address_of_this_book():
    lines = setup_cell.source().split("\n")
    assert len(lines) <= 13
    assert max(map(len, lines)) <= 120
    assert house.site_url() in setup_cell.source()
    compile(setup_cell.source(), "cell", "exec")


def test_does_nothing_where_helpers_is(tmp_path):
    environment = {"PATH": "", "PYTHONPATH": str(house.ROOT), "AIBOOK_WHEEL": "/nowhere.whl"}
    subprocess.run([sys.executable, "-c", setup_cell.source()], cwd=tmp_path, env=environment, check=True)


def test_installs_the_wheel_and_names_the_versions_to_keep(tmp_path):
    from importlib.metadata import version

    done = run(tmp_path, "import sys, pathlib; pathlib.Path('called').write_text('\\n'.join(sys.argv[1:]))")
    assert done.returncode == 0, done.stderr
    install, *arguments = (tmp_path / "called").read_text().split("\n")
    assert install == "install"
    assert f"{house.site_url()}/wheels/{setup_cell.wheel_name()}" in arguments
    assert {f"{name}=={version(name)}" for name in ("torch", "torchvision", "numpy")} <= set(arguments)


def test_the_wheel_may_come_from_elsewhere(tmp_path):
    code = "import sys, pathlib; pathlib.Path('called').write_text(' '.join(sys.argv))"
    run(tmp_path, code, AIBOOK_WHEEL="/my/book.whl")
    assert " /my/book.whl " in (tmp_path / "called").read_text()


def test_a_failed_download_says_what_and_why(tmp_path):
    done = run(tmp_path, "import sys; sys.exit('no route to host')")
    assert done.returncode == 1
    last = done.stderr[done.stderr.index("RuntimeError") :]
    assert f"Could not install {house.site_url()}/wheels/" in last
    assert "Is the network up?" in last
    assert "no route to host" in last


def test_no_problems_with_the_book_s_own_cell():
    assert setup_cell.problems(notebook(cell(), new_code_cell("1"))) == []


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([], "0 cells are tagged"),
        ([cell(), cell()], "2 cells are tagged"),
        ([new_code_cell("1"), cell()], "not the first code cell"),
        ([cell("import os")], "not the book's"),
    ],
)
def test_problems(cells, said):
    assert any(said in problem for problem in setup_cell.problems(notebook(*cells)))


def test_refresh():
    node = notebook(cell("import os"))
    assert setup_cell.refresh(node)
    assert setup_cell.problems(node) == []
    assert not setup_cell.refresh(node)
