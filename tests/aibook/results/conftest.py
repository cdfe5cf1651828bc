"""A book of one notebook in a temporary folder, with a fingerprint that the test turns by hand."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from aibook import house, studies

PREFIX = "application/papermill.record/"


@dataclass
class Book:
    """The temporary book, and what the fakes answer."""

    root: Path
    cells: str = "a"
    helpers: dict = field(default_factory=lambda: {"helpers.training": "1"})
    stale: list = field(default_factory=list)

    @staticmethod
    def record(name, value, unit="%", better="higher", kind="result"):
        """What `helpers.records.record` leaves in a cell (tests/helpers/test_records.py reads the real thing back)."""
        return new_output(
            "display_data",
            data={f"{PREFIX}text/plain": repr(value)},
            metadata={
                "scrapbook": {"name": name, "mime_prefix": PREFIX, "has_prefix": True},
                "aibook": {"value": value, "unit": unit, "better": better, "kind": kind},
            },
        )

    def write(self, *outputs, name="cv/01-seen", profile="laptop", to=None) -> Path:
        """A notebook with these records, executed in `profile`."""
        cells = [new_markdown_cell("# Seen"), new_code_cell("...", outputs=list(outputs))]
        stamp = {"profile": profile, "cpu_seconds": 61.3, "wall_seconds": 31.0, "peak_mb": 812.0, "machine": "EPYC"}
        stamp["date"] = "2026-11-23T03:00:00Z"
        notebook = new_notebook(cells=cells, metadata={"aibook": stamp, "language_info": {"name": "python"}})
        path = to or house.NOTEBOOKS / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
        return path

    def run(self, seed, *outputs, status="ok"):
        """One run of a study: seed, executed notebook, outcome."""
        path = self.write(*outputs, to=self.root / "runs" / f"{seed}.ipynb")
        return seed, path, SimpleNamespace(status=status, cpu_seconds=60.04 + seed, wall_seconds=30.0, machine="EPYC")

    def study(self, notebook, values=(92.0, 93.0, 94.0, 93.0, 93.0), profile="laptop"):
        runs = [self.run(seed, self.record("accuracy", value)) for seed, value in enumerate(values)]
        return studies.store(notebook, profile, runs)


@pytest.fixture
def book(tmp_path, monkeypatch):
    root = tmp_path.resolve()
    monkeypatch.setattr(house, "ROOT", root)
    monkeypatch.setattr(house, "NOTEBOOKS", root / "notebooks")
    monkeypatch.setattr(house, "STUDIES", root / "helpers" / "studies")
    monkeypatch.setattr(house, "EXPECTED", root / "tests" / "expected.yml")
    for folder in (house.NOTEBOOKS, house.STUDIES, house.EXPECTED.parent):
        folder.mkdir(parents=True)
    book = Book(root)

    def fingerprint(_notebook, *, study=False):
        assert study
        parts = {"cells": book.cells, "helpers": book.helpers, "packages": {}, "data": {}}
        return SimpleNamespace(hash=repr(parts), parts=parts)

    monkeypatch.setattr("aibook.fingerprint.fingerprint", fingerprint)
    monkeypatch.setattr("aibook.fingerprint.why_stale", lambda _node: book.stale)
    return book
