"""A house whose only lab is a toy, and the browser that reads the site."""

import nbformat
import pytest

from aibook import house
from tests.aibook.labs.office import LAB, master
from tests.site.conftest import open_browser  # noqa: F401


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The toy lab's master in the place of the book's; gives an empty folder for its submissions."""
    labs = tmp_path / "house" / "notebooks" / "labs"
    labs.mkdir(parents=True)
    nbformat.write(master(), labs / f"{LAB}.ipynb")
    monkeypatch.setattr(house, "NOTEBOOKS", labs.parent)
    (tmp_path / "in").mkdir()
    return tmp_path / "in"
