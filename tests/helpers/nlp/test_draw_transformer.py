"""The Transformer chapter's figures draw what they are given."""

import matplotlib.pyplot as plt
import numpy as np

from helpers.nlp import draw_transformer


def axes():
    return plt.gcf().axes


def test_saturation_draws_both_quantities_with_and_without_the_root():
    draw_transformer.saturation((4, 16), {True: [0.1, 0.2], False: [0.3, 0.9]}, {True: [0.9, 0.8], False: [0.7, 0.1]})
    drawn = [[line.get_ydata().tolist() for line in ax.lines] for ax in axes()]
    assert drawn == [[[0.1, 0.2], [0.3, 0.9]], [[0.9, 0.8], [0.7, 0.1]]]


def test_rotated_products_are_drawn_against_their_distance():
    table = np.arange(120)[None, :] - np.arange(120)[:, None]  # a product that is the distance itself
    draw_transformer.positions(np.ones((100, 8)), table)
    for line in axes()[2].lines:
        assert line.get_ydata().tolist() == list(range(-40, 41))


def test_the_architecture_names_its_parts():
    draw_transformer.architecture()
    words = " ".join(text.get_text() for text in axes()[0].texts)
    for part in ("self-attention", "cross-attention", "feed-forward", "norm", "embedding"):
        assert part in words
    assert words.count("+ ") >= 5


def test_gradients_losses_and_distances_have_a_curve_each():
    draw_transformer.gradients({"post-norm": [1.0, 2.0], "pre-norm": [2.0, 1.0]})
    assert len(axes()[0].lines) == 2
    draw_transformer.losses({"a": [2.0, 1.0, 0.0]}, 1, {"null": 1.5})
    assert [line.get_ydata()[-1] for line in axes()[0].lines] == [0.0, 1.5]
    draw_transformer.distances([np.ones((4, 5)), np.zeros((4, 5))], 2, 0.1)
    assert [len(ax.lines) for ax in axes()] == [5, 5]


def test_cross_attention_has_its_words_at_the_axes():
    draw_transformer.crossing([np.eye(3), np.eye(3)], ["san", "bai", "wu"], ["3", "0", "5"])
    for ax in axes():
        assert [t.get_text() for t in ax.get_xticklabels()] == ["san", "bai", "wu"]
        assert [t.get_text() for t in ax.get_yticklabels()] == ["3", "0", "5"]


def test_speed_puts_training_at_the_right():
    rates = {("A", False): [9, 8], ("B", False): [7, 6], ("A", True): [5, 4], ("B", True): [3, 2]}
    draw_transformer.speed((16, 64), rates)
    assert [[line.get_ydata().tolist() for line in ax.lines] for ax in axes()] == [[[9, 8], [7, 6]], [[5, 4], [3, 2]]]
    assert [ax.get_title() for ax in axes()] == ["forward only", "training"]
