"""What `aibook labs grade` says: how far it is, and at the end the labs, the problems, and whose marks changed."""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from aibook.labs.grading import Result
from aibook.labs.store import Change

PLAIN_EVERY = 15.0  # seconds between two plain lines
SHOWN = 40  # lines of a list


class Silent:
    """Shows nothing."""

    def one_more(self) -> None:
        """Another submission has ended."""


class Live(Silent):
    """A bar with an estimate, on a terminal."""

    def __init__(self, bar: Progress, total: int) -> None:
        self.bar, self.task = bar, bar.add_task("grading", total=total)

    def one_more(self) -> None:
        self.bar.advance(self.task)


class Plain(Silent):
    """A line now and then, where no terminal can redraw it."""

    def __init__(self, console: Console, total: int) -> None:
        self.console, self.total, self.done = console, total, 0
        self.began = self.said = time.monotonic()

    def one_more(self) -> None:
        self.done += 1
        now = time.monotonic()
        if now - self.said < PLAIN_EVERY and self.done < self.total:
            return
        self.said = now
        rate = self.done / max(now - self.began, 1e-9)
        left = (self.total - self.done) / rate
        estimate = f", about {left / 60:.0f} min left" if left > 90 else f", about {left:.0f} s left" if left else ""
        line(self.console, f"{self.done} of {self.total} graded, {60 * rate:.0f} a minute{estimate}")


@contextmanager
def shown_on(console: Console, total: int) -> Iterator[Silent]:
    """What to tell of each submission that has ended."""
    if not console.is_terminal:
        yield Plain(console, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TextColumn("left"), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=console) as bar:
        yield Live(bar, total)


def summary(console: Console, results: Sequence[Result]) -> None:
    """One row a lab: submissions, mean, median, the task with the lowest mean; and those that could not be graded."""
    labs = sorted({result.lab for result in results if not result.problem[0]})
    if labs:
        table = Table("lab", header_style="bold")
        for header in ("submissions", "mean", "median", "of"):
            table.add_column(header, justify="right")
        table.add_column("lowest task")
        for lab in labs:
            _row(table, lab, [result for result in results if result.lab == lab and not result.problem[0]])
        console.print(table)
    listed(console, "Not graded, with no points", [
        f"{result.student}: {result.file}: {result.problem[0]}" for result in results if result.problem[0]
    ])  # fmt: skip
    broken = [(result, mark) for result in results for mark in result.marks if mark.kind == "grader"]
    listed(console, "The grader failed (mend it, and grade again)", [
        f"{result.lab}, {mark.part}, {result.student}: {mark.text[0]}" for result, mark in broken
    ], "red")  # fmt: skip


def changes(console: Console, changed: Sequence[Change]) -> None:
    """Whose marks are others than before, and in what."""
    words = {"submission": "another file", "grader": "grader or seed changed", "repeat": "same file and grader"}
    listed(console, "Marks changed", [
        f"{change.student}, {change.lab}: {change.before:g} → {change.after:g} ({words[change.why]}; "
        + ", ".join(f"{part} {_points(before)} → {_points(after)}" for part, before, after in change.parts)
        + ")"
        for change in changed
    ])  # fmt: skip


def listed(console: Console, title: str, lines: Sequence[str], colour: str = "yellow") -> None:
    """A title and a line for each, if there are any."""
    if not lines:
        return
    line(console, f"{title} ({len(lines)}):", colour)
    for text in lines[:SHOWN]:
        line(console, f"  {text}")
    if len(lines) > SHOWN:
        line(console, f"  … and {len(lines) - SHOWN} more")


def line(console: Console, text: object, colour: str = "") -> None:
    """A line of text, whatever is in it."""
    console.print(Text(str(text), style=colour), soft_wrap=True)


def _row(table: Table, lab: str, results: list[Result]) -> None:
    points = [result.points for result in results]
    shares: dict[str, list[float]] = {}
    for result in results:
        tasks: dict[str, list[float]] = {}
        for mark in result.marks:
            earned = tasks.setdefault(mark.task, [0.0, 0.0])
            earned[0], earned[1] = earned[0] + mark.points, earned[1] + mark.out_of
        for task, (earned, out_of) in tasks.items():
            shares.setdefault(task, []).append(earned / out_of if out_of else 0.0)
    means = {task: statistics.mean(found) for task, found in shares.items()}
    lowest = min(means, key=means.get, default="")
    of = max(sum(mark.out_of for mark in result.marks) for result in results)
    table.add_row(lab, str(len(results)), f"{statistics.mean(points):.1f}", f"{statistics.median(points):.1f}",
                  f"{of:g}", f"{lowest} ({means[lowest]:.0%})" if lowest else "")  # fmt: skip


def _points(points: float | None) -> str:
    return "–" if points is None else f"{points:g}"
