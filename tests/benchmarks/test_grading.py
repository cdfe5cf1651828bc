"""The benchmark of grading: its toy lab is a lab, its commands run, and results are merged."""

import json

from aibook import house
from benchmarks import grading
from tests.aibook.labs import boxes


@boxes.needed
def test_memory_is_looked_at_on_the_way(tmp_path):
    found = grading.memory(tmp_path, count=8, marks=(2, 8))
    assert found["points"] == [3.0] and found["submissions"] == 8 and found["a_minute"] > 0
    assert list(found["at"]) == ["2", "8"] and all(10 < mb < 2000 for at in found["at"].values() for mb in at.values())


@boxes.needed
def test_a_cheat_earns_nothing_here_and_everything_there(tmp_path):
    assert grading.cheat(tmp_path) == {"ours": 0, "nbgrader": 3, "of": 3}


def test_an_entry_replaces_its_older_self_and_leaves_the_others(tmp_path):
    path = tmp_path / "results" / "grading.json"
    for name, found in (("labs", {"cpu_seconds": 20}), ("second", {"a_minute": 50}), ("labs", {"cpu_seconds": 9})):
        grading.store(name, found, path)
    stored = json.loads(path.read_text())
    assert stored == {"second": {"a_minute": 50}, "labs": {"cpu_seconds": 9}}
    assert "cpu_seconds 9 <= 15: met" in grading.table(stored)


def test_the_stored_results_meet_the_bars():
    stored = json.loads(grading.RESULTS.read_text(encoding="utf-8"))
    assert stored["second"]["a_minute"] >= 40 and stored["second"]["points"] == [3.0]
    assert stored["second"]["a_minute"] > max(stored[name]["a_minute"] for name in ("nbgrader", "otter"))
    assert stored["labs"]["cpu_seconds"] <= 15 and len(stored["labs"]["each"]) >= 8
    assert all(found["points"] == [found["of"]] for found in stored["labs"]["each"].values())
    assert stored["cheat"]["ours"] == 0 < min(stored["cheat"]["nbgrader"], stored["otter"]["cheat"])
    assert stored["memory"]["submissions"] == 500
    first, *_, last = stored["memory"]["at"].values()
    assert all(last[key] < 1.05 * first[key] for key in first)


def test_the_instructors_page_says_what_is_stored():
    stored = json.loads(grading.RESULTS.read_text(encoding="utf-8"))
    page = (house.ROOT / "book" / "instructors.md").read_text(encoding="utf-8")
    seconds = sorted(found["cpu_seconds"] for found in stored["labs"]["each"].values())
    assert f"graded {stored['second']['a_minute']:.0f} times a minute" in page
    assert f"took {seconds[0]:.0f} to {seconds[-1]:.0f} CPU-seconds" in page
