"""Studies: what is stored, what is refused, when one is out of date."""

import json

import pytest

from aibook import studies


def runs(book, *per_seed):
    return [book.run(seed, *outputs) for seed, outputs in enumerate(per_seed)]


def test_a_study_says_what_was_measured_and_where(book):
    notebook = book.write()
    one, two = [
        (
            book.record("accuracy", value),
            book.record("loss", [1.23456789, value], "", "lower"),
            book.record("seconds", 3.5, "s", "lower", "time"),
            book.record("accuracy_study_mean", 92.0, kind="study"),
        )
        for value in (92.125, 93.0)
    ]
    path = studies.store(notebook, "study", reversed(runs(book, one, two)))
    assert path.name == "cv-01-seen.study.json"
    study = studies.read(path)
    assert study["seeds"] == [0, 1]
    assert study["cpu_seconds"] == [60.0, 61.0]
    assert study["machine"] == "EPYC"
    assert study["notebook"] == "cv/01-seen"
    assert study["records"] == {
        "accuracy": {"better": "higher", "kind": "result", "unit": "%", "values": [92.125, 93.0]},
        "loss": {"better": "lower", "kind": "result", "unit": "", "values": [[1.23457, 92.125], [1.23457, 93.0]]},
        "seconds": {"better": "lower", "kind": "time", "unit": "s", "values": [3.5, 3.5]},
    }
    assert list(path.parent.iterdir()) == [path]


def test_a_study_is_sorted_with_one_line_for_each_record(book):
    text = book.study(book.write()).read_text()
    assert text.count("\n") == len(json.loads(text)) + 4
    assert list(json.loads(text)) == sorted(json.loads(text))


def test_a_failed_run_is_named_and_the_stored_study_kept(book):
    notebook = book.write()
    path = book.study(notebook)
    before = path.read_bytes()
    failing = [book.run(0, book.record("accuracy", 1.0)), book.run(1, status="timeout")]
    with pytest.raises(studies.StudyError, match="seed 1: timeout"):
        studies.store(notebook, "laptop", failing)
    assert path.read_bytes() == before


def test_a_record_missing_for_a_seed_is_named(book):
    notebook, record = book.write(), book.record
    with pytest.raises(studies.StudyError, match=r"'loss' is missing for seed \[1\]"):
        studies.store(
            notebook, "laptop", runs(book, [record("accuracy", 1.0), record("loss", 1.0)], [record("accuracy", 1.0)])
        )


def test_curves_of_different_length_are_no_study(book):
    notebook, record = book.write(), book.record
    with pytest.raises(studies.StudyError, match="'loss' differs in length"):
        studies.store(notebook, "laptop", runs(book, [record("loss", [1.0, 0.5])], [record("loss", [1.0])]))


def test_one_seed_or_no_record_is_no_study(book):
    notebook = book.write()
    with pytest.raises(studies.StudyError, match="at least two seeds"):
        studies.store(notebook, "laptop", runs(book, [book.record("accuracy", 1.0)]))
    with pytest.raises(studies.StudyError, match="records nothing"):
        studies.store(notebook, "laptop", runs(book, [], []))


def test_a_study_is_out_of_date_by_what_its_notebook_came_from(book):
    notebook = book.write()
    study = studies.read(book.study(notebook))
    assert studies.stale(study) == []
    book.helpers = {"helpers.training": "2", "helpers.cv": "1"}
    book.cells = "b"
    assert studies.stale(study) == ["its code cells changed", "helpers.cv came in", "helpers.training changed"]
    notebook.unlink()
    assert studies.stale(study) == ["its notebook cv/01-seen is gone"]


def test_a_value_pasted_in_is_seen(book):
    study = studies.read(book.study(book.write()))
    study["records"]["accuracy"]["values"][1] = 99.9
    assert studies.stale(study) == ["it is not what was stored: its file was edited"]


def test_an_edit_of_any_other_field_is_seen_too(book):
    study = studies.read(book.study(book.write()))
    fields = study.keys() - {"notebook"}
    assert fields >= {"seeds", "machine", "cpu_seconds", "date", "digest"}
    for field in fields:
        assert studies.stale(study | {field: "edited"}) == ["it is not what was stored: its file was edited"], field
    assert studies.stale({name: value for name, value in study.items() if name != "digest"})


def test_a_fingerprint_taken_before_the_runs_is_the_one_kept(book):
    from aibook.fingerprint import fingerprint

    notebook = book.write()
    before = fingerprint(notebook, study=True)
    book.cells = "edited while the study ran"
    path = studies.store(notebook, "laptop", runs(book, *[[book.record("accuracy", 1.0)]] * 2), fingerprint=before)
    assert studies.stale(studies.read(path)) == ["its code cells changed"]


def test_a_notebook_outside_the_book_has_no_key(tmp_path):
    with pytest.raises(ValueError, match=r"other\.ipynb is not one of the book's notebooks"):
        studies.key(tmp_path / "other.ipynb")
