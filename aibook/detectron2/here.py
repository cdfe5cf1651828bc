"""Which Detectron2 is in a folder of packages, told from its files."""

import importlib.util
import json
import re
import sysconfig
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

MARKER = "AIBOOK_ORIGIN.json"  # written by `package` beside the code that it unpacked


@dataclass(frozen=True)
class Here:
    """An importable Detectron2: its folder, its version, where it came from.

    `checksum` is that of the package it was unpacked from, empty for any other origin.
    """

    folder: Path
    version: str
    origin: str
    checksum: str = ""

    def __str__(self) -> str:
        return f"{self.version}, {self.origin}"


def site_packages() -> Path:
    """Where this Python keeps packages written in Python."""
    return Path(sysconfig.get_path("purelib"))


def find(site: Path | None = None) -> Here | None:
    """The Detectron2 in `site`; without it, the one that this Python would import. None where there is none."""
    if site is None:
        spec = importlib.util.find_spec("detectron2")
        folder = Path(spec.origin).parent if spec and spec.origin else None
    else:
        folder = site / "detectron2"
    if folder is None or not (folder / "__init__.py").is_file():
        return None
    found = re.search(r'^__version__ = "(.+)"', (folder / "__init__.py").read_text(encoding="utf-8"), re.MULTILINE)
    version = found[1] if found else "unknown version"
    marker = folder / MARKER
    if marker.is_file():
        written = json.loads(marker.read_text(encoding="utf-8"))
        return Here(folder, version, written["origin"], written["sha256"])
    return Here(folder, version, _installed(folder))


def _installed(folder: Path) -> str:
    """What pip noted about the copy in `folder` when it installed it."""
    for distribution in distributions(name="detectron2", path=[str(folder.parent)]):
        noted = json.loads(distribution.read_text("direct_url.json") or "{}")
        if commit := noted.get("vcs_info", {}).get("commit_id"):
            return f"built from its official source (commit {commit[:7]})"
    return f"installed in {folder}"
