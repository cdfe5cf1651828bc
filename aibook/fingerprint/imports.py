"""Which modules of `helpers`, and which packages, code imports, read from source text: nothing is imported for it."""

import ast
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from threading import Lock

from aibook import house
from aibook.fingerprint import syntax

PACKAGE = "helpers"
# What imports, or can import, a module that no reader of the source could name.
FORBIDDEN_CALLS = {"__import__", "exec", "eval"}
HARMLESS_IMPORTLIB = {"importlib.metadata", "importlib.resources"}

# How data gets here. Whatever these do, what arrives is held to its checksum, and the checksums count by themselves:
# a mended download must not make every result of the book stale.
PLUMBING = ("command", "errors", "fetching", "progress", "registry", "sources", "store")

GRIMP_SETTINGS = Lock()  # they are one for all threads


class ImportFailure(Exception):
    """An import that leads nowhere; the message says which, and what to do."""


def helper_files() -> dict[str, Path]:
    """Module name → file, for every module of `helpers`."""
    root = house.ROOT / PACKAGE
    files = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


def imported_by(trees: Iterable[ast.AST], where: str) -> tuple[set[str], dict[str, str]]:
    """Modules of `helpers` that code imports, transitively; and other top-level packages → who imports them.

    A module counts with its parents' `__init__`, since importing it runs them. The standard library is left out, and
    so is the plumbing of `helpers.data`.
    Raises ImportFailure where a module of `helpers` does not exist or does not parse; `where` names the code.
    """
    files = helper_files()
    waiting: set[str] = set()
    packages: dict[str, str] = {}
    for name in {name for tree in trees for name in _import_statements(tree)}:
        if name.split(".")[0] != PACKAGE:
            packages[name.split(".")[0]] = where
        elif (module := _module(name, files)) is None:
            raise ImportFailure(f"{where} imports {name.rpartition('.')[0]}, which does not exist in {PACKAGE}/")
        else:
            waiting.add(module)
    modules: set[str] = set()
    graph = _graph(_state(files)) if waiting else None
    while waiting:
        module = waiting.pop()
        if _is_plumbing(module):
            continue
        modules.add(module)
        waiting |= {module.rpartition(".")[0]} & files.keys()
        for name in graph.find_modules_directly_imported_by(module):
            if name in files:
                waiting.add(name)
            else:
                packages.setdefault(name.split(".")[0], module)
        waiting -= modules
    for name in (sys.stdlib_module_names | {PACKAGE}) & packages.keys():
        del packages[name]
    return modules, packages


def dynamic_imports(path: Path) -> list[str]:
    """Places, as "file:line what", where a file imports what its text does not name, which hides a dependency."""
    found = []
    for node in ast.walk(syntax.parse_module(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            found.append((node.lineno, f"{node.func.id}(…)"))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = {n.removesuffix(".*") for n in _import_statements(node)}
            if any(n.split(".")[0] in {"importlib", "runpy", "imp"} and not _harmless(n) for n in names):
                found.append((node.lineno, ast.unparse(node)))
    return [f"{path}:{line} {what}" for line, what in sorted(found)]


def _is_plumbing(module: str) -> bool:
    parts = module.split(".")
    return parts[:2] == [PACKAGE, "data"] and len(parts) > 2 and parts[2] in PLUMBING


def _harmless(name: str) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in HARMLESS_IMPORTLIB)


def _import_statements(tree: ast.AST) -> Iterable[str]:
    """What is imported, as "module.attribute", where a whole module's attribute is *."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"{alias.name}.*" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _module(name: str, files: dict[str, Path]) -> str | None:
    """The module that an imported dotted name stands for: itself, or the one that has it as an attribute."""
    if name in files:
        return name
    parent = name.rpartition(".")[0]
    return parent if parent in files else None


def _state(files: dict[str, Path]) -> tuple:
    return tuple((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files.values())


@lru_cache(maxsize=4)
def _graph(state: tuple):
    """Import graph of `helpers` as it stands in this house, which need not be the one that Python would import."""
    import grimp.exceptions
    from grimp.application.config import settings
    from grimp.application.ports.packagefinder import AbstractPackageFinder

    class InThisHouse(AbstractPackageFinder):
        def determine_package_directories(self, package_name, file_system):
            return {str(house.ROOT / package_name)}

    with GRIMP_SETTINGS:
        usual = settings.PACKAGE_FINDER
        settings.configure(PACKAGE_FINDER=InThisHouse())
        try:
            return grimp.build_graph(
                PACKAGE, include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None
            )
        except grimp.exceptions.SourceSyntaxError as error:
            raise ImportFailure(str(error)) from error
        finally:
            settings.configure(PACKAGE_FINDER=usual)
