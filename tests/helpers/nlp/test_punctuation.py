"""The People's Daily without its marks: taken out, put back, cut into windows and passages, hashed into n-grams."""

import numpy as np
import pytest

from helpers.nlp import punctuation
from helpers.nlp.punctuation import MARKS

LINE = [("我", "r"), ("来", "v"), ("，", "w"), ("“", "w"), ("他走", "v"), ("！", "w"), ("”", "w"), ("好", "a")]


def test_marks_are_taken_out_and_others_dropped():
    characters, marks = punctuation.unpunctuated(LINE)
    assert characters == list("我来他走好")
    assert [" " if not m else MARKS[m - 1] for m in marks] == [" ", "，", " ", "。", " "]
    assert punctuation.written(characters, marks) == "我来，他走。好"


def test_of_several_marks_the_first_counts_and_a_leading_one_is_dropped():
    line = [("：", "w"), ("走", "v"), ("？", "w"), ("。", "w")]
    assert punctuation.unpunctuated(line) == (["走"], [1 + MARKS.index("？")])


def test_writing_wants_a_mark_for_each_character():
    with pytest.raises(ValueError, match="shorter"):
        punctuation.written("我来", [0])


def test_windows_run_the_paragraphs_together_and_drop_the_rest():
    texts, marks = punctuation.windows([(list("abc"), [1, 0, 3]), (list("defg"), [0, 0, 2, 3])], 3)
    assert texts == [list("abc"), list("def")]
    assert marks.tolist() == [[1, 0, 3], [0, 0, 2]]
    with pytest.raises(ValueError, match="do not fill one window"):
        punctuation.windows([(list("abc"), [0, 0, 0])], 4)


def test_passages_are_whole_clauses_with_a_mark_inside_and_none_behind():
    line = (list("abcdefghijkl"), [0, 1, 0, 0, 2, 0, 3, 0, 0, 0, 0, 3])  # clauses ab, cde, fg, hijkl
    assert punctuation.passages([line], 3, 7) == [
        (list("abcdefg"), [0, 1, 0, 0, 2, 0, 0]),
    ]
    assert [text for text, _ in punctuation.passages([line], 3, 5)] == [list("abcde")]
    assert punctuation.passages([line], 3, 4) == []
    assert len(punctuation.passages([line, line], 3, 7)) == 1


def test_the_parts_share_no_paragraph_and_follow_each_other():
    parts = {name: punctuation.paragraphs(name) for name in ("train", "validation", "test")}
    keys = [{"".join(line[0]) for line in part} for part in parts.values()]
    assert [len(key) for key in keys] == [len(part) for part in parts.values()]
    assert not keys[0] & keys[1] and not keys[1] & keys[2] and not keys[0] & keys[2]
    assert len(parts["train"]) > 8 * len(parts["test"]) > 8 * len(parts["validation"])
    with pytest.raises(ValueError, match="part is"):
        punctuation.paragraphs("all")


def test_ngrams_are_the_same_exactly_where_the_text_around_is():
    ids = np.array([[5, 6, 7, 8, 9], [5, 6, 7, 8, 3]])
    rows = punctuation.ngrams(ids, 2**20).toarray()
    assert rows.shape[0] == 10 and (rows.sum(1) == 12).all()
    assert (rows[2] * rows[7]).sum() == 12 - 3  # all but those with the 9, or the 3
    assert (rows[1] * rows[8]).sum() < 3
