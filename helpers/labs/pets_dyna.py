"""Visible checks of lab 8, Dyna and PETS. Each tests properties and small worked examples, never a whole answer."""

import itertools
from collections.abc import Callable

import numpy as np
import torch

from helpers.labs.checks import Lab, expect, expect_array, expect_close
from helpers.labs.mazes import ACTIONS, Maze, random_maze

lab = Lab()
check = lab.check

MAZES, STEPS, GAMMA = 4, 400, 0.95  # the budget of the task "agent": real steps in each hidden maze
# Of the goals that somebody who knows each maze reaches, the master's solution reaches 55.6 ± 2.6 % (mean ± standard
# deviation of twelve seeds; with other seeds 55.5 ± 3.2), Dyna-Q that explores at random 11 ± 10 %, Q-learning
# 1.7 ± 1.0 %. All points from two deviations below the first, none up to a little above the second.
BAR, NULL = 0.49, 0.15
reached: dict[str, float] = {}  # "agent" -> the share of its last check


# -- a world in a table ------------------------------------------------------------------------------------------------
@lab.task(
    "q-learning",
    2,
    ["q_update"],
    "`q_update(q, s, a, r, s2, over, alpha, gamma)` moves q[s, a] towards its target, in place, "
    "and returns the error that it had.",
    "`q_update(q, s, a, r, s2, over, alpha, gamma)` 就地把 q[s, a] 移向其目标值，并返回更新前的误差。",
)
def _q_learning(q_update: Callable) -> None:
    """`q_update(q, s, a, r, s2, over, alpha, gamma)`."""
    for over, error in ((False, 3.6), (True, 0.0)):
        q = np.array([[0.0, 1.0], [2.0, 4.0], [0.0, 0.0]])
        returned = q_update(q, 0, 1, 1.0, 1, over, 0.5, 0.9)
        where = (
            f"for r = 1, γ = 0.9, q[s, a] = 1, values 2 and 4 in s2, {'at the end' if over else 'before the end'} of "
            "the episode",
            f"r = 1、γ = 0.9、q[s, a] = 1、s2 处的值为 2 和 4，且回合{'已结束' if over else '未结束'}时",
        )
        expect_close(("the returned error", "返回的误差"), returned, error, where)
        expect_close(("q[s, a] after half of the way", "走完一半之后的 q[s, a] "), q[0, 1], 1 + error / 2, where)
        q[0, 1] = 1
        expect(
            np.array_equal(q, [[0, 1], [2, 4], [0, 0]]),
            "Only q[s, a] may change; another entry did.",
            "只应改动 q[s, a]，但另一个元素也变了。",
        )


@lab.task(
    "dyna",
    3,
    ["TableModel", "plan"],
    "`TableModel` remembers the last outcome of each pair, and `plan(q, model, picks, alpha, gamma)` "
    "updates `q` from remembered outcomes.",
    "`TableModel` 记住每个状态–动作对最近一次的结果，`plan(q, model, picks, alpha, gamma)` 用记住的结果更新 `q`。",
)
def _dyna(model_class: type, plan: Callable) -> None:
    """The class `TableModel` and `plan(q, model, picks, alpha, gamma)`."""
    model = chain(model_class)
    model.learn(1, 0, 0.25, 0, False)
    pairs = [tuple(map(int, pair)) for pair in model.tried()]
    expect(
        pairs == [(0, 0), (1, 0), (2, 0)],
        f"The pairs (0, 0), (1, 0), (2, 0) were tried in this order, and (1, 0) once more; tried() says {pairs}.",
        f"依次尝试了 (0, 0)、(1, 0)、(2, 0)，之后又试了一次 (1, 0)；tried() 给出的却是 {pairs}。",
    )
    last = tuple(model.outcome(1, 0))
    expect(
        last == (0.25, 0, False),
        f"outcome(1, 0) should be the last that was seen, (0.25, 0, False); it is {last}.",
        f"outcome(1, 0) 应为最近一次见到的结果 (0.25, 0, False)，实际为 {last}。",
    )
    for picks, expected in (([2, 1, 0], [0.81, 0.9, 1]), ([0, 1, 2], [0, 0, 1]), ([], [0, 0, 0])):
        q, model = np.zeros((4, 2)), chain(model_class)
        plan(q, model, np.array(picks, int), 1.0, 0.9)
        expect(
            np.allclose(q[:3, 0], expected),
            f"On a way of three steps to a goal that pays 1, with α = 1 and γ = 0.9, the picks {picks} make the values "
            f"along the way {expected}; yours are {q[:3, 0].round(4).tolist()}.",
            f"从起点三步到达终点（奖励为 1），α = 1、γ = 0.9、picks 为 {picks} 时，沿途的值应为 {expected}，"
            f"你得到的是 {q[:3, 0].round(4).tolist()}。",
        )


def chain(model_class: type):
    """A model of three cells in a row: action 0 leads on, from the last one to the goal, cell 3."""
    model = model_class()
    for s in range(3):
        model.learn(s, 0, float(s == 2), s + 1, s == 2)
    return model


@lab.task(
    "sweeping",
    4,
    ["TableModel", "sweep"],
    "`sweep(q, model, n, theta, gamma)` makes up to `n` full updates, each of the tried pair whose error is largest.",
    "`sweep(q, model, n, theta, gamma)` 至多做 `n` 次完全更新，每次更新试过的状态–动作对中误差最大的那个。",
)
def _sweeping(model_class: type, sweep: Callable) -> None:
    """`sweep(q, model, n, theta, gamma)`."""
    for n, made, expected in ((10, 3, [0.81, 0.9, 1]), (2, 2, [0, 0.9, 1]), (0, 0, [0, 0, 0])):
        q = np.zeros((4, 2))
        count = sweep(q, chain(model_class), n, 1e-6, 0.9)
        where = (f"on a way of three steps with n = {n}", f"三步的路、n = {n} 时")
        expect_close(("the number of updates", "更新次数"), count, made, where)
        expect(
            np.allclose(q[:3, 0], expected),
            f"With n = {n} the values on a way of three steps should be {expected}; "
            f"yours are {q[:3, 0].round(4).tolist()}.",
            f"n = {n} 时，三步路上的值应为 {expected}，你得到的是 {q[:3, 0].round(4).tolist()}。",
        )
    model, q = model_class(), np.array([[0.0], [0.0], [5.0], [0.5]])
    for s, r in enumerate((1.0, 2.0, 1.0, 1.0)):
        model.learn(s, 0, r, 0, True)
    count = sweep(q, model, 2, 0.75, 0.9)
    expect(
        np.allclose(q[:, 0], [0, 2, 1, 0.5]),
        "Four pairs that end the episode have the errors +1, +2, −4 and +0.5. Two updates go to −4, then to +2; "
        f"your values are {q[:, 0].round(4).tolist()}. Size counts, not sign.",
        "四个使回合结束的状态–动作对，误差分别为 +1、+2、−4、+0.5。两次更新应先给 −4，再给 +2；"
        f"你得到的值是 {q[:, 0].round(4).tolist()}。看的是绝对值，不是正负号。",
    )
    count = sweep(q, model, 9, 0.75, 0.9)
    expect(
        count == 1 and np.allclose(q[:, 0], [1, 2, 1, 0.5]),
        f"What is left is an error of 1, above θ = 0.75, and one of 0.5, below it: one update. You make {count}.",
        f"剩下的误差一个为 1（大于 θ = 0.75），一个为 0.5（小于 θ），所以只应更新一次；你更新了 {count} 次。",
    )
    expect(
        sweep(np.zeros((2, 2)), model_class(), 5, 0.1, 0.9) == 0,
        "A model that has seen nothing gives nothing to update: 0 updates.",
        "什么都没见过的模型没有可更新的内容：更新次数应为 0。",
    )


def walk(maze: Maze, agent, steps: int) -> np.ndarray:
    """The rewards of an agent's first real steps in a maze, (steps,)."""
    rewards, s = np.zeros(steps), maze.start
    for t in range(steps):
        a = agent.act(s)
        whole = isinstance(a, int | np.integer) and not isinstance(a, bool)
        expect(
            whole and 0 <= a < ACTIONS,
            f"act(s) should return a whole number from 0 to {ACTIONS - 1}; it returned {a!r}.",
            f"act(s) 应返回 0 到 {ACTIONS - 1} 之间的整数，实际返回了 {a!r}。",
        )
        rewards[t], s2, over = maze.step(s, int(a))
        agent.learn(s, int(a), float(rewards[t]), s2, over)
        s = maze.start if over else s2
    return rewards


def goals_within_budget(agent_class: type, seed: int) -> float:
    """Goals that agents reach in hidden mazes, 0 to 1, as a share of what one who knows each maze would reach."""
    rng, shares = np.random.default_rng(seed), []
    for _ in range(MAZES):
        maze = random_maze(rng)
        agent = agent_class(maze.states, ACTIONS, GAMMA, int(rng.integers(2**31)))
        shares.append(walk(maze, agent, STEPS).sum() * maze.shortest / STEPS)
    return float(np.mean(shares))


def share(goals: float) -> float:
    """The share of the points that such a share of the goals earns."""
    return min(1.0, max(0.0, (goals - NULL) / (BAR - NULL)))


@lab.task(
    "agent",
    4,
    ["Agent"],
    "`Agent(states, actions, gamma, seed)` chooses by `act(s)` and learns by `learn(s, a, r, s2, over)`.",
    "`Agent(states, actions, gamma, seed)` 用 `act(s)` 选择动作，用 `learn(s, a, r, s2, over)` 学习。",
)
def _agent(agent_class: type) -> float:
    """The class `Agent`; returns the share of the points that it reaches in hidden mazes."""
    # The seed that the notebook has set: the check says the same each time, and a study over seeds means something.
    goals = reached["agent"] = goals_within_budget(agent_class, torch.initial_seed() % 2**32)
    print(f"{goals:.1%} of the possible goals; all points from {BAR:.0%}, none up to {NULL:.0%}")
    print(f"到达终点的次数为可能次数的 {goals:.1%}；达到 {BAR:.0%} 得满分，不超过 {NULL:.0%} 不得分")
    return share(goals)


# -- a world in a network ----------------------------------------------------------------------------------------------
@lab.task(
    "likelihood",
    3,
    ["gaussian_nll", "bounded"],
    "`gaussian_nll(mean, log_variance, target)` is −log N for each number, and `bounded(log_variance, low, high)` "
    "keeps a log-variance between two bounds, smoothly.",
    "`gaussian_nll(mean, log_variance, target)` 对每个数给出 −log N，"
    "`bounded(log_variance, low, high)` 把对数方差平滑地限制在上下界之间。",
)
def _likelihood(gaussian_nll: Callable, bounded: Callable) -> None:
    """`gaussian_nll(mean, log_variance, target)` and `bounded(log_variance, low, high)`."""
    mean, log_variance = torch.zeros(2, 3, 1), torch.full((2, 3, 1), np.log(4.0), requires_grad=True)
    out = gaussian_nll(mean, log_variance, torch.full((3, 1), 2.0))
    expect_array("gaussian_nll(mean (2, 3, 1), …, target (3, 1))", out, (2, 3, 1), "float32")
    # log(2π)/2 + log(4)/2 + 1/2
    where = ("for mean 0, variance 4 and target 2", "均值 0、方差 4、目标值 2 时")
    expect_close(("the negative log-likelihood", "负对数似然"), out.detach()[0, 0, 0], 2.112086, where)
    expect(
        out.requires_grad,
        "The gradient does not reach the log-variance: compute with torch, and detach nothing.",
        "梯度传不到对数方差：请全程用 torch 计算，不要 detach。",
    )

    line = torch.linspace(-60, 200, 521)
    held = expect_array("bounded(log_variance, low, high)", bounded(line, -8.0, 1.0), (521,), "float32")
    expect(
        held.min() >= -8 - 1e-4 and held.max() <= 1 + 1e-3,
        f"With bounds −8 and 1 the values should stay between them; yours go from {held.min():.3g} to "
        f"{held.max():.3g}.",
        f"上下界为 −8 和 1 时，取值应落在其间；你的取值从 {held.min():.3g} 到 {held.max():.3g}。",
    )
    far = torch.tensor([-300.0, 300.0], requires_grad=True)
    (left,) = torch.autograd.grad(bounded(far, -8.0, 1.0).sum(), far)
    expect(
        left.isfinite().all(),
        "Far outside the bounds the gradient is NaN, because an exponential overflows: use F.softplus.",
        "远在界外时指数溢出，梯度成了 NaN：请用 F.softplus。",
    )
    where = ("for a log-variance of −3, far from both bounds −8 and 1", "对数方差为 −3、离上下界 −8 与 1 都远时")
    expect_close(("the result", "结果"), held[114], -3.0113, where, 1e-3)
    where = ("for a log-variance of 1, at the upper bound", "对数方差为 1、恰在上界时")
    expect_close(("the result", "结果"), held[122], 1 - np.log(2), where, 1e-3)


@lab.task(
    "ensemble",
    4,
    ["bootstrap", "out_of_bag", "decompose"],
    "`bootstrap(n, members, rng)` draws each member's rows, `out_of_bag(rows)` finds those that a member never saw, "
    "`decompose(mean, log_variance)` splits the variance in two.",
    "`bootstrap(n, members, rng)` 为每个成员抽取训练行，`out_of_bag(rows)` 找出成员从未见过的行，"
    "`decompose(mean, log_variance)` 把方差分成两部分。",
)
def _ensemble(bootstrap: Callable, out_of_bag: Callable, decompose: Callable) -> None:
    """`bootstrap(n, members, rng)`, `out_of_bag(rows)`, `decompose(mean, log_variance)`."""
    rows = expect_array("bootstrap(1000, 3, rng)", bootstrap(1000, 3, np.random.default_rng(0)), (3, 1000))
    expect(
        np.issubdtype(rows.dtype, np.integer) and rows.min() >= 0 and rows.max() < 1000,
        "The rows are numbered 0 to n − 1, in whole numbers.",
        "行号应为 0 到 n − 1 的整数。",
    )
    seen = [len(np.unique(member)) / 1000 for member in rows]
    expect(
        all(0.59 < part < 0.68 for part in seen),
        f"Drawn with replacement, a member sees about 63 % of 1,000 rows; yours see {seen[0]:.0%}.",
        f"有放回抽样时，一个成员大约会见到 1000 行中的 63%；你的成员见到 {seen[0]:.0%}。",
    )
    expect(
        all(not np.array_equal(a, b) for a, b in itertools.combinations(rows, 2)),
        "Each member should draw its own rows; two of yours are the same.",
        "每个成员应各自抽取；你有两个成员抽到的完全相同。",
    )
    out = np.asarray(out_of_bag(np.array([[0, 0, 2, 2], [3, 1, 0, 1]])))
    expect(
        out.dtype == bool and out.tolist() == [[False, True, False, True], [False, False, True, False]],
        "Of 4 rows the first member drew 0, 0, 2, 2 and the second 3, 1, 0, 1. "
        f"The first never saw rows 1 and 3, the second never row 2; you answer {out.tolist()}.",
        "共 4 行，第一个成员抽到 0, 0, 2, 2，第二个抽到 3, 1, 0, 1。"
        f"因此第一个从未见过第 1、3 行，第二个从未见过第 2 行；你的回答是 {out.tolist()}。",
    )

    mean = np.array([[[1.0], [2.0]], [[3.0], [2.0]]])  # (E, B, D) = (2, 2, 1)
    log_variance = np.log([[[1.0], [4.0]], [[3.0], [8.0]]])
    parts = decompose(mean, log_variance)
    expect(
        isinstance(parts, tuple | list) and len(parts) == 3,
        "decompose should return three arrays: mean, aleatoric and epistemic variance.",
        "decompose 应返回三个数组：均值、偶然方差与认知方差。",
    )
    rows_of = {"mean": ("均值", [2, 2]), "aleatoric": ("偶然方差", [2, 6]), "epistemic": ("认知方差", [1, 0])}
    for (name, (chinese, expected)), part in zip(rows_of.items(), parts, strict=True):
        part = expect_array(f"decompose: {name}", part, (2, 1))
        for row, where in enumerate(
            (
                ("for means 1 and 3 with variances 1 and 3", "均值 1 与 3、方差 1 与 3 时"),
                ("for means 2 and 2 with variances 4 and 8", "均值 2 与 2、方差 4 与 8 时"),
            )
        ):
            expect_close((f"decompose: {name}", chinese), part[row, 0], expected[row], where)


class _Constant:
    """Two members: one moves everything by +1, the other by −1; the deviation is 0.5 for both."""

    def predict(self, states, action):
        assert states.ndim == 2 and np.shape(action) == (1,), "model.predict takes states (P, S) and one action (A,)"
        mean = np.stack([np.ones_like(states), -np.ones_like(states)]) + action
        return mean, np.full_like(mean, np.log(0.25))


@lab.task(
    "particles",
    4,
    ["trajectories"],
    "`trajectories(model, state, actions, draws, noise, how)` sends particles through an ensemble, by TS1 or TS∞.",
    "`trajectories(model, state, actions, draws, noise, how)` 按 TS1 或 TS∞ 让粒子穿过集成。",
)
def _particles(trajectories: Callable) -> None:
    """`trajectories(model, state, actions, draws, noise, how)`."""
    draws, actions, state = np.array([[0, 1, 0], [1, 1, 0]]), np.array([[0.0], [10.0]]), np.array([5.0])
    ends = {"TS1": [[6, 4, 6], [15, 13, 17]], "TSinf": [[6, 4, 6], [17, 13, 17]]}
    for how, expected in ends.items():
        paths = trajectories(_Constant(), state, actions, draws, np.zeros((2, 3, 1)), how)
        paths = expect_array(f"trajectories(…, {how!r})", paths, (3, 3, 1))
        expect(
            (paths[0] == 5).all(),
            "paths[0] should hold the state that all particles start from.",
            "paths[0] 应为所有粒子共同的起始状态。",
        )
        for step, wanted in enumerate(expected, 1):
            expect(
                np.allclose(paths[step, :, 0], wanted),
                f"{how}, from 5, actions 0 and 10, members +1 and −1, draws [[0, 1, 0], [1, 1, 0]], no noise: after "
                f"step {step} the particles stand at {wanted}; yours at {paths[step, :, 0].tolist()}.",
                f"{how}：从 5 出发，动作为 0 和 10，两个成员分别 +1、−1，draws 为 [[0, 1, 0], [1, 1, 0]]，无噪声："
                f"第 {step} 步之后粒子应位于 {wanted}，你的粒子位于 {paths[step, :, 0].tolist()}。",
            )
    noisy = trajectories(_Constant(), state, actions[:1], draws[:1], np.full((1, 3, 1), 2.0), "TS1")
    where = ("with variance 0.25, noise 2, from 5 by member +1", "方差 0.25、噪声 2、从 5 出发且由成员 +1 推动时")
    expect_close(("a particle", "粒子位置"), np.asarray(noisy)[1, 0, 0], 7.0, where)
