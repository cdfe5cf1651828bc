"""The grader of lab 2, detection: hidden boxes, scenes and scores for each task, and a detector trained on a budget.

References are torchvision's, or plain loops. Numbers whose comparison would hang on rounding are avoided, or exact.
"""

import numpy as np
import torch
from torchvision import ops
from torchvision.models.detection._utils import BoxCoder

from aibook.labs.compare import array, check, close
from aibook.labs.grading import FULL, Grader, Share, Wrong
from helpers.labs import detection as lab
from helpers.labs import shapes, small_detector

grader = Grader("02-detection")
CODER = BoxCoder((10.0, 10.0, 5.0, 5.0))
BOXES, INDICES = ("the boxes", "框"), ("the indices", "下标")


def some_boxes(rng, n: int, *, room: float = 100, low: float = 4, high: float = 60) -> torch.Tensor:
    """n boxes (n, 4), float32, that overlap here and there."""
    corner, size = rng.uniform(0, room, (n, 2)), rng.uniform(low, high, (n, 2))
    return torch.from_numpy(np.hstack([corner, corner + size]).astype(np.float32))


# -- box-coding --------------------------------------------------------------------------------------------------------
@grader.part("box-coding", 1, "encode: the offsets", "encode：偏移量")
def offsets(student, rng):
    for n in (1, int(rng.integers(5, 40)), 3):
        boxes, anchors = some_boxes(rng, n), some_boxes(rng, n)
        expected = CODER.encode_single(boxes, anchors)
        close(("the offsets", "偏移量"), student.call("encode", boxes, anchors), expected, rtol=1e-3, atol=1e-3)
    array(("the offsets of no box", "没有框时的偏移量"), student.call("encode", *[torch.zeros(0, 4)] * 2), (0, 4))


@grader.part("box-coding", 1, "decode: the boxes", "decode：框")
def decoded(student, rng):
    for n in (1, int(rng.integers(5, 40)), 3):
        anchors, t = some_boxes(rng, n), torch.from_numpy(rng.normal(0, 3, (n, 4)).astype(np.float32))
        close(BOXES, student.call("decode", t, anchors), CODER.decode_single(t, anchors), rtol=1e-3, atol=1e-2)


@grader.part("box-coding", 1, "there and back, and offsets that are far too large", "往返一致，以及过大的偏移量")
def extremes(student, rng):
    boxes, anchors = some_boxes(rng, 20), some_boxes(rng, 20)
    close(BOXES, student.call("decode", student.call("encode", boxes, anchors), anchors), boxes, rtol=1e-3, atol=1e-2)
    where = ("for offsets that are far too large", "偏移量过大时")
    for n in (1, 6):
        t = torch.from_numpy((rng.uniform(25, 400, (n, 4)) * rng.choice([1, -1], (n, 4))).astype(np.float32))
        anchors = some_boxes(rng, n)
        expected = CODER.decode_single(t, anchors)
        close(BOXES, student.call("decode", t, anchors), expected, rtol=1e-3, atol=0.05, where=where)
    t = torch.tensor([[0, 0, 21.5, 19.5], [0, 0, 19.5, 21.5], [0, 0, -24.0, 0], [0, 0, 0, -24.0], [0, 0, 500.0, 500.0]])
    anchors = some_boxes(rng, 5, low=40)  # 5 · log(1000/16) = 20.7 is the limit; there is none below
    close(BOXES, student.call("decode", t, anchors), CODER.decode_single(t, anchors), rtol=1e-4, atol=0.01, where=where)


# -- iou ---------------------------------------------------------------------------------------------------------------
@grader.part("iou", 1, "all pairs", "两两之间")
def pairs(student, rng):
    for n, m in ((int(rng.integers(2, 30)), int(rng.integers(31, 50))), (7, 1), (1, 5), (4, 4)):
        a, b = some_boxes(rng, n), some_boxes(rng, m)
        close(
            ("the IoU", "IoU"), student.call("iou", a, b), ops.box_iou(a, b), where=(f"for {n} and {m}", f"{n} 对 {m}")
        )


@grader.part("iou", 1, "boxes that touch, contain one another, or lie apart", "相接、包含与分离的框")
def special(student, rng):
    x, y = (float(rng.integers(-20, 20)) for _ in range(2))
    w, h = (float(rng.integers(4, 20)) for _ in range(2))
    box = [x, y, x + w, y + h]
    others = [
        box, [x + 1, y + 1, x + w - 1, y + h - 1], [x + w, y, x + 2 * w, y + h], [x, y + h, x + w, y + 2 * h],
        [x + w, y + h, x + 2 * w, y + 2 * h], [x + 2 * w, y + 2 * h, x + 3 * w, y + 3 * h],
        [x - 3 * w, y + 3 * h, x - 2 * w, y + 4 * h], [x + 3 * w, y, x + 4 * w, y + h],
        [x, y - 3 * h, x + w, y - 2 * h], [x - 1, y - 2, x + w + 3, y + h + 4],
    ]  # fmt: skip
    a, b = torch.tensor([box]), torch.tensor(others)
    for first, second in ((a, b), (b, a), (b, b)):
        close(("the IoU", "IoU"), student.call("iou", first, second), ops.box_iou(first, second))


@grader.part("iou", 1, "no boxes, and boxes without area", "没有框，以及面积为零的框")
def without(student, rng):
    a, none = some_boxes(rng, int(rng.integers(2, 6))), torch.zeros(0, 4)
    for first, second in ((a, none), (none, a), (none, none)):
        array(("the IoU", "IoU"), student.call("iou", first, second), (len(first), len(second)))
    x = float(rng.integers(1, 50))
    flat = torch.tensor([[x, x, x, x], [x, 2.0, x, 9.0], [3.0, x, 8.0, x], [x, x, x + 1, x + 1]])
    expected = torch.zeros(4, 4)
    expected[3, 3] = 1
    close(
        ("the IoU", "IoU"), student.call("iou", flat, flat), expected, where=("of boxes without area", "面积为零的框")
    )


# -- nms ---------------------------------------------------------------------------------------------------------------
def _same_boxes(student, boxes, scores, labels, limit, expected, where=("", "")):
    kept = array(INDICES, student.call("nms", boxes, scores, labels, limit))
    close(INDICES, kept, np.asarray(expected), where=where, dtype="int" if len(kept) else "")


@grader.part("nms", 1, "one class", "单个类别")
def one_class(student, rng):
    for n in (12, int(rng.integers(20, 60)), 1):
        boxes, scores = some_boxes(rng, n, room=60), torch.from_numpy(rng.permutation(n).astype(np.float32) / n)
        limit = float(rng.uniform(0.15, 0.6))
        labels = torch.full((n,), int(rng.integers(0, 3)))
        _same_boxes(student, boxes, scores, labels, limit, ops.nms(boxes, scores, limit))
        _same_boxes(student, boxes, scores, labels, 0.0, ops.nms(boxes, scores, 0.0))


@grader.part("nms", 2, "class by class", "逐类进行")
def several_classes(student, rng):
    for n, classes in ((int(rng.integers(20, 60)), 3), (30, 2), (15, 15)):
        boxes, scores = some_boxes(rng, n, room=40), torch.from_numpy(rng.permutation(n).astype(np.float32) / n)
        labels, limit = torch.from_numpy(rng.integers(0, classes, n)), float(rng.uniform(0.15, 0.5))
        _same_boxes(student, boxes, scores, labels, limit, ops.batched_nms(boxes, scores, labels, limit))


@grader.part("nms", 1, "ties, the limit itself, chains, and no box", "分数相同、恰在阈值上、连成一串、没有框")
def rules(student, rng):
    x = float(rng.integers(0, 30))
    twins = torch.tensor([[x, 0, x + 4, 2], [x, 0, x + 2, 2], [x, 0, x + 4, 3]])  # IoU 1/2, 2/3 and 1/3: exact, or far
    same = torch.zeros(3, dtype=torch.long)
    half = torch.full((3,), 0.5)
    _same_boxes(student, twins, half, same, 0.5, [0, 1], ("at the limit itself", "IoU 恰为阈值时"))
    _same_boxes(student, twins, half, same, 0.45, [0], ("for equal scores", "分数相同时"))
    _same_boxes(student, twins.flip(0), half, same, 0.5, [0, 1], ("for equal scores", "分数相同时"))
    many = torch.tensor([[x, 0, x + 9, 9]]).repeat(20, 1) + 20 * torch.arange(20.0)[:, None] * torch.tensor(
        [1.0, 0, 1, 0]
    )
    tied = torch.tensor([0.25, 0.75] * 10)
    order = [*range(1, 20, 2), *range(0, 20, 2)]
    _same_boxes(student, many, tied, torch.zeros(20, dtype=torch.long), 0.3, order, ("for equal scores", "分数相同时"))
    chain = torch.tensor([[x + 4 * i, 0, x + 4 * i + 10, 10] for i in range(7)])  # neighbours: 0.43, next but one: 0.11
    scores = torch.arange(7, 0, -1).float() / 10
    zeros = torch.zeros(7, dtype=torch.long)
    _same_boxes(student, chain, scores, zeros, 0.3, [0, 2, 4, 6], ("for a chain of boxes", "框连成一串时"))
    where = ("with a limit of 1, which strikes out nothing", "阈值为 1（什么都不淘汰）时")
    _same_boxes(student, chain, scores, zeros, 1.0, list(range(7)), where)
    empty = torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long)
    array(("the indices of no box", "没有框时的下标"), student.call("nms", *empty, 0.5), (0,))


# -- matching ----------------------------------------------------------------------------------------------------------
def lesson(anchors, truth, high, low):
    """y and which, by plain loops over anchors and objects."""
    overlap = ops.box_iou(anchors, truth).numpy()
    y = [1 if row.max() >= high else 0 if row.max() < low else -1 for row in overlap]
    for column in overlap.T:
        y = [1 if value == column.max() and value > 0 else now for now, value in zip(y, column, strict=True)]
    return np.array(y), overlap.argmax(axis=1)


def _same_lesson(student, anchors, truth, high, low, where=("", "")):
    answer = student.call("match", anchors, truth, high, low)
    check(
        isinstance(answer, list | tuple) and len(answer) == 2,
        "match should return y and which", "match 应返回 y 与 which",
    )  # fmt: skip
    y, which = lesson(anchors, truth, high, low)
    close(("y", "y"), answer[0], y, where=where)
    overlapping = ops.box_iou(anchors, truth).numpy().max(axis=1) > 0  # the others overlap none of them most
    found = array(("which", "which"), answer[1], which.shape, "int")
    close(("which", "which"), found[overlapping], which[overlapping], where=where)


@grader.part(
    "matching", 2, "both limits, and the object that each anchor overlaps most", "两个阈值，以及每个锚框重叠最多的目标"
)
def limits(student, rng):
    for n, m in ((int(rng.integers(60, 120)), 5), (40, 2), (30, 1)):
        truth = some_boxes(rng, m, room=60, low=15)
        near = truth[rng.integers(m, size=n)] + torch.from_numpy(rng.normal(0, 7, (n, 4)).astype(np.float32))
        near[:, 2:] = torch.maximum(near[:, 2:], near[:, :2] + 2)
        high, low = float(rng.uniform(0.45, 0.6)), float(rng.uniform(0.2, 0.4))
        _same_lesson(student, near, truth, high, low)
        _same_lesson(student, near, truth, 0.45, 0.45, ("with high = low", "high 与 low 相等时"))


@grader.part("matching", 1, "favourites", "目标最贴合的锚框")
def favourites(student, rng):
    size = float(rng.integers(8, 14))
    # Anchors far smaller than the objects: none reaches the limit, several tie, and one is two objects' favourite.
    corner = torch.tensor([[x, y] for y in (0.0, 40.0) for x in (0.0, 40.0, 80.0)])
    anchors = torch.cat([corner, corner + size], dim=1)
    truth = torch.tensor([[0, 0, 2 * size, 2 * size], [41.0, 0, 41 + 3 * size, size], [-30, 40, size, 40 + 2 * size]])
    _same_lesson(student, anchors, truth, 0.7, 0.3)
    _same_lesson(student, anchors.repeat(2, 1), truth, 0.7, 0.3, ("where anchors tie", "锚框并列时"))
    _same_lesson(
        student, anchors, truth + 200, 0.7, 0.3, ("for objects that no anchor overlaps", "没有锚框与目标重叠时")
    )
    both = torch.tensor([[0, 0, 2 * size, size], [2 * size - 2, 0, 4 * size - 2, size]])
    _same_lesson(student, anchors[:1] + torch.tensor([3.0, 0, size, 0]), both, 0.9, 0.8)


@grader.part("matching", 1, "the limits themselves, and scenes without an object", "恰在阈值上，以及没有目标的场景")
def borders(student, rng):
    x = float(rng.integers(0, 40))
    truth = torch.tensor([[x, 0, x + 4, 4]])
    anchors = torch.tensor([[x, 0, x + 4, 4], [x, 0, x + 4, 2], [x, 0, x + 4, 1], [x, 0, x + 2, 1]])  # 1, 1/2, 1/4, 1/8
    _same_lesson(student, anchors, truth, 0.5, 0.25, ("at the limits themselves", "IoU 恰为阈值时"))
    _same_lesson(student, anchors, truth, 0.75, 0.5, ("at the limits themselves", "IoU 恰为阈值时"))
    _same_lesson(student, anchors, truth, 1.0, 0.125, ("at the limits themselves", "IoU 恰为阈值时"))
    n = int(rng.integers(3, 9))
    y, which = student.call("match", some_boxes(rng, n), torch.zeros(0, 4), 0.7, 0.3)
    close(("y", "y"), y, np.zeros(n), where=("on a scene without an object", "没有目标的场景里"))
    array(("which", "which"), which, (n,), "int")


# -- average-precision -------------------------------------------------------------------------------------------------
def verdicts(boxes, scores, truth, limit):
    """Which boxes are right, by plain loops."""
    overlap, right, free = ops.box_iou(boxes, truth).numpy(), [False] * len(boxes), set(range(len(truth)))
    for n in sorted(range(len(boxes)), key=lambda n: -float(scores[n])):
        m = max(free, key=lambda m: overlap[n, m], default=None)
        if m is not None and overlap[n, m] >= limit:
            right[n] = True
            free.remove(m)
    return right


def _same_verdicts(student, boxes, scores, truth, limit, where=("", "")):
    found = array(("right", "right"), student.call("judge", boxes, scores, truth, limit), (len(boxes),))
    close(("right", "right"), found, verdicts(boxes, scores, truth, limit), where=where)


@grader.part("average-precision", 1, "which boxes are right", "哪些框是对的")
def right_boxes(student, rng):
    for m, n in ((6, int(rng.integers(20, 40))), (1, 8), (9, 15)):
        truth = some_boxes(rng, m, room=50, low=15)
        boxes = truth[rng.integers(m, size=n)] + torch.from_numpy(rng.normal(0, 4, (n, 4)).astype(np.float32))
        boxes[:, 2:] = torch.maximum(boxes[:, 2:], boxes[:, :2] + 2)
        scores = torch.from_numpy(rng.permutation(n).astype(np.float32) / n)
        for limit in (0.3, 0.5, 0.75):
            _same_verdicts(student, boxes, scores, truth, limit)


@grader.part("average-precision", 1, "repetitions, the limit itself, and nothing", "重复、恰在阈值上、空的情形")
def repetitions(student, rng):
    x = float(rng.integers(0, 40))
    truth = torch.tensor([[x, 0, x + 8, 4], [x + 3, 0, x + 11, 4], [x, 50, x + 4, 54]])
    # The second box fits object 0 best, which is taken, and then takes object 1; the last overlaps by exactly 1/2.
    boxes = torch.tensor([[x, 0, x + 8, 4], [x + 1, 0, x + 9, 4], [x + 1, 0, x + 9, 4], [x, 50, x + 4, 52]])
    scores = torch.tensor([0.9, 0.8, 0.7, 0.6])
    _same_verdicts(student, boxes, scores, truth, 0.5, ("where two objects overlap", "两个目标相互重叠时"))
    _same_verdicts(
        student, boxes.flip(0), scores.flip(0), truth, 0.5, ("where two objects overlap", "两个目标相互重叠时")
    )
    apart = torch.tensor([[x + 2, 0, x + 10, 4], [x - 1, 0, x + 7, 4]])  # the first fits both, the second only object 0
    _same_verdicts(
        student, apart, torch.tensor([0.9, 0.8]), truth, 0.5, ("where two objects overlap", "两个目标相互重叠时")
    )
    _same_verdicts(student, boxes.repeat(2, 1), torch.arange(8, 0, -1) / 9, truth, 0.5)
    _same_verdicts(student, boxes, scores, torch.zeros(0, 4), 0.5, ("without objects", "没有目标时"))
    array(("right", "right"), student.call("judge", torch.zeros(0, 4), torch.zeros(0), truth, 0.5), (0,))


@grader.part("average-precision", 2, "the mean precision at 101 recalls", "101 个召回率处精确率的平均值")
def area(student, rng):
    # With 7, 13, 19, … objects no recall but 0 and 1 stands on a level, so that rounding decides nothing.
    for objects, n in ((19, int(rng.integers(20, 60))), (7, 30), (1, 4), (37, 10), (13, 40), (23, 1)):
        right = np.zeros(n, bool)
        hits = min(n, objects if objects in (7, 1) else int(rng.integers(1, objects)))
        right[rng.choice(n, hits, replace=False)] = True
        scores = rng.permutation(n) / n
        _same_area(student, scores, right, objects)
    _same_area(student, np.array([0.5, 0.9, 0.7]), np.array([True, False, True]), 2)
    _same_area(student, np.array([0.5, 0.4]), np.array([False, False]), 3)
    _same_area(student, np.array([0.2, 0.4, 0.6]), np.array([True, True, True]), 3)
    _same_area(student, np.zeros(0), np.zeros(0, bool), 5)


def _same_area(student, scores, right, objects):
    order = sorted(range(len(scores)), key=lambda n: -scores[n])
    points, hits = [], 0
    for n, index in enumerate(order, 1):
        hits += int(right[index])
        points.append((hits / n, hits / objects))
    expected = sum(max((p for p, r in points if r >= level / 100), default=0) for level in range(101)) / 101
    where = (f"for {len(scores)} answers and {objects} objects", f"{len(scores)} 个框、{objects} 个目标时")
    close(("the AP", "AP"), student.call("average_precision", scores, right, objects), expected, where=where, atol=1e-4)


# -- detector ----------------------------------------------------------------------------------------------------------
def _slopes(student, logits, offsets, places, boxes, labels):
    answer = student.call("gradients", logits, offsets, places, boxes, labels)
    check(
        isinstance(answer, list | tuple) and len(answer) == 3,
        "gradients should return three things", "gradients 应返回三样东西",
    )  # fmt: skip
    value = array(("the loss", "损失"), answer[0], (), "number")
    slopes = [
        array(("the derivative", "导数"), part, (*logits.shape[:2], n))
        for part, n in zip(answer[1:], (3, 4), strict=True)
    ]
    for found in (value, *slopes):
        check(np.isfinite(found).all(), "the loss or its derivative is not finite", "损失或其导数不是有限值")
    return float(value), *[torch.from_numpy(found.astype(np.float32)) for found in slopes]


def _detections(student, said, places):
    answer = student.call("detect", *said, places)
    check(
        isinstance(answer, list | tuple) and len(answer) == 3,
        "detect should return boxes, scores and labels", "detect 应返回框、分数和类别",
    )  # fmt: skip
    boxes = array(BOXES, answer[0])
    check(boxes.ndim == 2 and boxes.shape[1] == 4, "the boxes should be (n, 4)", "框的形状应为 (n, 4)")
    scores = array(("the scores", "分数"), answer[1], (len(boxes),))
    labels = array(("the labels", "类别"), answer[2], (len(boxes),))
    check(np.isfinite(boxes).all() and np.isfinite(scores).all(), "a box or score is not finite", "框或分数不是有限值")
    check(np.isin(labels, range(3)).all(), "a label is none of the three classes", "有的类别不在三类之中")
    best = np.argsort(-scores.astype(float), kind="stable")[:100]
    return boxes[best], scores[best], labels[best]


@grader.part(
    "detector",
    1,
    "scenes with and without objects, and nothing to be found",
    "有目标与没有目标的场景，以及无可检测的情形",
)
def sound(student, rng):
    places = small_detector.anchors()
    n = len(places)
    some = some_boxes(rng, 2, room=30, low=12, high=25)
    lists = (
        [some, torch.zeros(0, 4), some[:1]],
        [torch.tensor([2, 0]), torch.zeros(0, dtype=torch.long), torch.tensor([1])],
    )
    logits = torch.from_numpy(rng.normal(-2, 1, (3, n, 3)).astype(np.float32))
    offsets = torch.from_numpy(rng.normal(0, 1, (3, n, 4)).astype(np.float32))
    _, slope, move = _slopes(student, logits, offsets, places, *lists)
    check((move[1] == 0).all(), "a scene without objects moves boxes", "没有目标的场景不应使框移动")
    check((slope[1] > 0).all(), "a scene without objects should lower all logits", "没有目标的场景应使所有 logit 下降")
    check((move[0] != 0).any(), "a scene with objects should move boxes", "有目标的场景应使框移动")
    for scene, labels in ((0, {0, 2}), (2, {1})):
        rising = set(torch.nonzero((slope[scene] < 0).any(dim=0))[:, 0].tolist())
        check(rising == labels, "logits rise of classes that are not there", "不存在的类别的 logit 也在上升")
    value, slope, move = _slopes(student, logits[1:2], offsets[1:2], places, lists[0][1:2], lists[1][1:2])
    check(value > 0 and (slope > 0).all(), "a batch without objects should still teach", "没有目标的批次也应起作用")
    nothing = _detections(student, (torch.full((n, 3), -20.0), offsets[0]), places)
    check(len(nothing[0]) == 0, "boxes are found where all logits are −20", "所有 logit 都是 −20 时仍检测到了框")
    alone = torch.full((n, 3), -20.0)
    middle = n // 2 + 16  # of row 8 and column 8: its anchor lies within the picture
    alone[middle, 2] = 5.0
    boxes, _, labels = _detections(student, (alone, torch.zeros(n, 4)), places)
    check(
        labels.tolist() == [2],
        "one sure logit should make one box of its class",
        "一个有把握的 logit 应给出一个该类的框",
    )
    close(BOXES, boxes, places[middle : middle + 1], where=("for offsets of 0", "偏移量为 0 时"), rtol=1e-3)


@grader.part("detector", 3, "AP after 150 steps", "150 步之后的 AP")
def reached(student, rng):
    """The steps are counted here: the network is this process's, and the student's code is asked for derivatives."""
    places = small_detector.anchors()
    seed = int(rng.integers(2**31))
    train, test = shapes.make(lab.TRAIN, rng), shapes.make(lab.TEST, rng)
    network = small_detector.fresh(lambda: small_detector.AnchorNetwork(len(shapes.CLASSES)), seed)

    def gradients(logits, offsets, boxes, labels):
        return _slopes(student, logits, offsets, places, boxes, labels)

    try:
        small_detector.train(network, gradients, train, seed=seed)
    except ValueError as error:
        raise Wrong("the training broke off: its numbers are no longer finite", "训练中断：数值不再有限") from error
    found = [_detections(student, said, places) for said in small_detector.look(network, test)]
    ap, _ = shapes.score(found, test)
    share = lab.share(ap)
    words = (f"AP {ap:.1%}; all points from {lab.BAR:.0%}", f"AP 为 {ap:.1%}；{lab.BAR:.0%} 起得满分")
    return Share(share, FULL if share == 1 else words)
