"""Grading against the clock, and against nbgrader: submissions a minute, CPU-seconds, memory, and what a cheat earns.

    python benchmarks/grading.py                     # all entries
    python benchmarks/grading.py --only second labs  # some of them

- `second`: a lab whose solution computes for one CPU-second with torch, two processes.
- `labs`: each of the book's labs, its own solutions handed in, two processes.
- `memory`: 500 submissions of a small lab in one run; the memory of the command and of its processes on the way.
- `nbgrader`: `nbgrader autograde` on submissions of `second`, one process, as it does.
- `otter`: `otter run` on submissions of `second`, one after the other, as it does outside of Docker; and on a cheat.
- `cheat`: marks of a notebook that solves nothing, but replaces what checks compare with, by ours and by nbgrader.

The book's environment does not have otter-grader: `AIBOOK_OTTER` names the program of another that has it, and torch.
Without one its figures are left as they are stored.

All run the commands as an instructor does, in processes of their own, with one thread each. `load` is the machine's
load average before and after. Results: `benchmarks/results/grading.json`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import nbformat
import psutil
from nbformat.v4 import new_code_cell, new_notebook

from aibook import house
from aibook.labs.grading import graders, load
from aibook.labs.release import release_node
from aibook.labs.store import FILE, Store
from benchmarks._machine import machine

RESULTS = Path(__file__).resolve().parent / "results" / "grading.json"
LAB = "01-second"
BARS = {"second": ("a_minute", ">=", 40.0), "labs": ("cpu_seconds", "<=", 15.0), "cheat": ("ours", "<=", 0.0)}
GRADER = """
from aibook.labs.compare import close
from aibook.labs.grading import Grader

grader = Grader("01-second")


@grader.part("smooth", 3, "a moving mean", "滑动平均")
def smooth(student, rng):
    x = [float(v) for v in rng.normal(size=9)]
    close(("smooth", "smooth"), student.call("smooth", x), [(a + b) / 2 for a, b in zip(x, x[1:])])
"""
SMOOTH = """
def smooth(x):
    ### BEGIN SOLUTION
    began = time.process_time()
    while time.process_time() - began < SECONDS:
        torch.ones(64, 64) @ torch.ones(64, 64)
    x = torch.tensor(x)
    return (x[1:] + x[:-1]) / 2
    ### END SOLUTION
"""
CHECK = "assert torch.allclose(smooth([1.0, 2.0, 4.0]), torch.tensor([1.5, 3.0]))"
OTTER = os.environ.get("AIBOOK_OTTER") or shutil.which("otter")
OTTER_TEST = f"""
OK_FORMAT = True
code = {CHECK.removeprefix("assert ")!r}
case = {{"code": f">>> bool({{code}})\\nTrue", "hidden": False, "locked": False}}
suite = {{"cases": [case], "scored": True, "setup": "", "teardown": "", "type": "doctest"}}
test = {{"name": "smooth", "points": 3, "suites": [suite]}}
"""
CHEAT = "def smooth(x):\n    return x\n\n\ntorch.allclose = lambda *a, **k: True"


# ---------------------------------------------------------------------------------------------------- what is handed in
def nbgrader_cell(source: str, grade_id: str, points: float = 0) -> nbformat.NotebookNode:
    grading = {"grade_id": grade_id, "grade": bool(points), "solution": not points, "locked": bool(points),
               "schema_version": 3, "task": False} | ({"points": points} if points else {})  # fmt: skip
    return new_code_cell(source, metadata={"nbgrader": grading})


def lab(root: Path, *, seconds: float = 1.0, torch: bool = True) -> nbformat.NotebookNode:
    """Write the toy lab and its grader into a house of its own; return the master.

    Without torch its solution takes no time, and neither does its start.
    """
    imports, source, check = "import time\n\nimport torch", SMOOTH.replace("SECONDS", str(seconds)), CHECK
    if not torch:
        imports, check = "import time", "assert smooth([1.0, 2.0]) == [1.5]"
        source = "def smooth(x):\n    ### BEGIN SOLUTION\n    return [(a + b) / 2 for a, b in zip(x, x[1:])]\n"
        source += "    ### END SOLUTION\n"
    given = new_code_cell(imports, metadata={"tags": ["graded"]})
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [given, nbgrader_cell(source.strip(), "smooth"), nbgrader_cell(check, "check-smooth", 3)]
    master = new_notebook(cells=cells, metadata=kernel)
    folder = root / "notebooks" / "labs"
    (folder / "grading").mkdir(parents=True)
    (root / "helpers").mkdir()
    (root / "helpers" / "__init__.py").touch()
    (folder / "grading" / "second.py").write_text(GRADER)
    nbformat.write(master, folder / f"{LAB}.ipynb")
    return master


def solved(master: nbformat.NotebookNode, answer: str | None = None) -> nbformat.NotebookNode:
    """The student version with the master's own solutions in it, or with another answer."""
    student = release_node(master)
    for cell, own in zip(student.cells, master.cells, strict=True):
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = answer or "\n".join(line for line in own.source.splitlines() if " SOLUTION" not in line)
    return student


def hand_in(folder: Path, node: nbformat.NotebookNode, count: int, name: str = LAB, student: str = "student") -> Path:
    for number in range(count):
        path = folder / f"{student}{number:03}" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(node, path)
    return folder


# ----------------------------------------------------------------------------------------------------------- the runs
def grade(root: Path, submissions: Path, jobs: int, watch: Callable[[psutil.Process], None] | None = None) -> dict:
    """Run `aibook labs grade` and return its wall seconds, with what is stored of it."""
    seed = submissions.parent / "seed"
    seed.write_text("the benchmark's own secret")
    command = [sys.executable, "-c", "from aibook.cli import main; main()", "labs", "grade", str(submissions)]
    environment = os.environ | {"AIBOOK_ROOT": str(root), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(house.ROOT)}
    began = time.monotonic()
    process = psutil.Popen([*command, "--seed-file", str(seed), "--jobs", str(jobs)], env=environment,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip
    if watch:
        watch(process)
    said = process.communicate()[0]
    if process.returncode:
        raise RuntimeError(said)
    wall = time.monotonic() - began
    with Store(submissions / FILE) as store:
        results = store.results()
    return {
        "submissions": len(results),
        "wall_seconds": round(wall, 1),
        "a_minute": round(60 * len(results) / wall, 1),
        "cpu_seconds": round(statistics.mean(result.cpu_seconds for result in results), 2),
        "most_cpu_seconds": max(result.cpu_seconds for result in results),
        "peak_mb": max(result.peak_mb for result in results),
        "points": sorted({result.points for result in results}),
    }


def second(folder: Path) -> dict[str, Any]:
    node = solved(lab(folder / "house"))
    return grade(folder / "house", hand_in(folder / "submissions", node, 60), jobs=2)


def labs(folder: Path, count: int = 2) -> dict[str, Any]:
    """Each lab of the book, solved: CPU-seconds of its dearest submission, points, and points to be had."""
    each = {}
    for lab_name in sorted(graders()):
        master = nbformat.read(house.NOTEBOOKS / "labs" / f"{lab_name}.ipynb", as_version=4)
        submissions = hand_in(folder / lab_name / "submissions", solved(master), count, lab_name)
        found = grade(house.ROOT, submissions, jobs=2)
        of = sum(part.points for part in load(lab_name).parts)
        each[lab_name] = {"cpu_seconds": found["most_cpu_seconds"], "points": found["points"], "of": of}
    return {"submissions": count, "cpu_seconds": max(found["cpu_seconds"] for found in each.values()), "each": each}


def memory(folder: Path, count: int = 500, marks: tuple[int, ...] = (50, 250, 500)) -> dict[str, Any]:
    """Peak resident MB of the command, and resident MB of its other processes together, when so many are stored."""
    node = solved(lab(folder / "house", torch=False))
    submissions = hand_in(folder / "submissions", node, count)
    seen: dict[str, dict[str, float]] = {}

    def watch(process: psutil.Process) -> None:
        waiting = list(marks)
        while waiting and process.poll() is None:
            time.sleep(0.1)
            if _stored(submissions) >= waiting[0] - 5 * (waiting[0] == count):  # it may end before a last look
                status = Path(f"/proc/{process.pid}/status").read_text()
                peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
                others = sum(child.memory_info().rss for child in process.children()) / 2**20
                seen[str(waiting.pop(0))] = {"command_mb": round(peak, 1), "others_mb": round(others, 1)}

    return grade(folder / "house", submissions, 2, watch) | {"at": seen}


def nbgrader(folder: Path, count: int = 6) -> dict[str, Any]:
    wall, cpu, scores = _autograded(folder, {f"student{n}": solved for n in range(count)})
    return _of_others(count, wall, cpu, scores.values())


def otter(folder: Path, count: int = 6) -> dict[str, Any]:
    wall, cpu, scores = _run_by_otter(folder, [solved] * count)
    *_, (cheat,) = _run_by_otter(folder / "cheat", [cheated])
    return _of_others(count, wall, cpu, scores) | {"cheat": cheat}


def _of_others(count: int, wall: float, cpu: float, scores: Iterable[float]) -> dict[str, Any]:
    return {"submissions": count, "wall_seconds": round(wall, 1), "a_minute": round(60 * count / wall, 1),
            "cpu_seconds": round(cpu / count, 2), "points": sorted(set(scores))}  # fmt: skip


def cheat(folder: Path) -> dict[str, Any]:
    """Points, of 3, of a notebook that defines no right answer."""
    master = lab(folder / "house")
    ours = grade(folder / "house", hand_in(folder / "submissions", cheated(master), 1), jobs=1)
    *_, scores = _autograded(folder / "other", {"cheat": cheated})
    return {"ours": ours["points"][0], "nbgrader": scores["cheat"], "of": 3}


def cheated(master: nbformat.NotebookNode) -> nbformat.NotebookNode:
    return solved(master, CHEAT)


def _stored(submissions: Path) -> int:
    try:
        with sqlite3.connect(f"file:{submissions / FILE}?mode=ro", uri=True) as db:
            return db.execute("SELECT count(*) FROM results").fetchone()[0]
    except sqlite3.Error:
        return 0


def _nbgrader(command: str, course: Path) -> None:
    """Run an nbgrader command. It calls `alembic`, which stands beside this Python but may not be on PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", command, LAB],
        cwd=course, env=os.environ | {"OMP_NUM_THREADS": "1", "PATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"nbgrader {command} failed:\n{done.stderr[-2000:]}")


def _autograded(folder: Path, students: dict[str, Callable]) -> tuple[float, float, dict[str, float]]:
    """Wall and CPU seconds of `nbgrader autograde`, and each student's points."""
    from nbgrader.api import Gradebook

    master = lab(folder / "house")
    source = folder / "course" / "source" / LAB / f"{LAB}.ipynb"
    source.parent.mkdir(parents=True)
    nbformat.write(master, source)
    for student, make in students.items():
        path = folder / "course" / "submitted" / student / LAB / f"{LAB}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(make(master), path)
    _nbgrader("generate_assignment", folder / "course")
    began, before = time.monotonic(), _children()
    _nbgrader("autograde", folder / "course")
    wall, cpu = time.monotonic() - began, _children() - before
    with Gradebook(f"sqlite:///{folder / 'course' / 'gradebook.db'}") as gradebook:
        scores = {submission.student.id: submission.score for submission in gradebook.assignment_submissions(LAB)}
    return wall, cpu, scores


def _run_by_otter(folder: Path, makes: Sequence[Callable]) -> tuple[float, float, list[float]]:
    """Wall and CPU seconds of `otter run` on each of these, and the points of each."""
    master = lab(folder / "house")
    (folder / "tests").mkdir()
    (folder / "tests" / "smooth.py").write_text(OTTER_TEST)
    left_out = ["--no-config", "--no-requirements", "--no-environment"]
    _otter(folder, "generate", "-t", "tests", "-o", "autograder.zip", *left_out)
    wall, cpu, points = 0.0, 0.0, []
    for number, make in enumerate(makes):
        (folder / f"results{number}").mkdir()
        notebook = make(master)
        notebook.cells.insert(0, new_code_cell("import otter\ngrader = otter.Notebook()"))
        nbformat.write(notebook, folder / f"{number}.ipynb")
        began, before = time.monotonic(), _children()
        _otter(folder, "run", "-a", "autograder.zip", "-o", f"results{number}", "--no-logo", f"{number}.ipynb")
        wall, cpu = wall + time.monotonic() - began, cpu + _children() - before
        results = json.loads((folder / f"results{number}" / "results.json").read_text())
        points.append(sum(test.get("score", 0) for test in results["tests"]))
    return wall, cpu, points


def _otter(folder: Path, *arguments: str) -> None:
    done = subprocess.run([OTTER, *arguments], cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1"},
                          capture_output=True, text=True, check=False)  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"otter {arguments[0]} failed:\n{(done.stderr or done.stdout)[-2000:]}")


def _children() -> float:
    """CPU seconds of the programs that have been run and have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# ---------------------------------------------------------------------------------------------------------- the table
ENTRIES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "second": second, "nbgrader": nbgrader, "otter": otter, "cheat": cheat, "memory": memory, "labs": labs,
}  # fmt: skip


def run(name: str) -> dict[str, Any]:
    """One entry, with the machine and its load before and after."""
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="aibook-grading-") as folder:
        found = ENTRIES[name](Path(folder))
    load = [round(value, 1) for value in (before, os.getloadavg()[0])]
    return {"date": datetime.date.today().isoformat(), "machine": machine(threads=1), "load": load, **found}


def store(name: str, found: dict[str, Any], path: Path = RESULTS) -> None:
    """Put an entry in the place of its older self; the others stay."""
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    stored[name] = found
    path.parent.mkdir(exist_ok=True)
    ordered = {key: stored[key] for key in ENTRIES if key in stored}
    path.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


def table(stored: dict[str, Any]) -> str:
    """What is stored, each entry with its bar."""
    lines = []
    for name, entry in stored.items():
        figures = {key: value for key, value in entry.items() if key not in ("date", "machine")}
        lines.append(f"{name}: {figures}")
        if name in BARS:
            key, sign, bar = BARS[name]
            met = entry[key] >= bar if sign == ">=" else entry[key] <= bar
            lines.append(f"  {key} {entry[key]:g} {sign} {bar:g}: {'met' if met else 'MISSED'}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=ENTRIES, nargs="+", default=list(ENTRIES), help="entries to run")
    for name in parser.parse_args().only:
        if name == "otter" and not OTTER:
            print("otter: not installed; see the beginning of this file")
            continue
        store(name, run(name))
    print(table(json.loads(RESULTS.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
