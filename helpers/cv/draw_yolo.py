"""Drawings of the YOLO chapter: the form of one look, priors, descending boxes, mosaics, failures, the ladder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike
from PIL import Image, ImageFilter
from torch import Tensor
from torchvision import ops

from helpers.cv import draw_boxes
from helpers.cv.scoring import Detections
from helpers.data.annotated import Annotated
from helpers.plotting import BLACK, BLUE, COLOURS, GREEN, ORANGE, PURPLE, RED, SKY, YELLOW

KINDS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, BLACK, "#999999", "#AA4499")  # a colour for each class


def calm(image: ArrayLike, colours: int = 24) -> np.ndarray:
    """The picture (H, W, 3), uint8, without its noise and in few colours, so that a page of pictures stays small."""
    picture = Image.fromarray(np.ascontiguousarray(image)).filter(ImageFilter.MedianFilter(3))
    return np.asarray(
        picture.quantize(colours, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).convert("RGB")
    )


def _show(ax: Axes, image: ArrayLike, boxes: ArrayLike, *, colours: int = 24, **options: Any) -> None:
    draw_boxes.boxes(ax, calm(image, colours), boxes, **options)
    ax.images[0].set_interpolation("nearest")  # no colours in between: a smaller file


def _lines(ax: Axes, image: np.ndarray, stride: int, colours: int = 24) -> None:
    ax.imshow(calm(image, colours), interpolation="nearest")
    ax.axis("off")
    for x in range(stride, image.shape[1], stride):
        ax.axvline(x - 0.5, color="white", linewidth=0.8)
    for y in range(stride, image.shape[0], stride):
        ax.axhline(y - 0.5, color="white", linewidth=0.8)


def form(image: np.ndarray, boxes: np.ndarray, titles: Sequence[str], stride: int) -> None:
    """A picture (H, W, 3) under the grid; beside it with its boxes (M, 4) and their centres."""
    _figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.5))
    for ax in (left, right):
        _lines(ax, image, stride, colours=96)
    draw_boxes.boxes(right, None, boxes, titles, colour=YELLOW)
    right.plot(boxes[:, ::2].mean(1), boxes[:, 1::2].mean(1), "o", color=YELLOW, markersize=4, markeredgecolor="k")


def raw(image: np.ndarray, looked: Sequence[Tensor], found: Detections, stride: int, most: int) -> None:
    """What v1's form says of a picture: confidence by cell, all boxes, and the `most` best detections.

    looked: boxes (1, N, 4) as centre and size, confidence (1, N), classes (1, N, K), two boxes a cell in reading order.
    """
    boxes, confidence, classes = (part[0].numpy() for part in looked)
    height, width = (side // stride for side in image.shape[:2])
    surest = confidence.reshape(height, width, 2).max(2).clip(0, 1)
    _figure, axes = plt.subplots(1, 3, figsize=(7.2, 2.6))
    for ax, title in zip(axes, ("confidence", "all boxes", "after NMS"), strict=True):
        _lines(ax, image, stride)
        ax.set_title(title)
    extent = (-0.5, width * stride - 0.5, height * stride - 0.5, -0.5)
    axes[0].imshow(surest, cmap="magma", alpha=0.65, extent=extent, vmin=0, vmax=surest.max())
    for (row, column), value in np.ndenumerate(surest):
        spot = (column + 0.5) * stride, (row + 0.5) * stride
        axes[0].text(*spot, f"{value:.2f}".lstrip("0"), color="white", ha="center", va="center", fontsize=7)
    for (x, y, w, h), c, k in zip(boxes, confidence, classes.argmax(1), strict=True):
        line = {"edgecolor": KINDS[k % len(KINDS)], "linewidth": 0.3 + 4 * max(c, 0)}
        axes[1].add_patch(Rectangle((x - w / 2, y - h / 2), w, h, fill=False, clip_on=True, **line))
    colours = [KINDS[k % len(KINDS)] for k in found.labels[:most]]
    draw_boxes.boxes(axes[2], None, found.boxes[:most], colour=colours)
    for ax in axes:
        ax.set(xlim=extent[:2], ylim=extent[2:])


def priors(
    average: dict[int, float], plain: Sequence[float], sizes: np.ndarray, nearest: np.ndarray, shapes: np.ndarray
) -> None:
    """Average IoU against k beside Euclid's, the sizes (M, 2) by nearest prior, and the priors (P, 2) themselves."""
    _figure, (left, middle, right) = plt.subplots(1, 3, figsize=(7.4, 2.6), width_ratios=(1.2, 1, 1))
    left.plot(list(average), list(average.values()), "o-", color=BLUE, markersize=4, label="1 − IoU")
    left.plot(list(average), plain, "x", color=ORANGE, label="Euclid")
    left.set(xlabel="number of priors k", ylabel="average IoU in %")
    left.legend(loc="lower right")
    some = np.random.default_rng(0).permutation(len(sizes))[:800]
    for k, (w, h) in enumerate(shapes):
        own = sizes[some][nearest[some] == k]
        middle.plot(own[:, 0], own[:, 1], ".", color=COLOURS[k % len(COLOURS)], markersize=2, alpha=0.6)
        middle.plot(w, h, "X", color=COLOURS[k % len(COLOURS)], markersize=9, markeredgecolor="white")
        frame = Rectangle((-w / 2, -h / 2), w, h, fill=False, linewidth=2, edgecolor=COLOURS[k % len(COLOURS)])
        right.add_patch(frame)
    middle.set(xlabel="width in pixels", ylabel="height in pixels")
    reach = 0.6 * shapes.max()
    right.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    right.axis("off")


def descend(losses: dict[str, Callable[[Tensor, Tensor], Tensor]], steps: int = 120, rate: float = 20.0) -> None:
    """A box goes down each loss (boxes (M, 4) as centre and size → (M,)) towards one that it does not touch."""
    start, goal = torch.tensor([[24.0, 30.0, 22.0, 34.0]]), torch.tensor([[92.0, 66.0, 44.0, 30.0]])
    _figure, axes = plt.subplots(1, len(losses), figsize=(7.2, 2.2))
    for ax, (name, loss) in zip(axes, losses.items(), strict=True):
        box = start.clone().requires_grad_()
        for step in range(steps + 1):
            if step % 8 == 0:
                x, y, w, h = box[0].tolist()
                frame = Rectangle((x - w / 2, y - h / 2), w, h, fill=False, edgecolor=ORANGE, linewidth=1)
                frame.set_alpha(0.35 + 0.65 * (step == steps))
                ax.add_patch(frame)
            (slope,) = torch.autograd.grad(loss(box, goal).sum(), box)
            # Every loss moves by at most the same length, so that the paths and not the scales compare.
            move = rate * slope / (slope.norm() + 1e-3) / 20
            box = (box - move).detach().requires_grad_()
        x, y, w, h = goal[0].tolist()
        ax.add_patch(Rectangle((x - w / 2, y - h / 2), w, h, fill=False, edgecolor=BLUE, linewidth=2.2))
        overlap = ops.box_iou(*(ops.box_convert(b.detach(), "cxcywh", "xyxy") for b in (box, goal))).item()
        ax.set_title(f"{name}: IoU {overlap:.2f}")
        ax.set(xlim=(0, 125), ylim=(90, 0), aspect="equal", xticks=[], yticks=[])
        ax.grid(False)


def mosaics(images: Tensor, boxes: Tensor, labels: Tensor, error: ArrayLike) -> None:
    """Three mosaics (B, 3, H, W) with what is left of their boxes, and a map of the features' error."""
    _figure, axes = plt.subplots(1, 4, figsize=(7.2, 2.0))
    for ax, image, box, label in zip(axes[:3], images, boxes, labels, strict=False):
        draw_boxes.boxes(
            ax, calm(image.permute(1, 2, 0)), ops.box_convert(box[label >= 0], "cxcywh", "xyxy"), colour=YELLOW
        )
    axes[3].imshow(np.asarray(error), cmap="gray_r")
    axes[3].set_title("error of the features", fontsize=8)
    axes[3].axis("off")


def verdicts(found: Detections, boxes: np.ndarray, labels: np.ndarray, limit: float = 0.5) -> list[str]:
    """For each detection, best first: "right", "wrong class" or "wrong"; each true object is given away once."""
    free, said = set(range(len(boxes))), []
    for box, label in zip(found.boxes, found.labels, strict=True):
        rest = sorted(free)
        overlap = np.zeros(0)
        if rest:
            overlap = ops.box_iou(torch.tensor(box[None]), torch.tensor(boxes[rest]))[0].numpy()
        fits = [(overlap[i], labels[j] == label, j) for i, j in enumerate(rest) if overlap[i] >= limit]
        if not fits:
            said.append("wrong")
            continue
        _, same, j = max(fits, key=lambda fit: (fit[1], fit[0]))  # its own class before a better fit
        said.append("right" if same else "wrong class")
        free.discard(j)
    return said


def distinct(found: Detections, limit: float = 0.5) -> Detections:
    """Detections with one name for a place: of boxes that overlap by more than `limit`, whatever their classes, the
    surest."""
    kept = ops.nms(*(torch.tensor(np.asarray(part, np.float32)) for part in (found.boxes, found.scores)), limit).numpy()
    return Detections(found.boxes[kept], found.scores[kept], found.labels[kept])


def tally(truth: Annotated, found: Sequence[Detections]) -> dict[str, float]:
    """Verdicts, in % of all boxes drawn, when each picture gets as many of its best boxes as it has objects."""
    said: list[str] = []
    for one, boxes, labels in zip(found, truth.boxes, truth.labels, strict=True):
        one, most = distinct(one), len(boxes)
        best = Detections(one.boxes[:most], one.scores[:most], one.labels[:most])
        said += verdicts(best, boxes, labels)
    return {verdict: 100 * said.count(verdict) / max(1, len(said)) for verdict in ("right", "wrong class", "wrong")}


def networks() -> None:
    """The networks of v1, v2, v3 and v4 as small flow charts: maps, blocks, forms."""
    _figure, axes = plt.subplots(1, 4, figsize=(7.2, 2.5))
    spots = {"map 16": (0.3, 0.22), "map 8": (0.3, 0.78), "block": (1.25, 0.22), "form": (2.2, 0.22)}
    second = {"block ": (1.25, 0.78), "form ": (2.2, 0.78)}
    plain = [("map 16", "block"), ("block", "form")]
    charts = {
        "v1": ({k: v for k, v in spots.items() if k != "map 8"}, plain),
        "v2": (spots, [*plain, ("map 8", "map 16")]),
        "v3": (spots | second, [*plain, ("map 8", "block "), ("block", "block "), ("block ", "form ")]),
        "v4's block": ({"in": (0.1, 0.5), "1 × 1": (0.7, 0.22), "3 × 3\n3 × 3": (1.7, 0.22), "out": (2.3, 0.5)}, []),
    }
    fills = {"map": SKY, "for": GREEN, "blo": ORANGE, "1 ×": ORANGE, "3 ×": ORANGE}
    for ax, (title, (places, arrows)) in zip(axes, charts.items(), strict=True):
        if not arrows:
            places = places | {"1 × 1 ": (1.2, 0.78)}
            arrows = [
                ("in", "1 × 1"),
                ("1 × 1", "3 × 3\n3 × 3"),
                ("3 × 3\n3 × 3", "out"),
                ("in", "1 × 1 "),
                ("1 × 1 ", "out"),
            ]
        for start, end in arrows:
            style = {"arrowstyle": "->", "color": "0.35", "shrinkA": 13, "shrinkB": 15}
            ax.annotate("", places[end], places[start], arrowprops=style)
        for name, spot in places.items():
            box = {
                "boxstyle": "round,pad=0.3",
                "facecolor": fills.get(name[:3], "white"),
                "alpha": 0.9,
                "edgecolor": "0.5",
            }
            ax.text(*spot, name.strip(), ha="center", va="center", fontsize=7.5, bbox=box)
        ax.set(xlim=(-0.25, 2.6), ylim=(0, 1), title=title)
        ax.axis("off")
    axes[1].text(0.36, 0.5, "pass-\nthrough", fontsize=7, va="center")
    axes[2].text(1.31, 0.5, "enlarged", fontsize=7, va="center")


def generations(truth: Annotated, rows: ArrayLike, answers: dict[str, Sequence[Detections]]) -> None:
    """Scenes across, generations down: as many of the best boxes as there are objects; the truth in the last row."""
    rows = np.asarray(rows)
    axes = draw_boxes.grid(len(answers) + 1, len(rows), size=1.45)
    colours = {"right": GREEN, "wrong class": ORANGE, "wrong": RED}
    for line, (name, found) in zip(axes, answers.items(), strict=False):
        line[0].text(-0.04, 0.5, name, transform=line[0].transAxes, ha="right", va="center", fontsize=10)
        for ax, i, one in zip(line, rows, found, strict=True):
            most, one = len(truth.boxes[i]), distinct(one)
            best = Detections(one.boxes[:most], one.scores[:most], one.labels[:most])
            said = [colours[verdict] for verdict in verdicts(best, truth.boxes[i], truth.labels[i])]
            _show(ax, truth.images[i], best.boxes, colour=said)
            ax.set(xlim=(-0.5, truth.images.shape[2] - 0.5), ylim=(truth.images.shape[1] - 0.5, -0.5))
    axes[-1, 0].text(-0.04, 0.5, "truth", transform=axes[-1, 0].transAxes, ha="right", va="center", fontsize=10)
    for ax, i in zip(axes[-1], rows, strict=True):
        _show(ax, truth.images[i], truth.boxes[i], colour=SKY)


def ladder_rows(study: Any, keys: dict[str, str], live: dict[str, float]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the ladder's table: this run's AP, and the study's AP, gain, AP on small objects, s, ms."""

    def stored(name: str, digits: int = 1, sign: str = "") -> str:
        if study is None or name not in study.records:
            return "—"
        return f"{study.mean(name):{sign}.{digits}f} ± {study.sd(name):.{digits}f}"

    seeds = f"{len(study.seeds)} seeds" if study else "no study yet"
    header = ["each adds one idea", "AP, this run", f"AP in % ({seeds})", "gain", "AP, small", "training, CPU-s"]
    header.append("ms + stem")
    rows = []
    for idea, key in keys.items():
        here = f"{live[idea]:.1f}" if idea in live else "—"
        names = (f"ap_{key}", f"gain_{key}", f"small_ap_{key}", f"train_cpu_{key}", f"look_ms_{key}")
        ap, gain, small, cpu, ms = (stored(n, 0 if "cpu" in n else 1, "+" if "gain" in n else "") for n in names)
        rows.append([idea, here, ap, gain, small, cpu, ms])
    return header, rows


def ladder(study: Any, keys: dict[str, str], live: dict[str, tuple[float, float]]) -> None:
    """Bars of AP (and, lighter, AP50) for each rung: the study's mean ± sd, or without a study this run's."""
    ideas = list(keys) if study else list(live)
    _figure, ax = plt.subplots(figsize=(7.2, 0.28 * len(ideas) + 0.9))
    for y, idea in enumerate(ideas):
        key, spread = keys[idea], 0.0
        if study:
            (ap, ap50), spread = (study.mean(f"{what}_{key}") for what in ("ap", "ap50")), study.sd(f"ap_{key}")
        else:
            ap, ap50 = live[idea]
        ax.barh(y, ap50, color=SKY, alpha=0.35, label="AP50" if y == 0 else None)
        ax.barh(y, ap, color=BLUE, xerr=spread or None, label="AP" if y == 0 else None)
        if "=" in idea and idea != ideas[-1]:
            ax.axhline(y + 0.5, color="0.5", linestyle="--", linewidth=1)
        if idea == "v1":
            ax.axhline(y + 0.5, color="0.5", linestyle="--", linewidth=1)
    ax.set_yticks(range(len(ideas)), [idea if y == 0 else f"+ {idea}" for y, idea in enumerate(ideas)], fontsize=8.5)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="average precision in %")
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
