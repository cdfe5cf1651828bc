"""Visible checks of lab 4, word vectors and attention: properties and small worked examples, never a whole answer."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from helpers.labs.checks import Lab, expect, expect_array, expect_close
from helpers.labs.opinions import PIECES, Language, accuracy

lab = Lab()
check = lab.check

BATCHES, SIZE, TEXTS = 200, 32, 500  # of task 7: the budget, texts in a batch, and new texts to judge by
NULL, FULL = 0.75, 0.99  # share of things right that earns nothing, and all


@lab.task(
    "pairs",
    3,
    ["skip_pairs"],
    "`skip_pairs(sentences, window)` lists (word, neighbour) for all places at most `window` apart: int64 (n, 2).",
    "`skip_pairs(sentences, window)` 列出相距不超过 `window` 个位置的所有（词，邻词）对：int64，形状 (n, 2)。",
)
def _(skip_pairs: Callable) -> None:
    def found(sentences, window, n):
        array = expect_array(f"skip_pairs({sentences}, {window})", skip_pairs(sentences, window), (n, 2), "int64")
        return sorted(map(tuple, array.tolist()))

    expect(
        found([[7, 8, 9]], 1, 4) == [(7, 8), (8, 7), (8, 9), (9, 8)],
        "[7, 8, 9] with window 1 has the pairs (7, 8), (8, 7), (8, 9) and (9, 8).",
        "句子 [7, 8, 9] 在窗口为 1 时的词对是 (7, 8)、(8, 7)、(8, 9) 和 (9, 8)。",
    )
    expect(
        (9, 7) in found([[7, 8, 9]], 5, 6),
        "A window larger than the sentence pairs every word with every other.",
        "窗口大于句子长度时，每个词都与其他所有词配对。",
    )
    found([[7, 8], [9]], 2, 2)  # no pair across the border
    expect(
        found([[5, 5]], 1, 2) == [(5, 5), (5, 5)],
        "[5, 5] has the pair (5, 5) twice: leave out the same place, not the same word.",
        "句子 [5, 5] 有两个词对 (5, 5)：要排除的是同一个位置，不是同一个词。",
    )
    found([[4], []], 2, 0)


@lab.task(
    "negative-sampling",
    4,
    ["noise_chances", "pair_loss"],
    "`noise_chances(counts)` is proportional to counts^(3/4) and sums to 1; `pair_loss(u, v, w, c, noise, k)` is the "
    "mean loss of a batch.",
    "`noise_chances(counts)` 与 counts 的 3/4 次方成正比，总和为 1；"
    "`pair_loss(u, v, w, c, noise, k)` 是一个批次的平均损失。",
)
def _(noise_chances: Callable, pair_loss: Callable) -> None:
    chances = expect_array("noise_chances([16, 0, 1])", noise_chances(np.array([16, 0, 1])), (3,))
    where = ("for the counts 16, 0, 1", "词频为 16、0、1 时")
    expect_close(("the chance of the first word", "第一个词的概率"), chances[0], 8 / 9, where)
    expect_close(("the sum of the chances", "概率之和"), chances.sum(), 1, where)

    w, c, noise = torch.tensor([0, 1]), torch.tensor([2, 0]), torch.tensor([1, 1, 2])
    zero = torch.zeros(3, 4)
    where = ("where all vectors are zero and k = 5: 6 · ln 2", "所有向量为零且 k = 5 时（即 6·ln 2）")
    expect_close(("the loss", "损失"), pair_loss(zero, zero, w, c, noise, 5), 6 * math.log(2), where)
    u, v = torch.tensor([[2.0], [0.0]], requires_grad=True), torch.tensor([[1.0], [-1.0]])
    pair, at = torch.tensor([0]), torch.tensor([1])
    where = ("for u = 2, v = 1, and one noise word with v = −1, k = 1", "u = 2、v = 1、唯一的噪声词 v = −1、k = 1 时")
    loss = pair_loss(u, v, pair, pair, at, 1)
    expect(
        isinstance(loss, torch.Tensor) and loss.requires_grad,
        "The loss has lost its gradient: compute it with torch, from u and v as they are given.",
        "损失丢失了梯度：请直接用给定的 u 和 v、以 torch 运算来计算。",
    )
    expect_close(("the loss", "损失"), loss.detach(), 2 * math.log1p(math.exp(-2)), where)
    far = pair_loss(torch.tensor([[200.0]]), torch.tensor([[-1.0]]), pair, pair, pair, 0)
    expect(
        math.isfinite(float(far)),
        "For a product of −200 the loss should be 200; yours is not finite. F.logsigmoid is.",
        "内积为 −200 时损失应为 200，你的结果却不是有限值。请改用 F.logsigmoid。",
    )


@lab.task(
    "nearest",
    4,
    ["nearest", "analogy"],
    "`nearest(vectors, query, n, exclude)` lists the n rows of largest cosine; `analogy(vectors, a, b, c)` gives the "
    "row d of a : b = c : d.",
    "`nearest(vectors, query, n, exclude)` 给出余弦最大的 n 行；"
    "`analogy(vectors, a, b, c)` 给出 a : b = c : d 中的行号 d。",
)
def _(nearest: Callable, analogy: Callable) -> None:
    vectors = np.array([[0.0, 0.0], [1.0, 0.0], [9.0, 9.0], [0.1, 0.02], [-1.0, 0.0]])
    before = vectors.copy()
    found = [int(i) for i in nearest(vectors, np.array([2.0, 0.0]), 3)]
    expect(
        found == [1, 3, 2],
        f"From (2, 0) the rows (1, 0), (0.1, 0.02), (9, 9) are nearest in this order, [1, 3, 2]; you return {found}. "
        "The cosine does not look at lengths.",
        f"与 (2, 0) 最近的依次是 (1, 0)、(0.1, 0.02)、(9, 9)，即 [1, 3, 2]；你返回的是 {found}。余弦与向量长度无关。",
    )
    found = [int(i) for i in nearest(vectors, np.array([2.0, 0.0]), 2, [1])]
    expect(found == [3, 2], f"Without row 1 they are [3, 2]; you return {found}.",
           f"排除第 1 行后应为 [3, 2]，你返回的是 {found}。")  # fmt: skip
    expect(
        np.array_equal(vectors, before),
        "nearest changed its input in place: compute a new array.",
        "nearest 就地修改了输入数组：请把结果写入一个新数组。",
    )
    corner = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [3.0, 0.0, 3.0], [2.0, 2.0, 2.0], [0.0, 0.0, -1.0]])
    found = int(analogy(corner, 0, 1, 2))
    expect(
        found == 3,
        f"(1,0,0) : (1,1,0) = (3,0,3) : (2,2,2), which is row 3; you return {found}. None of the three may answer.",
        f"(1,0,0) : (1,1,0) = (3,0,3) : (2,2,2)，答案是第 3 行；你返回的是 {found}。问题中的三个词都不能作答案。",
    )


@lab.task(
    "attention",
    5,
    ["attention", "visible"],
    "`attention(q, k, v, mask)` returns softmax(q kᵀ/√d) v and the shares; `visible(ids, causal)` is True where a "
    "query may see a key: (B, 1, T, T).",
    "`attention(q, k, v, mask)` 返回 softmax(q kᵀ/√d) v 和注意力权重；"
    "`visible(ids, causal)` 在查询可以看到键之处为 True：(B, 1, T, T)。",
)
def _(attention: Callable, visible: Callable) -> None:
    g = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, *shape, generator=g) for shape in ((4, 8), (5, 8), (5, 6)))
    answers, shares = attention(q, k, v)
    expect_array("the answers", answers, (2, 3, 4, 6))
    shares = expect_array("the shares", shares, (2, 3, 4, 5))
    expect(
        np.allclose(shares.sum(-1), 1, atol=1e-5),
        "For each query the shares over the keys, the last axis, should sum to 1.",
        "对每个查询，注意力权重沿键（最后一个轴）求和应为 1。",
    )
    _, shares = attention(torch.tensor([[2.0, 0, 0, 0]]), torch.eye(4)[:2], torch.eye(2))
    expect_close(
        ("the larger share", "较大的权重"), shares[0, 0], math.e / (math.e + 1),
        ("for the products 2 and 0 at d = 4, which become 1 and 0", "d = 4、内积为 2 和 0（缩放后为 1 和 0）时"),
    )  # fmt: skip
    seen = torch.tensor([True, True, False, True, False])
    _, shares = attention(q, k, v, seen)
    shares = expect_array("the shares with a mask", shares, (2, 3, 4, 5))
    expect(
        (shares[..., ~seen.numpy()] == 0).all(),
        "A key whose mask is False still gets a share. In this mask True means: may be seen.",
        "掩码为 False 的键仍分到了权重。在这个掩码中，True 表示可以看到。",
    )
    expect(
        np.allclose(shares.sum(-1), 1, atol=1e-5),
        "With a mask the shares no longer sum to 1: mask the scores, before the softmax.",
        "加上掩码后权重之和不再为 1：应在 softmax 之前屏蔽分数。",
    )

    ids = torch.tensor([[4, 2, 0], [3, 1, 5]])
    padding = expect_array("visible(ids)", visible(ids), (2, 1, 3, 3), "bool")
    expect(
        padding[0, 0].tolist() == [[True, True, False]] * 3 and padding[1].all(),
        "Of the ids 4, 2, 0 every query sees keys 0 and 1; the last is padding. Axes: (text, head, query, key).",
        "对 ids 4、2、0，每个查询都能看到第 0、1 个键，最后一个是填充。各轴依次为（文本，头，查询，键）。",
    )
    back = expect_array("visible(ids, causal=True)", visible(ids, causal=True), (2, 1, 3, 3), "bool")
    expect(
        back[1, 0].tolist() == [[True, False, False], [True, True, False], [True, True, True]],
        "Causal: query t sees the keys 0 … t, itself included.",
        "因果掩码：查询 t 能看到键 0～t，包括它自己。",
    )
    expect(not back[0, ..., 2].any(), "A causal mask hides padding, too.", "因果掩码也要遮住填充。")


@lab.task(
    "heads",
    4,
    ["Heads"],
    "`Heads(d, h)` returns for (x, y, mask) what nn.MultiheadAttention does with the same weights: (B, T, d).",
    "`Heads(d, h)` 对 (x, y, mask) 的输出与权重相同的 nn.MultiheadAttention 一致：(B, T, d)。",
)
def _(heads_class: type[nn.Module]) -> None:
    torch.manual_seed(0)
    ours, theirs = heads_class(12, 3), nn.MultiheadAttention(12, 3, batch_first=True)
    weights = {"out_proj.weight": theirs.out_proj.weight, "out_proj.bias": theirs.out_proj.bias}
    for name, w, b in zip("qkv", theirs.in_proj_weight.chunk(3), theirs.in_proj_bias.chunk(3), strict=True):
        weights |= {f"{name}.weight": w, f"{name}.bias": b}
    ours.load_state_dict(weights)
    x, y = torch.randn(2, 4, 12), torch.randn(2, 6, 12)
    with torch.no_grad():
        for asked, name, name_zh in ((None, "self-attention", "自注意力"), (y, "cross-attention", "交叉注意力")):
            right = theirs(x, x if asked is None else asked, x if asked is None else asked)[0].numpy()
            found = expect_array(f"Heads(12, 3), {name}", ours(x, asked), (2, 4, 12))
            expect(
                np.allclose(found, right, atol=1e-5),
                f"With the same weights, {name} differs from nn.MultiheadAttention's. Heads are neighbouring numbers.",
                f"权重相同时，{name_zh}的结果与 nn.MultiheadAttention 不同。每个头取的是相邻的一段数。",
            )
            expect_array("heads.shares", getattr(ours, "shares", None), (2, 3, 4, 4 if asked is None else 6))
        short = ours(x[:, :3], x[:, :3]).numpy()
        mask = torch.tensor([True, True, True, False])
        found = ours(x, x, mask)[:, :3].numpy()
    expect(
        np.allclose(found, short, atol=1e-5),
        "A masked key still changes the answers: hand the mask on to attention.",
        "被屏蔽的键仍影响结果：请把掩码传给 attention。",
    )


@lab.task(
    "positions",
    3,
    ["sinusoids", "shift"],
    "`sinusoids(T, d)` has sin(ω t) in even columns and cos(ω t) in odd ones; `shift(s, d)` is the matrix R with "
    "p_t R = p_(t+s).",
    "`sinusoids(T, d)` 的偶数列是 sin(ω t)、奇数列是 cos(ω t)；`shift(s, d)` 是满足 p_t R = p_(t+s) 的矩阵 R。",
)
def _(sinusoids: Callable, shift: Callable) -> None:
    codes = expect_array("sinusoids(5, 4)", sinusoids(5, 4), (5, 4))
    expect(
        np.allclose(codes[0], [0, 1, 0, 1], atol=1e-6),
        "Place 0 has the code 0, 1, 0, 1: sines in even columns, cosines in odd ones.",
        "位置 0 的编码为 0, 1, 0, 1：偶数列是正弦，奇数列是余弦。",
    )
    where = ("with d = 4", "d = 4 时")
    expect_close(("column 0 of place 2, sin 2,", "位置 2 的第 0 列（sin 2）"), codes[2, 0], math.sin(2), where)
    expect_close(("column 2 of place 2, sin 0.02,", "位置 2 的第 2 列（sin 0.02）"), codes[2, 2], math.sin(0.02), where)
    R = expect_array("shift(1, 2)", shift(1, 2), (2, 2))
    moved = np.array([0.0, 1.0]) @ R
    expect(
        np.allclose(moved, [math.sin(1), math.cos(1)], atol=1e-5),
        "With d = 2, p_0 @ shift(1, 2) should be p_1 = (sin 1, cos 1).",
        "d = 2 时，p_0 @ shift(1, 2) 应等于 p_1 = (sin 1, cos 1)。",
    )
    expect(
        np.allclose(R @ R.T, np.eye(2), atol=1e-5),
        "shift(1, 2) should be a rotation: it leaves lengths as they are.",
        "shift(1, 2) 应为旋转：不改变向量的长度。",
    )


@lab.task(
    "train",
    5,
    ["train"],
    "`train(batches, pieces)` returns a model that maps ids (N, T) to logits (N, T, 2).",
    "`train(batches, pieces)` 返回一个模型，把 ids (N, T) 映射为 logits (N, T, 2)。",
)
def _(train: Callable) -> float:
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    language = Language(rng)
    model = train(language.batches(BATCHES, SIZE, rng), PIECES)
    ids, labels = language.batch(TEXTS, rng)
    with torch.no_grad():
        logits = model(ids)
    expect_array("the model's logits", logits, (TEXTS, ids.shape[1], 2))
    right = accuracy(logits, labels)
    print(f"things judged rightly: {right:.1%}  判断正确的比例：{right:.1%}")
    expect(
        right > NULL,
        f"The bar begins at {NULL:.0%}: a network that sees only which words occur gets about so far.",
        f"得分线从 {NULL:.0%} 起：只看出现了哪些词的网络大约也能达到这个水平。",
    )
    return (right - NULL) / (FULL - NULL)
