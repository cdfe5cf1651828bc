"""Average precision: values that can be worked out by hand, and pycocotools' own road to the same numbers."""

import contextlib
import io
import math

import numpy as np
import pytest

from helpers.cv.scoring import Detections, coco_format, score
from helpers.data.annotated import Annotated

NONE = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int))


def truth(*pictures, classes=("cat", "dog")):
    """One list of (x1, y1, x2, y2, class) for each picture."""
    images = np.zeros((len(pictures), 100, 120, 3), np.uint8)
    rows = np.array([(i, *row) for i, picture in enumerate(pictures) for row in picture], float).reshape(-1, 6)
    return Annotated.from_rows(images, rows, classes, [f"p{i}" for i in range(len(pictures))])


def found(*rows):
    """Rows (x1, y1, x2, y2, score, class)."""
    rows = np.array(rows, float).reshape(-1, 6)
    return Detections(rows[:, :4], rows[:, 4], rows[:, 5].astype(int))


def test_the_truth_itself_scores_one_in_each_class_and_size():
    data = truth([(0, 0, 20, 20, 0), (30, 30, 80, 80, 1)], [])
    result = score([found((0, 0, 20, 20, 0.9, 0), (30, 30, 80, 80, 0.8, 1)), NONE], data)
    assert [result.ap, result.ap50, result.small, result.medium] == pytest.approx([1, 1, 1, 1])
    assert math.isnan(result.large)
    assert result.by_class == pytest.approx({"cat": 1, "dog": 1})


def test_no_detections_score_zero():
    assert score([NONE], truth([(0, 0, 20, 20, 0)])).ap == 0


def test_a_box_that_overlaps_by_two_thirds_counts_up_to_that_overlap():
    # IoU 40·60 / (60·60) = 2/3: right at 0.50, 0.55, 0.60 and 0.65, wrong at the other six.
    result = score([found((0, 0, 40, 60, 0.9, 0))], truth([(0, 0, 60, 60, 0)]))
    assert result.ap == pytest.approx(0.4)
    assert (result.ap50, result.ap75) == pytest.approx((1, 0))


def test_the_wrong_class_is_a_mistake_and_a_better_scored_mistake_halves_the_precision():
    data = truth([(0, 0, 20, 20, 0)])
    assert score([found((0, 0, 20, 20, 0.9, 1))], data).ap == 0
    result = score([found((0, 0, 20, 20, 0.5, 0), (60, 60, 80, 80, 0.9, 0))], data)
    assert result.ap == pytest.approx(0.5)


def test_it_equals_what_pycocotools_prints_for_the_same_files():
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 60, (40, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(8, 40, (40, 2))], axis=1)
    pictures = [[(*box, i % 2) for i, box in enumerate(boxes[4 * p : 4 * p + 4])] for p in range(10)]
    guesses = [
        found(*[(*(np.array(row[:4]) + rng.normal(0, 2, 4)), rng.random(), row[4]) for row in picture])
        for picture in pictures
    ]
    ours = score(guesses, truth(*pictures))
    rows = [
        {"image_id": i, "category_id": int(k), "bbox": [b[0], b[1], b[2] - b[0], b[3] - b[1]], "score": s}
        for i, one in enumerate(guesses)
        for b, s, k in zip(one.boxes.tolist(), one.scores.tolist(), one.labels.tolist(), strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = coco_format(truth(*pictures))
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(rows), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert 0 < ours.ap < 1
    assert [ours.ap, ours.ap50, ours.ap75, ours.small, ours.medium] == pytest.approx(evaluation.stats[:5].tolist())


def test_wrong_input_is_named():
    data = truth([(0, 0, 20, 20, 0)])
    with pytest.raises(ValueError, match="2 pictures, truth of 1"):
        score([NONE, NONE], data)
    with pytest.raises(ValueError, match="not finite"):
        found((0, 0, np.nan, 20, 0.9, 0))
    with pytest.raises(ValueError, match="1 boxes, 2 scores"):
        Detections(np.zeros((1, 4)), np.zeros(2), np.zeros(1))
