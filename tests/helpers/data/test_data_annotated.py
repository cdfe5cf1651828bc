"""Pictures with boxes as a data set."""

import numpy as np

from helpers.data.annotated import Annotated

IMAGES = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 9, 3), np.uint8)
ROWS = np.array([(0, 1, 2, 3.5, 4, 1), (2, 0, 0, 9, 8, 0), (0, 5, 5, 6, 6, 0)], np.float32)
NAMES = ["a", "b", "c", "d"]


def annotated(rows):
    return Annotated.from_rows(IMAGES, rows, ("cat", "dog"), NAMES)


def test_rows_become_boxes_and_labels_of_their_pictures():
    data = annotated(ROWS)
    right = [([[1, 2, 3.5, 4], [5, 5, 6, 6]], [1, 0]), ([], []), ([[0, 0, 9, 8]], [0]), ([], [])]
    assert len(data) == len(data.boxes) == len(data.labels) == 4
    for boxes, labels, (right_boxes, right_labels) in zip(data.boxes, data.labels, right, strict=True):
        np.testing.assert_array_equal(boxes, np.reshape(right_boxes, (-1, 4)))
        assert boxes.dtype == np.float32
        assert labels.tolist() == right_labels
        assert labels.dtype == np.int64
    assert data.images is IMAGES


def test_a_data_set_without_any_object():
    data = annotated(np.empty((0, 6), np.float32))
    assert [boxes.shape for boxes in data.boxes] == [(0, 4)] * 4
    assert [labels.shape for labels in data.labels] == [(0,)] * 4


def test_a_part_has_its_own_pictures_boxes_labels_and_names():
    part = annotated(ROWS)[1:3]
    assert len(part) == 2
    np.testing.assert_array_equal(part.images, IMAGES[1:3])
    assert [boxes.tolist() for boxes in part.boxes] == [[], [[0, 0, 9, 8]]]
    assert [labels.tolist() for labels in part.labels] == [[], [0]]
    assert part.names == ["b", "c"]
    assert part.classes == ("cat", "dog")
