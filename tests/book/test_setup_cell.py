"""Every committed notebook starts with the one set-up cell."""

from pathlib import Path

import nbformat
import pytest

from aibook import house
from aibook.editions import setup_cell


@pytest.mark.parametrize("path", house.notebooks(), ids=lambda path: str(Path(path).relative_to(house.NOTEBOOKS)))
def test_first_code_cell_is_the_set_up_cell(path):
    assert setup_cell.problems(nbformat.read(path, as_version=4)) == []
