"""Lab 6, fine-tuning: what is asked of a submission, and how much it earns.

The performance task is measured outside: batches, gradients and test texts are the grader's, and what comes from the
student is weights, so that nobody takes a step more than 80. In each task other topics are turned.
"""

import numpy as np
import torch

from aibook.labs.compare import array, check, close, equal
from aibook.labs.grading import Grader, Share, Wrong
from aibook.labs.student import Student, StudentError
from helpers.labs import small_encoder
from helpers.labs.invented_language import Language
from helpers.labs.small_encoder import SmallEncoder, weights_of

grader = Grader("06-fine-tuning")

# Accuracies: the master's fine-tuner, mean of three tasks over 8 secrets, 92.2 ± 0.7 % (one task alone: sd 1.5 to
# 2.7 %); a linear classifier on the frozen encoder 60 to 71 %, a head trained for 80 steps 49 to 66 %; all weights at a
# fourth of the master's rate 78 to 93 %, at ten times its rate 50 to 60 %.
NULL, FULL, STEPS, LABELLED, TEST = 0.65, 0.88, 80, 320, 1_000
TURNED = [(0, 2), (0, 3), (1, 2), (1, 3)]  # topics; with the other two pairs a frozen encoder does better


# ------------------------------------------------------------------------------------------------------------- pooling
def _ragged(rng: np.random.Generator, b: int, t: int, d: int) -> tuple[torch.Tensor, np.ndarray]:
    """States with large numbers at the padding, and a mask (b, t) of 1 and 0, with at least one 1 in each row."""
    lengths = rng.integers(1, t + 1, b)
    mask = (np.arange(t) < lengths[:, None]).astype(np.int64)
    states = rng.normal(size=(b, t, d)) + 1_000 * (1 - mask[..., None])
    return torch.from_numpy(states.astype(np.float32)), mask


def _mean(states: torch.Tensor, mask: np.ndarray) -> np.ndarray:
    rows = zip(states.numpy().astype(float), mask, strict=True)
    return np.stack([x[m.astype(bool)].mean(0) if m.any() else np.zeros(x.shape[1]) for x, m in rows])


@grader.part("pooling", 1, "means over texts of many lengths", "对不同长度的文本求均值")
def means(student: Student, rng: np.random.Generator) -> None:
    for b, t, d in ((4, 7, 5), (1, 3, 8), (6, 12, 3)):
        states, mask = _ragged(rng, b, t, d)
        found = student.call("pool", states, torch.from_numpy(mask))
        close(("the pooled vectors", "池化后的向量"), found, _mean(states, mask), dtype="float32")


@grader.part("pooling", 1, "other masks, texts without words", "其他类型的掩码，没有词的文本")
def masks(student: Student, rng: np.random.Generator) -> None:
    states, mask = _ragged(rng, 4, 6, 5)
    mask = mask[:, ::-1].copy()  # padding in front
    states = states.flip(1)
    found = student.call("pool", states, torch.from_numpy(mask == 1))
    where = ("with padding in front and a mask of True and False", "填充在前、掩码为 True 和 False 时")
    close(("the pooled vectors", "池化后的向量"), found, _mean(states, mask), where=where)
    mask[2] = 0
    found = student.call("pool", states, torch.from_numpy(mask))
    where = ("with a text that has no word", "有一个文本没有词时")
    close(("the pooled vectors", "池化后的向量"), found, _mean(states, mask), where=where)


# ------------------------------------------------------------------------------------------------------------ freezing
def _under(names: list[str], prefixes: list[str]) -> list[str]:
    return [n for n in names if any(n == p or n.startswith(p + ".") for p in prefixes)]


def _frozen(student: Student, model, weights: dict, prefixes: list[str]) -> list:
    where = (f"for the prefixes {prefixes}", f"前缀为 {prefixes} 时")
    counted = student.call("set_trainable", model, prefixes)
    wanted = _under(list(weights), prefixes)
    equal(("the parameters that learn", "参与训练的参数"), student.call("trainable_names", model), wanted, where=where)
    return [counted, [sum(weights[n].numel() for n in wanted), sum(w.numel() for w in weights.values())], where]


@grader.part("freezing", 2, "which parameters learn, and how many numbers", "哪些参数参与训练，共有多少权重")
def learning(student: Student, rng: np.random.Generator) -> None:
    sizes = [int(rng.integers(20, 60)), int(2 * rng.integers(2, 5)), 13, 2]
    weights, model = weights_of(SmallEncoder(*sizes)), student.make("SmallEncoder", *sizes)
    cases = [["encoder.layer.1"], ["head", f"encoder.layer.{rng.integers(2, 9)}"], [], ["encoder"], ["head.bias"]]
    cases += [["embeddings.word_embeddings", "encoder.layer.12.attention"], ["encoder", "encoder.layer.3", "head"]]
    for prefixes in cases:
        counted, right, where = _frozen(student, model, weights, prefixes)
        equal(("the two counts", "两个计数"), counted, right, where=where)


@grader.part("freezing", 1, "prefixes under which there is nothing", "不对应任何参数的前缀")
def slips(student: Student, rng: np.random.Generator) -> None:
    model = student.make("SmallEncoder", 20, 4, 4, 2)
    student.call("set_trainable", model, ["encoder.layer.3", "head"])
    for prefixes in (
        ["encoder.layer.4"],
        ["head", "encoder.lay"],
        ["ead"],
        ["layer.1"],
        ["encoder.layer.1", "pooler", "head"],
    ):
        try:
            student.call("set_trainable", model, prefixes)
        except StudentError as error:
            if error.text[0].startswith("it raised ValueError"):
                continue
            raise
        raise Wrong(f"no ValueError for the prefixes {prefixes}", f"前缀为 {prefixes} 时没有抛出 ValueError")


# ---------------------------------------------------------------------------------------------------- parameter groups
def _grouped(student: Student, names: dict[str, tuple[int, ...]], *settings: float) -> dict[str, list[float]]:
    """For each name [rate, weight decay], after checking that each tensor, known by its values, is there once."""
    tensors = [[name, torch.full(shape, float(i))] for i, (name, shape) in enumerate(names.items())]
    groups = student.call("parameter_groups", student.make("walk", tensors), *settings)
    check(isinstance(groups, list | tuple), "the groups are no list", "返回的参数组不是列表")
    found: dict[int, list] = {}
    for group in groups:
        check(isinstance(group, dict) and {"params", "lr", "weight_decay"} <= set(group), "a group lacks params, lr or "
              "weight_decay", "有参数组缺少 params、lr 或 weight_decay")  # fmt: skip
        check(isinstance(group["params"], list | tuple), "params is no list", "params 不是列表")
        for tensor in group["params"]:
            i = int(array(("a parameter", "参数"), tensor).reshape(-1)[0])
            check(i not in found, "a parameter is in two groups", "有参数出现在两个组里")
            found[i] = [group["lr"], group["weight_decay"]]
    check(len(found) == len(names), f"{len(names) - len(found)} parameters are in no group", "有参数不在任何组里")
    return {name: found[i] for i, name in enumerate(names)}


def _names(layers: range) -> dict[str, tuple[int, ...]]:
    found = {"embeddings.word_embeddings.weight": (5, 2), "embeddings.LayerNorm.weight": (2,)}
    for k in layers:
        stem = f"encoder.layer.{k}."
        found |= {stem + "attention.query.weight": (2, 2), stem + "attention.query.bias": (2,)}
        found |= {stem + "LayerNorm.weight": (2,), stem + "head.weight": (2, 2), stem + "scale": ()}
    return found | {"head.weight": (2, 2), "head.bias": (2,), "head.dense.weight": (3, 2)}


def _rate(name: str, top: int, lr: float, head_lr: float, decay: float) -> float:
    part = name.split(".")
    layer = int(part[part.index("layer") + 1]) if "layer" in part else -1
    return head_lr if part[0] == "head" else lr * decay ** (top - layer)


@grader.part("parameter-groups", 2, "the learning rates", "学习率")
def rates(student: Student, rng: np.random.Generator) -> None:
    cases = [("the whole model", "整个模型", _names(range(12))), ("one layer", "只有一层", _names(range(1)))]
    upper = {n: s for n, s in _names(range(3, 11)).items() if "embeddings" not in n}
    cases += [("layers 3 to 10", "第 3 到 10 层", {"top." + n if "layer" in n else n: s for n, s in upper.items()})]
    cases += [("embeddings and head", "词嵌入与任务头", _names(range(0)))]
    for english, chinese, names in cases:
        lr, head_lr, decay = 10 ** rng.uniform(-5, -3), 10 ** rng.uniform(-3, -1), rng.uniform(0.5, 0.95)
        found = _grouped(student, names, lr, head_lr, decay, 0.05)
        top = max((int(n.split("layer.")[1].split(".")[0]) for n in names if "layer." in n), default=-1)
        right = [_rate(n, top, lr, head_lr, decay) for n in names]
        got = [found[n][0] for n in names]
        close(("the rates", "学习率"), got, right, where=(f"for {english}", chinese), rtol=1e-6, atol=0)


@grader.part("parameter-groups", 2, "the weight decays", "权重衰减")
def decays(student: Student, rng: np.random.Generator) -> None:
    names = _names(range(int(rng.integers(2, 14)))) | {"body.gain": (4, 1), "body.kernel": (2, 2, 3), "body.norm": (6,)}
    decay = float(rng.uniform(0.01, 0.2))
    found = _grouped(student, names, 1e-4, 1e-3, 0.9, decay)
    right = [decay if len(shape) > 1 else 0.0 for shape in names.values()]
    close(("the weight decays", "权重衰减"), [found[n][1] for n in names], right, rtol=1e-6, atol=0)
    found = _grouped(student, names, 1e-4, 1e-3, 0.9)
    right = [0.01 if len(shape) > 1 else 0.0 for shape in names.values()]
    where = ("when none is given", "未给出时")
    close(("the weight decays", "权重衰减"), [found[n][1] for n in names], right, where=where, rtol=1e-6, atol=0)


# ------------------------------------------------------------------------------------------------------------ schedule
def _factor(step: int, warmup: int, total: int) -> float:
    if step >= total:
        return 0.0
    return min((step + 1) / warmup if warmup else 1.0, (total - step) / (total - warmup) if total > warmup else 1.0)


@grader.part("schedule", 1, "the factor at every step", "每一步的系数")
def factors(student: Student, rng: np.random.Generator) -> None:
    for _ in range(3):
        total = int(rng.integers(20, 90))
        warmup = int(rng.integers(2, total // 2))
        found = [student.call("warm_up_and_decay", step, warmup, total) for step in range(total)]
        where = (f"with {warmup} of {total} steps to warm up", f"共 {total} 步、预热 {warmup} 步时")
        close(("the factors", "系数"), found, [_factor(i, warmup, total) for i in range(total)], where=where)


@grader.part("schedule", 1, "no warm-up, nothing but warm-up, after the end", "不预热、全程预热、结束之后")
def edges(student: Student, rng: np.random.Generator) -> None:
    n = int(rng.integers(5, 15))
    for warmup, total in ((0, n), (n, n), (1, n), (n - 1, n), (0, 1), (1, 1)):
        found = [student.call("warm_up_and_decay", step, warmup, total) for step in range(total + 3)]
        where = (f"with {warmup} of {total} steps to warm up", f"共 {total} 步、预热 {warmup} 步时")
        close(("the factors", "系数"), found, [_factor(i, warmup, total) for i in range(total + 3)], where=where)


# ---------------------------------------------------------------------------------------------------------------- LoRA
def _layer(rng: np.random.Generator, bias: bool = True) -> tuple[torch.Tensor, torch.Tensor | None]:
    out, inside = (int(n) for n in rng.integers(4, 9, 2))
    weight = torch.from_numpy(rng.normal(size=(out, inside)).astype(np.float32))
    return weight, torch.from_numpy(rng.normal(size=out).astype(np.float32)) if bias else None


def _lora(student: Student, weight, bias, *settings, a=None, b=None):
    """A handle to the student's layer, its A and B set where they are given."""
    base = student.make("linear", weight, bias)
    layer = student.make("LoRALinear", base, *settings)
    if a is not None:
        student.tell(layer, "load_state_dict", {"A": a, "B": b}, False)
    return layer


def _random(rng: np.random.Generator, *shape: int) -> torch.Tensor:
    return torch.from_numpy(rng.normal(size=shape).astype(np.float32))


@grader.part("lora", 1, "what learns, and how it starts", "哪些参数参与训练，如何初始化")
def beginning(student: Student, rng: np.random.Generator) -> None:
    for bias, r in ((True, 3), (False, 1)):
        weight, given = _layer(rng, bias)
        layer = _lora(student, weight, given, r, 4)
        equal(("what learns", "参与训练的参数"), sorted(student.call("trainable_names", layer)), ["A", "B"])
        state = student.ask(layer, "state_dict")
        close(("base.weight", "base.weight"), state.get("base.weight"), weight)
        close(("B at the start", "B 的初值"), state.get("B"), np.zeros((weight.shape[0], r)))
        a = array(("A", "A"), state.get("A"), (r, weight.shape[1]), "float32")
        check(np.linalg.matrix_rank(a) == r, "A's rows are not random", "A 的各行不是随机的")
        x = _random(rng, 5, weight.shape[1])
        close(("the first answers", "最初的输出"), student.ask(layer, "", x), x @ weight.T + (given if bias else 0))
    layer = _lora(student, torch.zeros(2, 400), None, 50)
    a = array(("A", "A"), student.ask(layer, "state_dict").get("A"), (50, 400))
    check(
        0.9 < a.std() * 20 < 1.1 and abs(a.mean()) < 0.003,
        "A's standard deviation is not 1/√in",
        "A 的标准差不是 1/√in",
    )


@grader.part("lora", 2, "its answers", "输出")
def answers(student: Student, rng: np.random.Generator) -> None:
    for bias, r, alpha in ((True, 2, 5), (False, 3, 1.5), (True, 1, 16)):
        weight, given = _layer(rng, bias)
        out, inside = weight.shape
        a, b = _random(rng, r, inside), _random(rng, out, r)
        layer = _lora(student, weight, given, r, alpha, a=a, b=b)
        for shape in ((4,), (2, 3), ()):
            x = _random(rng, *shape, inside)
            right = x @ (weight + alpha / r * b @ a).T + (given if bias else 0)
            close(("the answers", "输出"), student.ask(layer, "", x), right, where=(f"for x of shape {tuple(x.shape)}",
                  f"x 的形状为 {tuple(x.shape)} 时"), atol=1e-4)  # fmt: skip
    weight, _ = _layer(rng)
    a, b = _random(rng, 8, weight.shape[1]), _random(rng, weight.shape[0], 8)
    layer, x = _lora(student, weight, None, a=a, b=b), _random(rng, 3, weight.shape[1])
    where = ("with the default r = 8, alpha = 16", "使用默认的 r = 8、alpha = 16 时")
    close(("the answers", "输出"), student.ask(layer, "", x), x @ (weight + 2 * b @ a).T, where=where, atol=1e-4)


@grader.part("lora", 2, "merging", "合并")
def merging(student: Student, rng: np.random.Generator) -> None:
    for bias, r, alpha in ((True, 2, 5), (False, 4, 3)):
        weight, given = _layer(rng, bias)
        out, inside = weight.shape
        a, b = _random(rng, r, inside), _random(rng, out, r)
        layer, x = _lora(student, weight, given, r, alpha, a=a, b=b), _random(rng, 4, inside)
        before, merged = student.ask(layer, "", x), weight + alpha / r * b @ a
        for where in (("after one merge", "合并一次之后"), ("after a second merge", "再次合并之后")):
            student.tell(layer, "merge")
            close(("the answers", "输出"), student.ask(layer, "", x), before, where=where, atol=1e-3)
            close(("base.weight", "base.weight"), student.ask(layer, "state_dict").get("base.weight"), merged,
                  where=where, atol=1e-4)  # fmt: skip
        equal(
            ("what learns after merging", "合并之后参与训练的参数"),
            sorted(student.call("trainable_names", layer)),
            ["A", "B"],
        )
        student.tell(layer, "load_state_dict", {"A": a, "B": b}, False)
        where = ("when training goes on after a merge", "合并之后继续训练时")
        right = x @ (merged + alpha / r * b @ a).T + (given if bias else 0)
        close(("the answers", "输出"), student.ask(layer, "", x), right, where=where, atol=1e-3)


# ------------------------------------------------------------------------------------------------------ early stopping
def _watched(student: Student, scores: list[float], *settings: float) -> tuple[list[bool], float, float]:
    """What `update` said to each score, the first weight of the model that was restored, and its bias."""
    stopper = student.make("EarlyStopping", *settings)
    model = student.make("linear", torch.zeros(2, 2), torch.zeros(2))
    said = []
    for i, score in enumerate(scores):
        weights = {"weight": torch.full((2, 2), i + 1.0), "bias": torch.full((2,), -i - 1.0)}
        student.tell(model, "load_state_dict", weights)
        said.append(student.ask(stopper, "update", score, model))
    student.tell(model, "load_state_dict", {"weight": torch.full((2, 2), 99.0), "bias": torch.full((2,), 99.0)})
    student.tell(stopper, "restore", model)
    state = student.ask(model, "state_dict")
    return said, float(state["weight"][0, 1]), float(state["bias"][1])


def _right(scores: list[float], patience: int, delta: float = 0.0) -> tuple[list[bool], float, float]:
    best, at, waited, said = -np.inf, 98, 0, []
    for i, score in enumerate(scores):
        if score > best + delta:
            best, at, waited = score, i, 0
        else:
            waited += 1
        said.append(waited >= patience)
    return said, at + 1.0, float(-at - 1) if at < 98 else 99.0


def _compare_watched(student: Student, scores: list[float], *settings: float) -> None:
    said, weight, bias = _watched(student, scores, *settings)
    right = _right(scores, *settings)
    shown = [round(score, 3) for score in scores]
    settings_ = f"patience {settings[0]}" + (f", min_delta {settings[1]}" if len(settings) > 1 else "")
    where = (f"for the scores {shown} ({settings_})", f"得分为 {shown}（{settings_}）时")
    equal(("update's answers", "update 的返回值"), said, right[0], where=where)
    equal(("the weights restored", "恢复的权重"), [weight, bias], list(right[1:]), where=where)


@grader.part("early-stopping", 1, "when to stop, what to bring back", "何时停止，恢复什么")
def stopping(student: Student, rng: np.random.Generator) -> None:
    for patience in (1, 2, 3, 4):
        rise = np.sort(rng.uniform(0.3, 0.8, 4)).tolist()
        scores = [*rise[:3], rise[1], rise[3], *rng.uniform(0.1, rise[3], 5).tolist()]
        _compare_watched(student, scores, patience)
    _compare_watched(student, (-rng.uniform(1, 2, 6)).tolist(), 2)


@grader.part("early-stopping", 2, "ties, small gains, NaN, never an improvement", "得分相同、微小提升、NaN、从未提升")
def odd_scores(student: Student, rng: np.random.Generator) -> None:
    x = float(np.round(rng.uniform(0.4, 0.6), 3))
    _compare_watched(student, [x, x, x, x - 0.1], 3)
    _compare_watched(
        student, [x, x + 0.02, x + 0.04, x + 0.06, x + 0.08], 2, 0.05
    )  # creeps past the first in small steps
    _compare_watched(student, [x, x + 0.1, x + 0.13, x + 0.3, x], 5, 0.05)
    _compare_watched(student, [float("nan"), x, float("nan"), x + 0.1, float("nan"), float("nan")], 2)
    _compare_watched(student, [float("nan"), float("nan"), x], 2)
    _compare_watched(student, [float("nan"), float("nan")], 3)


# ---------------------------------------------------------------------------------------------------------- fine-tuner
@grader.part("fine-tuner", 6, "accuracy after 80 gradient steps", "80 个梯度步之后的准确率")
def accuracy(student: Student, rng: np.random.Generator) -> Share:
    torch.set_num_threads(1)
    reached = np.mean([_tuned(student, rng, TURNED[i]) for i in rng.choice(len(TURNED), 3, replace=False)])
    share = (reached - NULL) / (FULL - NULL)
    return Share(
        share,
        (
            f"accuracy {reached:.1%}; {NULL:.0%} earns nothing, {FULL:.0%} all points",
            f"准确率为 {reached:.1%}；{NULL:.0%} 得零分，{FULL:.0%} 得满分",
        ),
    )


def _tuned(student: Student, rng: np.random.Generator, turned: tuple[int, int]) -> float:
    language = Language()
    ids, labels = language.texts(LABELLED, rng, turned)
    model = small_encoder.pretrained(int(rng.integers(2**31)))
    shapes = {name: tuple(weights.shape) for name, weights in weights_of(model).items()}
    tuner = student.make("FineTuner", weights_of(model), STEPS)

    def update(gradients: dict) -> dict:
        found = student.ask(tuner, "update", gradients)
        same = isinstance(found, dict) and set(found) == set(shapes)
        check(same, "update does not return weights for all names", "update 没有为所有名称返回权重")
        new = {n: array((f"the new {n}", f"新的 {n}"), found[n], shape, "float") for n, shape in shapes.items()}
        finite = all(np.isfinite(value).all() for value in new.values())
        check(finite, "a weight became NaN or infinite", "有权重变成了 NaN 或无穷大")
        return {name: torch.from_numpy(value.astype(np.float32)) for name, value in new.items()}

    small_encoder.train(model, update, small_encoder.batches(ids, labels, steps=STEPS, rng=rng))
    return small_encoder.accuracy(model, *language.texts(TEST, rng, turned))
