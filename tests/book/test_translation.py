"""The Chinese edition of the book is complete, up to date, keeps the structure of the English, and reads as Chinese."""

from pathlib import Path

import nbformat
import pytest

from aibook import house
from aibook.translate import sources, tree
from aibook.translate.catalog import Catalog
from aibook.translate.command import survey


@pytest.fixture(scope="module")
def reports():
    return survey(house.ROOT, "zh_CN", update=False)


@pytest.mark.parametrize("path", sources.files(house.ROOT), ids=str)
def test_translation(reports, path):
    report = next((report for report in reports if report.path == path), None)
    if report is None:
        assert sources.places(house.ROOT, path) == [], f"{path} has texts but no report"
        return
    todo = f"{report.missing} missing, {report.fuzzy} fuzzy{', out of date' if report.outdated else ''}"
    problems = "\n".join(f"{location}: {what}\n    {text}" for location, text, what in report.problems)
    assert report.done, f"{path}: {todo}; run `aibook translate`, then `aibook translate --check`\n{problems}"


def test_no_catalog_without_a_source(reports):
    assert [report.path for report in reports if report.path.suffix == ".po"] == []


def test_the_chinese_tree_has_the_same_code_and_outputs(tmp_path):
    tree.write("zh_CN", tmp_path)
    for path in house.notebooks():
        source = nbformat.read(path, as_version=4)
        chinese = nbformat.read(tmp_path / path.relative_to(house.ROOT), as_version=4)
        assert [cell.source for cell in chinese.cells if cell.cell_type == "code"] == [
            cell.source for cell in source.cells if cell.cell_type == "code"
        ]
        assert [cell.get("outputs") for cell in chinese.cells] == [cell.get("outputs") for cell in source.cells]
        assert [cell.id for cell in chinese.cells] == [cell.id for cell in source.cells]


def test_the_title_of_the_book():
    catalog = Catalog(house.LOCALE / "zh_CN/_config.po")
    titles = [catalog.translation(place) for place in sources.places(house.ROOT, Path("_config.yml"))]
    assert "人工智能应用简介" in titles
