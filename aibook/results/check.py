"""Problems of the book's results: each says what is wrong and the command that mends it."""

from collections.abc import Iterable

from aibook import house, studies
from aibook.recordbook import Record
from aibook.results import bands
from aibook.results.collect import Results

LANGUAGES = ("en", "zh_CN")


def problems(book: Iterable[Results]) -> list[str]:
    """All problems of the book's committed results; empty when they may be published."""
    book = list(book)
    known = {results.notebook for results in book}
    found = [problem for results in book for problem in _of_notebook(results)]
    for name in bands.read().keys() - known:
        found.append(f"{name}: tests/expected.yml has bands for it, but there is no such notebook")
    for path in sorted(house.STUDIES.glob("*.json")):
        name = studies.read(path)["notebook"]  # or a benchmark, which writes its own study
        if name not in known and not (name.startswith("benchmarks/") and (house.ROOT / f"{name}.py").is_file()):
            found.append(f"{name}: there is a study {path.name}, but no such notebook")
    return found


def outside(results: Results, records: dict[str, Record], *, slack: float = 1.0) -> list[str]:
    """Those of `records` (the notebook's own, or of a new execution) that are not where their band says.

    slack: times the half-width of each band.
    """
    found = []
    for name, entry in results.expected.items():
        if name not in records:
            found.append(f"{results.notebook}: {name} is in tests/expected.yml, but the notebook records no such thing")
            continue
        if "band" not in entry:
            continue
        record, (low, high) = records[name], entry["band"]
        if not record.banded:
            found.append(f"{results.notebook}: {name} is a time or a curve, and has a band; take the band out")
        elif abs(record.value - (low + high) / 2) > slack * (high - low) / 2 + 1e-9 * abs(high):
            value = f"{record.value} {record.unit}".strip()
            found.append(
                f"{results.notebook}: {name} = {value} is outside its band [{low}, {high}]; "
                f"to measure it again over seeds:\n    {results.command}"
            )
    return found


def _of_notebook(results: Results) -> list[str]:
    name, found = results.notebook, []
    run = f"aibook run notebooks/{name}.ipynb"
    if results.stale:
        found.append(f"{name}: its outputs are out of date ({'; '.join(results.stale)}):\n    {run}")
    found += outside(results, results.records)
    for record in results.records.values():
        if record.banded and "band" not in results.expected.get(record.name, {}):
            found.append(f"{name}: {record.name} has no band in tests/expected.yml:\n    {results.command}")
    for profile, reasons in results.stale_studies.items():
        seeds = len(results.studies[profile]["seeds"])
        found.append(
            f"{name}: its {profile} study is out of date ({'; '.join(reasons)}):\n"
            f"    aibook run --seeds {seeds} --profile {profile} notebooks/{name}.ipynb"
        )
    for record, entry in results.expected.items():
        if "published" in entry and not _complete(entry["published"]):
            found.append(
                f"{name}: {record}: `published` needs a value, a cite, and a note in {' and '.join(LANGUAGES)}"
            )
    return found


def _complete(published: dict) -> bool:
    return {"value", "cite", "note"} <= published.keys() and set(LANGUAGES) <= set(published["note"])
