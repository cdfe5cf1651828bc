"""The grader of lab 3, the loss of YOLO: hidden boxes and grids for each task, and a detector trained on a budget.

References are plain loops, or torchvision's. Grids are not square and strides are odd, so that an axis or a stride
that is taken for another shows; numbers whose comparison would hang on rounding are avoided.
"""

import math

import numpy as np
import torch
from torchvision import ops

from aibook.labs.compare import array, check, close
from aibook.labs.grading import FULL, Grader, Share, Wrong
from helpers.labs import grid_detector, shapes, small_detector
from helpers.labs import yolo_loss as lab

grader = Grader("03-yolo-loss")
BOXES, Y, LOSS = ("the boxes", "框"), ("y", "y"), ("the loss", "损失")
NAMES = (("the anchors", "锚框"), ("the rows", "行"), ("the columns", "列"))


def some_boxes(rng, n: int, width: float = 90, height: float = 60, low: float = 3, high: float = 30) -> torch.Tensor:
    """n boxes (n, 4), float32, in a picture of this size."""
    size = rng.uniform(low, high, (n, 2))
    corner = rng.uniform(0, 1, (n, 2)) * (np.array([width, height]) - size)
    return torch.from_numpy(np.hstack([corner, corner + size]).astype(np.float32))


def some_anchors(rng, n: int) -> torch.Tensor:
    return torch.from_numpy(rng.uniform(4, 30, (n, 2)).astype(np.float32))


def normal(rng, *shape: int, scale: float = 1) -> torch.Tensor:
    return torch.from_numpy(rng.normal(0, scale, shape).astype(np.float32))


# -- assignment --------------------------------------------------------------------------------------------------------
def assigned(boxes, anchors, stride) -> np.ndarray:
    """Anchor, row and column of each box, by plain loops: (3, M)."""
    found = []
    for x1, y1, x2, y2 in boxes.tolist():
        likeness = []
        for w, h in anchors.tolist():
            both = min(w, x2 - x1) * min(h, y2 - y1)
            likeness.append(both / (w * h + (x2 - x1) * (y2 - y1) - both))
        found.append((int(np.argmax(likeness)), int((y1 + y2) / 2 // stride), int((x1 + x2) / 2 // stride)))
    return np.array(found, dtype=int).reshape(-1, 3).T


def _three(name, answer):
    check(
        isinstance(answer, list | tuple) and len(answer) == 3,
        f"{name} should return three things", f"{name} 应返回三样东西",
    )  # fmt: skip
    return answer


def _same_assignment(student, boxes, anchors, stride, only=(0, 1, 2), where=("", "")):
    answer = _three("assign", student.call("assign", boxes, anchors, stride))
    for i, expected in enumerate(assigned(boxes, anchors, stride)):
        array(NAMES[i], answer[i], (len(boxes),), "int" if len(boxes) else "")
        if i in only:
            close(NAMES[i], answer[i], expected, where=where)


@grader.part("assignment", 2, "the anchor whose shape is most alike", "形状最相似的锚框")
def shapes_alike(student, rng):
    for n, m in ((5, 40), (3, 7), (1, 4), (9, 1)):
        _same_assignment(student, some_boxes(rng, m), some_anchors(rng, n), 8, only=(0,))
    w, h = rng.uniform(6, 12, 2)
    boxes, far = torch.tensor([[0, 0, 3 * w, h], [0, 0, w, 3 * h]]).float(), torch.tensor([[40.0, 20, 40, 20]])
    anchors = torch.tensor([[w, 2.9 * h], [2.9 * w, h], [1.7 * w, 1.7 * h], [6 * w, 6 * h]]).float()
    where = ("for long and high boxes", "框又长又扁或又高又窄时")
    _same_assignment(student, torch.cat([boxes, boxes + far]), anchors, 7, only=(0,), where=where)
    twins = anchors[[0, 1, 1, 0]]
    _same_assignment(student, boxes, twins, 7, only=(0,), where=("where two anchors are equal", "两个锚框相同时"))


@grader.part("assignment", 2, "row and column", "行与列")
def cells(student, rng):
    for stride, m in ((4, 40), (7, 20), (16, 1)):
        _same_assignment(student, some_boxes(rng, m), some_anchors(rng, 3), stride, only=(1, 2))
    x, y = (float(n) for n in rng.integers(1, 5, 2) * 8)
    border = torch.tensor([[x - 4, y - 3, x + 4, y + 3], [x - 4, 1, x + 4, 4], [1, y - 3, 6, y + 3]])
    where = ("for a centre on the line between two cells", "中心恰在两个单元格的分界线上时")
    _same_assignment(student, border, some_anchors(rng, 2), 8, only=(1, 2), where=where)
    _same_assignment(student, torch.zeros(0, 4), some_anchors(rng, 3), 8)


# -- decoding ----------------------------------------------------------------------------------------------------------
def decoded(t, anchors, stride) -> np.ndarray:
    """The boxes by plain loops: (B, A, H, W, 4)."""
    t, found = t.double().numpy(), np.zeros(t.shape)
    for b, a, row, col in np.ndindex(*t.shape[:4]):
        tx, ty, tw, th = t[b, a, row, col]
        x, y = stride * (col + 1 / (1 + math.exp(-tx))), stride * (row + 1 / (1 + math.exp(-ty)))
        w, h = (float(s) * math.exp(min(4, max(-4, v))) for s, v in zip(anchors[a], (tw, th), strict=True))
        found[b, a, row, col] = x - w / 2, y - h / 2, x + w / 2, y + h / 2
    return found


def _same_boxes(student, t, anchors, stride, where=("", "")):
    answer = student.call("decode", t, anchors, stride)
    close(BOXES, answer, decoded(t, anchors, stride), rtol=1e-3, atol=1e-2, where=where)


@grader.part("decoding", 2, "grids of several shapes and strides", "各种形状和步幅的网格")
def grids(student, rng):
    for shape, stride in (((2, 3, 4, 5), 8), ((1, 2, 5, 3), 7), ((3, 1, 1, 6), 16), ((1, 4, 4, 4), 4)):
        _same_boxes(student, normal(rng, *shape, 4), some_anchors(rng, shape[1]), stride)


@grader.part("decoding", 1, "numbers far from 0", "远离 0 的数")
def far_numbers(student, rng):
    where = ("for t far from 0", "t 远离 0 时")
    for scale in (4, 30):
        t = normal(rng, 1, 2, 3, 4, 4, scale=scale)
        _same_boxes(student, t, some_anchors(rng, 2), 8, where)
    _same_boxes(student, torch.full((1, 1, 2, 1, 4), 500.0), some_anchors(rng, 1), 8, where)
    t = torch.tensor([3.9, -3.9, 3.8, -3.8]).repeat(1, 2, 2, 3, 1)
    _same_boxes(student, torch.cat([t, t.flip(-1)]), some_anchors(rng, 2), 8, where)


# -- ciou --------------------------------------------------------------------------------------------------------------
def complete(a, b) -> torch.Tensor:
    return 1 - ops.complete_box_iou_loss(a, b)


@grader.part("ciou", 2, "boxes that overlap", "相互重叠的框")
def overlapping(student, rng):
    for n in (40, 1, 4):
        a = some_boxes(rng, n, low=8)
        b = a + normal(rng, n, 4, scale=1.5)
        close(("the CIoU", "CIoU"), student.call("ciou", a, b), complete(a, b), rtol=1e-3, atol=1e-4)
    a = some_boxes(rng, 6, low=8)
    close(("the CIoU", "CIoU"), student.call("ciou", a, a), np.ones(6), where=("for equal boxes", "两个框相同时"))


@grader.part("ciou", 2, "boxes apart, within one another, or long and narrow", "分离、包含、细长的框")
def unlike(student, rng):
    for n in (30, 3):
        a, b = some_boxes(rng, n), some_boxes(rng, n)
        close(("the CIoU", "CIoU"), student.call("ciou", a, b), complete(a, b), rtol=1e-3, atol=1e-4)
    x, y = rng.uniform(-30, 30, 2)
    a = torch.tensor([[x, y, x + 20, y + 2], [x, y, x + 20, y + 20], [x, y, x + 2, y + 2], [x, y, x + 30, y + 1]])
    b = torch.tensor(
        [[x, y, x + 2, y + 20], [x + 5, y + 8, x + 11, y + 12], [x + 40, y + 50, x + 44, y + 51], [x, y, x + 1, y + 30]]
    )
    a, b = a.float(), b.float()
    for first, second in ((a, b), (b, a)):
        expected = complete(first, second)
        close(("the CIoU", "CIoU"), student.call("ciou", first, second), expected, rtol=1e-3, atol=1e-4)
    array(("the CIoU of no boxes", "没有框时的 CIoU"), student.call("ciou", a[:0], b[:0]), (0,))


# -- objectness --------------------------------------------------------------------------------------------------------
def taught(guessed, truth, anchors, stride, limit) -> np.ndarray:
    """y (A, H, W): 1 object, −1 left out, 0 none."""
    overlap = ops.box_iou(guessed.reshape(-1, 4), truth).numpy()
    y = np.array([-1 if (row > limit).any() else 0 for row in overlap]).reshape(guessed.shape[:3])
    for place in assigned(truth, anchors, stride).T:
        y[tuple(place)] = 1
    return y


def _same_lessons(student, guessed, truth, anchors, stride, limit, where=("", "")):
    answer = student.call("lessons", guessed, truth, anchors, stride, limit)
    close(Y, answer, taught(guessed, truth, anchors, stride, limit), where=where)


@grader.part("objectness", 2, "places with an object, and places left out", "有目标的位置与忽略的位置")
def places(student, rng):
    for (a, h, w), stride, m in (((3, 6, 9), 10, 5), ((2, 4, 6), 15, 2), ((4, 9, 5), 18, 1)):
        truth, anchors = some_boxes(rng, m, min(90, w * stride), min(60, h * stride), low=12), some_anchors(rng, a)
        guessed = truth[rng.integers(m, size=(a, h, w))] + normal(rng, a, h, w, 4, scale=2.5)
        for limit in (0.4, 0.75):
            _same_lessons(student, guessed, truth, anchors, stride, limit)


@grader.part(
    "objectness",
    2,
    "exact guesses, shared places, the limit itself, no object",
    "预测准确、位置重合、恰在阈值上、没有目标",
)
def special_places(student, rng):
    x, y = (float(n) for n in rng.integers(0, 4, 2) * 8)
    anchors = torch.tensor([[8.0, 8], [24.0, 8]])
    truth = torch.tensor([[x, y, x + 8, y + 8], [x + 1, y, x + 8, y + 8], [x - 8, y, x + 16, y + 8]])
    for exact in (truth[0], truth[2]):
        where = ("where all guesses are right", "所有预测都准确时")
        _same_lessons(student, exact.repeat(2, 5, 6, 1), truth[[0, 2]], anchors, 8, 0.5, where)
    guessed = torch.tensor([x, y, x + 8, y + 4]).repeat(2, 5, 6, 1)  # IoU 1/2 with the first object
    where = ("at the limit itself", "IoU 恰为阈值时")
    _same_lessons(student, guessed, truth[:1], anchors, 8, 0.5, where)
    _same_lessons(student, guessed, truth[:1], anchors, 8, 0.49)
    where = ("where two objects share a place", "两个目标占同一位置时")
    _same_lessons(student, guessed + 100, truth[:2], anchors, 8, 0.5, where)
    where = ("on a scene without an object", "没有目标的场景里")
    _same_lessons(student, guessed, torch.zeros(0, 4), anchors, 8, 0.5, where)


# -- loss --------------------------------------------------------------------------------------------------------------
def summed(raw, boxes, labels, anchors, stride, limit, weights) -> float:
    """The loss by plain loops, object by object and place by place."""
    guessed = torch.from_numpy(decoded(raw[..., :4], anchors, stride)).float()
    box = sure = kind = 0.0
    for b, (truth, k) in enumerate(zip(boxes, labels, strict=True)):
        for place, one, label in zip(assigned(truth, anchors, stride).T, truth, k.tolist(), strict=True):
            at = (b, *place)
            box += 1 - float(complete(guessed[at][None], one[None]))
            kind += sum(_entropy(s, i == label) for i, s in enumerate(raw[at][5:].tolist()))
        y = taught(guessed[b], truth, anchors, stride, limit)
        logits = raw[b, ..., 4].flatten().tolist()
        sure += sum(_entropy(s, v == 1) for s, v in zip(logits, y.flat, strict=True) if v >= 0)
    objects = max(1, sum(map(len, boxes)))
    return (weights[0] * box + weights[1] * sure + weights[2] * kind) / objects


def _entropy(s: float, yes) -> float:
    return float(np.logaddexp(0, -s if yes else s))


def some_batch(rng, counts, shape=(3, 5, 7), stride=9, classes=4):
    """raw, boxes, labels, anchors, stride; some guesses are near the objects, so that the limit matters."""
    anchors, raw = some_anchors(rng, shape[0]), normal(rng, len(counts), *shape, 5 + classes)
    raw[..., :4] *= 0.3
    boxes = [some_boxes(rng, n, shape[2] * stride, shape[1] * stride, low=6, high=28) for n in counts]
    labels = [torch.from_numpy(rng.integers(0, classes, n)) for n in counts]
    return raw, boxes, labels, anchors, stride


def _same_loss(student, batch, limit, weights, where=("", "")):
    answer = student.call("loss", *batch, limit, weights)
    close(LOSS, array(LOSS, answer, ()), summed(*batch, limit, weights), rtol=2e-3, atol=1e-3, where=where)


@grader.part("loss", 2, "the boxes' part and the classes' part", "框的部分与类别的部分")
def box_and_class(student, rng):
    for counts, classes in (((3, 1), 4), ((2,), 2), ((1, 4, 2), 7)):
        batch = some_batch(rng, counts, classes=classes)
        for weights, where in (
            ((1, 0, 0), ("of the boxes", "框的部分")),
            ((0, 0, 1), ("of the classes", "类别的部分")),
        ):
            _same_loss(student, batch, 0.5, weights, where)


@grader.part("loss", 1, "the objectness' part", "目标性的部分")
def sureness(student, rng):
    for counts, limit in (((3, 1), 0.3), ((5,), 0.45), ((1, 4, 2), 1.0)):
        _same_loss(student, some_batch(rng, counts), limit, (0, 1, 0), ("of objectness", "目标性的部分"))


@grader.part("loss", 2, "the sum, scenes without objects, and shared places", "总和、没有目标的场景、位置重合")
def whole(student, rng):
    weights = tuple(float(v) for v in rng.uniform(0.5, 4, 3))
    where = ("for the weighted sum", "加权求和时")
    for counts in ((2, 0, 3), (0, 4), (1,)):
        _same_loss(student, some_batch(rng, counts), 0.4, weights, where)
    where = ("for a batch without an object", "一批中没有目标时")
    _same_loss(student, some_batch(rng, (0, 0)), 0.4, weights, where)
    raw, boxes, labels, anchors, stride = some_batch(rng, (2, 1))
    boxes[0] = boxes[0][:1] + torch.tensor([[0.0, 0, 0, 0], [-0.01, -0.01, 0.01, 0.01]])
    labels[0] = torch.tensor([0, 2])
    where = ("where two objects share a place", "两个目标占同一位置时")
    _same_loss(student, (raw, boxes, labels, anchors, stride), 0.4, weights, where)


# -- detector ----------------------------------------------------------------------------------------------------------
RAW = (len(grid_detector.ANCHORS), grid_detector.GRID, grid_detector.GRID, 5 + len(shapes.CLASSES))


def _slope(student, raw, boxes, labels):
    answer = student.call("gradients", raw, boxes, labels)
    check(
        isinstance(answer, list | tuple) and len(answer) == 2,
        "gradients should return two things", "gradients 应返回两样东西",
    )  # fmt: skip
    value, slope = array(LOSS, answer[0], (), "number"), array(("the derivative", "导数"), answer[1], raw.shape)
    finite = np.isfinite(value).all() and np.isfinite(slope).all()
    check(finite, "the loss or its derivative is not finite", "损失或其导数不是有限值")
    return float(value), torch.from_numpy(slope.astype(np.float32))


def _detections(student, raw):
    answer = _three("detect", student.call("detect", raw))
    boxes = array(BOXES, answer[0])
    check(boxes.ndim == 2 and boxes.shape[1] == 4, "the boxes should be (n, 4)", "框的形状应为 (n, 4)")
    scores = array(("the scores", "分数"), answer[1], (len(boxes),))
    labels = array(("the labels", "类别"), answer[2], (len(boxes),))
    check(np.isfinite(boxes).all() and np.isfinite(scores).all(), "a box or score is not finite", "框或分数不是有限值")
    check(np.isin(labels, range(3)).all(), "a label is none of the three classes", "有的类别不在三类之中")
    best = np.argsort(-scores.astype(float), kind="stable")[:100]
    return boxes[best], scores[best], labels[best]


@grader.part("detector", 2, "one object, none, and the derivative", "一个目标、没有目标，以及导数")
def sound(student, rng):
    silent = torch.full(RAW, -20.0)
    silent[..., :4] = 0
    check(
        len(_detections(student, silent)[0]) == 0, "boxes are found where all is silent", "全都没有把握时仍检测到了框"
    )
    row, col = (int(n) for n in rng.integers(4, 12, 2))
    a, label = int(rng.integers(3)), int(rng.integers(3))
    silent[a, row, col, 4] = silent[a, row, col, 5 + label] = 6.0
    boxes, _, labels = _detections(student, silent)
    check(
        labels.tolist() == [label],
        "one sure place should make one box of its class",
        "一个有把握的位置应给出一个该类的框",
    )
    x, y, half = 4 * col + 2, 4 * row + 2, grid_detector.ANCHORS[a][0] / 2
    close(BOXES, boxes, [[x - half, y - half, x + half, y + half]], atol=0.01, where=("for t = 0", "t = 0 时"))
    both = silent.clone()
    both[a, row, col, 5 + (label + 1) % 3] = 6.0
    n = len(_detections(student, both)[0])
    check(
        n == 2,
        "one box may be of two classes: no class strikes out another",
        "一个框可以属于两类：不同类别之间不应相互淘汰",
    )
    twice = silent.clone()  # the neighbour's cell says the same box, but for a fiftieth of a pixel
    twice[a, row, col + 1] = twice[a, row, col]
    twice[a, row, col, 0], twice[a, row, col + 1, 0] = 6.0, -6.0
    n = len(_detections(student, twice)[0])
    check(n == 1, "a box that two cells report should be found once", "两个单元格报告的同一个框只应检测到一次")
    silent[a, row, col, 4] = -20.0
    check(
        len(_detections(student, silent)[0]) == 0,
        "a class without objectness is no object",
        "只有类别而目标性很低，不应算作目标",
    )
    raw = normal(rng, 2, *RAW, scale=0.3)
    boxes = [some_boxes(rng, 1, 64, 64, 12, 24), torch.zeros(0, 4)]
    _, slope = _slope(student, raw, boxes, [torch.tensor([label]), torch.zeros(0, dtype=torch.long)])
    at = tuple(assigned(boxes[0], torch.tensor(grid_detector.ANCHORS), 4)[:, 0])
    check((slope[1, ..., :4] == 0).all(), "a scene without objects moves boxes", "没有目标的场景不应使框移动")
    check(
        (slope[1, ..., 4] > 0).all(),
        "a scene without objects should lower objectness",
        "没有目标的场景应使目标性下降",
    )
    check(
        slope[0][at][4] < 0 and (slope[0, ..., 4] < 0).sum() == 1,
        "objectness should rise at the object alone",
        "目标性只应在目标所在位置上升",
    )
    rising = torch.nonzero(slope[0][at][5:] < 0).flatten().tolist()
    check(rising == [label], "the object's class, and no other, should rise", "应只有目标所属的类别上升")
    check((slope[0][at][:4] != 0).any(), "the object's box should move", "目标对应的框应移动")


@grader.part("detector", 3, "AP after the budget of steps", "用完步数预算之后的 AP")
def reached(student, rng):
    """The steps are counted here: the network is this process's, and the student's code is asked for derivatives."""
    seed = int(rng.integers(2**31))
    train, test = shapes.make(lab.TRAIN, rng), shapes.make(lab.TEST, rng)
    network = small_detector.fresh(grid_detector.GridNetwork, seed)

    def gradients(raw, boxes, labels):
        return _slope(student, raw, boxes, labels)

    try:
        small_detector.train(network, gradients, train, seed=seed, steps=grid_detector.STEPS)
    except ValueError as error:
        raise Wrong("the training broke off: its numbers are no longer finite", "训练中断：数值不再有限") from error
    found = [_detections(student, *said) for said in small_detector.look(network, test)]
    ap, _ = shapes.score(found, test)
    share = lab.share(ap)
    words = (f"AP {ap:.1%}; all points from {lab.BAR:.0%}", f"AP 为 {ap:.1%}；{lab.BAR:.0%} 起得满分")
    return Share(share, FULL if share == 1 else words)
