"""A toy house, a small repository in the place of the book's; and the one headless browser of all tests."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from aibook import house
from aibook.doctor import BROWSERS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ARGUMENTS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
ARGUMENTS += " --disable-component-update --disable-sync"

PARAMETERS = 'PROFILE = "laptop"\nSEED = 0'
LOCK = """\
ipython==9.18.1
matplotlib==3.11.2
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:00
numpy==2.5.5 ; python_full_version >= '3.12'
scikit-learn==1.9.1
tqdm==4.70.1
"""


class ToyHouse:
    """Files below `root`; `module` and `notebook` write them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.module("helpers", "")
        (root / "notebooks").mkdir()
        (root / "requirements.txt").write_text(LOCK)

    def module(self, name: str, text: str, *, package: bool = False) -> Path:
        """Write a module, such as "helpers.cv.resnet", with its parents."""
        path = self.root.joinpath(*name.split("."))
        path = path / "__init__.py" if package or "." not in name else path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        if not (path.parent / "__init__.py").exists():
            (path.parent / "__init__.py").touch()
        path.write_text(text)
        return path

    def notebook(self, name: str, *cells: str | tuple[str, str], parameters: str | None = PARAMETERS) -> Path:
        """Write a notebook; a cell is its source, or its source and its tag."""
        made = [new_markdown_cell(f"# {name}")]
        if parameters is not None:
            made.append(new_code_cell(parameters, metadata={"tags": ["parameters"]}))
        for cell in cells:
            source, tags = (cell, []) if isinstance(cell, str) else (cell[0], [cell[1]])
            made.append(new_code_cell(source, metadata={"tags": tags} if tags else {}))
        path = self.root / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(new_notebook(cells=made), path)
        return path


def toy_house(root: Path, patch: pytest.MonkeyPatch) -> ToyHouse:
    """Build a toy house at `root` and let `aibook` take it for the repository."""
    root.mkdir()
    for name, place in {
        "ROOT": root,
        "NOTEBOOKS": root / "notebooks",
        "BUILD": root / "_build",
        "STUDIES": root / "helpers" / "studies",
        "LOCK": root / "requirements.txt",
    }.items():
        patch.setattr(house, name, place)
    return ToyHouse(root)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToyHouse:
    """A toy house for one test."""
    return toy_house(tmp_path / "house", monkeypatch)


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """One for each process: Playwright does not start a second time in a thread."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        reason = "no Chromium on this machine (sudo apt install chromium)"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=ARGUMENTS.split())
        yield chromium
        chromium.close()
