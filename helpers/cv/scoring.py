"""Average precision of detections, as COCO defines it (Lin et al. 2014); pycocotools does the counting."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from helpers.data.annotated import Annotated


@dataclass(frozen=True)
class Detections:
    """What a detector found on one picture: boxes (M, 4) as x1, y1, x2, y2; scores (M,); labels (M,)."""

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        for name in ("boxes", "scores", "labels"):
            object.__setattr__(self, name, np.asarray(getattr(self, name)))
        if not (len(self.boxes) == len(self.scores) == len(self.labels)):
            raise ValueError(f"{len(self.boxes)} boxes, {len(self.scores)} scores, {len(self.labels)} labels")
        if not (np.isfinite(self.boxes).all() and np.isfinite(self.scores).all()):
            raise ValueError("a box or a score is not finite: look for a diverged training")


@dataclass(frozen=True)
class Score:
    """Average precisions in [0, 1]; NaN where the truth has no such object.

    ap: mean over the overlaps 0.50, 0.55, …, 0.95 and over classes ("AP50:95"); ap50, ap75: at one overlap.
    small, medium, large: `ap` of objects below 32², up to 96², and above 96² square pixels.
    by_class: `ap` of each class.
    """

    ap: float
    ap50: float
    ap75: float
    small: float
    medium: float
    large: float
    by_class: dict[str, float]


def score(found: Sequence[Detections], truth: Annotated, *, most: int = 100) -> Score:
    """Score detections against the truth, picture by picture in the same order; the `most` best of each count.

    Raises ValueError when the numbers of pictures differ.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    if len(found) != len(truth):
        raise ValueError(f"detections of {len(found)} pictures, truth of {len(truth)}")
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports its progress
        coco = COCO()
        coco.dataset = coco_format(truth)
        coco.createIndex()
        evaluation = COCOeval(coco, iouType="bbox")
        evaluation.cocoDt = _results(coco, found)
        evaluation.params.imgIds = list(range(len(truth)))
        evaluation.params.catIds = list(range(len(truth.classes)))
        evaluation.params.maxDets = [1, 10, most]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"]  # (T overlaps, R recalls, K classes, A areas, M most)

    def mean(overlap: slice | int = slice(None), area: int = 0, of: slice | int = slice(None)) -> float:
        values = precision[overlap, :, of, area, -1]
        return float(values[values > -1].mean()) if (values > -1).any() else float("nan")

    by_class = {name: mean(of=k) for k, name in enumerate(truth.classes)}
    return Score(mean(), mean(0), mean(5), mean(area=1), mean(area=2), mean(area=3), by_class)


def coco_format(truth: Annotated) -> dict:
    """The annotations as COCO's dictionary: images, annotations (x, y, width, height) and categories."""
    height, width = truth.images.shape[1:3]
    annotations = []
    for i, (boxes, labels) in enumerate(zip(truth.boxes, truth.labels, strict=True)):
        for (x1, y1, x2, y2), label in zip(boxes.tolist(), labels.tolist(), strict=True):
            box = [x1, y1, x2 - x1, y2 - y1]
            row = {"id": len(annotations) + 1, "image_id": i, "category_id": label, "bbox": box}
            annotations.append(row | {"area": box[2] * box[3], "iscrowd": 0})
    return {
        "info": {},
        "images": [{"id": i, "file_name": n, "height": height, "width": width} for i, n in enumerate(truth.names)],
        "annotations": annotations,
        "categories": [{"id": k, "name": name} for k, name in enumerate(truth.classes)],
    }


def _results(coco, found: Sequence[Detections]):
    """Detections as the COCO object that `loadRes` would make; unlike it, this takes an empty list too."""
    from pycocotools.coco import COCO

    rows = []
    for i, one in enumerate(found):
        for (x1, y1, x2, y2), s, label in zip(
            one.boxes.tolist(), one.scores.tolist(), one.labels.tolist(), strict=True
        ):
            box = [x1, y1, x2 - x1, y2 - y1]
            row = {"id": len(rows) + 1, "image_id": i, "category_id": int(label), "bbox": box, "score": s}
            rows.append(row | {"area": box[2] * box[3], "iscrowd": 0})
    results = COCO()
    results.dataset = {key: coco.dataset[key] for key in ("images", "categories")} | {"annotations": rows}
    results.createIndex()
    return results
