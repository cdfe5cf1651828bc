"""The results as tables on a terminal and as JSON."""

from collections.abc import Iterable
from dataclasses import asdict

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from aibook import studies
from aibook.results.collect import Results
from aibook.results.text import number, spread


def terminal(book: Iterable[Results], console: Console) -> None:
    """Print a table for each notebook, and under it where its studies come from."""
    for results in book:
        heading = _table(results) if results.records else Text(f"{results.notebook}: no records", style="bold")
        console.print(Group(heading, *_notes(results), ""))


def as_json(book: Iterable[Results]) -> list[dict]:
    """The same as plain data: one object for each notebook, one for each of its records."""
    return [
        {
            "notebook": results.notebook,
            "execution": {field: value for field, value in results.execution.items() if field != "fingerprint"},
            "stale": results.stale,
            "records": [
                asdict(record) | {"studies": _summaries(results, name)} | results.expected.get(name, {})
                for name, record in results.records.items()
            ],
            "studies": {
                profile: {field: study[field] for field in ("seeds", "machine", "date", "cpu_seconds")}
                | {"stale": results.stale_studies.get(profile, [])}
                for profile, study in results.studies.items()
            },
        }
        for results in book
    ]


def _summaries(results: Results, name: str) -> dict[str, dict]:
    found = {profile: studies.summary(study, name) for profile, study in results.studies.items()}
    return {profile: {"mean": pair[0], "sd": pair[1]} for profile, pair in found.items() if pair}


def _table(results: Results) -> Table:
    table = Table(title=results.notebook, title_justify="left", title_style="bold")
    for heading, side in (("record", "left"), ("here", "right"), ("unit", "left"), ("band", "left")):
        table.add_column(heading, justify=side)
    profiles = sorted(results.studies)
    for profile in profiles:
        table.add_column(f"{profile}: mean ± sd ({len(results.studies[profile]['seeds'])})", justify="right")
    table.add_column("published")
    for name, record in results.records.items():
        entry = results.expected.get(name, {})
        cells = [name, number(record.value), record.unit, _band(record, entry)]
        for profile in profiles:
            pair = studies.summary(results.studies[profile], name)
            cells.append(spread(*pair) if pair else "")
        published = entry.get("published")
        cells.append(f"{published['value']} ({published['cite']})" if published else "")
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _band(record, entry: dict) -> str:
    if "band" not in entry:
        return "missing" if record.banded else record.kind if record.kind == "time" else "curve"
    low, high = entry["band"]
    return f"[{low}, {high}]" if low <= record.value <= high else f"[{low}, {high}] OUTSIDE"


def _notes(results: Results) -> list[Text]:
    notes = [Text(f"outputs out of date: {'; '.join(results.stale)}", style="yellow")] if results.stale else []
    for profile, study in sorted(results.studies.items()):
        spent = f"{sum(study['cpu_seconds']):.0f} CPU-s"
        line = f"{profile}: seeds {study['seeds']}, {spent}, {study['date']}, {study['machine']}"
        why = results.stale_studies.get(profile)
        notes.append(Text(f"{line}; out of date: {'; '.join(why)}" if why else line, style="yellow" if why else "dim"))
    return notes
