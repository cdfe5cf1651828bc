"""Visible checks of lab 5, BERT's input and its blanks: properties and small worked examples, never a whole answer."""

import math
from collections.abc import Callable

import numpy as np
import torch

from helpers.labs.animals import CLS, IGNORE, LONGEST, MASK, PIECES, SEP, Language, accuracy
from helpers.labs.checks import Lab, expect, expect_array, expect_close

lab = Lab()
check = lab.check

BATCHES, SIZE, TEXTS = 300, 32, 300  # of task 6: the budget, texts in a batch, and new texts to judge by
NULL, FULL = 0.40, 0.93  # share of blanks right that earns nothing, and all


@lab.task(
    "pieces",
    4,
    ["cut", "tokenize"],
    "`cut(word, vocabulary)` lists a word's pieces, longest match first; `tokenize(text, vocabulary)` those of a text.",
    "`cut(word, vocabulary)` 按最长匹配优先把一个词切成词片；`tokenize(text, vocabulary)` 切分整段文本。",
)
def _(cut: Callable, tokenize: Callable) -> None:
    pieces = ("un", "unbeliev", "##believ", "##able", "##a", "able", "play", "##s", "##ing", "ing", "很", "##很")
    vocabulary = {piece: i for i, piece in enumerate((*pieces, "!", "[UNK]"))}

    def same(found, right: list[str], what: str, english: str, chinese: str) -> None:
        expect(
            list(found) == right,
            f"{what} should be {right}; you return {found}. {english}",
            f"{what} 应为 {right}，你返回的是 {found}。{chinese}",
        )

    def cuts(word, right, english, chinese):
        same(cut(word, vocabulary), right, f'cut("{word}", …)', english, chinese)

    cuts("plays", ["play", "##s"], "At each place take the longest piece that fits; later ones have the mark ##.",
         "在每个位置取能匹配的最长词片；词首之后的词片带有 ## 标记。")  # fmt: skip
    cuts("unbelievable", ["unbeliev", "##able"], "Longest first: unbeliev, not un.", "最长优先：取 unbeliev，而非 un。")
    cuts("play", ["play"], "A word on the list stays whole.", "词表中的词保持完整。")
    cuts("playin", ["[UNK]"], "If any rest cannot be cut, the whole word is one [UNK].",
         "只要有剩余部分无法切分，整个词就是一个 [UNK]。")  # fmt: skip
    cuts("sing", ["[UNK]"], "##s cannot begin a word.", "##s 不能用作词首。")

    def text(words, right, english, chinese):
        same(tokenize(words, vocabulary), right, f'tokenize("{words}", …)', english, chinese)

    text("Plays  PLAY", ["play", "##s", "play"], "Lower-case first; any white space parts words.",
         "先转为小写；任何空白都分隔单词。")  # fmt: skip
    text("able!!", ["able", "!", "!"], "Each mark of punctuation stands alone.", "每个标点符号各自独立。")
    text("很很play", ["很", "很", "play"], "Each Chinese character stands alone: `alone` tells which do.",
         "每个汉字各自独立：`alone` 会告诉你哪些字符如此。")  # fmt: skip


@lab.task(
    "inputs",
    4,
    ["assemble", "pad"],
    "`assemble(a, b, longest)` returns ids [CLS] a [SEP] b [SEP] and segment ids; `pad(rows)` makes a batch of such "
    "rows: ids, segments and mask, each (B, T).",
    "`assemble(a, b, longest)` 返回 [CLS] a [SEP] b [SEP] 的编号与段编号；"
    "`pad(rows)` 把若干行组成批次：ids、segments、mask，形状均为 (B, T)。",
)
def _(assemble: Callable, pad: Callable) -> None:
    def row(a, b, longest, ids, segments, english, chinese):
        a_before, b_before = list(a), list(b)
        found = assemble(a, b, longest)
        expect(
            isinstance(found, tuple | list) and len(found) == 2,
            "assemble should return two lists: ids and segment ids.",
            "assemble 应返回两个列表：编号与段编号。",
        )
        found = [[int(i) for i in part] for part in found]
        expect(
            found == [ids, segments],
            f"assemble({a_before}, {b_before}, {longest}) should be {ids}, {segments}; you return {found}. {english}",
            f"assemble({a_before}, {b_before}, {longest}) 应为 {ids}、{segments}，你返回的是 {found}。{chinese}",
        )
        expect((a, b) == (a_before, b_before), "assemble changed the lists that it was given: copy them first.",
               "assemble 修改了传入的列表：请先复制。")  # fmt: skip

    row([7, 8], [9], 9, [CLS, 7, 8, SEP, 9, SEP], [0, 0, 0, 0, 1, 1],
        "[CLS] and the first [SEP] belong to segment 0.", "[CLS] 和第一个 [SEP] 属于第 0 段。")  # fmt: skip
    row([7, 8], [], 9, [CLS, 7, 8, SEP], [0] * 4, "A single text has one [SEP].", "单段文本只有一个 [SEP]。")
    row([5, 6, 7, 8], [9], 6, [CLS, 5, 6, SEP, 9, SEP], [0, 0, 0, 0, 1, 1],
        "Whichever text is longer loses its last piece, until both fit.",
        "每次去掉较长文本的最后一个词片，直到放得下为止。")  # fmt: skip
    row([5, 6, 7], [7, 8, 9], 8, [CLS, 5, 6, SEP, 7, 8, 9, SEP], [0] * 4 + [1] * 4,
        "Of two of one length, the first is cut.", "两段一样长时，截短第一段。")  # fmt: skip
    batch = pad([([CLS, 7, SEP], [0, 0, 0]), ([CLS, 7, SEP, 8, SEP], [0, 0, 0, 1, 1])])
    expect(
        isinstance(batch, tuple | list) and len(batch) == 3,
        "pad should return three tensors: ids, segments, mask.",
        "pad 应返回三个张量：ids、segments、mask。",
    )
    right = ([CLS, 7, SEP, 0, 0], [0] * 5, [1, 1, 1, 0, 0])
    for name, part, first in zip(("ids", "segments", "mask"), batch, right, strict=True):
        part = expect_array(name, part, (2, 5), "int64")
        expect(part[0].tolist() == first, f"{name} of the shorter row should be {first}; it is {part[0].tolist()}.",
               f"较短一行的 {name} 应为 {first}，实际为 {part[0].tolist()}。")  # fmt: skip


@lab.task(
    "masking",
    4,
    ["mask_tokens"],
    "`mask_tokens(ids, u, v, words, rate)` returns what the network sees and the labels, both int64 (B, T).",
    "`mask_tokens(ids, u, v, words, rate)` 返回网络看到的输入和标签，形状均为 (B, T)，类型 int64。",
)
def _(mask_tokens: Callable) -> None:
    ids = torch.tensor([[CLS, 10, 11, 12, 13, SEP]])
    u = torch.tensor([[0.0, 0.1, 0.1, 0.1, 0.9, 0.0]])
    v = torch.tensor([[0.0, 0.5, 0.85, 0.95, 0.5, 0.85]])
    words = torch.full_like(ids, 20)
    before = ids.clone()
    found = mask_tokens(ids, u, v, words, 0.15)
    expect(
        isinstance(found, tuple | list) and len(found) == 2,
        "mask_tokens should return two tensors: inputs and labels.",
        "mask_tokens 应返回两个张量：输入和标签。",
    )
    inputs, labels = (expect_array(n, z, (1, 6), "int64")[0] for n, z in zip(("inputs", "labels"), found, strict=True))
    expect(bool((ids == before).all()), "mask_tokens changed ids in place: the labels need them.",
           "mask_tokens 就地修改了 ids：标签还需要它。")  # fmt: skip
    expect(
        inputs[0] == CLS and inputs[5] == SEP and labels[0] == labels[5] == IGNORE,
        "[CLS] and [SEP] had a small u, but special pieces are never chosen.",
        "[CLS] 和 [SEP] 的 u 很小，但特殊词片永远不会被选中。",
    )
    expect(
        labels.tolist() == [IGNORE, 10, 11, 12, IGNORE, IGNORE],
        f"Chosen are the places with u < rate, whatever is done to them: labels −100, 10, 11, 12, −100, −100; "
        f"you return {labels.tolist()}.",
        f"被选中的是 u < rate 的位置，无论之后如何处理：标签为 −100, 10, 11, 12, −100, −100；"
        f"你返回的是 {labels.tolist()}。",
    )
    expect(
        inputs.tolist() == [CLS, MASK, 20, 12, 13, SEP],
        f"v = 0.5 makes [MASK], 0.85 the random word, 0.95 changes nothing; what is not chosen stays. "
        f"You return {inputs.tolist()}.",
        f"v = 0.5 换成 [MASK]，0.85 换成随机词，0.95 保持不变；未选中的位置不动。你返回的是 {inputs.tolist()}。",
    )


@lab.task(
    "whole-words",
    3,
    ["word_places", "choose_words"],
    "`word_places(pieces)` lists for each word the places of its pieces; `choose_words(words, order, budget)` the "
    "places of the words that are chosen, sorted.",
    "`word_places(pieces)` 给出每个词的词片所在的位置；"
    "`choose_words(words, order, budget)` 给出所选词的位置，升序排列。",
)
def _(word_places: Callable, choose_words: Callable) -> None:
    pieces = ["[CLS]", "un", "##believ", "##able", "[UNK]", "play", "##s", "[SEP]"]
    found = [[int(i) for i in word] for word in word_places(pieces)]
    expect(
        found == [[1, 2, 3], [5, 6]],
        f"{pieces} has two words that can be masked, at [1, 2, 3] and [5, 6]; you return {found}.",
        f"{pieces} 中可遮盖的词有两个，位置为 [1, 2, 3] 和 [5, 6]；你返回的是 {found}。",
    )
    words = [[1], [2, 3, 4], [5, 6]]
    for order, budget, right, english, chinese in (
        ([2, 0, 1], 3, [1, 5, 6], "Words come in the given order; places are sorted.",
         "按给定次序取词；位置升序排列。"),
        ([1, 2, 0], 4, [1, 2, 3, 4], "A word that no longer fits is left out, and smaller ones may follow.",
         "放不下的词跳过，后面更短的词仍可入选。"),
        ([0, 1, 2], 0, [], "A budget of 0 chooses nothing.", "预算为 0 时什么都不选。"),
    ):  # fmt: skip
        found = [int(i) for i in choose_words(words, order, budget)]
        expect(
            found == right,
            f"choose_words({words}, {order}, {budget}) should be {right}; you return {found}. {english}",
            f"choose_words({words}, {order}, {budget}) 应为 {right}，你返回的是 {found}。{chinese}",
        )


@lab.task(
    "mlm-loss",
    4,
    ["mlm_loss"],
    "`mlm_loss(logits, labels)` returns the mean of −ln p over the places with a label, and its gradient (B, T, V).",
    "`mlm_loss(logits, labels)` 返回有标签位置上 −ln p 的平均值，及其梯度 (B, T, V)。",
)
def _(mlm_loss: Callable) -> None:
    def loss_and_gradient(logits, labels):
        found = mlm_loss(logits, labels)
        expect(
            isinstance(found, tuple | list) and len(found) == 2,
            "mlm_loss should return two things: the loss and its gradient.",
            "mlm_loss 应返回两项：损失和梯度。",
        )
        return found[0], expect_array("the gradient", found[1], logits.shape)

    logits, name = np.zeros((1, 3, 4)), ("the loss", "损失")
    loss, gradient = loss_and_gradient(logits, np.array([[IGNORE, 2, IGNORE]]))
    where = ("where one of three places has a label and four logits are equal: ln 4",
             "三个位置中只有一个有标签、四个 logits 相等时（即 ln 4）")  # fmt: skip
    expect_close(name, loss, math.log(4), where)
    expect(
        np.allclose(gradient[0, 1], [0.25, 0.25, -0.75, 0.25]) and not gradient[0, [0, 2]].any(),
        "There the gradient is the softmax, minus 1 at the label: ¼, ¼, −¾, ¼; and 0 at places without a label.",
        "此时梯度为 softmax 在标签处减 1：¼, ¼, −¾, ¼；没有标签的位置为 0。",
    )
    _, gradient = loss_and_gradient(logits, np.array([[3, 2, IGNORE]]))
    expect_close(("the gradient at a label", "标签处的梯度"), gradient[0, 0, 3], -0.375,
                 ("where two places have labels, so that each counts half", "两个位置有标签、各占一半时"))  # fmt: skip
    loss, _ = loss_and_gradient(np.array([[[1000.0, 0.0]]]), np.array([[1]]))
    expect(
        math.isfinite(float(loss)) and abs(float(loss) - 1000) < 1e-3,
        "For the logits 1000 and 0 and the label 1 the loss is 1000. Subtract the largest logit before exp.",
        "logits 为 1000 和 0、标签为 1 时，损失是 1000。取 exp 之前先减去最大的 logit。",
    )
    loss, gradient = loss_and_gradient(logits, np.full((1, 3), IGNORE))
    expect(float(loss) == 0 and not gradient.any(), "Without any label, loss and gradient should be 0.",
           "没有任何标签时，损失和梯度都应为 0。")  # fmt: skip


@lab.task(
    "train",
    5,
    ["train"],
    "`train(batches, pieces)` returns a network that maps ids (N, T) to logits (N, T, pieces).",
    "`train(batches, pieces)` 返回一个网络，把 ids (N, T) 映射为 logits (N, T, pieces)。",
)
def _(train: Callable) -> float:
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    language = Language(rng)
    network = train(language.batches(BATCHES, SIZE, rng), PIECES)
    ids, labels = language.blanks(TEXTS, rng)
    with torch.no_grad():
        logits = network(ids)
    expect_array("the network's logits", logits, (TEXTS, LONGEST, PIECES))
    right = accuracy(logits, labels)
    print(f"blanks filled rightly: {right:.1%}  填对的空格：{right:.1%}")
    expect(
        right > NULL,
        f"{right:.0%} of the blanks are right; the bar begins at {NULL:.0%}, a little above what a network gets that "
        "does not know which word stands where.",
        f"填对了 {right:.0%} 的空格；得分线从 {NULL:.0%} 起，略高于不知道词在何处的网络所能达到的水平。",
    )
    return (right - NULL) / (FULL - NULL)
