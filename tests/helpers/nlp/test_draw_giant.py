"""The figures of the chapter on giant language models draw what they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from helpers.nlp import draw_giant


def axes():
    return plt.gcf().axes


def words(ax):
    return [text.get_text() for text in ax.texts]


def test_the_target_is_the_input_shifted_by_one():
    draw_giant.shift(["a", "b", "c"])
    assert [w for w in words(axes()[0]) if len(w) == 1] == ["a", "b", "b", "c", "c", "…"]
    assert np.array_equal(axes()[1].images[0].get_array(), np.tril(np.ones((3, 3))))


def test_losses_have_the_counted_models_as_lines():
    draw_giant.curve([3.0, 2.0, 1.0], {"unigram": 4.0, "bigram": 2.5, "trigram": 2.2}, 1.5)
    assert [line.get_ydata()[-1] for line in axes()[0].lines] == [2.0, 1.5, 4.0, 2.5, 2.2]


def test_knobs_are_sorted_by_the_untouched_probabilities():
    plain, cut = np.array([0.1, 0.6, 0.3]), np.array([0.0, 0.7, 0.3])
    draw_giant.knobs({place: (plain, dict.fromkeys("xyz", cut)) for place in ("one place", "two place")})
    before, after, line = axes()[0].lines
    assert list(before.get_ydata()) == [0.6, 0.3, 0.1] and list(after.get_ydata()) == [0.7, 0.3]
    assert line.get_xdata()[0] == 2  # the last rank that is kept


def test_the_cache_saves_all_but_the_diagonal():
    draw_giant.cache(4)
    assert [words(ax).count("new") for ax in axes()] == [10, 4]
    draw_giant.cache_cost((8, 16), {"without": [1, 2], "with": [1, 1]}, [0.5, 1.0])
    assert [len(ax.lines) for ax in axes()] == [2, 1]


def test_scaling_has_a_line_for_each_size_and_for_each_budget_with_its_best_size():
    points = [(n, c / n, c, 5 + (np.log10(n) - 3) ** 2) for n in (1e2, 1e3, 1e4) for c in (1e6, 1e7)]
    draw_giant.scaling(points, 6.2)
    assert [len(ax.lines) for ax in axes()] == [3 + 1, 2 * 2 + 1]
    assert [line.get_xdata()[0] for line in axes()[1].lines[1::2]][:2] == [1e3, 1e3]


def test_resampled_fits_and_their_predictions_are_counted():
    draw_giant.fits(np.ones((9, 5)), {"gpt": [2.0] * 9, "giant": [1.0] * 9}, 2.1)
    assert len(axes()[0].lines[0].get_xdata()) == 8
    assert sum(bar.get_height() for bar in axes()[1].patches) == 18


class Study:
    def values(self, name):
        return [60.0, 70.0, 80.0]

    def mean(self, name):
        return 70.0


def test_prompts_and_the_duel_show_seeds_with_a_study_and_the_live_run_without():
    names = ["zero", "order_best"]
    draw_giant.prompts(None, names, {"icl_zero": 60.0, "icl_zero_calibrated": 62.0})
    assert len(axes()[0].lines) == 3 * 2 + 2 + 1  # dots for all (perhaps none), a bar where there are dots
    draw_giant.prompts(Study(), names, {})
    assert len(axes()[0].lines) == 3 * 4 + 2
    draw_giant.duel(None, dict.fromkeys(draw_giant.NAMES, 4.0), dict.fromkeys(draw_giant.NAMES, 9.0), 3.0)
    draw_giant.duel(Study(), {}, {}, 65.0)
    assert len(axes()[0].lines) == 3 + 2 * 6 and words(axes()[0]) == ["counted pairs: 65.00"]


def test_margins_loads_capacity_and_routing():
    draw_giant.margins({"PN": [0.1, -0.2], "NP": [1.0, 0.5]}, [1, 0], {"PN": 0.3, "NP": 0.4})
    assert [ax.lines[-1].get_xdata()[0] for ax in axes()] == [0.3, 0.4]
    draw_giant.loads({"a": np.full((5, 4), 0.25), "b": np.full((5, 4), 0.25)})
    assert [len(ax.collections) for ax in axes()] == [4, 4]
    draw_giant.capacity((1, 2), {"a": [5, 0], "b": [9, 3]}, {"a": [1, 2], "b": [0, 1]})
    assert len(axes()[0].lines) == 3
    draw_giant.routing()
    assert words(axes()[0]).count("×") == 1


def test_the_routing_map_puts_each_number_under_its_character():
    table = draw_giant.RoutingMap("春<眠", [[0, 1, 2], [7, 7, 0]], columns=2)
    assert repr(table).splitlines() == ["春 <", "1  2 ", "8  8 ", "眠", "3 ", "1 "]
    page = table._repr_html_()
    assert "&lt;" in page and page.count("<tr>") == 6 and page.count("block 1") == 2
    with pytest.raises(ValueError, match="3 characters"):
        draw_giant.RoutingMap("春不眠", [[0, 1]])
