"""Whether a built site is still what its sources would give."""

import hashlib
from pathlib import Path

from aibook import house

# All that a page, an edition for Colab, a student lab or the wheel is made from.
INPUTS = [
    "_config.yml",
    "_toc.yml",
    "pyproject.toml",
    "requirements.txt",
    "README.md",
    "LICENSE",
    "LICENSE-TEXT",
    "tests/expected.yml",
    "book",
    "notebooks",
    "helpers",
]
SKIPPED = {"__pycache__", ".ipynb_checkpoints"}
# What decides how every page is built: when one of these changes, nothing of an earlier build is used again.
FOUNDATIONS = ["_config.yml", "_toc.yml", "requirements.txt", "book/_static", "book/_templates", "book/references.bib"]


def inputs() -> str:
    """Hash of everything that the site is built from, the code that builds it included."""
    return _hash(INPUTS)


def foundations() -> str:
    """Hash of what every page depends on; pages can be built one by one while it stays."""
    return _hash(FOUNDATIONS)


def _hash(names: list[str]) -> str:
    digest = hashlib.sha256()
    workshop = Path(__file__).resolve().parent.parent
    for root, path in [(house.ROOT, house.ROOT / name) for name in names] + [(workshop, workshop)]:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            name = file.relative_to(root)
            if file.is_file() and not SKIPPED.intersection(name.parts):
                digest.update(f"{name}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
