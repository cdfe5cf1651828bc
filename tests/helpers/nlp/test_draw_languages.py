"""The tables in HTML say what they should, escape what they must, and refuse draws that do not fit."""

import matplotlib.pyplot as plt
import pytest

from helpers.nlp.draw_languages import GREY, Blanks, Cuts, label_counts, lattice


def test_cuts_show_each_piece_and_grey_what_is_unknown():
    cuts = Cuts({"A": ["<b>", "[UNK]"], "B": ["店"]})
    page = cuts._repr_html_()
    assert "&lt;b&gt;" in page and "<b>" not in page
    assert page.count(GREY) == 1 and "店" in page
    assert repr(cuts) == "A (2): <b> | [UNK]\nB (1): 店"


def test_blanks_keep_words_together():
    blanks = Blanks(["酒店", "好"], {"whole": [[True, True, False]], "single": [[False, True, True]]})
    assert repr(blanks) == "whole: ▢▢ 好\nsingle: 酒▢ ▢"
    assert blanks._repr_html_().count("▢") == 4


def test_a_draw_of_another_length_is_refused():
    with pytest.raises(ValueError, match="3 characters"):
        Blanks(["酒店", "好"], {"whole": [[True]]})


def test_both_paths_of_the_lattice_are_summed():
    lattice(["a", "b", "c"], [(0, 1, "one", 2.0), (1, 3, "two", 3.0), (0, 3, "all", 7.5)], [(0, 1), (1, 3)], [(0, 3)])
    texts = {text.get_text() for text in plt.gca().texts}
    plt.close()
    assert {"5.0 in all", "7.5 in all"} <= texts


def test_label_counts_draw_what_no_study_has_and_the_null_of_each_panel():
    lines = {"MiniLM": "zh_minilm", "BERT": "zh_bert_zh"}
    live = {"zh_minilm_30": 60.0, "zh_bert_zh_30": 70.0, "zh_bert_zh_100": 80.0}
    panels = {"English": ((30, 100), {}), "Chinese": ((30, 100), lines)}
    label_counts(None, panels, live, {"English": 50.0, "Chinese": 53.0})
    ax = plt.gcf().axes[1]
    drawn = [list(line.get_ydata()) for line in ax.get_lines()]
    plt.close()
    assert [60.0] in drawn and [70.0, 80.0] in drawn and [53.0, 53.0] in drawn
