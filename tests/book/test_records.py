"""The committed notebooks, studies and bands agree with each other and with the code; `aibook results --check`."""

from aibook.results.check import problems
from aibook.results.collect import collect


def test_every_committed_record_lies_in_its_band_and_nothing_is_out_of_date():
    book = collect()
    assert book, "the book has no notebooks"
    found = problems(book)
    assert not found, "\n".join(found)
