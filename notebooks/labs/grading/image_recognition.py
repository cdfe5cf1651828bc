"""Grader of lab 1, image recognition: hidden cases for each task, from generators that the secret seeds."""

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import binomtest, norm

from aibook.labs.compare import array, check, close, equal
from aibook.labs.grading import FULL, Grader, Share, Wrong
from aibook.labs.student import CallLimits
from helpers.labs import image_recognition as lab

grader = Grader("01-image-recognition")


# -- batches -----------------------------------------------------------------------------------------------------------
@grader.part("batches", 1.5, "`standardise` on other pictures", "用其他图片检验 `standardise`")
def standardised(student, rng):
    for n, height, width in ((5, 28, 28), (1, 28, 28), (3, 9, 14), (2, 6, 1)):
        images = rng.integers(0, 256, (n, height, width), dtype=np.uint8)
        # NumPy scalars, as images.mean() gives them: in an expression they make float64 of float32.
        mean, std = rng.uniform(0.1, 0.6), rng.uniform(0.2, 0.5)
        scalars = (np.float64(mean), np.float64(std)) if n > 1 else (mean, std)
        found, (after, *_) = student.call("standardise", images, *scalars, echo=True)
        expected = ((images / 255 - mean) / std)[:, None]
        where = (f"for {n} of {height} × {width} pixels", f"{n} 张 {height} × {width} 的图片")
        close(("the pixels", "像素值"), found, expected, where=where, atol=1e-4, dtype="float32")
        check(np.array_equal(after, images), "the input was changed in place", "输入数组被就地修改了")


@grader.part("batches", 1.5, "`batches` of other sizes and orders", "用其他大小与次序检验 `batches`")
def batched(student, rng):
    some = int(rng.integers(50, 90))
    for n, size in ((some, 7), (48, 8), (5, 64), (1, 1), (1, 3), (6, 1), (9, 9)):
        _epoch(student, n, size, student.generator(int(rng.integers(2**31))))

    n, size, seed = some + 200, 10, int(rng.integers(2**31))
    generator = student.generator(seed)
    first, second = (_epoch(student, n, size, generator) for _ in range(2))
    again = _epoch(student, n, size, student.generator(seed))
    check((first != second).any(), "two epochs came in the same order", "两个轮次的次序相同")
    check((first == again).all(), "the order does not come from `rng` alone", "次序并非完全由 `rng` 决定")
    # In a true shuffle hardly any step from one index to the next repeats, and place says nothing of index.
    steps = np.unique(np.diff(first) % n, return_counts=True)[1].max()
    correlation = abs(np.corrcoef(first, np.arange(n))[0, 1])
    check(steps < 0.1 * n and correlation < 0.35, "the order is not a random shuffle", "次序不是随机打乱的")


def _epoch(student, n, size, generator):
    """The indices of one epoch, in order, once its batches are known to have the right sizes and to hold each index."""
    parts = student.call("batches", n, size, generator, at_most=n + 1)
    parts = [array(("a batch", "一个批次"), part, dtype="int").reshape(-1) for part in parts]
    sizes = [min(size, n - start) for start in range(0, n, size)]
    where = (f"for n = {n} and batch_size = {size}", f"n = {n}、batch_size = {size} 时")
    equal(("the sizes of the batches", "各批的大小"), [len(part) for part in parts], sizes, where=where)
    order = np.concatenate(parts)
    equal(("the indices, sorted", "排序后的下标"), sorted(order.tolist()), list(range(n)), where=where)
    return order


# -- residual block ----------------------------------------------------------------------------------------------------
@grader.part("residual-block", 2, "a block whose shortcut is the identity", "捷径为恒等映射的残差块")
def identity_blocks(student, rng):
    for channels, height, width in ((3, 8, 8), (6, 7, 5)):
        _same_block(student, rng, channels, channels, 1, (4, channels, height, width))


@grader.part("residual-block", 2, "a block whose shortcut projects", "捷径需要投影的残差块")
def projecting_blocks(student, rng):
    for into, out, stride, height, width in ((4, 6, 2, 8, 10), (5, 5, 2, 7, 9), (3, 8, 1, 5, 6), (6, 2, 3, 9, 7)):
        _same_block(student, rng, into, out, stride, (4, into, height, width))


def _same_block(student, rng, into, out, stride, shape):
    """Random weights into the student's block and into ours: the same outputs, in training and in evaluation.

    The student's names and order of layers are free, so every way in which the layers can stand for ours is tried.
    """
    name = f"ResidualBlock({into}, {out}, {stride})"
    block = student.make("ResidualBlock", into, out, stride)
    state = student.ask(block, "state_dict")
    tensors = isinstance(state, dict) and all(isinstance(t, torch.Tensor) for t in state.values())
    check(tensors and state, f"{name} has no layers of torch", f"{name} 不含 torch 的层")
    state = {key: _random(key, tensor, rng) for key, tensor in state.items()}
    projects = stride != 1 or into != out
    convolutions = [key for key, tensor in state.items() if tensor.ndim == 4]
    norms = [key.removesuffix("running_mean") for key in state if key.endswith("running_mean")]
    wide = [key for key in convolutions if state[key].shape[2:] == (3, 3)]
    narrow = [key for key in convolutions if state[key].shape == (out, into, 1, 1)]
    fits = len(wide) == 2 and len(narrow) == len(convolutions) - 2 == projects and len(norms) == 2 + projects
    # A batch norm has a weight, a bias, and three statistics.
    if not fits or len(state) != len(convolutions) + 5 * len(norms):
        raise Wrong(f"{name} does not have the layers of the equation", f"{name} 的各层与公式不符")
    x = torch.from_numpy(rng.normal(0.2, 1, shape).astype(np.float32))
    found = {}
    for training in (True, False):
        student.tell(block, "load_state_dict", state)
        student.tell(block, "train" if training else "eval")
        found[training], (after, *_) = student.ask(block, "", x, echo=True)
        check(torch.equal(torch.as_tensor(after), x), f"{name} changes its input in place", f"{name} 就地修改了输入")
    ways = [
        [state[key] for key in (*pair, *narrow)] + [[state[f"{norm}{part}"] for part in PARTS] for norm in order]
        for pair in itertools.permutations(wide)
        for order in itertools.permutations(norms)
        if state[pair[0]].shape == (out, into, 3, 3) and state[pair[1]].shape == (out, out, 3, 3)
    ]
    check(ways, f"{name} does not have the layers of the equation", f"{name} 的各层与公式不符")
    problems = []
    for way in ways:
        try:
            for training, mode in ((True, ("in training", "训练模式下")), (False, ("in evaluation", "评估模式下"))):
                expected = _block(x, way, stride, training)
                close((name, name), found[training], expected, where=mode, rtol=1e-3, atol=1e-4)
            return
        except Wrong as wrong:
            problems.append(wrong)
    raise problems[0]


PARTS = ("running_mean", "running_var", "weight", "bias")


def _random(key, tensor, rng):
    values = rng.normal(0, 0.5, tuple(tensor.shape))
    if not tensor.is_floating_point():
        return tensor
    if key.endswith("running_var") or (key.endswith("weight") and tensor.ndim == 1):
        values = rng.uniform(0.5, 1.5, tuple(tensor.shape))
    return torch.from_numpy(values.astype(np.float32))


def _block(x, way, stride, training):
    """relu(F(x) + shortcut(x)) with these weights: convolutions first, then the batch norms, in the same order."""
    count = len(way) // 2
    (first, second, *project), norms = way[:count], way[count:]

    def norm(values, number):
        mean, variance, weight, bias = (tensor.clone() for tensor in norms[number])
        return F.batch_norm(values, mean, variance, weight, bias, training)

    residual = F.relu(norm(F.conv2d(x, first, stride=stride, padding=1), 0))
    residual = norm(F.conv2d(residual, second, padding=1), 1)
    shortcut = norm(F.conv2d(x, project[0], stride=stride), 2) if project else x
    return F.relu(residual + shortcut)


# -- one cycle ---------------------------------------------------------------------------------------------------------
@grader.part("one-cycle", 2, "the rate at every step, for other lengths and peaks", "其他总步数与峰值下每一步的学习率")
def rates(student, rng):
    for total in (int(rng.integers(40, 70)), int(rng.integers(70, 100))):
        _same_rates(student, total, float(rng.uniform(0.01, 1)))


@grader.part("one-cycle", 1, "few steps, and a peak that falls on a step", "步数很少，以及峰值恰好落在某一步上")
def short_cycles(student, rng):
    for total in (4, 7, 10, 20):
        _same_rates(student, total, float(rng.uniform(0.5, 20)))


def _same_rates(student, total, peak):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=peak, total_steps=total)
    for step in range(total):
        where = (f"at step {step} of {total}", f"总步数 {total} 的第 {step} 步")
        expected = optimizer.param_groups[0]["lr"]
        close(("the rate", "学习率"), student.call("one_cycle", step, total, peak), expected, where=where, atol=1e-9)
        optimizer.step()
        if step + 1 < total:
            schedule.step()


# -- accuracy and its interval -----------------------------------------------------------------------------------------
@grader.part("accuracy-interval", 2, "other numbers right, and other z", "其他答对数与其他 z")
def intervals(student, rng):
    for n in (7, 40, 300, 10_000):
        right = int(rng.integers(n // 5, n - 1))
        _same_interval(student, rng, right, n, float(rng.uniform(0.5, 3)))


@grader.part(
    "accuracy-interval", 1, "all right, all wrong, one picture, and z left out", "全对、全错、只有一张图，以及省略 z"
)
def extremes(student, rng):
    some = int(rng.integers(5, 60))
    for right, n, z in ((some, some, 2.0), (0, some, 1.0), (1, 1, 1.96), (0, 1, 1.5), (some // 2, some, None)):
        _same_interval(student, rng, right, n, z)


def _same_interval(student, rng, right, n, z):
    correct = rng.permutation(np.arange(n) < right)
    found = student.call("accuracy_interval", correct, *([] if z is None else [z]))
    confidence = 2 * norm.cdf(1.96 if z is None else z) - 1
    limits = binomtest(right, n).proportion_ci(confidence, method="wilson")
    where = (f"for {right} right of {n}", f"{n} 个答对 {right} 个时")
    values = array(("accuracy, low, high", "准确率、下限、上限"), found, (3,), "number")
    names = (("the accuracy", "准确率"), ("the lower limit", "区间下限"), ("the upper limit", "区间上限"))
    for name, value, expected in zip(names, values, (right / n, limits.low, limits.high), strict=True):
        close(name, value, expected, where=where, rtol=1e-6, atol=1e-9)


# -- calibration -------------------------------------------------------------------------------------------------------
@grader.part("calibration-error", 2, "other predictions and numbers of bins", "其他预测与箱数")
def errors(student, rng):
    for n, classes, bins, dtype in ((200, 10, None, "float64"), (300, 3, 7, "float64"), (150, 5, 20, "float32")):
        logits = rng.normal(0, 2, (n, classes))
        probabilities = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(dtype)
        labels = np.where(rng.random(n) < 0.6, probabilities.argmax(axis=1), rng.integers(0, classes, n))
        _same_error(student, probabilities, labels, bins)


@grader.part(
    "calibration-error", 2, "edges of bins, empty bins, one bin, one prediction", "箱的边界、空箱、单箱与单个预测"
)
def edges(student, rng):
    # Halves, quarters and eighths are exact, so that a confidence can lie on the edge of a bin.
    confidence = rng.choice([4, 5, 6, 7, 8], 60) / 8
    probabilities = np.stack([confidence, *[(1 - confidence) / 2] * 2], axis=1)
    labels = (rng.random(60) < 0.4).astype(np.int64)
    for bins in (8, 4, 2, 1, 64):
        _same_error(student, probabilities, labels, bins)
    sure = np.eye(4)[rng.integers(0, 4, 30)]
    _same_error(student, sure, rng.integers(0, 4, 30), 10)
    _same_error(student, np.array([[0.375, 0.25, 0.1875, 0.1875]]), np.array([int(rng.integers(1, 4))]), 16)
    _same_error(student, np.array([[0.0625, 0.875, 0.0625]]), np.array([1]), 5)


def _same_error(student, probabilities, labels, bins):
    found = student.call("calibration_error", probabilities, labels, *([] if bins is None else [bins]))
    n, total = len(labels), 15 if bins is None else bins
    sums = {}  # bin -> [right, confidence]
    for row, label in zip(probabilities.astype(float), labels, strict=True):
        slot = sums.setdefault(math.ceil(row.max() * total), [0.0, 0.0])
        slot[0] += row.argmax() == label
        slot[1] += row.max()
    expected = sum(abs(right - confidence) for right, confidence in sums.values()) / n
    where = (f"for {n} predictions in {total} bins", f"{n} 个预测、{total} 个箱时")
    close(("the error", "校准误差"), found, expected, where=where, rtol=1e-4, atol=1e-6)


# -- learner -----------------------------------------------------------------------------------------------------------
@grader.part("learner", 4, "accuracy after the budget, on other pictures", "用完预算之后在其他图片上的准确率")
def accuracy_within_budget(student, rng):
    """The budget is counted here: so many calls, and each picture once. Seconds only end what hangs."""
    # Classes are dealt anew: weights that were trained before, or answers learned by heart, are of no use.
    deal = rng.permutation(10)
    images, labels = lab.examples("train", slice(None), lab.CALLS * lab.BATCH, rng)
    learner = student.make("Learner", lab.CALLS, images.mean() / 255, images.std() / 255)
    for batch, numbers in lab.stream(images, deal[labels]):
        student.tell(learner, "learn", batch, numbers, limits=CallLimits(3, 20))
    unseen, expected = lab.examples("test", slice(None), lab.TESTED, rng)
    logits = array(("the logits", "logits"), student.ask(learner, "predict", unseen), (lab.TESTED, 10), "float")
    for i in rng.integers(0, lab.TESTED, 5):
        alone = array(("the logits", "logits"), student.ask(learner, "predict", unseen[i : i + 1]), (1, 10), "float")
        check(
            np.allclose(alone[0], logits[i], rtol=1e-2, atol=1e-2),
            "a picture gets other logits when it comes alone",
            "同一张图片单独输入时得到的 logits 与成批输入时不同",
        )
    accuracy = float((logits.argmax(axis=1) == deal[expected]).mean())
    share = lab.share(accuracy)
    reached = (
        f"accuracy {accuracy:.1%}; all points from {lab.BAR:.1%}",
        f"准确率 {accuracy:.1%}；{lab.BAR:.1%} 起得满分",
    )
    return Share(share, FULL if share == 1 else reached)
