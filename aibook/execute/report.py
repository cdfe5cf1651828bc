"""What `aibook run` says at the end: a table of all, and each failure with what one needs to mend it."""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aibook import house
from aibook.execute.outcome import Outcome

FRAMES = 25  # lines of a traceback that are shown; the log has all


def summary(console: Console, outcomes: list[Outcome]) -> None:
    """One row a notebook."""
    table = Table("notebook", "", header_style="bold")
    for header in ("wall s", "CPU s", "peak MB", "records"):
        table.add_column(header, justify="right")
    for outcome in outcomes:
        colour = "green" if outcome.status == "ok" else "red"
        measured = (f"{outcome.wall_seconds:.1f}", f"{outcome.cpu_seconds:.1f}", f"{outcome.peak_mb:.0f}")
        table.add_row(outcome.job.name, f"[{colour}]{outcome.status}[/]", *measured, _records(outcome))
    console.print(table)


def failure(console: Console, outcome: Outcome) -> None:
    """The notebook, the cell's source, the traceback's last lines and the log's place."""
    failed = outcome.failure
    where = f", code cell {failed.cell}" if failed.cell else ""
    console.rule(Text(f"{outcome.job.name}{where}", style="bold red"), align="left")
    if failed.source:
        console.print(Text(failed.source, style="dim"))
    if failed.traceback:
        lines = "\n".join(failed.traceback).splitlines()
        console.print(Text.from_ansi("\n".join((["…"] if len(lines) > FRAMES else []) + lines[-FRAMES:])))
    console.print(Text(f"{outcome.job.name}: {failed.message}", style="red"))
    if failed.log.exists():
        console.print(Text(f"log: {short(failed.log)}"))


def error(console: Console, message: object) -> None:
    """What went wrong, or is wrong with the call."""
    console.print(Text(str(message), style="red"))


def interrupted(console: Console, outcomes: list[Outcome]) -> None:
    """What was finished before the interruption, and what was not."""
    for status, said in (("ok", "Finished"), ("cancelled", "Not finished")):
        names = [outcome.job.name for outcome in outcomes if outcome.status == status]
        console.print(f"{said}: {', '.join(names) or 'nothing'}.", highlight=False)


def short(path: Path) -> str:
    """A path as it is best shown: from the repository's root where it is below."""
    return str(path.relative_to(house.ROOT)) if path.is_relative_to(house.ROOT) else str(path)


def _records(outcome: Outcome) -> str:
    if outcome.status != "ok":
        return ""
    from aibook import recordbook

    return str(len(recordbook.read(outcome.job.output)))
