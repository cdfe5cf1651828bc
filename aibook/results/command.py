"""`aibook results`."""

import json
from pathlib import Path

from rich.console import Console

from aibook import house
from aibook.results import bands, table
from aibook.results.check import problems
from aibook.results.collect import collect


def main(*, check: bool, as_json: bool, set_bands: list[Path], console: Console | None = None) -> int:
    """Print the book's results; returns 1 when `check` finds a problem or bands cannot be set, else 0."""
    console = console or Console(highlight=False)
    if set_bands:
        try:
            for notebook in house.notebooks(set_bands):
                lines = bands.set_from_study(notebook)
                console.print("\n".join(lines) or "no band changed", markup=False, soft_wrap=True)
        except (FileNotFoundError, ValueError) as error:
            console.print(str(error), markup=False, style="red", soft_wrap=True)
            return 1
        if not (check or as_json):
            return 0
    book = collect()
    found = problems(book) if check else []
    if as_json:
        data = {"notebooks": table.as_json(book)} | ({"problems": found} if check else {})
        console.print(json.dumps(data, ensure_ascii=False, indent=2), markup=False, soft_wrap=True)
        return 1 if found else 0
    table.terminal(book, console)
    for problem in found:
        console.print(problem, markup=False, style="red", soft_wrap=True)
    if check:
        records = sum(len(results.records) for results in book)
        console.print(f"notebooks: {len(book)}, records: {records}, problems: {len(found)}")
    return 1 if found else 0
