"""`aibook run`: what it executes, where it writes, what it says, and its exit status."""

import importlib.util
import json
import re
from dataclasses import replace

import nbformat
import pytest

from aibook import house
from aibook.execute import command, plan, store
from aibook.execute.outcome import Failure, Job, Outcome

RECORD = """
from IPython.display import display
def record(name, value, kind):
    metadata = {"scrapbook": {"name": name}, "aibook": {"value": value, "unit": "", "better": None, "kind": kind}}
    display({"text/plain": str(value)}, raw=True, metadata=metadata)
"""
TIMED = f"""{RECORD}
import time, helpers.a
record("seconds", time.time(), "time")
record("accuracy", 0.5 + SEED / 100, "result")
"""
CHATTY = """
import matplotlib.pyplot as plt, warnings
from tqdm import tqdm
for _ in tqdm(range(3)):
    pass
warnings.warn("careful")
plt.plot([1, 2]);
plt.show()
object()
"""


@pytest.fixture
def book(toy):
    toy.module("helpers.a", "A = 1")
    toy.module("helpers.b", "B = 1")
    return toy


@pytest.fixture
def executed(monkeypatch):
    """Names of what would be executed, instead of its execution."""
    names = []

    def pretend(jobs, **_):
        names.extend(job.name for job in jobs)
        return [Outcome(job, "failed", failure=Failure("pretended", job.log)) for job in jobs]

    monkeypatch.setattr("aibook.execute.jobs.execute", pretend)
    return names


def test_executing_twice_gives_no_difference_and_the_second_time_only_if_asked(book, capsys):
    chatty, timed = book.notebook("cv/01-chatty", CHATTY), book.notebook("cv/02-timed", TIMED)
    assert command.main([]) == 0
    assert re.search(r"cv/02-timed\s+│ ok\s+│\s+[\d.]+ │\s+[\d.]+ │\s+\d+ │\s+2 │", capsys.readouterr().out)
    first = chatty.read_bytes(), timed.read_bytes()
    assert command.main([], list_stale=True) == 0
    assert command.main([]) == 0
    assert "Nothing is stale: 2 notebooks, all up to date." in capsys.readouterr().out
    assert command.main([], everything=True) == 0
    assert (chatty.read_bytes(), timed.read_bytes()) == first
    # A changed helper: what depends on it, and only that, is executed, and its time is taken anew.
    book.module("helpers.a", "A = 2")
    capsys.readouterr()
    assert command.main([], list_stale=True) == 1
    assert capsys.readouterr().out == "cv/02-timed: helpers.a changed\n"
    assert command.main([]) == 0
    assert "01-chatty" not in capsys.readouterr().out
    assert chatty.read_bytes() == first[0]
    assert timed.read_bytes() != first[1]


def test_exactly_the_dependents_of_a_helper_are_executed(book, executed):
    one, two = book.notebook("cv/01", "import helpers.a"), book.notebook("cv/02", "import helpers.b")
    assert command.main([one]) == 1
    assert executed == ["cv/01"]
    executed.clear()
    assert command.main([two.parent]) == 1
    assert executed == ["cv/01", "cv/02"]


def test_another_profile_leaves_the_committed_notebook_alone(book, capsys):
    path = book.notebook("cv/01", "print(PROFILE)")
    before = path.read_bytes()
    assert command.main([], profile="smoke") == 0
    assert "Written to _build/run/smoke/cv; the committed notebooks are untouched." in capsys.readouterr().out
    written = house.BUILD / "run" / "smoke" / "cv" / "01.ipynb"
    assert nbformat.read(written, as_version=4).cells[-1].outputs[0].text == "smoke\n"
    assert path.read_bytes() == before
    assert command.main([], profile="smoke") == 0
    assert "Nothing is stale" in capsys.readouterr().out


def test_parameters_are_set_and_their_outputs_kept_apart(book, capsys):
    path = book.notebook("cv/01", "print(PROFILE, SEED)")
    before = path.read_bytes()
    assert command.main([], profile="smoke", parameters=["SEED=7"]) == 0
    written = house.BUILD / "run" / "smoke_SEED-7" / "cv" / "01.ipynb"
    assert nbformat.read(written, as_version=4).cells[-1].outputs[0].text == "smoke 7\n"
    assert path.read_bytes() == before
    assert command.main([], profile="smoke", parameters=["WIDTH=7"]) == 1
    assert "has no parameter WIDTH" in capsys.readouterr().out


def test_another_folder_is_written_to_when_asked(book, tmp_path, capsys):
    book.notebook("cv/01", "print(PROFILE)")
    assert command.main([], into=tmp_path / "there") == 0
    assert (tmp_path / "there" / "cv" / "01.ipynb").exists()
    assert str(tmp_path / "there") in capsys.readouterr().out


def test_seeds_are_stored_as_a_study(book, capsys):
    path = book.notebook("cv/01-timed", TIMED)
    before = path.read_bytes()
    assert command.main([path], seeds=2) == 0
    study = json.loads((house.STUDIES / "cv-01-timed.laptop.json").read_text())
    assert study["seeds"] == [0, 1]
    assert study["records"]["accuracy"]["values"] == [0.5, 0.51]
    assert "Stored study of cv/01-timed: helpers/studies/cv-01-timed.laptop.json" in capsys.readouterr().out
    assert path.read_bytes() == before


def test_a_failed_seed_stores_no_study(book, capsys):
    path = book.notebook("cv/01", "1 / (1 - SEED)")
    assert command.main([path], seeds=2) == 1
    assert not house.STUDIES.exists()
    assert "seed 1: failed" in capsys.readouterr().out


@pytest.fixture
def edit_before_seed_1(monkeypatch):
    """As when the helper `helpers.a` is saved between two seeds: the second one's notebook says so by itself."""
    stored = store.store

    def edit(job, prepared, executed, measured):
        if job.parameters["SEED"] == 1:
            parts = prepared.fingerprint.parts
            assert "helpers.a" in parts["helpers"]
            edited = parts | {"helpers": parts["helpers"] | {"helpers.a": "edited"}}
            prepared = replace(prepared, fingerprint=replace(prepared.fingerprint, parts=edited))
        stored(job, prepared, executed, measured)

    monkeypatch.setattr(store, "store", edit)


def test_seeds_that_ran_different_code_are_no_study(book, capsys, edit_before_seed_1):
    path = book.notebook("cv/01-timed", TIMED)
    assert command.main([path], seeds=2) == 1
    assert not house.STUDIES.exists()
    assert "Compared with seed 0, seed 1: helpers.a changed." in capsys.readouterr().out


def test_seeds_that_were_only_presented_differently_are_a_study(book, edit_before_seed_1):
    measures = f'{RECORD}\nrecord("accuracy", 0.5 + SEED / 100, "result")'
    path = book.notebook("cv/01", measures, ("from helpers.a import A", "display"))
    assert command.main([path], seeds=2) == 0
    assert json.loads((house.STUDIES / "cv-01.laptop.json").read_text())["seeds"] == [0, 1]


def test_a_run_that_does_not_say_what_it_ran_is_no_part_of_a_study(book, capsys, monkeypatch):
    monkeypatch.setattr(store, "stamp", lambda node, prepared, measured: node.metadata.pop("aibook", None))
    assert command.main([book.notebook("cv/01-timed", TIMED)], seeds=2) == 1
    assert not house.STUDIES.exists()
    assert "the notebook of seed 0, 1 does not say what it executed" in capsys.readouterr().out


def test_a_failure_is_shown_with_all_that_one_needs(book, capsys):
    book.notebook("cv/01", "x = 1", "def broken():\n    raise ValueError('no such thing')\nbroken()")
    assert command.main([]) == 1
    out = capsys.readouterr().out
    assert "cv/01, code cell 3" in out
    assert "def broken():" in out
    assert "----> 3 broken()" in out
    assert "ValueError: no such thing" in out
    assert "log: _build/logs/cv-01.laptop.log" in out


def test_what_cannot_be_read_does_not_stop_the_rest(book, executed, capsys):
    (book.root / "notebooks" / "broken.ipynb").write_text('{"cells": [')
    book.notebook("cv/01", "import unheard_of")
    book.notebook("cv/02", "1")
    assert command.main([]) == 1
    assert executed == ["cv/02"]
    out = capsys.readouterr().out
    assert "broken.ipynb is not a valid notebook" in out
    assert "the lock has no unheard-of" in out
    assert command.main([], list_stale=True) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"profile": "huge"}, "Unknown profile 'huge'. Profiles are: smoke, laptop, study, full."),
        ({"seeds": 1}, "at least two seeds"),
        ({"parameters": ["DATA=cifar10"]}, "add --into FOLDER"),
        ({"parameters": ["DATA"], "profile": "full"}, "--set takes NAME=VALUE"),
        ({"notebooks": ["nowhere"]}, "nowhere is neither a notebook nor a folder"),
    ],
)
def test_a_wrong_call_says_what_would_be_right(book, capsys, options, message):
    assert command.main(**{"notebooks": [], **options}) == 2
    assert message in capsys.readouterr().out


def test_a_missing_papermill_is_told_with_the_command_that_installs_it(book, capsys, monkeypatch):
    book.notebook("cv/01", "1")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert command.main([]) == 1
    assert (
        "To execute cv/01, papermill and ipykernel must be installed. Run: make environment" in capsys.readouterr().out
    )


def test_a_scheduler_that_does_not_answer_is_told(book, capsys):
    book.notebook("cv/01", "1")
    assert command.main([], scheduler="nonsense://") == 1
    assert "no Dask scheduler answers at nonsense://" in capsys.readouterr().out


def test_threads_and_memory_are_shared_only_where_several_run(toy, monkeypatch):
    monkeypatch.setattr(plan.machine, "cores", lambda: 4)
    monkeypatch.setattr(plan.machine, "memory_mb", lambda: 16000)
    one, two = (plan.Target(toy.notebook(name, "1"), toy.root) for name in "ab")

    def shares(targets, at_once=0, scheduler=None):
        jobs: list[Job] = plan.jobs(targets, "laptop", at_once, scheduler, 0, 0)
        return [(job.threads, job.memory_mb) for job in jobs]

    assert shares([one]) == [(4, 0)]
    assert shares([one, two]) == [(1, 8000)] * 2
    assert shares([one, two], at_once=1) == [(4, 0)] * 2
    assert shares([one], scheduler="tcp://there") == [(1, 0)]
