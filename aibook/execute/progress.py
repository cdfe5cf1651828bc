"""How far each notebook is: a live line each on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from aibook.execute.outcome import Job, Outcome

PLAIN_EVERY = 15.0  # seconds between two plain lines on one notebook


class Silent:
    """Shows nothing."""

    def running(self, number: int, progress: dict[str, Any]) -> None:
        """The job is at `progress["cell"]` of `progress["of"]`."""

    def finished(self, number: int, outcome: Outcome) -> None:
        """The job has its outcome."""


class Live(Silent):
    """One line a notebook, with a bar, on a terminal."""

    def __init__(self, bars: Progress, jobs: list[Job]) -> None:
        self.bars = bars
        self.tasks = [bars.add_task(job.name, start=False, total=None, state="waiting") for job in jobs]

    def running(self, number: int, progress: dict[str, Any]) -> None:
        task = self.tasks[number]
        if not self.bars.tasks[number].started:
            self.bars.start_task(task)
        state = f"cell {progress['cell']} of {progress['of']}" if progress else "starting"
        self.bars.update(task, completed=progress.get("cell", 1) - 1, total=progress.get("of"), state=state)

    def finished(self, number: int, outcome: Outcome) -> None:
        if outcome.status == "ok":
            total = self.bars.tasks[number].total or 1
            self.bars.update(self.tasks[number], completed=total, total=total, state="[green]done")
        else:
            self.bars.update(self.tasks[number], state=f"[red]{outcome.status}")
        self.bars.stop_task(self.tasks[number])


class Plain(Silent):
    """Lines of text, where no terminal can redraw them."""

    def __init__(self, console: Console, jobs: list[Job]) -> None:
        self.console, self.jobs = console, jobs
        self.began: dict[int, float] = {}
        self.said: dict[int, float] = {}

    def running(self, number: int, progress: dict[str, Any]) -> None:
        now = time.monotonic()
        began = self.began.setdefault(number, now)
        if number not in self.said:
            self._say(number, "started")
        elif progress and now - self.said[number] > PLAIN_EVERY:
            self._say(number, f"cell {progress['cell']} of {progress['of']}, {now - began:.0f} s")

    def finished(self, number: int, outcome: Outcome) -> None:
        self._say(number, f"{outcome.status}, {outcome.wall_seconds:.1f} s")

    def _say(self, number: int, what: str) -> None:
        self.said[number] = time.monotonic()
        self.console.print(f"{self.jobs[number].name}: {what}", highlight=False, soft_wrap=True)


@contextmanager
def shown_on(console: Console | None, jobs: list[Job]) -> Iterator[Silent]:
    """What to tell how far the jobs are."""
    if console is None:
        yield Silent()
    elif not console.is_terminal:
        yield Plain(console, jobs)
    else:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console) as bars:
            yield Live(bars, jobs)
