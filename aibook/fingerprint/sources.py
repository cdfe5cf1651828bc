"""Data and stored studies that code names: what stands in files beside the code."""

import hashlib
import re
import tomllib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from aibook import house


def data_hashes(constants: Iterable[str]) -> dict[str, str]:
    """Registered data set → hash of its files' checksums, for each whose name is among the string constants."""
    registry = house.ROOT / "helpers" / "data" / "registry.toml"
    if not registry.is_file():
        return {}
    hashes = _registered(registry, registry.stat().st_mtime_ns)
    return {name: hashes[name] for name in sorted(set(constants) & hashes.keys())}


def study_hashes(constants: Iterable[str]) -> dict[str, str]:
    """File name of a stored study → hash of its content, for each whose notebook a string constant names.

    `laptop` studies don't count: notebooks don't show them, the bands are set from them.
    """
    hashes = {}
    for constant in constants:
        if re.fullmatch(r"[\w-]+([/-][\w-]+)+", constant):
            for path in house.STUDIES.glob(f"{constant.replace('/', '-')}.*.json"):
                if not path.name.endswith(".laptop.json"):
                    hashes[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return dict(sorted(hashes.items()))


@lru_cache(maxsize=4)
def _registered(registry: Path, _: int) -> dict[str, str]:
    return {
        name: hashlib.sha256("\n".join(sorted(file["sha256"] for file in entry["files"])).encode()).hexdigest()[:16]
        for name, entry in tomllib.loads(registry.read_text(encoding="utf-8")).items()
    }
