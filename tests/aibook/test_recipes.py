"""A chapter's `recipe` cells, and nothing else of it, make a module."""

import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from aibook import house, recipes


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.setattr(house, "NOTEBOOKS", tmp_path)

    def write(*cells):
        made = [new_code_cell(source, metadata={"tags": tags}) for source, *tags in cells]
        nbformat.write(new_notebook(cells=made), tmp_path / "one.ipynb")

    return write


def test_only_recipe_cells_are_executed_in_their_order_after_the_given_names(written):
    written(
        ("raise SystemExit",), ("a = WIDTH + 1", "recipe"), ("raise SystemExit", "display"), ("b = 2 * a", "recipe")
    )
    module = recipes.load("one", WIDTH=3)
    assert (module.a, module.b) == (4, 8)


def test_a_dataclass_finds_its_module(written):
    written(("from __future__ import annotations\nfrom dataclasses import dataclass", "recipe"),
            ("@dataclass\nclass Point:\n    x: int = 1", "recipe"))  # fmt: skip
    module = recipes.load("one")
    assert module.Point() == module.Point(1) and sys.modules[module.Point.__module__] is module


def test_an_error_names_notebook_and_cell(written):
    written(("1 / 0", "recipe"))
    with pytest.raises(ZeroDivisionError) as caught:
        recipes.load("one")
    assert "<one, cell " in str(caught.traceback[-1].path)


def test_a_notebook_without_recipe_or_none_at_all_is_refused(written):
    written(("a = 1",))
    with pytest.raises(ValueError, match="one has no cell tagged `recipe`"):
        recipes.load("one")
    with pytest.raises(FileNotFoundError):
        recipes.load("two")
