"""Visible checks of lab 7, planning with a known model: properties and small examples, never a whole answer."""

from collections.abc import Callable

import numpy as np

from helpers.labs.checks import Lab, expect, expect_array, expect_close
from helpers.labs.worlds import Pendulum, SideBySide, Table, World, play

lab = Lab()
check = lab.check

# The performance task. As graded with 5 secrets, the master's planner (iCEM) earns -327 ± 18 an episode; with white
# noise -362 ± 12, MPPI with white noise -378 ± 3, CEM with white noise and no memory -389 ± 8, no warm start -522 ± 14,
# random shooting -598 ± 32, no torque -937 ± 7. Full marks: the master's mean less a little more than two deviations.
# None: what random shooting earns.
HORIZON, POPULATION, ROUNDS, STEPS, EPISODES = 25, 16, 3, 100, 6
FULL, NULL = -370.0, -590.0


def starts(rng: np.random.Generator, n: int = EPISODES) -> np.ndarray:
    """States (n, 2) near the bottom, as many to its left as to its right."""
    side = np.where(np.arange(n) % 2, -1, 1)
    return np.stack([np.pi + side * rng.uniform(0, 0.3, n), rng.uniform(-0.1, 0.1, n)], axis=1)


def share(mean_return: float) -> float:
    """What a mean return is worth, from 0 to 1."""
    return float(np.clip((mean_return - NULL) / (FULL - NULL), 0, 1))


@lab.task(
    "rollout",
    2,
    ["rollout"],
    "`rollout(world, state, actions)` steps all N candidates at once through the H steps of their actions (N, H, A) "
    "and returns rewards and terminated, (N, H) each.",
    "`rollout(world, state, actions)` 让 N 个候选同时沿各自的动作 (N, H, A) 走 H 步，"
    "返回奖励和终止标志，形状均为 (N, H)。",
)
def _(rollout: Callable) -> None:
    world, state = Table(goal=0.0, edge=0.015), np.array([0.0, 0.0])
    actions = np.array([[[1.0], [0.0]], [[-1.0], [-1.0]], [[0.0], [0.0]]])  # (3, 2, 1)
    before = state.copy()
    answer = rollout(world, state, actions)
    expect(
        isinstance(answer, tuple | list) and len(answer) == 2,
        "rollout should return two arrays, `rewards, terminated`.",
        "rollout 应返回两个数组：`rewards, terminated`。",
    )
    rewards = expect_array("rewards", answer[0], (3, 2))
    terminated = expect_array("terminated", answer[1], (3, 2), "bool")
    where = ("for a cart at rest that is pushed by 1, then 0", "小车从静止出发，先推 1、再推 0 时")
    expect_close(("the first reward", "第一步的奖励"), rewards[0, 0], 0.99, where)
    expect_close(
        ("the second reward", "第二步的奖励"),
        rewards[0, 1],
        0.98,
        (f"{where[0]} (each step starts from where the last one ended)", f"{where[1]}（每一步都从上一步的终点出发）"),
    )
    expect(
        terminated.tolist() == [[False, True], [False, True], [False, False]],
        "With the edge at 0.015, two carts fall in the second step and the third never does: `terminated` should be "
        f"[[F, T], [F, T], [F, F]]; yours is {terminated.tolist()}.",
        "边缘在 0.015 处时，前两辆小车在第二步掉下去，第三辆始终没有：`terminated` 应为 [[F, T], [F, T], [F, F]]，"
        f"你的结果是 {terminated.tolist()}。",
    )
    expect(
        world.calls == 2,
        f"For H = 2 the model should be called twice, for all candidates at once; you called it {world.calls} times.",
        f"H = 2 时应调用模型 2 次，每次处理所有候选；你调用了 {world.calls} 次。",
    )
    expect(np.array_equal(state, before), "rollout changed the state that it was given.", "rollout 改动了传入的状态。")


@lab.task(
    "returns",
    3,
    ["discounted_returns"],
    "`discounted_returns(rewards, terminated, gamma, value)` sums γᵗ·r over the steps up to and including the one that "
    "ends the episode, and adds γᴴ·value where nothing has ended.",
    "`discounted_returns(rewards, terminated, gamma, value)` 对 γᵗ·r 求和，直到并包括使回合终止的那一步；"
    "没有终止的候选再加上 γᴴ·value。",
)
def _(discounted_returns: Callable) -> None:
    rewards = np.array([[1.0, 2.0, 4.0]] * 3)
    never, second, last = [False] * 3, [False, True, False], [False, False, True]
    ended = np.array([never, second, last])
    found = expect_array("the returns", discounted_returns(rewards, ended, 1.0), (3,))
    where = ("for rewards 1, 2, 4 and γ = 1", "奖励为 1、2、4 且 γ = 1 时")
    expect_close(("the return without an end", "没有终止时的回报"), found[0], 7, where)
    expect_close(
        ("the return of an episode that ends with the second step", "在第二步终止的回合的回报"),
        found[1],
        3,
        (f"{where[0]} (the step that ends it still counts)", f"{where[1]}（使回合终止的那一步仍然计入）"),
    )
    found = discounted_returns(rewards, ended, 0.5)
    expect_close(
        ("the return", "回报"),
        found[0],
        3,
        (
            "for rewards 1, 2, 4 and γ = 0.5 (the first is not discounted)",
            "奖励为 1、2、4 且 γ = 0.5 时（首个奖励不打折）",
        ),
    )
    found = discounted_returns(rewards, ended, 0.5, np.array([8.0, 8.0, 8.0]))
    where = ("with γ = 0.5 and a terminal value of 8", "γ = 0.5、终端价值为 8 时")
    expect_close(("the return without an end", "没有终止时的回报"), found[0], 4, where)
    expect_close(("the return of one that ends with the last step", "在最后一步终止时的回报"), found[2], 3, where)


@lab.task(
    "cem",
    3,
    ["candidates", "refit"],
    "`candidates(mean, std, noise, low, high)` gives mean + std·noise within the bounds; `refit(actions, returns, "
    "elites, mean, std, momentum)` gives the new mean and deviation.",
    "`candidates(mean, std, noise, low, high)` 给出限制在上下界之内的 mean + std·noise；"
    "`refit(actions, returns, elites, mean, std, momentum)` 给出新的均值和标准差。",
)
def _(candidates: Callable, refit: Callable) -> None:
    low, high = np.array([-2.0]), np.array([2.0])
    mean, std = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])  # (H, A) = (2, 1)
    noise = np.array([[[0.5], [0.5]], [[-3.0], [1.0]], [[0.0], [0.0]]])  # (N, H, A)
    drawn = expect_array("candidates(…)", candidates(mean, std, noise, low, high), (3, 2, 1))
    expect_close(("the first action", "第一个动作"), drawn[0, 0, 0], 0.5, ("for 0 + 1 · 0.5", "0 + 1 · 0.5 时"))
    where = ("for 0 + 1 · (−3) with bounds of ±2", "0 + 1 · (−3)、上下界为 ±2 时")
    expect_close(("the action", "动作"), drawn[1, 0, 0], -2, where)

    actions = np.array([[[0.0], [0.0]], [[2.0], [1.0]], [[4.0], [1.0]], [[9.0], [9.0]]])  # (4, 2, 1)
    returns = np.array([-5.0, -1.0, -2.0, -9.0])
    answer = refit(actions, returns, 2, mean, std, 0.0)
    expect(
        isinstance(answer, tuple | list) and len(answer) == 2,
        "refit should return two arrays, the new mean and the new deviation.",
        "refit 应返回两个数组：新的均值和新的标准差。",
    )
    new_mean = expect_array("the new mean", answer[0], (2, 1))
    new_std = expect_array("the new deviation", answer[1], (2, 1))
    where = ("for the elites 2 and 4 (the two largest returns)", "精英样本为 2 和 4（回报最大的两个）时")
    expect_close(("the mean", "均值"), new_mean[0, 0], 3, where)
    expect_close(
        ("the deviation", "标准差"),
        new_std[0, 0],
        np.sqrt(2),
        ("for the elites 2 and 4 (divide by K − 1)", "精英样本为 2 和 4 时（除以 K − 1）"),
    )
    kept, _ = refit(actions, returns, 2, mean, std, 0.25)
    where = ("with a momentum of 0.25, from 0 towards 3", "动量为 0.25、从 0 移向 3 时")
    expect_close(("the mean", "均值"), kept[0, 0], 2.25, where)


@lab.task(
    "noise",
    2,
    ["coloured_noise"],
    "`coloured_noise(white, beta)` scales each frequency f of white noise (N, H, A) along time by f^(−β/2), keeping a "
    "variance of 1.",
    "`coloured_noise(white, beta)` 把白噪声 (N, H, A) 沿时间轴的每个频率 f 乘以 f^(−β/2)，并使方差保持为 1。",
)
def _(coloured_noise: Callable) -> None:
    white = np.random.default_rng(0).standard_normal((400, 20, 2))
    before = white.copy()
    same = expect_array("coloured_noise(white, 0)", coloured_noise(white, 0.0), white.shape)
    expect(np.allclose(same, white), "With β = 0 the noise should stay as it is.", "β = 0 时噪声应保持原样。")
    red = expect_array("coloured_noise(white, 2)", coloured_noise(white, 2.0), white.shape)
    expect(
        0.9 < red.std() < 1.1,
        f"White noise of deviation 1 should keep it; with β = 2 yours has {red.std():.3f}.",
        f"标准差为 1 的白噪声，处理后标准差仍应为 1；β = 2 时你的结果为 {red.std():.3f}。",
    )
    alike = np.mean(red[:, 1:] * red[:, :-1]) / np.mean(red**2)
    expect(
        alike > 0.7,
        f"With β = 2 neighbouring steps should be much alike; their correlation is {alike:.2f}. Is it the time axis, "
        "the last but one, along which you transform?",
        f"β = 2 时相邻时间步应当相近，而你的结果中相关系数为 {alike:.2f}。变换是沿时间轴（倒数第二个轴）做的吗？",
    )
    wave = np.cos(2 * np.pi * np.arange(4) / 4)[None, :, None]  # frequency 1/4 alone
    where = ("for a wave of frequency 1/4 over 4 steps and β = 2", "4 步、频率为 1/4 的波且 β = 2 时")
    # Factors 4, 4, 2, 4 for the frequencies 0, 1/4, 1/2, -1/4: their mean square is 13.
    peak = coloured_noise(wave, 2.0)[0, 0, 0]
    expect_close(("the first value", "第一个值"), peak, 4 / np.sqrt(13), where)
    expect(np.array_equal(white, before), "coloured_noise changed its input.", "coloured_noise 改动了它的输入。")


@lab.task(
    "mppi",
    2,
    ["mppi_weights", "mppi_plan"],
    "`mppi_weights(returns, temperature)` is the softmax of returns/λ, for returns of any size; "
    "`mppi_plan(actions, weights)` is the weighted mean of the candidates.",
    "`mppi_weights(returns, temperature)` 是 returns/λ 的 softmax，回报再大也不溢出；"
    "`mppi_plan(actions, weights)` 是候选的加权平均。",
)
def _(mppi_weights: Callable, mppi_plan: Callable) -> None:
    weights = expect_array("the weights", mppi_weights(np.array([0.0, np.log(3.0)]), 1.0), (2,))
    expect_close(
        ("the second weight", "第二个权重"),
        weights[1],
        0.75,
        ("for returns 0 and ln 3, λ = 1", "回报为 0 和 ln 3、λ = 1 时"),
    )
    weights = mppi_weights(np.array([0.0, np.log(9.0)]), 2.0)
    expect_close(
        ("the second weight", "第二个权重"),
        weights[1],
        0.75,
        ("for returns 0 and ln 9, λ = 2", "回报为 0 和 ln 9、λ = 2 时"),
    )
    with np.errstate(all="ignore"):
        weights = np.asarray(mppi_weights(np.array([-5000.0, -5000.0 + np.log(3.0)]), 1.0), float)
    expect(
        np.isfinite(weights).all() and abs(weights[1] - 0.75) < 1e-6,
        f"For returns −5000 and −5000 + ln 3 the weights should be 0.25 and 0.75, yours are {weights}: exp(−5000) is 0 "
        "for a computer. What may you add to all returns without changing the weights?",
        f"回报为 −5000 和 −5000 + ln 3 时，权重应为 0.25 和 0.75，你的结果是 {weights}：在计算机里 exp(−5000) 等于 0。"
        "给所有回报加上什么，权重不会变？",
    )
    actions = np.array([[[0.0], [4.0]], [[2.0], [0.0]]])  # (2, 2, 1)
    plan = expect_array("mppi_plan(…)", mppi_plan(actions, np.array([0.25, 0.75])), (2, 1))
    where = ("for actions 0 and 2 with weights 1/4 and 3/4", "动作 0 和 2 的权重为 1/4 和 3/4 时")
    expect_close(("the first action", "第一个动作"), plan[0, 0], 1.5, where)


@lab.task(
    "warm-start",
    2,
    ["warm_start"],
    "`warm_start(mean, actions, returns, keep)` shifts the mean by one step, and the `keep` best candidates too, and "
    "returns both.",
    "`warm_start(mean, actions, returns, keep)` 把均值和最好的 `keep` 个候选都前移一步，并返回两者。",
)
def _(warm_start: Callable) -> None:
    mean = np.array([[1.0], [2.0], [3.0]])  # (H, A) = (3, 1)
    actions = np.array([[[0.0], [1.0], [2.0]], [[5.0], [6.0], [7.0]], [[3.0], [4.0], [5.0]]])  # (N, H, A)
    before = mean.copy()
    answer = warm_start(mean, actions, np.array([-3.0, -1.0, -2.0]), 2)
    expect(
        isinstance(answer, tuple | list) and len(answer) == 2,
        "warm_start should return two arrays, the shifted mean and the memory.",
        "warm_start 应返回两个数组：前移后的均值，以及记忆。",
    )
    shifted = expect_array("the shifted mean", answer[0], (3, 1))
    memory = expect_array("the memory", answer[1], (2, 3, 1))
    expect(
        shifted[:, 0].tolist() == [2, 3, 3],
        f"The plan 1, 2, 3 becomes 2, 3, 3 (the last action is planned twice); yours becomes {shifted[:, 0].tolist()}.",
        f"计划 1、2、3 应变成 2、3、3（最后一个动作用两次）；你的结果是 {shifted[:, 0].tolist()}。",
    )
    expect(
        sorted(memory[:, 0, 0].tolist()) == [4, 6],
        "Of three candidates with returns −3, −1, −2 the second and the third stay, shifted, so that they begin with 6 "
        f"and 4; yours begin with {memory[:, 0, 0].tolist()}.",
        "三个候选的回报为 −3、−1、−2 时，留下第二个和第三个，前移之后分别以 6 和 4 开头；"
        f"你的结果以 {memory[:, 0, 0].tolist()} 开头。",
    )
    expect(np.array_equal(mean, before), "warm_start changed the mean in place.", "warm_start 就地改动了均值。")


@lab.task(
    "planner",
    4,
    ["Planner"],
    "`Planner(low, high, horizon, population, seed)` has `propose()`, `learn(actions, returns)` and `act()`.",
    "`Planner(low, high, horizon, population, seed)` 有 `propose()`、`learn(actions, returns)` 和 `act()` 三个方法。",
)
def _(planner_class: type) -> float:
    world, begins = Pendulum(), starts(np.random.default_rng(7))
    planners = [Watched(planner_class, world, seed) for seed in range(len(begins))]
    earned = play(SideBySide(planners), world, begins, STEPS, ROUNDS)
    mean = float(np.mean(earned))
    print(f"mean return {mean:.0f} over {EPISODES} episodes; full points from {FULL:.0f}, none below {NULL:.0f}")
    return share(mean)


class Watched:
    """A planner whose answers are checked before they are used."""

    def __init__(self, planner_class: type, world: World, seed: int) -> None:
        self.low, self.high = world.low, world.high
        self.planner = planner_class(world.low.copy(), world.high.copy(), HORIZON, POPULATION, seed)

    def propose(self) -> np.ndarray:
        actions = np.asarray(self.planner.propose())
        expect(
            actions.ndim == 3 and 1 <= len(actions) <= POPULATION and actions.shape[1:] == (HORIZON, len(self.low)),
            f"propose() should give at most {POPULATION} sequences, an array (N, {HORIZON}, {len(self.low)}); it has "
            f"shape {actions.shape}.",
            f"propose() 至多给出 {POPULATION} 个序列，形状为 (N, {HORIZON}, {len(self.low)})；"
            f"你的形状是 {actions.shape}。",
        )
        expect(
            (actions >= self.low - 1e-9).all() and (actions <= self.high + 1e-9).all(),
            f"propose() should keep to the bounds {self.low} to {self.high}.",
            f"propose() 给出的动作应在 {self.low} 到 {self.high} 之间。",
        )
        return actions

    def learn(self, actions: np.ndarray, returns: np.ndarray) -> None:
        self.planner.learn(actions, returns)

    def act(self) -> np.ndarray:
        return expect_array("act()", np.asarray(self.planner.act()), (len(self.low),))
