"""Scenes of simple shapes, 64 × 64 pixels, made from a seed: detection so small that it is learned in seconds.

A detector of the chapters stands on pretrained features, for photographs are hard to see; here a network of a few
thousand weights learns from nothing, so that a lab, and its grading, can train one.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CLASSES = ("disc", "square", "triangle")
SIDE = 64  # pixels of a scene
MOST = 5  # shapes on a scene, at most


@dataclass(frozen=True)
class Scenes:
    """images: (N, 3, 64, 64), float32 about zero. boxes: for each scene (M, 4), float32: x1, y1, x2, y2 in pixels.
    labels: for each scene (M,), int64: indices into CLASSES."""

    images: np.ndarray
    boxes: list[np.ndarray]
    labels: list[np.ndarray]

    def __len__(self) -> int:
        return len(self.images)


def make(n: int, rng: np.random.Generator) -> Scenes:
    """`n` scenes of none to five shapes each; the same generator makes the same scenes."""
    images, boxes, labels = zip(*(_scene(rng) for _ in range(n)), strict=True)
    return Scenes(np.stack(images).transpose(0, 3, 1, 2).copy(), list(boxes), list(labels))


def picture(image: np.ndarray) -> np.ndarray:
    """An image of `Scenes`, (3, 64, 64), as matplotlib shows it: (64, 64, 3) in [0, 1]."""
    return (image.transpose(1, 2, 0) / 4 + 0.5).clip(0, 1)


def _scene(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5  # centres of the pixels
    tilt = rng.normal(0, 0.25, (3, 2))
    canvas = rng.uniform(-0.6, 0.6, 3) + np.stack([x, y], -1) / SIDE @ tilt.T  # (64, 64, 3)
    boxes: list[np.ndarray] = []
    for _ in range(rng.integers(0, MOST + 1)):
        size = np.exp(rng.uniform(np.log(11), np.log(27))) * np.exp(rng.uniform(-0.15, 0.15, 2))
        corner = rng.uniform(0, SIDE - size)
        box = np.concatenate([corner, corner + size])
        if all(_iou(box, other) < 0.2 for other in boxes):  # two shapes may touch, but neither hides the other
            boxes.append(box)
    labels = rng.integers(len(CLASSES), size=len(boxes))
    for box, label in zip(boxes, labels, strict=True):
        colour = rng.uniform(0.8, 1.8, 3) * rng.choice([-1, 1], 3)
        canvas[_inside(CLASSES[label], box, x, y)] = colour
    canvas += rng.uniform(0.02, 0.2) * rng.standard_normal(canvas.shape)
    return canvas.astype(np.float32), np.array(boxes, np.float32).reshape(-1, 4), labels


def _inside(name: str, box: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The pixels (64, 64) of a shape that fills this box."""
    u, v = (x - box[0]) / (box[2] - box[0]), (y - box[1]) / (box[3] - box[1])  # 0 to 1 within the box
    if name == "disc":
        return (u - 0.5) ** 2 + (v - 0.5) ** 2 <= 0.25
    if name == "square":
        return (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1)
    return (v <= 1) & (np.abs(u - 0.5) <= v / 2)


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    both = np.prod(sides.clip(0))
    return both / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both)


def score(found: Sequence[tuple], truth: Scenes) -> tuple[float, float]:
    """AP over the IoUs 0.50, 0.55, …, 0.95 and AP at 0.50, both in [0, 1], as COCO defines them (Lin et al. 2014).

    found: for each scene boxes (M, 4), scores (M,), labels (M,). pycocotools does the counting.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports its progress
        coco, results = COCO(), COCO()
        images = [{"id": i, "file_name": str(i), "height": SIDE, "width": SIDE} for i in range(len(truth))]
        shared = {"images": images, "categories": [{"id": k, "name": name} for k, name in enumerate(CLASSES)]}
        ones = [np.ones(len(boxes)) for boxes in truth.boxes]
        coco.dataset = shared | {"annotations": _rows(zip(truth.boxes, ones, truth.labels, strict=True))}
        results.dataset = shared | {"annotations": _rows(found)}
        coco.createIndex()
        results.createIndex()
        evaluation = COCOeval(coco, results, iouType="bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][..., 0, -1]  # (10 overlaps, 101 recalls, K classes)
    return tuple(float(part[part > -1].mean()) if (part > -1).any() else 0.0 for part in (precision, precision[0]))


def _rows(found) -> list[dict]:
    rows: list[dict] = []
    for i, (boxes, scores, labels) in enumerate(found):
        for (x1, y1, x2, y2), s, label in zip(*(np.asarray(v).tolist() for v in (boxes, scores, labels)), strict=True):
            row = {"id": len(rows) + 1, "image_id": i, "category_id": int(label), "bbox": [x1, y1, x2 - x1, y2 - y1]}
            rows.append(row | {"area": (x2 - x1) * (y2 - y1), "iscrowd": 0, "score": s})
    return rows
