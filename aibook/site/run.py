"""Runs Jupyter Book in a process of its own, shows how far it is, and tells its warnings by page and line."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

STAGE = re.compile(r"(reading sources|writing output|copying images)\.*\s*\[\s*(\d+)%\]")
WARNING = re.compile(r"^(?P<path>.+?)(?::(?P<line>\d+))?: (?P<level>WARNING|ERROR|CRITICAL|SEVERE): (?P<text>.*)$")
SHARE = {"reading sources": (0, 50), "writing output": (50, 45), "copying images": (95, 5)}
CELL = 10_000  # MyST-NB numbers the lines of a notebook as cell * 10,000 + line within the cell


@dataclass(frozen=True)
class Problem:
    """A warning of the build, which counts as an error: where it is and what it says."""

    place: str
    text: str


@dataclass
class Result:
    """What a build came to: `status` 0 is success; `log` is all that Sphinx printed."""

    status: int
    problems: list[Problem] = field(default_factory=list)
    log: str = ""


def build(source: Path, output: Path, on_progress: Callable[[int], None]) -> Result:
    """Build the tree `source` into `output`/html, calling `on_progress` with per cent as it goes."""
    command = [sys.executable, "-m", "aibook.site.sphinx_process", str(source), str(output)]
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", env=environment
    )
    errors: list[str] = []
    reader = threading.Thread(target=lambda: errors.extend(process.stderr), daemon=True)
    reader.start()
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if stage := STAGE.search(line):
                start, share = SHARE[stage[1]]
                on_progress(start + int(stage[2]) * share // 100)
        status = process.wait()
    finally:
        process.kill()
        reader.join()
    return Result(status, problems("".join(errors), source), "".join(lines + errors))


def problems(log: str, source: Path) -> list[Problem]:
    """Sphinx's warnings in `log`, each with its page and line, or its notebook, cell and line."""
    found: list[Problem] = []
    for line in log.splitlines():
        match = WARNING.match(line)
        if match:
            found.append(Problem(_place(match["path"], match["line"], source), match["text"].strip()))
        elif line.startswith("WARNING: "):
            found.append(Problem("the book", line.removeprefix("WARNING: ")))
        elif found and line.strip() and line[0].isspace():
            found[-1] = Problem(found[-1].place, f"{found[-1].text}\n{line.strip()}")
    return list(dict.fromkeys(found))


def _place(path: str, line: str | None, source: Path) -> str:
    page = Path(path)
    name = str(page.relative_to(source)) if page.is_relative_to(source) else path
    if not line:
        return name
    cell, within = divmod(int(line), CELL)
    if page.suffix == ".ipynb" and cell:
        return f"{name}, cell {cell}, line {within}"
    return f"{name}, line {line}"
