"""Versions of packages as the lock gives them for one fixed Python, so that a fingerprint is the same on every one."""

import re
from functools import lru_cache
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from aibook import house
from aibook.detectron2 import COMMIT

# The environment for which the lock's markers are evaluated, whatever runs here.
ENVIRONMENT = {
    "implementation_name": "cpython",
    "implementation_version": "3.11.14",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    "python_full_version": "3.11.14",
    "python_version": "3.11",
    "sys_platform": "linux",
}
# Import names that differ from their distribution's by more than case and separators.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-contrib-python-headless",
    "dateutil": "python-dateutil",
    "mpl_toolkits": "matplotlib",
    "opencc": "opencc-python-reimplemented",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
# Importable only where somebody else installed it, so the lock has no version of it: Colab's own package.
OUTSIDE_THE_LOCK = {"google"}
# Brought by a command of the workshop, so pinned there and not in the lock.
PINNED = {"detectron2": COMMIT[:7]}


class UnknownPackage(Exception):
    """An import that the lock has no distribution for; the message says what to do."""


def locked() -> dict[str, str]:
    """Canonical distribution name → version, from the lock."""
    return _locked(house.LOCK, house.LOCK.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _locked(path: Path, _: int) -> dict[str, str]:
    versions = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if not re.match(r"[A-Za-z0-9]", line):
            continue  # a hash or a comment
        requirement = Requirement(line.removesuffix("\\").strip())
        if requirement.marker is None or requirement.marker.evaluate(ENVIRONMENT):
            (pin,) = requirement.specifier
            versions[canonicalize_name(requirement.name)] = pin.version
    return versions


def version_of(package: str, importer: str) -> tuple[str, str] | None:
    """Distribution and pinned version of an imported top-level package; None where the lock cannot have one.

    Raises UnknownPackage, naming the importer, where the lock lacks it.
    """
    if package in OUTSIDE_THE_LOCK:
        return None
    if package in PINNED:
        return package, PINNED[package]
    distribution = canonicalize_name(DISTRIBUTIONS.get(package, package))
    version = locked().get(distribution)
    if version is None:
        raise UnknownPackage(
            f"{importer} imports {package}, but the lock has no {distribution}. Add it to pyproject.toml and run "
            f"`make lock`; if its distribution has another name, add that to DISTRIBUTIONS in {__name__}."
        )
    return distribution, version
