"""Visible checks of lab 1, image recognition. Each tests properties and small worked examples, never a whole answer."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from helpers.data import fashion_mnist
from helpers.labs.checks import CheckFailed, Lab, expect, expect_array, expect_close

lab = Lab()
check = lab.check

CALLS, BATCH = 150, 64  # the budget of the task "learner": calls of `learn`, and pictures in each
TESTED = 2_000
# The master's solution reaches 71.0 ± 1.4 % (mean ± standard deviation of ten seeds), the example of the notebook, which
# has no convolutions, 48.6 ± 2.0 %. All points a little over two deviations below the one, none as far above the other.
BAR, NULL = 0.67, 0.52
reached: dict[str, float] = {}  # "learner" -> the accuracy of its last check


@lab.task(
    "batches",
    3,
    ["standardise", "batches"],
    "`standardise` turns uint8 (N, 28, 28) into float32 (N, 1, 28, 28) with (x/255 − mean)/std, "
    "and `batches` yields shuffled index arrays that cover every example once.",
    "`standardise` 把 uint8 的 (N, 28, 28) 变换为 float32 的 (N, 1, 28, 28)，其中每个值为 (x/255 − 均值)/标准差；"
    "`batches` 逐批产生打乱的下标数组，使每个样本恰好出现一次。",
)
def _batches(standardise: Callable, batches: Callable) -> None:
    """`standardise(images, mean, std)` and `batches(n, batch_size, rng)`."""
    images = np.zeros((3, 28, 28), np.uint8)
    images[0, 0, 0] = 255
    before = images.copy()
    out = expect_array("standardise(images, 0.25, 0.5)", standardise(images, 0.25, 0.5), (3, 1, 28, 28), "float32")
    where = ("with mean 0.25 and std 0.5", "均值 0.25、标准差 0.5 时")
    expect_close(("a black pixel", "黑色像素的值"), out[1, 0, 5, 5], -0.5, where)
    expect_close(("a white pixel", "白色像素的值"), out[0, 0, 0, 0], 1.5, where)
    expect(
        np.array_equal(images, before),
        "standardise changed its input in place: compute a new array.",
        "standardise 就地修改了输入数组：请把结果写入一个新数组。",
    )

    parts = [np.asarray(part) for part in batches(10, 4, np.random.default_rng(0))]
    expect(
        [len(part) for part in parts] == [4, 4, 2],
        f"10 examples in batches of 4 make batches of 4, 4 and 2; yours have {[len(part) for part in parts]}.",
        f"10 个样本按每批 4 个划分，各批的大小应为 4、4、2；你的各批大小为 {[len(part) for part in parts]}。",
    )
    seen = np.concatenate(parts)
    expect(
        sorted(seen.tolist()) == list(range(10)),
        "Over one epoch each index 0…9 must come exactly once.",
        "在一个轮次（epoch）中，下标 0～9 都应恰好出现一次。",
    )
    rng = np.random.default_rng(0)
    first, second = (np.concatenate(list(batches(100, 32, rng))) for _ in range(2))
    expect(
        not np.array_equal(first, second) and not np.array_equal(first, np.arange(100)),
        "Two epochs with the same rng should come in two different, shuffled orders.",
        "用同一个 rng 先后取两个轮次，两次的顺序都应是打乱的，而且互不相同。",
    )


@lab.task(
    "residual-block",
    4,
    ["ResidualBlock"],
    "`ResidualBlock(in_channels, out_channels, stride)` computes relu(F(x) + shortcut(x)), "
    "F = conv3×3–BN–ReLU–conv3×3–BN.",
    "`ResidualBlock(in_channels, out_channels, stride)` 计算 relu(F(x) + shortcut(x))，"
    "其中 F = 3×3 卷积–BN–ReLU–3×3 卷积–BN。",
)
def _residual_block(block_class: type[nn.Module]) -> None:
    """The class `ResidualBlock`."""
    torch.manual_seed(0)
    x = torch.randn(2, 8, 14, 14)
    same, down = block_class(8, 8, 1), block_class(8, 16, 2)
    expect_array("ResidualBlock(8, 8, 1)(x)", same(x), (2, 8, 14, 14))
    expect_array("ResidualBlock(8, 16, 2)(x)", down(x), (2, 16, 7, 7))
    for block, name, convolutions in ((same, "ResidualBlock(8, 8, 1)", 2), (down, "ResidualBlock(8, 16, 2)", 3)):
        found = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
        norms = [m for m in block.modules() if isinstance(m, nn.BatchNorm2d)]
        expect(
            len(found) == convolutions and len(norms) == convolutions,
            f"{name} should hold {convolutions} convolutions, each followed by a batch norm; "
            f"it holds {len(found)} and {len(norms)}.",
            f"{name} 应含 {convolutions} 个卷积，每个卷积后接一个批量归一化；"
            f"实际有 {len(found)} 个卷积、{len(norms)} 个批量归一化。",
        )
        expect(
            all(conv.bias is None for conv in found),
            f"{name}: a convolution before a batch norm needs no bias (bias=False).",
            f"{name}：后接批量归一化的卷积不需要偏置（bias=False）。",
        )
    expect(bool((same(x) >= 0).all()), "The block ends in a ReLU.", "残差块应以 ReLU 结尾。")

    # With F silenced, relu(F(x) + x) must be relu(x): this is what the shortcut is for.
    silent = block_class(8, 8, 1)
    with torch.no_grad():
        for module in silent.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.zero_()
    expect(
        torch.allclose(silent.eval()(x), torch.relu(x), atol=1e-6),
        "When both convolutions are zero, the block should return relu(x): the shortcut adds x before the last ReLU.",
        "两个卷积的权重全为零时，残差块应返回 relu(x)：捷径连接要在最后一个 ReLU 之前加上 x。",
    )


@lab.task(
    "one-cycle",
    3,
    ["one_cycle"],
    "`one_cycle(step, total_steps, max_lr)` rises along a cosine from max_lr/25 to max_lr over the first 30 % of the "
    "steps and falls along a cosine to max_lr/25/10⁴.",
    "`one_cycle(step, total_steps, max_lr)` 在前 30% 的步数内沿余弦曲线从 max_lr/25 升到 max_lr，"
    "随后沿余弦曲线降到 max_lr/25/10⁴。",
)
def _one_cycle(one_cycle: Callable) -> None:
    """`one_cycle(step, total_steps, max_lr)`, equal to torch's OneCycleLR."""
    total, peak = 101, 0.5
    rates = np.array([float(one_cycle(step, total, peak)) for step in range(total)])
    expect(np.isfinite(rates).all(), "Some learning rate is NaN or infinite.", "有些步的学习率是 NaN 或无穷大。")
    where = ("with max_lr 0.5", "max_lr 为 0.5 时")
    expect_close(("the first rate", "第一步的学习率"), rates[0], peak / 25, where, 1e-9)
    top = int(rates.argmax())
    expect(
        abs(rates[top] - peak) < 1e-3 * peak,
        f"The highest rate should be max_lr = {peak}; yours is {rates[top]:.4g}.",
        f"最高学习率应为 max_lr = {peak}，你的最高值为 {rates[top]:.4g}。",
    )
    expect(
        (np.diff(rates[: top + 1]) > 0).all() and (np.diff(rates[top:]) < 0).all(),
        "The rate should rise all the way to its peak and fall all the way after it.",
        "学习率应一路升至峰值，之后一路下降。",
    )
    expect_close(("the last rate", "最后一步的学习率"), rates[-1], peak / 25 / 1e4, where, 1e-9)

    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=peak, total_steps=total)
    for step in range(total):
        reference = optimizer.param_groups[0]["lr"]
        expect(
            math.isclose(rates[step], reference, rel_tol=1e-6, abs_tol=1e-12),
            f"At step {step} of {total} torch's OneCycleLR gives {reference:.6g}; you give {rates[step]:.6g}. "
            "The peak stands at step 0.3·total_steps − 1.",
            f"总步数为 {total} 时，torch 的 OneCycleLR 在第 {step} 步给出 {reference:.6g}，你给出 {rates[step]:.6g}。"
            "峰值应位于第 0.3·total_steps − 1 步。",
        )
        optimizer.step()
        if step + 1 < total:
            schedule.step()


@lab.task(
    "accuracy-interval",
    3,
    ["accuracy_interval"],
    "`accuracy_interval(correct, z)` returns the accuracy and Wilson's lower and upper limits.",
    "`accuracy_interval(correct, z)` 返回准确率以及 Wilson 区间的下限和上限。",
)
def _accuracy_interval(accuracy_interval: Callable) -> None:
    """`accuracy_interval(correct, z)`."""
    try:
        accuracy, low, high = accuracy_interval(np.array([True] * 8 + [False] * 2), 1.96)
    except (TypeError, ValueError) as error:
        raise CheckFailed(
            "accuracy_interval should return three numbers: accuracy, low, high.",
            "accuracy_interval 应返回三个数：准确率、下限、上限。",
        ) from error
    where = ("for 8 right of 10", "10 个答对 8 个时")
    expect_close(("the accuracy", "准确率"), accuracy, 0.8, where)
    expect(
        low < accuracy < high,
        f"The interval should hold the accuracy; yours is {low:.3f} to {high:.3f}.",
        f"区间应包含准确率本身；你的区间是从 {low:.3f} 到 {high:.3f}。",
    )
    expect(
        abs((low + high) / 2 - accuracy) > 1e-3,
        "Your interval is symmetric about the accuracy, so it is the normal approximation. Wilson's is pulled to 1/2.",
        "你的区间关于准确率对称，那是正态近似的区间；Wilson 区间会向 1/2 偏移。",
    )
    expect_close(("the lower limit", "区间下限"), low, 0.4902, where, 5e-4)
    expect_close(("the upper limit", "区间上限"), high, 0.9433, where, 5e-4)
    _, low, high = accuracy_interval(np.ones(20, bool), 1.96)
    expect(
        low < 1 and high <= 1 + 1e-12,
        "With 20 right of 20 the interval should still be wider than a point, and never pass 1.",
        "20 个全部答对时，区间也不应缩成一个点，而且上限不能超过 1。",
    )


@lab.task(
    "calibration-error",
    4,
    ["calibration_error"],
    "`calibration_error(probabilities, labels, bins)` returns the expected calibration error, "
    "Σ (n_b/N)·|accuracy_b − confidence_b|.",
    "`calibration_error(probabilities, labels, bins)` 返回期望校准误差 Σ (n_b/N)·|准确率_b − 置信度_b|。",
)
def _calibration_error(calibration_error: Callable) -> None:
    """`calibration_error(probabilities, labels, bins)`."""
    confident = np.array([[0.95, 0.05]] * 4)
    labels = np.array([0, 0, 0, 1])
    expect_close(
        ("the error", "校准误差"),
        calibration_error(confident, labels, 10),
        0.20,
        (
            "for four predictions at confidence 0.95, three of them right",
            "有四个预测、置信度都是 0.95、其中三个正确时",
        ),
    )
    mixed = np.concatenate([confident, [[0.35, 0.65]] * 2])
    expect_close(
        ("the error", "校准误差"),
        calibration_error(mixed, np.array([0, 0, 0, 1, 1, 1]), 10),
        (4 * 0.20 + 2 * 0.35) / 6,
        (
            "for those four and two right ones at confidence 0.65 (weigh each bin by its share of the predictions)",
            "在上述四个预测之外，再加两个置信度为 0.65 的正确预测时（每个箱按其预测数所占的比例加权）",
        ),
    )
    expect_close(
        ("the error", "校准误差"),
        calibration_error(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 1]), 10),
        0.0,
        (
            "for two right predictions at confidence 1 (the last bin includes 1)",
            "有两个置信度为 1 的正确预测时（最后一个箱包含 1）",
        ),
    )


def scatter(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Garments at half their size, each somewhere else in its picture: uint8 (N, 28, 28) -> uint8 (N, 28, 28)."""
    small = images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).astype(np.uint8)
    scattered = np.zeros_like(images)
    for target, garment, (row, column) in zip(scattered, small, rng.integers(0, 15, (len(images), 2)), strict=True):
        target[row : row + 14, column : column + 14] = garment
    return scattered


def examples(split: str, places: slice, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """n scattered garments from these places of a split, and their labels."""
    images, labels = (array[places] for array in fashion_mnist.load(split))
    chosen = rng.permutation(len(images))[:n]
    return scatter(images[chosen], rng), labels[chosen]


def stream(images: np.ndarray, labels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches of the budget, one for each call."""
    for start in range(0, CALLS * BATCH, BATCH):
        yield images[start : start + BATCH], labels[start : start + BATCH]


def accuracy_within_budget(learner_class: type, seed: int) -> float:
    """Accuracy, 0 to 1, of a learner after its budget, on pictures held out of the training set."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    images, labels = examples("train", slice(0, 50_000), CALLS * BATCH, rng)
    learner = learner_class(CALLS, images.mean() / 255, images.std() / 255)
    for batch in stream(images, labels):
        learner.learn(*batch)
    unseen, expected = examples("train", slice(50_000, 60_000), TESTED, rng)
    logits = expect_array(f"predict(images) of {TESTED} pictures", learner.predict(unseen), (TESTED, 10))
    alone = np.concatenate([np.asarray(learner.predict(unseen[i : i + 1])) for i in range(3)])
    expect(
        np.allclose(alone, logits[:3], rtol=1e-2, atol=1e-2),
        "predict gives a picture other logits when it comes alone: is the network in evaluation mode (eval())?",
        "同一张图片单独输入时，predict 给出的 logits 与成批输入时不同：网络切换到评估模式（eval()）了吗？",
    )
    return float((logits.argmax(axis=1) == expected).mean())


def share(accuracy: float) -> float:
    """The share of the points that an accuracy earns: none at the example's level, all at the bar."""
    return min(1.0, max(0.0, (accuracy - NULL) / (BAR - NULL)))


@lab.task(
    "learner",
    4,
    ["Learner"],
    "`Learner(calls, mean, std)` takes one gradient step in each `learn(images, labels)`, "
    "and `predict(images)` returns logits (N, 10).",
    "`Learner(calls, mean, std)` 在每次 `learn(images, labels)` 中做一步梯度更新，"
    "`predict(images)` 返回形状为 (N, 10) 的 logits。",
)
def _learner(learner_class: type) -> float:
    """The class `Learner`; returns the share of the points that it reaches on held-out pictures."""
    # The seed that the notebook has set: the check says the same each time, and a study over seeds means something.
    accuracy = reached["learner"] = accuracy_within_budget(learner_class, torch.initial_seed() % 2**32)
    print(f"accuracy {accuracy:.1%}; all points from {BAR:.1%}, none below {NULL:.0%}")
    print(f"准确率 {accuracy:.1%}；达到 {BAR:.1%} 得满分，低于 {NULL:.0%} 不得分")
    return share(accuracy)
