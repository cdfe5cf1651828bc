"""What the committed notebooks, the stored studies and `tests/expected.yml` say, gathered by notebook."""

from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from aibook import house, recordbook, studies
from aibook.recordbook import Record
from aibook.results import bands


@dataclass(frozen=True)
class Results:
    """Results of one notebook."""

    notebook: str
    """Such as "cv/01-image-recognition"."""
    execution: dict
    """`metadata.aibook`, as `aibook run` stamps it; empty for a notebook that was never executed."""
    records: dict[str, Record]
    """Figures repeated from a study are left out."""
    studies: dict[str, dict]
    """Stored studies by profile."""
    expected: dict[str, dict]
    """Entries of `tests/expected.yml` by record."""
    stale: list[str] = field(default_factory=list)
    """Why the notebook's outputs are out of date."""
    stale_studies: dict[str, list[str]] = field(default_factory=dict)
    """Why studies are out of date, by profile; only those that are."""

    @property
    def command(self) -> str:
        """What measures the notebook's records again over seeds and sets their bands."""
        seeds = len(self.studies["laptop"]["seeds"]) if "laptop" in self.studies else 5
        path = f"notebooks/{self.notebook}.ipynb"
        return f"aibook run --seeds {seeds} {path} && aibook results --set-bands {path}"


def collect(freshness: bool = True) -> list[Results]:
    """Results of every notebook of the book; without `freshness`, nothing is looked up about what is stale."""
    expected = bands.read()
    return [_one(path, expected, freshness) for path in house.notebooks()]


def _one(path: Path, expected: dict, freshness: bool) -> Results:
    node = nbformat.read(path, as_version=4)
    name, stored = studies.key(path), studies.of(path)
    stale, stale_studies = [], {}
    if freshness:
        from aibook.fingerprint import FingerprintError, why_stale

        try:
            stale = why_stale(node)
        except FingerprintError as error:
            stale = [str(error)]
        stale_studies = {profile: why for profile, study in stored.items() if (why := studies.stale(study))}
    records = {key: record for key, record in recordbook.read(node).items() if record.kind != "study"}
    execution = node.metadata.get("aibook", {})
    return Results(name, execution, records, stored, expected.get(name, {}), stale, stale_studies)
