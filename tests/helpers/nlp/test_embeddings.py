"""Word pairs by rule, glosses, groups, and the tables that the chapter shows."""

import pytest

from helpers.nlp.draw_embeddings import Table
from helpers.nlp.embeddings import CAPITALS, by_rule, glosses, groups, tag_counts

TAGGED = [
    [("Year", "nn"), ("years", "nns"), ("year", "nn"), ("day", "nn"), ("days", "nns")],
    *[[("years", "nns"), ("days", "nns"), ("car", "nn"), ("cars", "vbz")]] * 5,
]


def test_pairs_by_rule_are_the_frequent_ones_whose_longer_form_has_the_right_tag():
    counts = tag_counts(TAGGED)
    assert counts["year", "nn"] == 2  # in lower case
    assert by_rule(counts, "nn", "nns", "s") == [("year", "years"), ("day", "days")]
    assert by_rule(counts, "nn", "nns", "s", most=1) == [("year", "years")]
    assert by_rule(counts, "nn", "vbz", "s") == [("car", "cars")]


def test_a_longer_form_that_is_rare_does_not_count():
    assert by_rule(tag_counts(TAGGED[:4]), "nn", "nns", "s") == []


def test_capitals_are_pairs_of_single_words():
    assert len(CAPITALS) == 23 and ("paris", "france") in CAPITALS
    assert all(len(pair) == 2 for pair in CAPITALS)


def test_glosses_and_groups_know_their_words():
    known = {word: i for i, word in enumerate(glosses())}
    assert glosses()["北京"] == "Beijing" and all(glosses().values())
    found = groups(known)
    assert found["cities"]["Wuhan"] == known["武汉"]
    assert groups({}) == {name: {} for name in found}


def test_a_table_has_headers_with_scope_escapes_its_cells_and_refuses_empty_headers():
    table = Table(["word", "nearest"], [["<b>", "a & b"]])
    text = table._repr_html_()
    assert '<th scope="col"' in text and '<th scope="row"' in text
    assert "&lt;b&gt;" in text and "a &amp; b" in text and "<b>" not in text
    assert "a & b" in repr(table)
    with pytest.raises(ValueError, match="each column a header"):
        Table(["", "x"], [])
    with pytest.raises(ValueError, match="a cell for each column"):
        Table(["w", "x"], [["only one"]])
