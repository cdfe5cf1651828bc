"""Where things stand in the repository, and the addresses that `_config.yml` gives them outside."""

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(os.environ.get("AIBOOK_ROOT") or Path(__file__).resolve().parent.parent)
NOTEBOOKS = ROOT / "notebooks"
BOOK = ROOT / "book"
LOCALE = BOOK / "locale"
BUILD = ROOT / "_build"
SITE = BUILD / "site"
STUDIES = ROOT / "helpers" / "studies"
EXPECTED = ROOT / "tests" / "expected.yml"
LOCK = ROOT / "requirements.txt"


@cache
def config() -> dict:
    """`_config.yml`, parsed."""
    import yaml

    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))


def repository_url() -> str:
    """Address of the repository, without a slash at its end."""
    return config()["repository"]["url"].rstrip("/")


def site_url() -> str:
    """Address under which the built site is published, without a slash at its end."""
    return config()["html"]["baseurl"].rstrip("/")


def notebooks(paths: Iterable[Path] | None = None) -> list[Path]:
    """The book's notebooks, sorted; or those among `paths`, where a folder stands for all notebooks below it.

    Raises FileNotFoundError naming the first path that is neither a notebook nor a folder.
    """
    found: list[Path] = []
    for path in paths or [NOTEBOOKS]:
        path = Path(path)
        if path.is_dir():
            below = path.rglob("*.ipynb")
            found += sorted(p for p in below if not any(part.startswith(".") for part in p.relative_to(path).parts))
        elif path.suffix == ".ipynb" and path.is_file():
            found.append(path)
        else:
            raise FileNotFoundError(f"{path} is neither a notebook nor a folder of notebooks")
    return [p.resolve() for p in found]
