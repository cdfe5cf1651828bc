"""Stored studies: the same notebook run with several seeds, its records kept beside this module as JSON.

A notebook shows its own live run beside such a study, so that a comparison rests on several seeds while the
notebook stays quick. `aibook run --seeds N --profile PROFILE NOTEBOOK` writes a study; nobody writes one by hand.

Import this only in cells tagged `display`: what presents a study must not make the study itself out of date.
"""

import html
import json
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from helpers.records import record

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Study:
    """Records of one notebook in one profile, one value per seed."""

    notebook: str
    profile: str
    seeds: list[int]
    machine: str
    date: str
    cpu_seconds: list[float]
    records: dict[str, dict]

    def _record(self, name: str) -> dict:
        if name not in self.records:
            known = ", ".join(sorted(self.records))
            raise KeyError(f"the {self.profile} study of {self.notebook} has no record {name!r}; it has: {known}")
        return self.records[name]

    def values(self, name: str) -> list:
        """Values of a record, in the order of `seeds`: numbers, or for a curve lists of numbers."""
        return list(self._record(name)["values"])

    def unit(self, name: str) -> str:
        """Unit of a record, such as "%"."""
        return self._record(name)["unit"]

    def mean(self, name: str) -> float | list[float]:
        """Mean over the seeds; for a curve, point by point."""
        return _over_seeds(mean, self.values(name))

    def sd(self, name: str) -> float | list[float]:
        """Sample standard deviation over the seeds (divisor n - 1); for a curve, point by point.

        Raises ValueError for a study of a single seed.
        """
        if len(self.seeds) < 2:
            raise ValueError(f"the {self.profile} study of {self.notebook} has one seed; a deviation needs two or more")
        return _over_seeds(stdev, self.values(name))

    def glue(self, *names: str) -> None:
        """Make a study's figures available to the text, under `NAME_study_mean`, `NAME_study_sd`, `NAME_study_seeds`.

        In Markdown: ``{glue:text}`NAME_study_mean:.1f` ``.
        """
        for name in names:
            unit = self.unit(name)
            record(f"{name}_study_mean", self.mean(name), unit=unit, kind="study")
            record(f"{name}_study_sd", self.sd(name), unit=unit, kind="study")
            record(f"{name}_study_seeds", len(self.seeds), kind="study")


def _over_seeds(statistic, values: list) -> float | list[float]:
    if not isinstance(values[0], list):
        return statistic(values)
    return [statistic(points) for points in zip(*values, strict=True)]


def load(notebook: str, profile: str = "study", missing_ok: bool = False) -> Study | None:
    """The stored study of a notebook, named as in "cv/01-image-recognition".

    Raises FileNotFoundError with the command that makes the study; with `missing_ok`, returns None instead.
    """
    path = FOLDER / f"{notebook.replace('/', '-')}.{profile}.json"
    if not path.exists():
        if missing_ok:
            return None
        raise FileNotFoundError(
            f"there is no {profile} study of {notebook}; make it with\n"
            f"    aibook run --seeds 5 --profile {profile} notebooks/{notebook}.ipynb"
        )
    stored = json.loads(path.read_text(encoding="utf-8"))
    return Study(**{field: stored[field] for field in Study.__dataclass_fields__})


class Comparison:
    """A small table that a notebook displays; see `comparison`."""

    def __init__(self, header: list[str], rows: list[list[str]]):
        self.header, self.rows = header, rows

    def __repr__(self) -> str:
        lines = [self.header, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.header))]
        aligned = [
            [line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))]
            for line in lines
        ]
        return "\n".join("  ".join(line).rstrip() for line in aligned)

    def _repr_html_(self) -> str:
        def row(cells: list[str], tag: str) -> str:
            first, *others = (html.escape(cell) for cell in cells)
            label = f'<th scope="row" style="text-align: left">{first}</th>' if first else "<td></td>"
            numbers = "".join(f'<{tag} style="text-align: right">{cell}</{tag}>' for cell in others)
            return f"<tr>{label}{numbers}</tr>"

        body = "".join(row(cells, "td") for cells in self.rows)
        return f'<table class="table"><thead>{row(self.header, "th")}</thead><tbody>{body}</tbody></table>'


def comparison(study: Study | None, rows: dict[str, tuple[str, float | None]], digits: int = 1) -> Comparison:
    """The live run beside the stored study: one row per label, as `{label: (record name, live value or None)}`.

    Without a study (None) its column holds dashes.
    """
    seeds = f"{len(study.seeds)} seeds" if study else "no study yet"
    cells = []
    for label, (name, live) in rows.items():
        unit = f" {study.unit(name)}".rstrip() if study else ""
        here = "—" if live is None else f"{live:.{digits}f}{unit}"
        stored = f"{study.mean(name):.{digits}f} ± {study.sd(name):.{digits}f}{unit}" if study else "—"
        cells.append([label, here, stored])
    return Comparison(["", "this run", f"mean ± sd ({seeds})"], cells)
