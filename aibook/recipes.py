"""A chapter's own code outside its notebook: tests hold it against reference libraries, benchmarks race it.

There is one copy of it, in the notebook's cells tagged `recipe`; this executes them.
"""

import sys
from types import ModuleType
from typing import Any

import nbformat

from aibook import house


def load(notebook: str, **names: Any) -> ModuleType:
    """A module with all that the `recipe` cells of a notebook, such as "cv/04-yolo", define.

    names: What the cells find there already, such as parameters. Raises FileNotFoundError for an unknown notebook, and
    ValueError for one without such cells.
    """
    node = nbformat.read(house.NOTEBOOKS / f"{notebook}.ipynb", as_version=4)
    cells = [cell for cell in node.cells if "recipe" in cell.metadata.get("tags", [])]
    if not cells:
        raise ValueError(f"{notebook} has no cell tagged `recipe`")
    module = ModuleType(f"recipe of {notebook}")
    sys.modules[module.__name__] = module  # a dataclass looks for its module
    vars(module).update(names)
    for cell in cells:
        exec(compile(cell.source, f"<{notebook}, cell {cell.get('id', '?')}>", "exec"), vars(module))
    return module
