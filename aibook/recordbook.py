"""Records as they stand in an executed notebook."""

from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

Value = int | float | list[int | float]


@dataclass(frozen=True)
class Record:
    """What `helpers.records.record` kept; see there for the fields."""

    name: str
    value: Value
    unit: str
    better: str | None
    kind: str

    @property
    def banded(self) -> bool:
        """Whether the record must lie in a band: a single number that is a result."""
        return self.kind == "result" and not isinstance(self.value, list)


def read(notebook: NotebookNode | Path) -> dict[str, Record]:
    """Records of an executed notebook by name, in the order of the notebook; of two by one name, the last."""
    node = nbformat.read(notebook, as_version=4) if isinstance(notebook, Path) else notebook
    records = {}
    for cell in node.cells:
        for output in cell.get("outputs", []):
            metadata = output.get("metadata", {})
            if "scrapbook" in metadata and "aibook" in metadata:
                name, kept = metadata["scrapbook"]["name"], metadata["aibook"]
                records[name] = Record(name, kept["value"], kept["unit"], kept["better"], kept["kind"])
    return records
