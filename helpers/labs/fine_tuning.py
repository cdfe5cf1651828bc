"""Visible checks of lab 6, fine-tuning. Each tests properties and small worked examples, never a whole answer."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from helpers.labs import small_encoder
from helpers.labs.checks import CheckFailed, Lab, expect, expect_array, expect_close
from helpers.labs.invented_language import Language
from helpers.labs.small_encoder import SmallEncoder, accuracy, batches, linear, trainable_names, walk, weights_of

STEPS, LABELLED = 80, 320  # gradients, labelled texts
NULL, FULL = 0.65, 0.88  # accuracies that earn nothing and all; measured in notebooks/labs/grading/fine_tuning.py

lab = Lab()
check = lab.check


@lab.task(
    "pooling",
    2,
    ["pool"],
    "`pool(states, mask)` is the mean of each text's states over its words alone, (B, T, d) → (B, d).",
    "`pool(states, mask)` 对每个文本的状态取平均，只计真实的词：(B, T, d) → (B, d)。",
)
def _(pool: Callable) -> None:
    states = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [100.0, 100.0]], [[5.0, 6.0], [7.0, 8.0], [9.0, 1.0]]])
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    out = expect_array("pool(states, mask)", pool(states, mask), (2, 2), "float32")
    where = (
        "for a text with the states (1, 2), (3, 4) and one place of padding",
        "文本的状态为 (1, 2)、(3, 4)，另有一个填充位置时",
    )
    expect_close(("the first number of the mean", "均值的第一个分量"), out[0, 0], 2.0, where)
    expect_close(("the second number of the mean", "均值的第二个分量"), out[0, 1], 3.0, where)
    where = ("for a text without padding, (5, 6), (7, 8), (9, 1)", "没有填充、状态为 (5, 6)、(7, 8)、(9, 1) 时")
    expect_close(("the second number of the mean", "均值的第二个分量"), out[1, 1], 5.0, where)
    as_bool = expect_array("pool(states, mask.bool())", pool(states, mask.bool()), (2, 2))
    expect(
        np.allclose(as_bool, out),
        "A mask of True and False should give the same as one of 1 and 0.",
        "掩码用 True、False 与用 1、0，结果应相同。",
    )
    empty = pool(states, torch.zeros_like(mask))
    expect(
        bool((torch.as_tensor(empty) == 0).all()),
        "A text without any word should give zeros; 0/0 is NaN.",
        "一个词也没有的文本应得到全零向量；0/0 会得到 NaN。",
    )


@lab.task(
    "freezing",
    3,
    ["set_trainable"],
    "`set_trainable(model, prefixes)` lets the parameters under these names learn and no others, and returns how many "
    "numbers learn and how many there are.",
    "`set_trainable(model, prefixes)` 只让这些名称之下的参数参与训练，其余全部冻结，并返回参与训练的权重数与权重总数。",
)
def _(set_trainable: Callable) -> None:
    model = SmallEncoder(20, d=4, layers=12, heads=2)
    everything = sum(p.numel() for p in model.parameters())
    counted = set_trainable(model, ["encoder.layer.1", "head"])
    expect(
        isinstance(counted, tuple | list) and len(counted) == 2,
        "set_trainable should return two counts: the weights that learn, and all weights.",
        "set_trainable 应返回两个数：参与训练的权重数和权重总数。",
    )
    wanted = [n for n, _ in model.named_parameters() if n.startswith(("encoder.layer.1.", "head."))]
    found = trainable_names(model)
    expect(
        not any(n.startswith(("encoder.layer.10.", "encoder.layer.11.")) for n in found),
        "With the prefix encoder.layer.1, layers 10 and 11 should stay frozen: compare whole parts of a name.",
        "前缀为 encoder.layer.1 时，第 10、11 层应保持冻结：名称要按点号分段、整段比较。",
    )
    expect(
        found == wanted,
        f"With the prefixes encoder.layer.1 and head, {len(wanted)} tensors should learn; with yours, {len(found)} do.",
        f"前缀为 encoder.layer.1 和 head 时，应有 {len(wanted)} 个张量参与训练；你的代码让 {len(found)} 个参与训练。",
    )
    learning = sum(dict(model.named_parameters())[n].numel() for n in wanted)
    expect_close(("the count of weights that learn", "参与训练的权重数"), counted[0], learning,
                 ("for encoder.layer.1 and head", "前缀为 encoder.layer.1 和 head 时"))  # fmt: skip
    expect_close(("the count of all weights", "权重总数"), counted[1], everything,
                 ("for this encoder", "对于这个编码器"))  # fmt: skip
    set_trainable(model, ["head.bias"])
    expect(
        trainable_names(model) == ["head.bias"],
        "A second call should freeze what the first one let learn; and a parameter's full name is a prefix, too.",
        "再次调用时，上一次放开的参数应重新冻结；另外，参数的完整名称也可以作前缀。",
    )
    try:
        set_trainable(model, ["encoder.layers.1"])
    except ValueError:
        return
    raise CheckFailed(
        "encoder.layers.1 (with an s) fits no parameter: raise ValueError, or a slip of the pen freezes everything.",
        "encoder.layers.1（多了一个 s）不对应任何参数：应抛出 ValueError，否则一个笔误就会让整个模型被冻结。",
    )


@lab.task(
    "parameter-groups",
    4,
    ["parameter_groups"],
    "`parameter_groups(named, lr, head_lr, decay, weight_decay)` gives an optimizer's groups: a smaller rate for each "
    "layer further down, and no weight decay for biases and norms.",
    "`parameter_groups(named, lr, head_lr, decay, weight_decay)` 返回优化器的参数组：越靠下的层学习率越小，"
    "偏置和归一化层不做权重衰减。",
)
def _(parameter_groups: Callable) -> None:
    names = {
        "embeddings.word_embeddings.weight": (1e-3 / 8, 0.1),
        "encoder.layer.0.attention.query.weight": (1e-3 / 4, 0.1),
        "encoder.layer.1.output.bias": (1e-3 / 2, 0.0),
        "encoder.layer.2.output.weight": (1e-3, 0.1),
        "encoder.layer.2.LayerNorm.weight": (1e-3, 0.0),
        "head.weight": (1e-2, 0.1),
    }
    tensors = {n: torch.zeros((2,) if "bias" in n or "Norm" in n else (2, 2)) for n in names}
    groups = parameter_groups(walk(tensors.items()), 1e-3, 1e-2, 0.5, 0.1)
    expect(
        isinstance(groups, list) and all(isinstance(g, dict) and isinstance(g.get("params"), list) for g in groups),
        'parameter_groups should return a list of dictionaries, each with a list under "params".',
        'parameter_groups 应返回字典的列表，每个字典的 "params" 是一个列表。',
    )
    for group in groups:
        expect(
            {"lr", "weight_decay"} <= set(group),
            'Each group needs "lr" and "weight_decay" beside "params".',
            '每个参数组除 "params" 外，还要有 "lr" 和 "weight_decay"。',
        )
    for name, (rate, decay) in names.items():
        holding = [g for g in groups if any(p is tensors[name] for p in g["params"])]
        expect(
            len(holding) == 1,
            f"{name} should be in exactly one group; it is in {len(holding)}. All that is given is to learn.",
            f"{name} 应恰好属于一个参数组，实际属于 {len(holding)} 个。凡是传入的参数都要训练。",
        )
        where = (f"for {name} (three layers, lr 0.001, decay 0.5)", f"{name}（共三层，lr 为 0.001，decay 为 0.5）")
        expect_close(("the learning rate", "学习率"), holding[0]["lr"], rate, where, 1e-9)
        expect_close(("the weight decay", "权重衰减"), holding[0]["weight_decay"], decay, where, 1e-9)


@lab.task(
    "schedule",
    2,
    ["warm_up_and_decay"],
    "`warm_up_and_decay(step, warmup, total)` rises in a straight line to 1 in the first `warmup` steps and then "
    "falls in a straight line towards 0.",
    "`warm_up_and_decay(step, warmup, total)` 在前 `warmup` 步内线性上升到 1，然后线性下降，趋向 0。",
)
def _(warm_up_and_decay: Callable) -> None:
    where = ("with 4 of 12 steps to warm up", "共 12 步、其中预热 4 步时")
    for step, factor in ((0, 0.25), (1, 0.5), (3, 1.0), (4, 1.0), (8, 0.5), (11, 0.125)):
        name = (f"the factor at step {step}", f"第 {step} 步的系数")
        expect_close(name, warm_up_and_decay(step, 4, 12), factor, where)
    expect_close(("the factor at step 0", "第 0 步的系数"), warm_up_and_decay(0, 0, 12), 1.0,
                 ("without warm-up", "不预热时"))  # fmt: skip
    expect_close(("the factor at step 12", "第 12 步的系数"), warm_up_and_decay(12, 4, 12), 0.0,
                 ("when 12 steps are over", "12 步都已走完时"))  # fmt: skip


@lab.task(
    "lora",
    5,
    ["LoRALinear"],
    "`LoRALinear(base, r, alpha)` computes base(x) + α/r·B A x with `base` frozen; `merge()` folds the correction into "
    "the base's weight.",
    "`LoRALinear(base, r, alpha)` 计算 base(x) + α/r·B A x，其中 `base` 被冻结；`merge()` 把修正量并入 base 的权重。",
)
def _(lora_class: type[nn.Module]) -> None:
    torch.manual_seed(0)
    weight, bias, x = torch.randn(3, 5), torch.randn(3), torch.randn(4, 5)
    layer = lora_class(linear(weight, bias), 2, 6)
    plain = linear(weight, bias)(x).detach()
    shapes = {name: tuple(p.shape) for name, p in layer.named_parameters()}
    wanted = {"A": (2, 5), "B": (3, 2), "base.weight": (3, 5), "base.bias": (3,)}
    expect(
        shapes == wanted,
        f"LoRALinear of a layer from 5 to 3 numbers, r = 2, should have the parameters {wanted}; yours has {shapes}.",
        f"对 5 → 3 的线性层取 r = 2，LoRALinear 的参数应为 {wanted}，你的参数为 {shapes}。",
    )
    expect(
        sorted(trainable_names(layer)) == ["A", "B"],
        f"Only A and B should learn; with yours, {', '.join(trainable_names(layer)) or 'nothing'} does.",
        f"应当只有 A 和 B 参与训练；你的代码中参与训练的是：{'、'.join(trainable_names(layer)) or '无'}。",
    )
    expect(
        torch.allclose(layer(x), plain, atol=1e-6),
        "Before training, the layer should answer exactly as `base` does: B starts at zero.",
        "训练之前，这一层的输出应与 `base` 完全相同：B 从零开始。",
    )
    expect(
        bool(layer.A.detach().std() > 0),
        "A should start at random: if both A and B are zero, neither ever gets a gradient.",
        "A 应随机初始化：如果 A 和 B 都为零，两者永远得不到梯度。",
    )
    layer.load_state_dict({"A": torch.ones(2, 5), "B": torch.ones(3, 2)}, strict=False)
    ones = (layer(torch.ones(1, 5)) - linear(weight, bias)(torch.ones(1, 5))).detach()
    where = ("for A and B of ones, r = 2, α = 6, and x of five ones", "A、B 全为 1，r = 2，α = 6，x 为五个 1 时")
    expect_close(("the correction", "修正量"), ones[0, 0], 30.0, where, 1e-3)
    before = layer(x).detach()
    layer.merge()
    expect(
        torch.allclose(layer(x), before, atol=1e-4),
        "merge() should change no answer. Once the base has the correction, what is left in B must not add it again.",
        "merge() 不应改变任何输出。修正量并入 base 之后，B 中不能再留下会重复相加的部分。",
    )
    expect(
        torch.allclose(layer.base(x), before, atol=1e-4),
        "After merge(), `base` alone should give the answers.",
        "merge() 之后，仅用 `base` 就应得到同样的输出。",
    )


@lab.task(
    "early-stopping",
    3,
    ["EarlyStopping"],
    "`EarlyStopping(patience, min_delta)` keeps the weights of the best score: `update(score, model)` says whether to "
    "stop, `restore(model)` brings them back.",
    "`EarlyStopping(patience, min_delta)` 保存得分最高时的权重：`update(score, model)` 返回是否该停止，"
    "`restore(model)` 恢复这些权重。",
)
def _(stopping_class: type) -> None:
    model, said = linear(torch.zeros(1, 1), torch.zeros(1)), []
    stopper = stopping_class(2)
    for i, score in enumerate((0.6, 0.7, 0.7, 0.65)):
        with torch.no_grad():
            model.weight.fill_(i)
        said.append(bool(stopper.update(score, model)))
    expect(
        said == [False, False, False, True],
        f"With patience 2, the scores 0.6, 0.7, 0.7, 0.65 should give False, False, False, True; yours gives {said}.",
        f"patience 为 2 时，得分 0.6、0.7、0.7、0.65 应依次返回 False、False、False、True，你的结果为 {said}。",
    )
    stopper.restore(model)
    found = float(model.weight.detach())
    expect(
        found != 3.0,
        "restore brought back the last weights: training changes tensors in place, so keep a copy, not a reference.",
        "restore 恢复的是最后一次的权重。你是否只保存了引用？训练会就地修改张量，所以要复制。",
    )
    expect(
        found == 1.0,
        "restore should bring back the weights of the best score, and of the first of them if two are equal.",
        "restore 应恢复最高得分对应的权重；如有两次得分相同，取第一次的。",
    )


@lab.task(
    "fine-tuner",
    6,
    ["FineTuner"],
    "`FineTuner(weights, steps)` turns each batch's gradients into new weights, `update(gradients)`.",
    "`FineTuner(weights, steps)` 用 `update(gradients)` 把每个批次的梯度变成新的权重。",
)
def _(tuner_class: type) -> float:
    language = Language()
    ids, labels = language.texts(LABELLED, np.random.default_rng(1), turned=(0, 2))
    test = language.texts(1_000, np.random.default_rng(2), turned=(0, 2))
    model = small_encoder.pretrained()
    before = weights_of(model)
    tuner = tuner_class(weights_of(model), STEPS)

    def update(gradients: dict[str, Tensor]) -> dict[str, Tensor]:
        found = tuner.update(gradients)
        expect(
            isinstance(found, dict) and set(found) == set(before),
            "update should return a dictionary with the new weights of every parameter, frozen ones too.",
            "update 应返回一个字典，含每个参数的新权重，冻结的参数也不例外。",
        )
        for name, value in found.items():
            expect_array(f"the new {name}", value, tuple(before[name].shape))
        return found

    small_encoder.train(model, update, batches(ids, labels, steps=STEPS, rng=np.random.default_rng(3)))
    reached = accuracy(model, *test)
    share = min(1.0, max(0.0, (reached - NULL) / (FULL - NULL)))
    print(f"accuracy {reached:.1%} after {STEPS} steps; {NULL:.0%} earns nothing, {FULL:.0%} all points")
    print(f"{STEPS} 步之后准确率为 {reached:.1%}；{NULL:.0%} 得零分，{FULL:.0%} 得满分")
    expect(
        math.isfinite(share) and share > 0,
        f"{reached:.1%} is no more than a trained head on the frozen encoder reaches. Do the encoder's weights change? "
        "Is the rate a hundred times too small or ten times too large?",
        f"{reached:.1%} 没有超过冻结编码器、只训练任务头的水平。编码器的权重变了吗？学习率是否小了一百倍，或大了十倍？",
    )
    return share
