"""Visible checks of lab 2, detection. Each tests properties and small worked examples, never a whole answer."""

import math

import numpy as np
import torch

from helpers.labs import shapes, small_detector
from helpers.labs.checks import CheckFailed, Lab, expect, expect_array, expect_close

lab = Lab()
check = lab.check

# The master's solution reaches an AP (50:95) of 0.440 ± 0.019 on 128 scenes, over 6 seeds: the bar is the mean less
# three deviations, so that luck does not mark, and a recipe of one's own may be a little worse. Undecoded boxes or no
# NMS reach 0.20 to 0.24, a threshold of 0.5 on the scores 0.33 to 0.40.
BAR, NULL = 0.38, 0.15
TRAIN, TEST = 600, 128  # scenes


def share(ap: float) -> float:
    """What part of the points this AP earns: all from BAR on, none up to NULL, and linear between."""
    return min(1.0, max(0.0, (ap - NULL) / (BAR - NULL)))


@lab.task(
    "box-coding",
    3,
    ["encode", "decode"],
    "`encode(boxes, anchors)` gives SCALE · (t_x, t_y, t_w, t_h) and `decode(t, anchors)` takes them back to corners.",
    "`encode(boxes, anchors)` 给出 SCALE · (t_x, t_y, t_w, t_h)，`decode(t, anchors)` 把它们还原成左上角和右下角。",
)
def _(encode, decode):
    anchor, box = torch.tensor([[10.0, 20.0, 30.0, 60.0]]), torch.tensor([[14.0, 20.0, 34.0, 60.0]])
    t = expect_array("encode(boxes, anchors)", encode(box, anchor), (1, 4))
    where = ("for an anchor of 20 × 40 and a box 4 pixels further right", "锚框为 20 × 40、框右移 4 个像素时")
    expect_close(("t[0, 0], which is 10 · 4/20,", "t[0, 0]（即 10 · 4/20）"), t[0, 0], 2.0, where)
    expect(
        np.abs(t[0, 1:]).max() < 1e-5,
        f"Where only x moves, t_y, t_w and t_h should be 0; yours are {t[0, 1:].tolist()}.",
        f"只有 x 方向移动时，t_y、t_w、t_h 应为 0；你的结果是 {t[0, 1:].tolist()}。",
    )
    tall = expect_array("encode(boxes, anchors)", encode(torch.tensor([[10.0, 0.0, 30.0, 80.0]]), anchor), (1, 4))
    where = ("for a box twice as high about the same centre", "中心不变、高度加倍时")
    expect_close(("t[0, 3], which is 5 · log 2,", "t[0, 3]（即 5 · log 2）"), tall[0, 3], 5 * math.log(2), where)
    back = expect_array("decode(t, anchors)", decode(torch.zeros(1, 4), anchor), (1, 4))
    expect(
        np.abs(back - anchor.numpy()).max() < 1e-4,
        f"decode of t = 0 should be the anchor itself, {anchor[0].tolist()}; yours is {back[0].tolist()}.",
        f"t = 0 解码后应是锚框本身 {anchor[0].tolist()}；你的结果是 {back[0].tolist()}。",
    )
    back = expect_array("decode(encode(…))", decode(encode(box, anchor), anchor), (1, 4))
    expect(
        np.abs(back - box.numpy()).max() < 1e-3,
        f"decode should undo encode: {box[0].tolist()} came back as {back[0].tolist()}.",
        f"decode 应能还原 encode：{box[0].tolist()} 还原后成了 {back[0].tolist()}。",
    )
    wild = decode(torch.tensor([[0.0, 0.0, 1000.0, 1000.0]]), anchor)
    expect(
        bool(torch.isfinite(torch.as_tensor(wild)).all()),
        "decode gives an infinite box for t_w = 1000: clamp what stands in the exponential to at most log(1000/16).",
        "t_w = 1000 时 decode 得到无穷大的框：请把指数里的数截断到不超过 log(1000/16)。",
    )


@lab.task(
    "iou",
    3,
    ["iou"],
    "`iou(a, b)` gives the IoU of each of the N boxes `a` with each of the M boxes `b`: (N, M).",
    "`iou(a, b)` 给出 N 个框 `a` 与 M 个框 `b` 两两之间的 IoU，形状为 (N, M)。",
)
def _(iou):
    a = torch.tensor([[0.0, 0.0, 4.0, 4.0], [10.0, 10.0, 12.0, 12.0]])
    b = torch.tensor([[0.0, 0.0, 4.0, 4.0], [2.0, 0.0, 6.0, 4.0], [4.0, 0.0, 8.0, 4.0]])
    found = expect_array("iou(a, b) of 2 and 3 boxes", iou(a, b), (2, 3))
    where = ("for (0, 0, 4, 4) and itself", "(0, 0, 4, 4) 与它自身")
    expect_close(("the IoU", "IoU "), found[0, 0], 1.0, where)
    where = (
        "for (0, 0, 4, 4) and (2, 0, 6, 4): 8 pixels are shared, 24 are covered",
        "(0, 0, 4, 4) 与 (2, 0, 6, 4)：共有 8 个像素，一共覆盖 24 个",
    )
    expect_close(("the IoU", "IoU "), found[0, 1], 1 / 3, where)
    expect_close(("the IoU", "IoU "), found[0, 2], 0.0, ("for two boxes that only touch", "两个框仅仅相接"))
    where = (
        "for (0, 0, 4, 4) and (10, 10, 12, 12), where both sides of what is shared would be negative",
        "(0, 0, 4, 4) 与 (10, 10, 12, 12)，这时公共部分的两条边都会是负数",
    )
    expect_close(("the IoU", "IoU "), found[1, 0], 0.0, where)
    expect_array("iou(a, b) of 2 boxes and none", iou(a, torch.zeros(0, 4)), (2, 0))


@lab.task(
    "nms",
    4,
    ["nms"],
    "`nms(boxes, scores, labels, limit)` gives the indices of the boxes kept, the surest first.",
    "`nms(boxes, scores, labels, limit)` 给出保留下来的框的下标，把握最大的在前。",
)
def _(nms):
    boxes = torch.tensor([[0.0, 0, 10, 10], [1.0, 0, 11, 10], [30.0, 0, 40, 10]])
    scores, one = torch.tensor([0.6, 0.9, 0.7]), torch.zeros(3, dtype=torch.long)
    kept = np.asarray(nms(boxes, scores, one, 0.5)).tolist()
    expect(
        kept == [1, 2],
        f"Boxes 0 and 1 overlap by 0.82, and 1 is surer; box 2 stands apart. So [1, 2] are kept; yours are {kept}.",
        f"框 0 与框 1 的 IoU 为 0.82，框 1 把握更大；框 2 在别处。因此应保留 [1, 2]，你保留的是 {kept}。",
    )
    kept = np.asarray(nms(boxes, scores, torch.tensor([0, 1, 1]), 0.5)).tolist()
    expect(
        kept == [1, 2, 0],
        "A box strikes out others of its own class only. With classes 0, 1, 1 all three are kept, the surest first: "
        f"[1, 2, 0]; yours are {kept}.",
        f"一个框只淘汰同类的框。类别为 0、1、1 时三个框都应保留，把握最大的在前，即 [1, 2, 0]；你保留的是 {kept}。",
    )
    chain = torch.tensor([[0.0, 0, 10, 10], [4.0, 0, 14, 10], [8.0, 0, 18, 10]])
    kept = np.asarray(nms(chain, torch.tensor([0.9, 0.8, 0.7]), one, 0.4)).tolist()
    expect(
        kept == [0, 2],
        "In a chain of three, where each overlaps its neighbour by 0.43, the first strikes out the second, and what is "
        f"struck out strikes out no other: [0, 2] are kept; yours are {kept}.",
        "三个框连成一串，相邻两框的 IoU 为 0.43：第一个淘汰第二个，而被淘汰的框不再淘汰别的框，因此应保留 [0, 2]；"
        f"你保留的是 {kept}。",
    )


@lab.task(
    "matching",
    4,
    ["match"],
    "`match(anchors, truth, high, low)` gives y (N,), 1 for object, 0 for background, −1 for left out, and for each "
    "anchor the index of the object that it overlaps most.",
    "`match(anchors, truth, high, low)` 给出 y (N,)（1 为目标，0 为背景，−1 为不用），"
    "以及每个锚框重叠最多的那个目标的下标。",
)
def _(match):
    truth = torch.tensor([[0.0, 0, 10, 10], [40.0, 40, 60, 60]])
    anchors = torch.tensor([[0.0, 0, 10, 8], [0.0, 0, 10, 5], [0.0, 0, 10, 2], [42.0, 42, 52, 52], [80.0, 80, 90, 90]])
    y, which = match(anchors, truth, 0.7, 0.3)
    y, which = expect_array("y", y, (5,)), expect_array("which", which, (5,))
    expect(
        y[0] == 1 and y[2] == 0 and y[4] == 0,
        f"Anchors with a best IoU of 0.8, 0.2 and 0 should be 1, 0 and 0; yours are {y[[0, 2, 4]].tolist()}.",
        f"最大 IoU 为 0.8、0.2、0 的锚框应分别记为 1、0、0；你的结果是 {y[[0, 2, 4]].tolist()}。",
    )
    expect(
        y[1] == -1,
        f"An anchor with a best IoU of 0.5, between low and high, is left out: −1; yours is {y[1]}.",
        f"最大 IoU 为 0.5 的锚框介于 low 与 high 之间，不用，应记为 −1；你的结果是 {y[1]}。",
    )
    expect(
        y[3] == 1,
        "Anchor 3 overlaps object 1 by only 0.25, but no anchor fits that object better, so it is to find it: y = 1; "
        f"yours is {y[3]}.",
        f"锚框 3 与目标 1 的 IoU 只有 0.25，但没有别的锚框更贴合这个目标，所以由它来找：y = 1；你的结果是 {y[3]}。",
    )
    expect(
        which[:4].tolist() == [0, 0, 0, 1],
        f"The anchors 0 to 3 overlap the objects 0, 0, 0, 1 most; yours say {which[:4].tolist()}.",
        f"锚框 0～3 重叠最多的目标依次是 0、0、0、1；你的结果是 {which[:4].tolist()}。",
    )
    y, _ = match(anchors, torch.zeros(0, 4), 0.7, 0.3)
    expect(
        (np.asarray(y) == 0).all(),
        "On a scene without an object all anchors are background: y = 0.",
        "没有目标的场景里，所有锚框都是背景：y = 0。",
    )


@lab.task(
    "average-precision",
    4,
    ["judge", "average_precision"],
    "`judge(boxes, scores, truth, limit)` says which boxes of a scene are right; `average_precision(scores, right, "
    "objects)` is the mean precision at 101 recalls.",
    "`judge(boxes, scores, truth, limit)` 判断一个场景里哪些框是对的；`average_precision(scores, right, objects)` "
    "是 101 个召回率处精确率的平均值。",
)
def _(judge, average_precision):
    truth = torch.tensor([[0.0, 0, 10, 10], [20.0, 0, 30, 10]])
    boxes = torch.tensor([[1.0, 0, 11, 10], [0.0, 0, 10, 10], [20.0, 0, 30, 4]])
    right = expect_array("judge(…)", judge(boxes, torch.tensor([0.9, 0.8, 0.7]), truth, 0.5), (3,)).tolist()
    expect(
        right == [True, False, False],
        "The surest box takes the first object, so that the second box, though it fits better, is a repetition; the "
        f"third overlaps its object by 0.4 only. So it is [True, False, False]; yours is {right}.",
        "把握最大的框占用第一个目标，所以第二个框尽管更贴合，也只是重复；第三个框与目标的 IoU 只有 0.4。"
        f"因此应为 [True, False, False]；你的结果是 {right}。",
    )
    right = expect_array("judge(…)", judge(boxes[:2], torch.tensor([0.5, 0.8]), truth, 0.5), (2,)).tolist()
    expect(
        right == [False, True],
        "With the scores 0.5 and 0.8 the second box comes first: [False, True], in the boxes' own order; "
        f"yours is {right}.",
        f"分数为 0.5 和 0.8 时，第二个框先来：应为 [False, True]（按框原来的顺序）；你的结果是 {right}。",
    )
    where = ("for three boxes, all right, of three objects", "三个目标、三个框且全部正确时")
    ones = np.array([0.9, 0.8, 0.7])
    expect_close(("the AP", "AP "), average_precision(ones, np.array([True] * 3), 3), 1.0, where)
    where = (
        "for right, wrong, right and three objects: precision 1 up to recall 1/3 (34 levels), "
        "2/3 up to 2/3 (33 levels)",
        "结果依次为对、错、对，共三个目标时：召回率到 1/3 为止精确率为 1（34 个点），到 2/3 为止为 2/3（33 个点）",
    )
    expect_close(
        ("the AP", "AP "), average_precision(ones, np.array([True, False, True]), 3), (34 + 33 * 2 / 3) / 101, where
    )
    where = ("for one box, right, of one object, after a wrong one", "先错一个、再对一个，共一个目标时")
    expect_close(("the AP", "AP "), average_precision(ones[[1, 0]], np.array([True, False]), 1), 0.5, where)


@lab.task(
    "detector",
    4,
    ["gradients", "detect"],
    "`loss(…)` is what the network learns from, and `detect(…)` turns what it says into boxes, scores and classes.",
    "`loss(…)` 是网络学习的依据，`detect(…)` 把网络的输出变成框、分数和类别。",
)
def _(gradients, detect):
    places = small_detector.anchors()

    def asked(logits, offsets, boxes, labels):
        value, *slopes = gradients(logits, offsets, places, boxes, labels)
        for name, slope, output in zip(("logits", "offsets"), slopes, (logits, offsets), strict=True):
            expect_array(f"the derivative by the {name}", slope, tuple(output.shape))
        return value, *slopes

    for scene in (
        [torch.tensor([[4.0, 4, 18, 18]]), torch.tensor([1])],
        [torch.zeros(0, 4), torch.zeros(0, dtype=torch.long)],
    ):
        value, *slopes = gradients(torch.zeros(1, 512, 3), torch.zeros(1, 512, 4), places, *[[part] for part in scene])
        expect(
            np.isfinite(value) and all(part.isfinite().all() for part in slopes),
            f"On a scene with {len(scene[0])} objects your loss is {value:g}, or its derivative is not finite.",
            f"在有 {len(scene[0])} 个目标的场景上，你的损失为 {value:g}，或者其导数不是有限值。",
        )
        slope = slopes[0]
        expect(
            (slope > 0).float().mean() > 0.9,
            "A logit of 0 says 'perhaps' where nearly all anchors are background: the derivative by nearly all logits "
            "should be positive, so that they fall.",
            "logit 为 0 表示“也许有”，而几乎所有锚框都是背景：损失对几乎所有 logit 的导数都应为正，使它们下降。",
        )
    none = _found(detect(torch.full((512, 3), -20.0), torch.zeros(512, 4), places))
    expect(
        len(none[0]) == 0,
        "Where all logits are −20, nothing is there to be found.",
        "所有 logit 都是 −20 时，不应找到任何东西。",
    )

    rng = np.random.default_rng(2024)
    network = small_detector.fresh(lambda: small_detector.AnchorNetwork(len(shapes.CLASSES)), 0)
    small_detector.train(network, asked, shapes.make(TRAIN, rng), seed=0)
    scenes = shapes.make(TEST, rng)
    ap, ap50 = shapes.score([_found(detect(*said, places)) for said in small_detector.look(network, scenes)], scenes)
    print(
        f"AP {100 * ap:.1f} %, AP50 {100 * ap50:.1f} % after {small_detector.STEPS} steps; all points from {BAR:.0%}."
    )
    return share(ap)


def _found(answer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    try:
        boxes, scores, labels = answer
    except (TypeError, ValueError) as error:
        raise CheckFailed(
            "detect should return three things: boxes (M, 4), scores (M,), labels (M,).",
            "detect 应返回三样东西：框 (M, 4)、分数 (M,)、类别 (M,)。",
        ) from error
    boxes = expect_array("detect's boxes", boxes, (len(boxes), 4))
    return boxes, expect_array("the scores", scores, (len(boxes),)), expect_array("the labels", labels, (len(boxes),))
