"""`aibook translate`: bring the catalogs up to date, and say what is missing or wrong."""

from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aibook import house
from aibook.translate import glossary, sources
from aibook.translate.catalog import Catalog, CatalogError
from aibook.translate.check import document_problems, unit_problems, unit_warnings
from aibook.translate.tree import LANGUAGES


@dataclass
class Report:
    """The state of one catalog; a problem is (location, text, what is wrong)."""

    path: Path
    units: int = 0
    missing: int = 0
    fuzzy: int = 0
    outdated: bool = False
    problems: list[tuple[str, str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return not (self.missing or self.fuzzy or self.outdated or self.problems)


def main(*, check: bool = False, root: Path | None = None, console: Console | None = None) -> int:
    """Update the catalogs and return 0; with `check` write nothing, and return 1 where a translation is not ready."""
    console = console or Console()
    try:
        reports = [r for language in LANGUAGES for r in survey(root or house.ROOT, language, update=not check)]
    except (sources.SourceError, CatalogError) as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    _print(reports, console)
    return int(check and not all(report.done for report in reports))


def survey(root: Path, language: str, *, update: bool) -> list[Report]:
    """A report for each source file; with `update` the catalogs are written first.

    Raises SourceError and CatalogError where a file cannot be read.
    """
    terms = glossary.terms(root)
    expected = {}
    for path in sources.files(root):
        documents = sources.documents(root, path)
        if any(places for _, places in documents):
            expected[path] = documents
    folder = root / sources.catalog_path(Path("x"), language).parent
    catalogs = {root / sources.catalog_path(path, language) for path in expected}
    orphans = sorted(path for path in folder.rglob("*.po") if path not in catalogs)
    if update:
        for path, documents in expected.items():
            _update(Catalog(root / sources.catalog_path(path, language)), documents, language)
        for path in orphans:
            path.unlink()
        orphans = []
    reports = [_report(root, path, documents, language, terms) for path, documents in expected.items()]
    return reports + [Report(path.relative_to(root), outdated=True) for path in orphans]


def _update(catalog: Catalog, documents: list, language: str) -> None:
    text = catalog.update([place for _, places in documents for place in places], language)
    if text != catalog.text:
        catalog.path.parent.mkdir(parents=True, exist_ok=True)
        catalog.path.write_text(text, encoding="utf-8")


def _report(root: Path, path: Path, documents: list, language: str, terms: dict[str, list[str]]) -> Report:
    catalog = Catalog(root / sources.catalog_path(path, language))
    report = Report(path)
    report.outdated = catalog.text != catalog.update([p for _, places in documents for p in places], language)
    seen = set()
    for document, places in documents:
        valid = {}
        for place in places:
            unit, text, entry = place.unit, catalog.translation(place), catalog.entry(place)
            if text is not None:
                valid[unit.text] = text
            if (unit.text, text) in seen:
                continue
            seen.add((unit.text, text))
            report.units += 1
            if text is None:
                report.fuzzy += bool(entry is not None and entry.fuzzy)
                report.missing += not (entry is not None and entry.fuzzy)
                continue
            for what in unit_problems(unit, text, document.env, keep=catalog.keeps(place)):
                report.problems.append((place.location, text, what))
            for what in unit_warnings(unit, text, document.env, terms):
                report.warnings.append((place.location, text, what))
        for unit, what in document_problems(document, valid):
            report.problems.append((next(p.location for p in places if p.unit is unit), valid[unit.text], what))
    return report


def _print(reports: list[Report], console: Console) -> None:
    table = Table("text", box=None, pad_edge=False)
    for header in ("units", "missing", "fuzzy", "problems", "warnings"):
        table.add_column(header, justify="right")
    table.add_column("")
    for report in reports:
        counts = (report.units, report.missing, report.fuzzy, len(report.problems), len(report.warnings))
        state = "[yellow]out of date[/]" if report.outdated else "[green]done[/]" if report.done else "[red]to do[/]"
        table.add_row(report.path.as_posix(), *(str(count) if count else "·" for count in counts), state)
    console.print(table)
    if any(report.outdated for report in reports):
        console.print("Run `aibook translate` to bring the catalogs up to date.", highlight=False)
    for style, name in (("red", "problems"), ("yellow", "warnings")):
        for report in reports:
            for location, text, what in getattr(report, name):
                console.print(Text.assemble((location, style), f" {what}"), soft_wrap=True)
                console.print(Text(f"    {text}", style="dim"), no_wrap=True, overflow="ellipsis")
