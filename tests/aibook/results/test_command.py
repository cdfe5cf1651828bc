"""`aibook results`: what it prints, and each problem that `--check` finds."""

import io
import json

import pytest
import yaml
from rich.console import Console

from aibook import house
from aibook.results import bands, check
from aibook.results.collect import collect
from aibook.results.command import main


@pytest.fixture
def results(book):
    """`aibook results` with options; returns the status and what was printed."""

    def call(*, check=False, as_json=False, set_bands=()):
        console = Console(file=io.StringIO(), width=150, highlight=False)
        status = main(check=check, as_json=as_json, set_bands=list(set_bands), console=console)
        return status, console.file.getvalue()

    return call


@pytest.fixture
def notebook(book):
    """A notebook within its band, with a study."""
    outputs = [book.record("accuracy", 93.25), book.record("seconds", 12.5, "s", "lower", "time")]
    path = book.write(*outputs, book.record("accuracy_study_mean", 93.0, kind="study"))
    book.study(path)
    bands.set_from_study(path)
    return path


def problems(book):
    return check.problems(collect())


def test_a_sound_book_passes(results, notebook):
    status, text = results(check=True)
    assert status == 0
    assert "notebooks: 1, records: 2, problems: 0" in text
    assert "accuracy" in text and "93.25" in text and "93.00 ± 0.71" in text and "[89.4, 96.6]" in text
    assert "accuracy_study_mean" not in text


def test_a_record_outside_its_band_is_named_with_value_band_and_command(results, book, notebook):
    book.write(book.record("accuracy", 81.5))
    status, text = results(check=True)
    assert status == 1
    assert "cv/01-seen: accuracy = 81.5 % is outside its band [89.4, 96.6]" in text
    again = "aibook run --seeds 5 notebooks/cv/01-seen.ipynb && aibook results --set-bands notebooks/cv/01-seen.ipynb"
    assert again in text
    assert results()[0] == 0, "without --check it only prints"


def test_a_record_without_band_and_a_band_without_record(book, notebook):
    book.write(book.record("precision", 90.0))
    missing, unbanded = problems(book)
    assert "accuracy is in tests/expected.yml, but the notebook records no such thing" in missing
    assert "precision has no band" in unbanded and "aibook run --seeds 5" in unbanded


def test_what_is_out_of_date_is_a_problem(book, notebook):
    book.stale = ["helpers.training changed"]
    book.helpers = {"helpers.training": "2"}
    outputs, study = problems(book)
    assert "outputs are out of date (helpers.training changed)" in outputs and "aibook run notebooks/cv" in outputs
    assert "laptop study is out of date (helpers.training changed)" in study and "--profile laptop" in study


def test_a_band_for_a_time_and_a_careless_publication(book, notebook):
    book.write(book.record("accuracy", 93.0), book.record("seconds", 3.0, "s", "lower", "time"))
    expected = bands.read()
    expected["cv/01-seen"]["seconds"] = {"band": [1, 2], "published": {"value": 3, "cite": "x", "note": "no languages"}}
    expected["cv/09-gone"] = {}
    house.EXPECTED.write_text(yaml.safe_dump(expected), encoding="utf-8")
    banded_time, published, gone = problems(book)
    assert "seconds is a time or a curve" in banded_time
    assert "needs a value, a cite, and a note in en and zh_CN" in published
    assert gone.startswith("cv/09-gone")


def test_a_study_whose_notebook_is_gone_is_a_problem(book, notebook):
    notebook.unlink()
    found = problems(book)
    assert any("there is a study cv-01-seen.laptop.json, but no such notebook" in problem for problem in found)


def test_a_benchmark_has_a_study_as_long_as_it_has_a_script(book, notebook):
    (house.STUDIES / "benchmarks-race.study.json").write_text('{"notebook": "benchmarks/race"}')
    assert any("there is a study benchmarks-race.study.json, but no such" in problem for problem in problems(book))
    (house.ROOT / "benchmarks").mkdir()
    (house.ROOT / "benchmarks" / "race.py").touch()
    assert not problems(book)


def test_json_carries_values_bands_studies_and_problems(results, notebook):
    status, text = results(check=True, as_json=True)
    data = json.loads(text)
    assert status == 0 and data["problems"] == []
    (only,) = data["notebooks"]
    accuracy = only["records"][0]
    assert (accuracy["value"], accuracy["band"], accuracy["unit"]) == (93.25, [89.4, 96.6], "%")
    assert accuracy["studies"]["laptop"]["mean"] == 93.0
    assert only["studies"]["laptop"]["seeds"] == [0, 1, 2, 3, 4]
    assert only["execution"]["cpu_seconds"] == 61.3


def test_set_bands_says_what_to_do_without_a_study(results, book):
    path = book.write(book.record("accuracy", 93.0))
    status, text = results(set_bands=[path])
    assert status == 1 and "make it with" in text
    book.study(path)
    status, text = results(set_bands=[path])
    assert status == 0 and "no band → [89.4, 96.6]" in text
