"""The store of results: whole after whatever happens, and it knows what grading anew has changed."""

import os
import sqlite3
import stat
import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest

from aibook import house
from aibook.labs import store
from aibook.labs.grading import Mark, Result
from aibook.labs.store import Store, StoreError


def mark(part, points, out_of=2.0):
    return Mark("task", part, points, out_of, "right", ("title", "标题"), ("right", "正确"), 0.5)


RESULT = Result(
    "anna", "01-toy", "a.ipynb", "f" * 64, "grader 1", (mark("one", 2.0), mark("two", 0.5)), ("", ""),
    (("Cell 3 failed", "第 3 个单元出错"),), (("why", 3.0, "Because <b>of</b> 因为"),), 1.5, 200.0, "2026",
)  # fmt: skip


@pytest.fixture
def path(tmp_path):
    return tmp_path / "grades.sqlite"


def test_what_is_put_comes_back_equal(path):
    with Store(path) as grades:
        assert grades.put(RESULT) is None
        assert grades.get("anna", "01-toy") == RESULT and grades.get("anna", "02") is None
    with Store(path) as grades:
        assert grades.results() == [RESULT] == grades.results("01-toy") and grades.results("02") == []
        assert grades.current() == {("anna", "01-toy"): ("f" * 64, "grader 1")}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_grading_anew_says_whose_marks_changed_and_why(path):
    with Store(path) as grades:
        grades.put(RESULT)
        assert grades.put(replace(RESULT, graded_at="later", cpu_seconds=9)) is None
        again = replace(RESULT, marks=(mark("one", 1.0), mark("three", 2.0)), grader="grader 2")
        change = grades.put(again)
        assert (change.why, change.before, change.after) == ("grader", 2.5, 3.0)
        assert change.parts == (("one", 2.0, 1.0), ("two", 0.5, None), ("three", None, 2.0))
        other = grades.put(replace(RESULT, sha256="0" * 64))
        assert other.why == "submission"
        assert grades.history() == [change, other] == grades.history("anna", "01-toy")
        assert grades.history("ben") == grades.history(lab="02") == []


def test_a_full_disk_is_named_and_nothing_is_lost(path):
    with Store(path) as grades:
        grades.put(RESULT)
        pages = grades._db.execute("PRAGMA page_count").fetchone()[0]
        grades._db.execute(f"PRAGMA max_page_count = {pages}")
        big = replace(RESULT, student="ben", answers=(("why", 3.0, "x" * 100_000),))
        with pytest.raises(StoreError, match="the disk is full"):
            grades.put(big)
        assert grades.results() == [RESULT]
        grades._db.execute("PRAGMA max_page_count = 100000")
        grades.put(big)
        assert grades.results() == [RESULT, big]


def test_a_locked_database_is_named(path, monkeypatch):
    monkeypatch.setattr(store, "PATIENCE", 0.05)
    with Store(path) as grades:
        grades.put(RESULT)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="another program is writing"):
            grades.put(replace(RESULT, student="ben"))
        other.execute("ROLLBACK")
        other.close()
        assert grades.results() == [RESULT]


def test_a_process_that_is_killed_leaves_whole_results(path):
    program = f"""
        import os, sys
        from dataclasses import replace
        from pathlib import Path
        from aibook.labs.store import Store
        from tests.aibook.labs.test_store import RESULT
        grades = Store(Path({str(path)!r}))
        for number in range(20):
            grades.put(replace(RESULT, student=str(number)))
        grades._db.execute("BEGIN IMMEDIATE")
        grades._db.execute("DELETE FROM results")
        os.kill(os.getpid(), 9)
    """
    environment = os.environ | {"PYTHONPATH": str(house.ROOT)}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=environment)
    assert done.returncode == -9
    with Store(path) as grades:
        assert len(grades.results()) == 20


def test_files_that_are_not_ours_are_left_alone(tmp_path):
    text = tmp_path / "text"
    text.write_text("these are no grades, these are words" * 100)
    with pytest.raises(StoreError, match="no database"):
        Store(text)
    foreign = tmp_path / "foreign"
    with sqlite3.connect(foreign) as db:
        db.execute("CREATE TABLE t (x)")
    db.close()
    with pytest.raises(StoreError, match="another program"):
        Store(foreign)
    newer = tmp_path / "newer"
    with Store(newer) as grades:
        grades._db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="version 99"):
        Store(newer)
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(tmp_path / "no" / "folder")
