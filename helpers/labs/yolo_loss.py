"""Visible checks of lab 3, the loss of YOLO. Each tests properties and small worked examples, never a whole answer."""

import math

import numpy as np
import torch

from helpers.labs import grid_detector, shapes, small_detector
from helpers.labs.checks import CheckFailed, Lab, expect, expect_array, expect_close

lab = Lab()
check = lab.check

# The master's solution reaches an AP (50:95) of 0.222 ± 0.031 on 100 scenes, over 6 seeds: the bar is the mean less two
# deviations. Equal weights reach 0.194 ± 0.038, no NMS 0.18, a threshold of 0.3 on the scores 0.07.
BAR, NULL = 0.16, 0.06
TRAIN, TEST = 400, 100  # scenes
THREE = torch.tensor([[8.0, 8.0], [16.0, 8.0], [8.0, 16.0]])  # anchors: a square, a wide one, a high one


def share(ap: float) -> float:
    """What part of the points this AP earns: all from BAR on, none up to NULL, and linear between."""
    return min(1.0, max(0.0, (ap - NULL) / (BAR - NULL)))


@lab.task(
    "assignment",
    4,
    ["assign"],
    "`assign(boxes, anchors, stride)` gives each box's anchor, row and column.",
    "`assign(boxes, anchors, stride)` 给出每个框对应的锚框、行和列。",
)
def _(assign):
    boxes = torch.tensor([[0.0, 0, 8, 8], [20.0, 4, 34, 12], [4.0, 33, 12, 47]])
    anchor, row, col = _three("assign", assign(boxes, THREE, 8))
    for name, part in (("anchor", anchor), ("row", row), ("col", col)):
        expect_array(name, part, (3,), "int64")
    expect(
        [int(row[1]), int(col[1])] == [1, 3],
        "The box (20, 4, 34, 12) has its centre at x = 27, y = 8; with cells of 8 pixels this is row 1, column 3. "
        f"Yours is row {int(row[1])}, column {int(col[1])}.",
        "框 (20, 4, 34, 12) 的中心在 x = 27、y = 8；单元格为 8 像素时，它位于第 1 行第 3 列。"
        f"你的结果是第 {int(row[1])} 行第 {int(col[1])} 列。",
    )
    expect(
        np.asarray(anchor).tolist() == [0, 1, 2],
        "Boxes of 8 × 8, 14 × 8 and 8 × 14 are most like the anchors 0 (8 × 8), 1 (16 × 8) and 2 (8 × 16); "
        f"yours are {np.asarray(anchor).tolist()}.",
        "8 × 8、14 × 8、8 × 14 的框分别与锚框 0（8 × 8）、1（16 × 8）、2（8 × 16）最相似；"
        f"你的结果是 {np.asarray(anchor).tolist()}。",
    )
    moved = assign(boxes + 16, THREE, 8)
    expect(
        np.asarray(moved[0]).tolist() == [0, 1, 2],
        "The same shapes two cells further down and right have the same anchors: only width and height count.",
        "同样的形状向右下方移动两个单元格，锚框应不变：只看宽和高。",
    )
    none = _three("assign", assign(torch.zeros(0, 4), THREE, 8))
    expect(
        all(len(part) == 0 for part in none),
        "For no boxes the three results should be empty.",
        "没有框时，三个结果都应为空。",
    )


@lab.task(
    "decoding",
    3,
    ["decode"],
    "`decode(t, anchors, stride)` makes corners (B, A, H, W, 4) of t (B, A, H, W, 4).",
    "`decode(t, anchors, stride)` 把 t (B, A, H, W, 4) 变成框的角点坐标 (B, A, H, W, 4)。",
)
def _(decode):
    t = torch.zeros(2, 3, 4, 5, 4)
    boxes = expect_array("decode(t, anchors, stride)", decode(t, THREE, 8), (2, 3, 4, 5, 4))
    expect(
        np.allclose(boxes[0, 0, 0, 0], [0, 0, 8, 8], atol=1e-4),
        "t = 0 in row 0, column 0 puts the centre at (4, 4), for sigmoid(0) = 1/2; with the anchor 8 × 8 the box is "
        f"(0, 0, 8, 8); yours is {boxes[0, 0, 0, 0].round(2).tolist()}.",
        "第 0 行第 0 列的 t = 0 使中心落在 (4, 4)，因为 sigmoid(0) = 1/2；锚框为 8 × 8 时，框应为 (0, 0, 8, 8)；"
        f"你的结果是 {boxes[0, 0, 0, 0].round(2).tolist()}。",
    )
    expect(
        np.allclose(boxes[1, 1, 1, 3], [20, 8, 36, 16], atol=1e-4),
        "t = 0 in row 1, column 3 puts the centre at x = 28, y = 12; with the anchor 16 × 8 the box is "
        f"(20, 8, 36, 16); yours is {boxes[1, 1, 1, 3].round(2).tolist()}.",
        "第 1 行第 3 列的 t = 0 使中心落在 x = 28、y = 12；锚框为 16 × 8 时，框应为 (20, 8, 36, 16)；"
        f"你的结果是 {boxes[1, 1, 1, 3].round(2).tolist()}。",
    )
    t[..., 2] = math.log(2)
    wide = expect_array("decode(t, anchors, stride)", decode(t, THREE, 8), (2, 3, 4, 5, 4))[0, 0, 0, 0]
    where = ("for t_w = log 2 and an anchor 8 wide", "t_w = log 2、锚框宽 8 时")
    expect_close(("the width", "宽度"), wide[2] - wide[0], 16.0, where)
    t[..., 2:] = 1000
    expect(
        bool(np.isfinite(np.asarray(decode(t, THREE, 8))).all()),
        "t_w = 1000 gives an infinite box: cut off t_w and t_h at −4 and 4 before the exponential.",
        "t_w = 1000 得到无穷大的框：取指数之前，请把 t_w 和 t_h 截断到 −4 与 4 之间。",
    )


@lab.task(
    "ciou",
    4,
    ["ciou"],
    "`ciou(a, b)` gives the CIoU of each box of `a` with the box of `b` in the same row: (N,).",
    "`ciou(a, b)` 给出 `a` 的每个框与 `b` 中同一行的框的 CIoU，形状为 (N,)。",
)
def _(ciou):
    a = torch.tensor([[0.0, 0, 4, 4], [0.0, 0, 4, 4], [0.0, 0, 4, 4], [0.0, 0, 4, 2]])
    b = torch.tensor([[0.0, 0, 4, 4], [2.0, 0, 6, 4], [8.0, 0, 12, 4], [1.0, -1, 3, 3]])
    found = expect_array("ciou(a, b) of 4 pairs", ciou(a, b), (4,))
    expect_close(("CIoU", "CIoU "), found[0], 1.0, ("for a box and itself", "框与它自身"))
    where = (
        "for (0, 0, 4, 4) and (2, 0, 6, 4): IoU 1/3, centres 2 apart, a hull of 6 × 4",
        "(0, 0, 4, 4) 与 (2, 0, 6, 4)：IoU 为 1/3，中心相距 2，外包框为 6 × 4",
    )
    expect_close(("CIoU", "CIoU "), found[1], 1 / 3 - 4 / 52, where)
    where = (
        "for two boxes that lie apart, whose centres are 8 apart in a hull of 12 × 4",
        "两个分离的框：中心相距 8，外包框为 12 × 4",
    )
    expect_close(("CIoU", "CIoU "), found[2], -64 / 160, where)
    v = 4 / math.pi**2 * (math.atan(2) - math.atan(0.5)) ** 2
    where = ("for 4 × 2 and 2 × 4 about the same centre: IoU 1/3 less αv", "中心相同的 4 × 2 与 2 × 4：IoU 1/3 减去 αv")
    expect_close(("CIoU", "CIoU "), found[3], 1 / 3 - v * v / (2 / 3 + v), where)


@lab.task(
    "objectness",
    4,
    ["lessons"],
    "`lessons(guessed, truth, anchors, stride, limit)` gives y (A, H, W): 1 object, 0 none, −1 left out.",
    "`lessons(guessed, truth, anchors, stride, limit)` 给出 y (A, H, W)：1 为有目标，0 为没有，−1 为忽略。",
)
def _(lessons):
    guessed = torch.tensor([100.0, 100, 108, 108]).repeat(3, 4, 5, 1)
    truth = torch.tensor([[20.0, 8, 36, 16]])  # anchor 1, row 1, column 3
    guessed[1, 1, 2] = torch.tensor([18.0, 8, 34, 16])
    guessed[0, 1, 3] = torch.tensor([20.0, 8, 26, 16])
    y = expect_array("lessons(…)", lessons(guessed, truth, THREE, 8, 0.5), (3, 4, 5))
    expect(
        y[1, 1, 3] == 1,
        "The box (20, 8, 36, 16) belongs to anchor 1 in row 1, column 3: y is 1 there, even if what is guessed there "
        f"is far off. Yours is {y[1, 1, 3]}.",
        f"框 (20, 8, 36, 16) 归第 1 行第 3 列的锚框 1：无论那里预测的框差多远，y 都是 1。你的结果是 {y[1, 1, 3]}。",
    )
    expect(
        y[1, 1, 2] == -1,
        "In the cell beside it the guessed box overlaps the object by 0.78, more than the limit of 0.5: it is left "
        f"out, −1. Yours is {y[1, 1, 2]}.",
        f"旁边那个单元格预测的框与目标的 IoU 为 0.78，超过阈值 0.5：应忽略，记为 −1。你的结果是 {y[1, 1, 2]}。",
    )
    expect(
        y[0, 1, 3] == 0 and (y == 0).sum() == 58,
        "A guessed box that overlaps the object by 0.375 is not near enough: 0, like all the rest.",
        "与目标的 IoU 只有 0.375 的预测框还不够近：记为 0，其余的也都是 0。",
    )
    good = guessed.clone()
    good[1, 1, 3] = truth[0]
    expect(
        np.asarray(lessons(good, truth, THREE, 8, 0.5))[1, 1, 3] == 1,
        "Where the object is assigned, y is 1, and not −1 as soon as the guess fits: write the 1 last.",
        "负责该目标的位置 y 为 1，预测准确之后也不应变成 −1：请最后写入 1。",
    )
    expect(
        (np.asarray(lessons(guessed, torch.zeros(0, 4), THREE, 8, 0.5)) == 0).all(),
        "On a scene without an object all y are 0.",
        "没有目标的场景里，y 全为 0。",
    )


@lab.task(
    "loss",
    5,
    ["loss"],
    "`loss(raw, boxes, labels, anchors, stride, limit, weights)` is the weighted sum of the three parts.",
    "`loss(raw, boxes, labels, anchors, stride, limit, weights)` 是三部分的加权和。",
)
def _(loss):
    boxes = [torch.tensor([[8.0, 8, 16, 16]]), torch.zeros(0, 4)]  # anchor 0, row 1, column 1: t = 0 is exact
    labels = [torch.tensor([2]), torch.zeros(0, dtype=torch.long)]
    raw = torch.zeros(2, 3, 4, 5, 8)

    def part(w, raw=raw, boxes=boxes, labels=labels, limit=0.4):
        return loss(raw, boxes, labels, THREE, 8, limit, w)

    where = ("for weights (1, 0, 0) and a box that is right", "权重为 (1, 0, 0)、框完全正确时")
    expect_close(("the loss", "损失"), part((1, 0, 0)), 0.0, where)
    where = (
        "for weights (0, 0, 1): three class logits of 0, so 3 · log 2",
        "权重为 (0, 0, 1) 时：三个类别 logit 都是 0，即 3 · log 2",
    )
    expect_close(("the loss", "损失"), part((0, 0, 1)), 3 * math.log(2), where)
    where = (
        "for weights (0, 1, 0): with a limit of 1 none of 120 places is left out; each costs log 2; one object",
        "权重为 (0, 1, 0) 时：阈值为 1，120 个位置无一忽略，每个 log 2，共一个目标",
    )
    expect_close(("the loss", "损失"), part((0, 1, 0), limit=1.0), 120 * math.log(2), where, 1e-2)
    where = (
        "for weights (0, 1, 0) and a limit of 0.4: the two other anchors of that cell overlap the object by 1/2 "
        "and are left out",
        "权重为 (0, 1, 0)、阈值为 0.4 时：该单元格另外两个锚框与目标的 IoU 为 1/2，应忽略",
    )
    expect_close(("the loss", "损失"), part((0, 1, 0)), 118 * math.log(2), where, 1e-2)
    sure = raw.clone()
    sure[0, 0, 1, 1, 4] = 5.0
    expect(
        float(part((0, 1, 0), sure)) < float(part((0, 1, 0))),
        "A higher objectness where the object is should lower the loss.",
        "在目标所在位置提高目标性，损失应下降。",
    )
    nothing = part((1, 1, 1), raw[1:], boxes[1:], labels[1:])
    where = ("for a batch without an object: 60 · log 2, divided by 1", "一批中没有目标时：60 · log 2，除以 1")
    expect_close(("the loss", "损失"), nothing, 60 * math.log(2), where, 1e-2)
    weighed = [float(part(w)) for w in ((1, 1, 1), (1, 2, 3), (0, 1, 0), (0, 0, 1))]
    where = ("for weights (1, 2, 3)", "权重为 (1, 2, 3) 时")
    expect_close(("the loss", "损失"), weighed[1], 2 * weighed[2] + 3 * weighed[3], where, 1e-2)


@lab.task(
    "detector",
    5,
    ["gradients", "detect"],
    "`objective(raw, boxes, labels)` is what the network learns from; `detect(raw)` gives boxes, scores and classes.",
    "`objective(raw, boxes, labels)` 是网络学习的依据；`detect(raw)` 给出框、分数和类别。",
)
def _(gradients, detect):
    def asked(raw, boxes, labels):
        value, slope = gradients(raw, boxes, labels)
        expect_array("the derivative of your objective", slope, tuple(raw.shape))
        return value, slope

    silent = torch.full((len(grid_detector.ANCHORS), grid_detector.GRID, grid_detector.GRID, 8), -20.0)
    silent[..., :4] = 0
    expect(
        len(_found(detect(silent))[0]) == 0,
        "Where all objectness and class logits are −20, nothing is there to be found.",
        "目标性与类别的 logit 都是 −20 时，不应找到任何东西。",
    )
    rng = np.random.default_rng(2024)
    network, scenes = small_detector.fresh(grid_detector.GridNetwork, 0), shapes.make(TRAIN, rng)
    small_detector.train(network, asked, scenes, seed=0, steps=grid_detector.STEPS)
    scenes = shapes.make(TEST, rng)
    ap, ap50 = shapes.score([_found(detect(*said)) for said in small_detector.look(network, scenes)], scenes)
    print(f"AP {100 * ap:.1f} %, AP50 {100 * ap50:.1f} % after {grid_detector.STEPS} steps; all points from {BAR:.0%}.")
    return share(ap)


def _three(name: str, answer) -> tuple:
    try:
        first, second, third = answer
    except (TypeError, ValueError) as error:
        raise CheckFailed(f"{name} should return three things.", f"{name} 应返回三样东西。") from error
    return first, second, third


def _found(answer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    boxes, scores, labels = _three("detect", answer)
    boxes = expect_array("detect's boxes", boxes, (len(boxes), 4))
    return boxes, expect_array("the scores", scores, (len(boxes),)), expect_array("the labels", labels, (len(boxes),))
