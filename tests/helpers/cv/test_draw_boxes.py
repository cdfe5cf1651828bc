"""Boxes are drawn where they are, each with its title."""

import matplotlib.pyplot as plt
import numpy as np

from helpers.cv import draw_boxes


def test_boxes_stand_around_their_pixels_with_title_and_colour():
    _, ax = plt.subplots()
    image = np.zeros((20, 30, 3), np.uint8)
    draw_boxes.boxes(ax, image, [[2, 3, 10, 8], [0, 0, 30, 20]], ["cat"], colour=["red", "blue"], linestyle="--")
    first, second = ax.patches
    assert first.get_bbox().extents.tolist() == [1.5, 2.5, 9.5, 7.5]
    assert second.get_bbox().extents.tolist() == [-0.5, -0.5, 29.5, 19.5]
    assert [text.get_text() for text in ax.texts] == ["cat"]
    assert first.get_linestyle() == "--"
    plt.close("all")


def test_a_picture_without_boxes_is_shown_and_boxes_can_be_added_later():
    axes = draw_boxes.grid(1, 2)
    draw_boxes.boxes(axes[0, 0], np.zeros((5, 5, 3)), np.zeros((0, 4)))
    assert len(axes[0, 0].images) == 1 and not axes[0, 0].patches
    draw_boxes.boxes(axes[0, 0], None, [[0, 0, 1, 1]])
    assert len(axes[0, 0].images) == 1 and len(axes[0, 0].patches) == 1
    plt.close("all")
