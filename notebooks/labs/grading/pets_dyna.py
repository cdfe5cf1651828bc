"""Grader of lab 8, Dyna and PETS: hidden cases for each task, from generators that the secret seeds."""

import numpy as np
import torch
from scipy.special import expit
from scipy.stats import norm

from aibook.labs.compare import array, check, close, equal
from aibook.labs.grading import FULL, Grader, Share
from helpers.labs import pets_dyna as lab
from helpers.labs.mazes import ACTIONS, random_maze

grader = Grader("08-pets-dyna")
BENT, SLOPE = ("the log-variance", "对数方差"), ("its derivative", "它的导数")


# -- Q-learning --------------------------------------------------------------------------------------------------------
@grader.part(
    "q-learning",
    2,
    "steps of other worlds, at the end of episodes and before",
    "其他世界中的一步，包括回合结束与未结束",
)
def q_updates(student, rng):
    for states, actions in ((6, 4), (3, 1), (1, 3), (9, 2)):
        for over in (False, True):
            q = rng.normal(0, 2, (states, actions))
            s, a, s2 = int(rng.integers(states)), int(rng.integers(actions)), int(rng.integers(states))
            r, alpha, gamma = float(rng.normal()), float(rng.uniform(0.05, 1)), float(rng.uniform(0.3, 0.99))
            error, (after, *_) = student.call("q_update", q, s, a, r, s2, over, alpha, gamma, echo=True)
            expected = q.copy()
            target = r + (not over) * gamma * max(q[s2])
            expected[s, a] = (1 - alpha) * q[s, a] + alpha * target
            where = ("at the end of an episode", "回合结束时") if over else ("before the end", "回合未结束时")
            close(("the returned error", "返回的误差"), error, target - q[s, a], where=where)
            close(("q after the update", "更新后的 q"), after, expected, where=where)


# -- Dyna --------------------------------------------------------------------------------------------------------------
def _world(rng, states, actions, tries):
    """Real steps (s, a, r, s2, over) at random, in which pairs come back with other outcomes."""
    draws = rng.integers(0, [states, actions, states], (tries, 3)).tolist()
    return [(s, a, float(rng.normal()), s2, bool(rng.random() < 0.2)) for s, a, s2 in draws]


def _taught(student, steps):
    """The student's model after these real steps, and ours: pair -> last outcome, in the order of the first try."""
    model, known = student.make("TableModel"), {}
    for s, a, r, s2, over in steps:
        student.tell(model, "learn", s, a, r, s2, over)
        known[s, a] = (r, s2, over)
    return model, known


@grader.part("dyna", 1, "`TableModel` after other steps", "在其他步之后检验 `TableModel`")
def remembered(student, rng):
    equal(("pairs of a new model", "新模型的状态–动作对"), student.ask(student.make("TableModel"), "tried"), [])
    for states, actions, tries in ((5, 3, 30), (12, 4, 20), (1, 1, 4)):
        model, known = _taught(student, _world(rng, states, actions, tries))
        equal(("the pairs that were tried", "试过的状态–动作对"), student.ask(model, "tried"), list(known))
        for pair, outcome in known.items():
            found = student.ask(model, "outcome", *pair)
            equal(("an outcome", "一次结果"), found, outcome, where=("for a pair", "对某个状态–动作对"))
        equal(("the pairs after these questions", "询问之后的状态–动作对"), student.ask(model, "tried"), list(known))


@grader.part("dyna", 2, "`plan` with other models and picks", "用其他模型与 picks 检验 `plan`")
def planned(student, rng):
    for states, actions, tries, count in ((4, 2, 12, 15), (8, 4, 40, 30), (3, 3, 5, 1), (5, 2, 6, 0)):
        model, known = _taught(student, _world(rng, states, actions, tries))
        q, pairs = rng.normal(0, 1, (states, actions)), list(known)
        picks = rng.integers(0, len(pairs), count)
        alpha, gamma = float(rng.uniform(0.2, 1)), float(rng.uniform(0.5, 0.99))
        _, (after, *_) = student.call("plan", q, model, picks, alpha, gamma, echo=True)
        expected = q.copy()
        for pick in picks:
            pair, (r, s2, over) = pairs[pick], known[pairs[pick]]
            expected[pair] += alpha * (r + (0 if over else gamma * expected[s2].max()) - expected[pair])
        where = (f"after {count} imagined steps", f"{count} 个想象步之后")
        close(("q", "q"), after, expected, where=where)
        equal(("the pairs after planning", "规划之后的状态–动作对"), student.ask(model, "tried"), pairs)


# -- prioritised sweeping ----------------------------------------------------------------------------------------------
def _lines(rng, states, actions, count):
    """Real steps of a world in which no two pairs lead to the same cell: so no two errors are ever equally large."""
    pairs = rng.permutation(states * actions)[:count]
    cells = rng.permutation(states)
    steps = []
    for number, pair in enumerate(pairs.tolist()):
        over = number >= states or rng.random() < 0.15
        s2 = int(cells[number % states])
        steps.append((pair // actions, pair % actions, float(rng.normal()), s2, bool(over)))
    stale = [(s, a, float(rng.normal()), int(rng.integers(states)), not over) for s, a, _, _, over in steps[::3]]
    return stale + steps


@grader.part("sweeping", 2, "a few updates in other models", "在其他模型中做少量更新")
def few_updates(student, rng):
    for states, actions, count, n in ((5, 3, 9, 1), (6, 3, 9, 4), (9, 2, 12, 7), (12, 4, 20, 25), (6, 2, 8, 0)):
        _same_sweep(student, rng, _lines(rng, states, actions, count), (states, actions), n, 1e-6)


@grader.part(
    "sweeping", 2, "until no error exceeds θ; no pair, one pair", "直到误差都不超过 θ；没有或只有一个状态–动作对"
)
def swept(student, rng):
    for theta in (0.8, 0.4, 0.1):
        _same_sweep(student, rng, _lines(rng, 12, 3, 18), (12, 3), 500, theta)
    _same_sweep(student, rng, [], (4, 2), 5, 0.1)
    _same_sweep(student, rng, [(1, 0, 2.5, 2, True)], (4, 2), 5, 0.1)
    _same_sweep(student, rng, [(0, 1, 0.5, 2, True)], (4, 2), 5, 0.5, np.zeros((4, 2)))  # exactly θ is not above θ
    _same_sweep(student, rng, [(1, 1, 1.5, 1, False)], (3, 2), 6, 1e-6)  # leads to itself: its error comes back smaller
    # Where many pairs lead to a cell, errors tie and the order is free, but all orders end at the same values.
    model, known = _taught(student, _world(rng, 6, 3, 30))
    q, gamma = rng.normal(0, 1, (6, 3)), float(rng.uniform(0.5, 0.8))
    _, (after, *_) = student.call("sweep", q, model, 5_000, 1e-7, gamma, echo=True)
    expected = q.copy()
    for _ in range(200):
        for pair, (r, s2, over) in known.items():
            expected[pair] = r + (0 if over else gamma * expected[s2].max())
    close(("q", "q"), after, expected, where=("when nothing is left to update", "没有可更新的内容时"))


def _same_sweep(student, rng, steps, shape, n, theta, q=None):
    model, known = _taught(student, steps)
    q, gamma = rng.normal(0, 1, shape) if q is None else q, float(rng.uniform(0.5, 0.9))
    made, (after, *_) = student.call("sweep", q, model, n, theta, gamma, echo=True)
    expected, count = q.copy(), 0
    while count < n and known:
        errors = {
            pair: r + (0 if over else gamma * expected[s2].max()) - expected[pair]
            for pair, (r, s2, over) in known.items()
        }
        worst = max(errors, key=lambda pair: abs(errors[pair]))
        if abs(errors[worst]) <= theta:
            break
        expected[worst] += errors[worst]
        count += 1
    where = (f"for {len(known)} pairs, n = {n}, θ = {theta}", f"{len(known)} 个状态–动作对、n = {n}、θ = {theta} 时")
    equal(("the number of updates", "更新次数"), made, count, where=where)
    close(("q", "q"), after, expected, where=where)


# -- agent -------------------------------------------------------------------------------------------------------------
@grader.part(
    "agent",
    4,
    "goals reached in hidden mazes, within the budget of real steps",
    "在隐藏的迷宫里、限定的真实步数内到达终点的次数",
)
def goals_within_budget(student, rng):
    """The mazes stay here, and so does the count of real steps: an agent is only asked what it does, and told."""
    shares = []
    for _ in range(lab.MAZES):
        maze, goals = random_maze(rng), 0
        s = maze.start
        agent = student.make("Agent", maze.states, ACTIONS, lab.GAMMA, int(rng.integers(2**31)))
        for _ in range(lab.STEPS):
            a = int(array(("the action", "动作"), student.ask(agent, "act", s), (), "int"))
            check(0 <= a < ACTIONS, f"there is no action {a}", f"没有动作 {a}")
            r, s2, over = maze.step(s, a)
            student.tell(agent, "learn", s, a, r, s2, over)
            goals, s = goals + over, maze.start if over else s2
        shares.append(goals * maze.shortest / lab.STEPS)
    goals = float(np.mean(shares))
    reached = (
        f"{goals:.1%} of the possible goals; all points from {lab.BAR:.0%}",
        f"到达终点的次数为可能次数的 {goals:.1%}；{lab.BAR:.0%} 起得满分",
    )
    share = lab.share(goals)
    return Share(share, FULL if share == 1 else reached)


# -- likelihood --------------------------------------------------------------------------------------------------------
@grader.part("likelihood", 1.5, "the likelihood of other numbers", "其他数的似然")
def likelihoods(student, rng):
    for shape, other in (((7,), (7,)), ((3, 5, 2), (5, 2)), ((4, 1, 3), (6, 3))):
        mean, log_variance = (rng.normal(0, 2, shape).astype(np.float32) for _ in range(2))
        target = rng.normal(0, 3, other).astype(np.float32)
        found = student.call("gaussian_nll", *map(torch.from_numpy, (mean, log_variance, target)))
        expected = -norm.logpdf(target.astype(float), mean.astype(float), np.exp(log_variance.astype(float) / 2))
        where = (f"for shapes {shape} and {other}", f"形状为 {shape} 与 {other} 时")
        close(("the negative log-likelihood", "负对数似然"), found, expected, where=where, rtol=1e-3, atol=1e-3)


@grader.part(
    "likelihood",
    1.5,
    "other bounds, close together, and log-variances far outside",
    "其他上下界（包括彼此靠近的）与远在界外的对数方差",
)
def bounds(student, rng):
    for width in (9.0, 2.0, 0.3):
        low = float(rng.uniform(-9, 2))
        high = low + width
        values = np.concatenate([rng.uniform(low - 4, high + 4, 30), [low, high, -300, -90, 90, 300]])
        tensor = torch.tensor(values, dtype=torch.float32)
        upper = high - np.logaddexp(0, high - values)
        expected = low + np.logaddexp(0, upper - low)
        slopes = expit(high - values) * expit(upper - low)
        where = (f"between {low:.2f} and {high:.2f}", f"界为 {low:.2f} 与 {high:.2f} 时")
        for function, name, right in (("bounded", BENT, expected), ("slope", SLOPE, slopes)):
            close(name, student.call(function, tensor, low, high), right, where=where, rtol=1e-3, atol=1e-3)
    low, width = rng.uniform(-6, -1, 4), rng.uniform(0.5, 5, 4)
    values = rng.normal(0, 6, (2, 5, 4))
    tensors = [torch.tensor(x, dtype=torch.float32) for x in (values, low, low + width)]
    upper = low + width - np.logaddexp(0, low + width - values)
    where = ("with bounds of their own for each column", "每一列各有上下界时")
    found = student.call("bounded", *tensors)
    expected = low + np.logaddexp(0, upper - low)
    close(BENT, found, expected, where=where, rtol=1e-3, atol=1e-3)


# -- ensemble ----------------------------------------------------------------------------------------------------------
@grader.part("ensemble", 1, "other bootstraps", "其他的自助样本")
def bootstraps(student, rng):
    for n, members in ((60, 40), (400, 5), (1, 2), (3, 1)):
        seed = int(rng.integers(2**31))
        generator = student.generator(seed)
        rows, later = (_rows(student, n, members, generator) for _ in range(2))
        again = _rows(student, n, members, student.generator(seed))
        check((rows == again).all(), "the rows do not come from `rng` alone", "抽样并非完全由 `rng` 决定")
        if n < 60:
            continue
        check((rows != later).any(), "two bootstraps are the same", "先后两次抽样完全相同")
        seen = np.mean([len(np.unique(member)) / n for member in rows])
        check(0.58 < seen < 0.69, "the rows are not drawn with replacement", "抽样不是有放回的")
        check(len(np.unique(rows, axis=0)) == members, "two members drew the same rows", "有两个成员抽到的行相同")
        counts = np.bincount(rows.ravel(), minlength=n)
        deviation = np.sqrt(members * (1 - 1 / n))
        uniform = np.abs(counts - members).max() < 6 * deviation + 2
        check(uniform, "some rows are drawn more often than others", "各行被抽到的机会不均等")
        steps = np.abs(np.corrcoef(rows.ravel()[:-1], rows.ravel()[1:])[0, 1])
        check(steps < 0.15, "the rows are not drawn independently", "各次抽取不独立")


def _rows(student, n, members, generator):
    rows = array(("the rows", "行号"), student.call("bootstrap", n, members, generator), (members, n), "int")
    check(rows.min() >= 0 and rows.max() < n, "a row that does not exist", "出现了不存在的行号")
    return rows


@grader.part("ensemble", 1, "rows that a member never saw", "成员从未见过的行")
def left_out(student, rng):
    for n, members in ((12, 4), (30, 3), (1, 2), (7, 1)):
        rows = rng.integers(0, max(n - 1, 1), (members, n))  # the last one is never drawn
        found = array(("the mask", "掩码"), student.call("out_of_bag", rows), (members, n), "bool")
        expected = [[row not in member for row in range(n)] for member in rows.tolist()]
        equal(("the mask", "掩码"), found, expected, where=(f"for {n} rows", f"共 {n} 行时"))


@grader.part("ensemble", 2, "the two variances of other ensembles", "其他集成的两种方差")
def variances(student, rng):
    for members, rows, outputs, dtype in (
        (5, 8, 3, "float64"),
        (2, 1, 2, "float32"),
        (1, 4, 1, "float64"),
        (7, 3, 7, "float32"),
    ):
        mean, log_variance = (rng.normal(0, 1.5, (members, rows, outputs)).astype(dtype) for _ in range(2))
        parts = student.call("decompose", mean, log_variance)
        check(isinstance(parts, list | tuple) and len(parts) == 3, "expected three arrays", "应返回三个数组")
        centre = sum(mean.astype(float)) / members
        expected = (centre, sum(np.exp(log_variance.astype(float))) / members, sum((mean - centre) ** 2) / members)
        where = (f"for {members} members", f"{members} 个成员时")
        names = (("the mean", "均值"), ("aleatoric", "偶然方差"), ("epistemic", "认知方差"))
        for name, part, right in zip(names, parts, expected, strict=True):
            close(name, part, right, where=where, rtol=1e-3)


# -- particles ---------------------------------------------------------------------------------------------------------
@grader.part("particles", 2, "TS1 in other ensembles", "其他集成中的 TS1")
def dealt_anew(student, rng):
    for sizes in ((4, 3, 2, 6, 7), (2, 1, 1, 9, 1), (5, 2, 3, 1, 12), (3, 4, 1, 3, 3)):
        _same_paths(student, rng, *sizes, "TS1")


@grader.part("particles", 2, "TS∞ in other ensembles", "其他集成中的 TS∞")
def one_for_good(student, rng):
    for sizes in ((4, 3, 2, 6, 7), (2, 1, 1, 9, 4), (5, 2, 3, 2, 12), (3, 4, 1, 4, 3)):
        _same_paths(student, rng, *sizes, "TSinf")


def _same_paths(student, rng, members, size, inputs, horizon, count, how):
    weights = rng.normal(0, 0.3, (members, size, size)), rng.normal(0, 1, (members, inputs, size))
    noise_weights = rng.normal(0, 0.2, (members, size, size)), rng.normal(-1, 1, (members, size))
    model = student.make("LinearEnsemble", *weights, *noise_weights)
    state, actions = rng.normal(0, 1, size), rng.normal(0, 1, (horizon, inputs))
    draws, noise = rng.integers(0, members, (horizon, count)), rng.normal(0, 1, (horizon, count, size))
    given = (state, actions, draws, noise)
    found, (_, *after) = student.call("trajectories", model, *given, how, echo=True)
    paths = np.empty((horizon + 1, count, size))
    for p in range(count):
        paths[0, p] = state
        for t in range(horizon):
            e, s = draws[t if how == "TS1" else 0, p], paths[t, p]
            deviation = np.exp((s @ noise_weights[0][e] + noise_weights[1][e]) / 2)
            paths[t + 1, p] = s + s @ weights[0][e] + actions[t] @ weights[1][e] + deviation * noise[t, p]
    where = (f"for {count} particles over {horizon} steps", f"{count} 个粒子、{horizon} 步时")
    close(("the paths", "粒子轨迹"), found, paths, where=where)
    same = all(np.array_equal(a, b) for a, b in zip(after, given, strict=False))
    check(same, "an input was changed in place", "输入被就地修改了")
