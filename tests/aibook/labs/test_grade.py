"""`aibook labs grade`: everyone graded once, whatever happens meanwhile, and it says what it did."""

import io
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from aibook.labs import grade, grading, masters, pool, report, sandbox
from aibook.labs.session import Stopped
from aibook.labs.store import Store, StoreError
from tests.aibook.labs import boxes, toylab

BOOK = Path(__file__).resolve().parents[3]
SLOW = toylab.GRADER.replace("    for _ in range(2):\n", "    import time\n    time.sleep(1)\n    for _ in range(2):\n")


@pytest.fixture
def toy(tmp_path, monkeypatch):
    return toylab.house(tmp_path / "house", monkeypatch)


@pytest.fixture
def course(tmp_path):
    """A folder of submissions, and a seed."""
    (tmp_path / "seed").write_text(toylab.SECRET + "\n")
    folder = tmp_path / "submissions"
    folder.mkdir()
    return folder


@pytest.fixture
def run(course, capsys):
    def grade_all(**more):
        more = {"seed_file": course.parent / "seed", "jobs": 2} | more
        status = grade.main(course, **more)
        return status, " ".join(capsys.readouterr().out.split())

    return grade_all


def points(course):
    with Store(course / "grades.sqlite") as store:
        return {(result.student, result.lab): result.points for result in store.results()}


def command(course, *more):
    environment = os.environ | {"PYTHONPATH": str(BOOK)}
    line = [sys.executable, "-c", "from aibook.cli import main; main()", "labs", "grade", str(course)]
    line += ["--seed-file", str(course.parent / "seed"), *more]
    return subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def stored(course):
    try:
        return len(points(course)) if (course / "grades.sqlite").exists() else 0
    except StoreError:
        return 0


@boxes.needed
def test_a_class_is_graded_once_and_then_only_what_has_changed(toy, course, run):
    toylab.hand_in(course, "anna", toylab.submission())
    toylab.hand_in(course, "ben", toylab.submission(largest="def largest(items):\n    return items[0]"))
    toylab.hand_in(course, "ben", toylab.submission(double=None), "old.ipynb", time=1)
    toylab.hand_in(course, "carla", toylab.submission(guess="def guess(goal):\n    return goal - 0.5"), "renamed.ipynb")
    toylab.hand_in(course, "dora", b"no notebook", "01-toy-dora.ipynb")
    toylab.hand_in(course, "emil", b"no notebook", "essay.ipynb")
    (course / "fay").mkdir()
    (course / "fay" / "x.ipynb").symlink_to(course / "anna" / "01-toy.ipynb")
    toylab.hand_in(course / "gina", "deeper", toylab.submission())
    status, said = run()
    expected = {
        ("anna", "01-toy"): 7,
        ("ben", "01-toy"): 5,
        ("carla", "01-toy"): 6,
        ("dora", "01-toy"): 0,
        ("emil", ""): 0,
    }
    assert status == 0 and points(course) == expected
    assert "5 of 5 graded" in said and "fay/x.ipynb" in said and "deeper/01-toy.ipynb" in said
    assert "dora: 01-toy-dora.ipynb: The file is not a notebook" in said and "emil: essay.ipynb" in said
    assert "01-toy │ 3 │ 6.0 │ 6.0 │ 7 │ largest (67%)" in said
    with Store(course / "grades.sqlite") as store:
        assert "2 notebooks of this lab" in store.get("ben", "01-toy").cells[0][0]

    status, said = run()
    assert status == 0 and "Nothing to grade: 5 submissions" in said and "Marks changed" not in said

    toylab.hand_in(course, "ben", toylab.submission(), time=time.time() + 9)
    toylab.hand_in(course, "emil", toylab.submission(), "essay.ipynb")
    status, said = run()
    assert "3 of 5 submissions are graded already" in said
    assert "ben, 01-toy: 5 → 7 (another file; largest 0 → 2)" in said and "(1):" in said
    del expected["emil", ""]  # of that notebook nothing is kept
    assert points(course) == expected | {("ben", "01-toy"): 7, ("emil", "01-toy"): 7}

    text = (grading.FOLDER / "toy.py").read_text()
    (grading.FOLDER / "toy.py").write_text(text.replace('part("largest", 2,', 'part("largest", 4,'))
    status, said = run()
    assert "Marks changed (4)" in said and "anna, 01-toy: 7 → 9 (grader or seed changed; largest 2 → 4)" in said


@boxes.needed
def test_the_same_command_gives_the_same_marks(toy, course, run):
    for n in range(4):
        toylab.hand_in(course, f"student {n}", toylab.submission(guess=f"def guess(goal):\n    return goal - 0.{n}"))
    run()
    first = points(course)
    said = run(again=True, jobs=1)[1]
    assert points(course) == first and len(set(first.values())) == 4
    assert "Marks changed" not in said


@boxes.needed
def test_a_lab_that_is_named_is_graded_alone(toy, course, run):
    toylab.hand_in(course, "anna", b"{}", "essay.ipynb")
    said = run(lab="01-toy")[1]
    assert points(course) == {("anna", "01-toy"): 0} and "no cell with code" in said
    assert run(lab="02-none")[0] == 2


@boxes.needed
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_goes_on_where_it_was(toy, course, number):
    (grading.FOLDER / "toy.py").write_text(SLOW)
    for n in range(6):
        toylab.hand_in(course, f"student {n}", toylab.submission())
    process = command(course, "--jobs", "1")
    until(lambda: stored(course) >= 2)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    if number == signal.SIGINT:
        process.send_signal(number)  # as one does
    said = " ".join(process.communicate(timeout=60)[0].split())
    psutil.wait_procs(children, timeout=20)
    assert not any(child.is_running() for child in children)
    before = points(course)
    assert 2 <= len(before) < 6
    if number == signal.SIGINT:
        assert process.returncode == 130 and f"{len(before)} of 6 graded and stored" in said
        assert list((toy.root / "_build" / "run").iterdir()) == []
    again = command(course, "--jobs", "2")
    said = " ".join(again.communicate(timeout=120)[0].split())
    assert again.returncode == 0 and f"{len(before)} of 6 submissions are graded already" in said
    assert set(points(course).values()) == {7} and stored(course) == 6


@boxes.needed
def test_a_killed_process_is_replaced_and_all_are_graded_once(toy, course):
    (grading.FOLDER / "toy.py").write_text(SLOW)
    for n in range(5):
        toylab.hand_in(course, f"student {n}", toylab.submission())
    process = command(course, "--jobs", "2")
    until(lambda: stored(course) >= 1)
    workers = [child for child in psutil.Process(process.pid).children() if "spawn_main" in " ".join(child.cmdline())]
    workers[0].kill()
    said = " ".join(process.communicate(timeout=120)[0].split())
    assert process.returncode == 0 and "5 of 5 graded" in said and "Marks changed" not in said
    assert stored(course) == 5 and set(points(course).values()) == {7}


@boxes.needed
def test_a_submission_that_kills_its_grader_each_time_stops_nobody_else(toy, course, run):
    (grading.FOLDER / "toy.py").write_text(
        toylab.GRADER + "\n\n@grader.part('guess', 1, 't', 't')\ndef deadly(student, rng):\n"
        "    import os\n    if student.call('guess', 1.0) == 3:\n        os._exit(1)\n"
    )
    for n in range(3):
        toylab.hand_in(course, f"student {n}", toylab.submission())
    toylab.hand_in(course, "killer", toylab.submission(guess="def guess(goal):\n    return 3"))
    status, said = run()
    assert status == 1 and points(course) == {(f"student {n}", "01-toy"): 8 for n in range(3)}
    assert "killer: 01-toy.ipynb: the process that graded it was killed" in said


@boxes.needed
def test_a_full_disk_stops_the_run_and_loses_nothing(toy, course, run, monkeypatch):
    for n in range(4):
        toylab.hand_in(course, f"student {n}", toylab.submission())
    put = Store.put

    def full(store, result):
        if store.current():
            raise StoreError("grades.sqlite: the disk is full: make room, then run the same command again")
        return put(store, result)

    monkeypatch.setattr(Store, "put", full)
    status, said = run()
    assert status == 1 and "the disk is full" in said and "stored; the same command goes on" in said
    assert stored(course) == 1
    monkeypatch.setattr(Store, "put", put)
    status, said = run()
    assert status == 0 and "1 of 4 submissions are graded already" in said and stored(course) == 4


def test_a_worker_with_other_code_and_a_run_that_is_over_grade_nothing(toy, course):
    job = pool.Job("anna", toylab.LAB, toylab.hand_in(course, "anna", toylab.submission()))
    go = course / "go"
    run = pool.Run(masters.read(toylab.LAB), "another fingerprint", toylab.SECRET, course, go)
    with pytest.raises(Stopped):
        pool.grade(job, run)
    go.touch()
    with pytest.raises(pool.ClusterError, match="other code"):
        pool.grade(job, run)


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(monkeypatch):
    monkeypatch.setattr(report, "PLAIN_EVERY", 0.0)
    for terminal in (True, False):
        printed = io.StringIO()
        with report.shown_on(Console(file=printed, force_terminal=terminal, width=120), 3) as shown:
            shown.one_more()
            shown.one_more()
        assert ("2/3" if terminal else "2 of 3 graded, ") in printed.getvalue()
        assert "left" in printed.getvalue()


def test_without_a_sandbox_nothing_is_graded_unless_it_is_said_to_be_unsafe(toy, course, run, monkeypatch):
    monkeypatch.setattr(sandbox, "probe", lambda: "there is no bubblewrap")
    toylab.hand_in(course, "anna", toylab.submission())
    status, said = run()
    assert status == 1 and "No sandbox, no grading: there is no bubblewrap" in said
    assert not (course / "grades.sqlite").exists()
    status, said = run(unsafe=True)
    assert status == 0 and "do what you can do" in said and points(course) == {("anna", "01-toy"): 7}


def test_the_seed_is_made_once_for_its_owner_alone(toy, course, run, tmp_path):
    path = tmp_path / "new seed"
    status, said = run(seed_file=path)
    assert status == 2 and "--new-seed" in said
    assert len(grade.seed(path, new=True)) == 64 and stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(grade.CallError, match="there already"):
        grade.seed(path, new=True)
    path.write_text("42\n")
    with pytest.raises(grade.CallError, match="guessed"):
        grade.seed(path)
    with pytest.raises(grade.CallError, match="cannot be read"):
        grade.seed(tmp_path)


@boxes.needed
def test_no_folder_and_no_submissions_are_said(toy, course, run):
    assert "There are no notebooks" in run()[1]
    course.joinpath("grades.sqlite").unlink()
    course.rmdir()
    status, said = run()
    assert status == 2 and "is no folder" in said


@boxes.needed
def test_on_a_cluster_that_loses_a_worker_all_are_graded_once(toy, course, run):
    from distributed import LocalCluster

    (grading.FOLDER / "toy.py").write_text(SLOW)
    for n in range(6):
        toylab.hand_in(course, f"student {n}", toylab.submission())
    calls, put = [], Store.put

    def kill_one(store, result):
        if not calls:
            psutil.Process(cluster.workers[0].pid).kill()
        calls.append(result.student)
        return put(store, result)

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(Store, "put", kill_one)
        status, said = run(scheduler=cluster.scheduler_address)
    assert status == 0, said
    assert sorted(calls) == [f"student {n}" for n in range(6)]
    assert set(points(course).values()) == {7} and "6 of 6 graded" in said


@boxes.needed
def test_a_cluster_that_cannot_grade_is_named(toy, course, run, monkeypatch):
    from distributed import Client, LocalCluster

    toylab.hand_in(course, "anna", toylab.submission())
    with monkeypatch.context() as patch:
        patch.setattr("distributed.Client", lambda address, timeout: Client(address, timeout=0.2))
        status, said = run(scheduler="tcp://127.0.0.1:9")
    assert status == 1 and "no Dask scheduler answers at tcp://127.0.0.1:9" in said
    monkeypatch.setattr(sandbox, "probe", lambda: "no bubblewrap")
    with LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster:
        status, said = run(scheduler=cluster.scheduler_address)
    assert status == 1 and "1 of 1 workers have no sandbox" in said and "no bubblewrap" in said
