"""`make verify`: the whole book executed from nothing in `laptop`, each record held against its band."""

import pytest

from aibook import house, recordbook
from aibook.execute.command import main
from aibook.results.check import outside
from aibook.results.collect import collect


@pytest.mark.verify
@pytest.mark.timeout(0)  # `aibook run` has a limit for each notebook, so the book as a whole needs none
def test_the_book_executed_anew_lies_in_its_bands(tmp_path):
    book = collect(freshness=False)
    assert book, "the book has no notebooks"
    assert main([], everything=True, into=tmp_path) == 0, "a notebook failed; see above for its cell and traceback"
    fresh = {results.notebook: recordbook.read(tmp_path / f"{results.notebook}.ipynb") for results in book}
    found = [problem for results in book for problem in outside(results, fresh[results.notebook])]
    assert not found, "\n".join(found)
    # Else a book without bands would pass.
    unbanded = [
        f"{results.notebook}: {name}"
        for results in book
        for name, record in fresh[results.notebook].items()
        if record.banded and "band" not in results.expected.get(name, {})
    ]
    assert not unbanded, f"no band in {house.EXPECTED.name}: {', '.join(unbanded)}"


@pytest.mark.verify
@pytest.mark.timeout(0)
def test_the_detection_chapters_run_on_blood_cells_by_one_parameter(tmp_path):
    chapters = [house.NOTEBOOKS / "cv" / f"{name}.ipynb" for name in ("03-rcnn", "04-yolo", "05-swin", "06-detectron2")]
    assert main(chapters, everything=True, profile="smoke", parameters=["DATA=bccd"], into=tmp_path) == 0
