"""Windows of clauses: nothing is invented, nothing overlaps, two clauses at least."""

import pytest

from helpers.nlp import pretraining

TEXT = "房间很干净，服务也好。下次还会来！就是早餐差了点"


def test_clauses_keep_their_marks_and_give_the_text_back():
    found = pretraining.clauses(TEXT)
    assert found == ["房间很干净，", "服务也好。", "下次还会来！", "就是早餐差了点"]
    assert "".join(found) == TEXT
    assert pretraining.clauses("好！！！不错") == ["好！！！", "不错"]
    assert pretraining.clauses("") == pretraining.clauses("。。。") == pretraining.clauses("   ") == []


@pytest.mark.parametrize("most", [8, 14, 60])
def test_windows_fit_and_hold_neighbouring_clauses_of_one_text(most):
    texts = [TEXT, "单句", TEXT[::-1]]
    found = pretraining.windows(texts, most)
    assert found
    for window in found:
        assert len(window) >= 2 and sum(map(len, window)) <= most
        joined = "".join("".join(clause) for clause in window)
        if most == 60:
            assert joined in texts


def test_a_long_clause_is_cut_to_half_a_window():
    (window,) = pretraining.windows(["一" * 50 + "，好。"], 10)
    assert [len(clause) for clause in window] == [5, 2]


def test_texts_without_two_clauses_give_nothing():
    assert pretraining.windows(["", "好。", "   "], 20) == []


def test_a_window_of_one_character_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        pretraining.windows([TEXT], 1)
