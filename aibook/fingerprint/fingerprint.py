"""A notebook's fingerprint and its comparison with the one that its outputs are stamped with."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from aibook.fingerprint import sources, syntax
from aibook.fingerprint.imports import ImportFailure, helper_files, imported_by
from aibook.fingerprint.versions import UnknownPackage, version_of


class FingerprintError(ValueError):
    """The notebook, or what it imports, cannot be read; the message says where and what to do."""


@dataclass(frozen=True)
class Fingerprint:
    """`parts`: cells (hash), helpers (module → hash), packages (distribution → version), data (name → hash),
    studies (file name → hash); `hash` is one over all of them."""

    hash: str
    parts: dict[str, Any]

    def stamp(self) -> dict[str, Any]:
        """As it stands in a notebook's metadata or a stored study."""
        return asdict(self)


def fingerprint(notebook: Path | Mapping, *, study: bool = False) -> Fingerprint:
    """Fingerprint of a notebook, given as its path or its content (nbformat 4).

    With `study`, what only presents results is left out: cells tagged `display`, what only these import, and stored
    studies. Raises FingerprintError for a notebook that is no valid JSON, for code that does not parse, and for an
    import that leads neither into `helpers`, nor to the standard library, nor to a locked package.
    """
    node, name = _read(notebook)
    left_out = {"setup", "display"} if study else {"setup"}
    try:
        cells = list(_code_cells(node, left_out, name))
        trees = [tree for _, tree in cells]
        modules, packages = imported_by(trees, name)
        files = helper_files()
        helpers = {module: _module(files[module], files[module].stat().st_mtime_ns) for module in sorted(modules)}
        pins = dict(filter(None, (version_of(package, importer) for package, importer in sorted(packages.items()))))
    except (ImportFailure, UnknownPackage, SyntaxError) as error:
        raise FingerprintError(str(error)) from error
    cell_constants = set().union(*map(syntax.string_constants, trees))
    constants = cell_constants.union(*(constants for _, constants in helpers.values()))
    parts = {
        "cells": syntax.cells_hash(cells),
        "helpers": {module: hash_ for module, (hash_, _) in helpers.items()},
        "packages": pins,
        "data": sources.data_hashes(constants),
    }
    if not study:
        parts["studies"] = sources.study_hashes(cell_constants)
    return Fingerprint(hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16], parts)


def measured(executed: Path | Mapping) -> str:
    """Hash of those cells of an executed notebook that a study's records depend on: neither what sets it up or only
    presents its results, nor the parameters that it was given."""
    node, name = _read(executed)
    return syntax.cells_hash(list(_code_cells(node, {"setup", "display", "injected-parameters"}, name)))


def stamp_of(notebook: Path | Mapping) -> dict[str, Any]:
    """The notebook's `metadata.aibook`, empty where `aibook run` has not written it."""
    return dict(_read(notebook)[0].get("metadata", {}).get("aibook", {}))


def outputs_hash(notebook: Mapping) -> str:
    """Hash of all outputs, by which one that was edited, or written by other means, is known."""
    outputs = [[_joined(output) for output in cell["outputs"]] for cell in _cells(notebook)]
    return hashlib.sha256(json.dumps(outputs, sort_keys=True).encode()).hexdigest()[:16]


def why_stale(notebook: Path | Mapping, *, stamp: Mapping | None = None, profile: str = "laptop") -> list[str]:
    """Reasons why the outputs do not follow from what stands here now; empty when they do.

    `stamp` is the `metadata.aibook` to hold the notebook against: its own, unless the outputs stand elsewhere.
    Raises FingerprintError as `fingerprint` does.
    """
    node, _ = _read(notebook)
    now = fingerprint(node if isinstance(notebook, Mapping) else notebook)
    if stamp is None:
        stamp = stamp_of(node)
        if stamp and any(_source(c).strip() and c.get("execution_count") is None for c in _cells(node)):
            return ["its outputs were cleared"]
        if stamp and stamp.get("outputs") != outputs_hash(node):
            return ["its outputs are not the ones that `aibook run` wrote"]
    before = stamp.get("fingerprint", {})
    if not before:
        return ["it was never executed by `aibook run`"]
    reasons = [] if stamp.get("profile") == profile else [f"its outputs are from the profile {stamp.get('profile')}"]
    if before["hash"] == now.hash:
        return reasons
    return reasons + differences(before["parts"], now.parts)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What changed between the parts of two fingerprints that are not the same; never empty."""
    reasons = []
    for kind, new in now.items():
        old = before.get(kind, {})
        if kind == "cells":
            reasons += ["its code cells changed"] if old != new else []
        else:
            changed = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
            reasons += [_difference(name, old.get(name), new.get(name), kind) for name in changed]
    return reasons or ["the way of taking fingerprints changed"]


def _difference(name: str, old: str | None, new: str | None, kind: str) -> str:
    subject = {"data": f"data set {name}", "studies": f"stored study {name}"}.get(kind, name)
    if old is None:
        return f"{subject} came in"
    if new is None:
        return f"{subject} is used no more"
    return f"{subject} {old} → {new}" if kind == "packages" else f"{subject} changed"


def _read(notebook: Path | Mapping) -> tuple[Mapping, str]:
    if isinstance(notebook, Mapping):
        return notebook, notebook.get("metadata", {}).get("title") or "the notebook"
    try:
        node = json.loads(Path(notebook).read_text(encoding="utf-8"))
    except ValueError as error:
        raise FingerprintError(f"{notebook} is not a valid notebook: {error}") from error
    if not isinstance(node, dict) or node.get("nbformat") != 4 or not isinstance(node.get("cells"), list):
        raise FingerprintError(f"{notebook} is not a valid notebook: it has no cells in the format nbformat 4")
    return node, Path(notebook).name


def _cells(node: Mapping) -> list[Mapping]:
    return [cell for cell in node["cells"] if cell["cell_type"] == "code"]


def _joined(value: Any) -> Any:
    """Texts, which files hold as lists of lines, as they are in memory."""
    if isinstance(value, Mapping):
        return {key: _joined(below) for key, below in value.items()}
    if isinstance(value, list) and value and all(isinstance(line, str) for line in value):
        return "".join(value)
    return value


def _source(cell: Mapping) -> str:
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def _code_cells(node: Mapping, left_out: set[str], name: str):
    for number, cell in enumerate(_cells(node), 1):
        if left_out.isdisjoint(cell.get("metadata", {}).get("tags", [])):
            source = _source(cell)
            tree = syntax.parse_cell(source, f"{name}, code cell {number}")
            if tree is not None:
                yield source, tree


@lru_cache(maxsize=512)
def _module(path: Path, _: int) -> tuple[str, frozenset[str]]:
    tree = syntax.parse_module(path.read_text(encoding="utf-8"), str(path))
    return syntax.module_hash(tree), frozenset(syntax.string_constants(tree))
