"""How far each notebook is can be seen while it runs."""

import io

from rich.console import Console

from aibook.execute import progress
from aibook.execute.outcome import Job, Outcome


def jobs(toy):
    return [Job(path, path) for path in (toy.notebook("cv/01", "1"), toy.notebook("cv/02", "1"))]


def test_a_terminal_shows_the_cell_of_each_notebook_at_once(toy):
    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    both = jobs(toy)
    with progress.shown_on(console, both) as shown:
        shown.running(0, {})
        shown.running(0, {"cell": 3, "of": 9})
        shown.running(1, {"cell": 1, "of": 4})
        shown.bars.refresh()
        during = console.file.getvalue()
        shown.finished(0, Outcome(both[0], "ok"))
        shown.finished(1, Outcome(both[1], "timeout"))
    assert "cv/01" in during
    assert "cell 3 of 9" in during
    assert "cell 1 of 4" in during
    assert "0:00:00" in during
    after = console.file.getvalue().removeprefix(during)
    assert "done" in after
    assert "timeout" in after


def test_elsewhere_lines_come_now_and_then(toy, monkeypatch):
    console = Console(file=io.StringIO(), width=120)
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    both = jobs(toy)
    with progress.shown_on(console, both) as shown:
        for second in range(40):
            now[0] = float(second)
            shown.running(0, {"cell": 1 + second, "of": 40})
        shown.finished(0, Outcome(both[0], "ok", wall_seconds=40.04))
    assert console.file.getvalue().splitlines() == [
        "cv/01: started", "cv/01: cell 17 of 40, 16 s", "cv/01: cell 33 of 40, 32 s", "cv/01: ok, 40.0 s",
    ]  # fmt: skip


def test_nobody_looks_nothing_is_shown(toy):
    with progress.shown_on(None, jobs(toy)) as shown:
        shown.running(0, {})
        shown.finished(0, Outcome(jobs(toy)[0], "ok"))
