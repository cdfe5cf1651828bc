"""The first code cell of every notebook, which makes it work on a machine that has only Colab's packages.

The text is the same in every notebook; the address in it comes from `_config.yml`. After a change of either,
`python -m aibook.editions.setup_cell` writes it into the notebooks again (fingerprints leave this cell out).
"""

from functools import cache

from nbformat import NotebookNode

from aibook import house

TAG = "setup"

# Naming the installed versions of torch, torchvision and numpy beside the wheel makes pip keep them or fail.
# @SITE@ and @WHEEL@ are filled in below.
_TEXT = r"""
# Where the book is not installed (in Colab, say), add its helpers. torch, torchvision and numpy stay as they are.
import os
import subprocess
import sys
from importlib import metadata, util

if util.find_spec("helpers") is None:
    site = "@SITE@"
    wheel = os.environ.get("AIBOOK_WHEEL") or f"{site}/wheels/@WHEEL@"
    kept = [f"{d.name}=={d.version}" for d in metadata.distributions() if d.name in ("torch", "torchvision", "numpy")]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", wheel, *kept]
    if (done := subprocess.run(pip, check=False, capture_output=True, text=True)).returncode:
        raise RuntimeError(f"Could not install {wheel}. Is the network up? Then run this cell again.\n{done.stderr}")
"""


@cache
def version() -> str:
    """The book's version, as `pyproject.toml` gives it."""
    import tomllib

    return tomllib.loads((house.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def wheel_name() -> str:
    """File name of the book's wheel."""
    return f"ai_applications_book-{version()}-py3-none-any.whl"


def source() -> str:
    """Text of the set-up cell: does nothing where `helpers` can be imported, else installs the wheel.

    The wheel comes from the site, or from the address or path in the environment variable `AIBOOK_WHEEL`.
    """
    return _TEXT.replace("@SITE@", house.site_url()).replace("@WHEEL@", wheel_name()).strip("\n")


def problems(node: NotebookNode) -> list[str]:
    """What is wrong with a notebook's set-up cell; empty when it is as it should be."""
    code = [cell for cell in node.cells if cell.cell_type == "code"]
    tagged = [cell for cell in code if TAG in cell.metadata.get("tags", [])]
    found = []
    if len(tagged) != 1:
        found.append(f"{len(tagged)} cells are tagged `{TAG}`; the first code cell alone should be")
    elif code[0] is not tagged[0]:
        found.append(f"the cell tagged `{TAG}` is not the first code cell")
    if any(cell.source != source() for cell in tagged):
        found.append("the set-up cell's text is not the book's; run `python -m aibook.editions.setup_cell`")
    return found


def refresh(node: NotebookNode) -> bool:
    """Write the text into the notebook's set-up cell; True when that changed it."""
    changed = False
    for cell in node.cells:
        if cell.cell_type == "code" and TAG in cell.metadata.get("tags", []) and cell.source != source():
            cell.source, changed = source(), True
    return changed


def main() -> None:
    """Bring the set-up cell of every notebook up to date."""
    import nbformat

    for path in house.notebooks():
        node = nbformat.read(path, as_version=4)
        if refresh(node):
            nbformat.write(node, path)
            print(f"{path.relative_to(house.ROOT)}: set-up cell written")


if __name__ == "__main__":
    main()
