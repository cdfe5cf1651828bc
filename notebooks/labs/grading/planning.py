"""Grader of lab 7: references in NumPy, and a pendulum whose steps are counted here.

The planner of the last task sees neither the state nor the model: what its candidates are worth is computed in this
process, so that its budget cannot be stretched.
"""

import numpy as np

from aibook.labs.compare import array, check, close
from aibook.labs.grading import Grader, Share, Wrong
from helpers.labs.planning import FULL, HORIZON, NULL, POPULATION, ROUNDS, STEPS, share, starts
from helpers.labs.worlds import Pendulum, Table, play

grader = Grader("07-planning")
REWARDS, TERMINATED = ("rewards", "奖励"), ("terminated", "终止标志")
RETURNS, PLAN = ("the returns", "回报"), ("the plan", "计划")
LAST = ("when an episode ends with the last step", "回合在最后一步终止时")


def pair(name: tuple[str, str], answer) -> tuple:
    check(
        isinstance(answer, list | tuple) and len(answer) == 2,
        f"{name[0]}: two arrays should come back",
        f"{name[1]}：应返回两个数组",
    )
    return answer[0], answer[1]


# -- 1 -----------------------------------------------------------------------------------------------------------------


def followed(world, state, actions):
    """Rewards and terminated (N, H) of actions (N, H, A), one candidate and one step at a time."""
    rewards, over = np.zeros(actions.shape[:2]), np.zeros(actions.shape[:2], bool)
    for i, sequence in enumerate(actions):
        now = state[None]
        for t, action in enumerate(sequence):
            now, r, o = world.step(now, action[None])
            rewards[i, t], over[i, t] = r[0], o[0]
    return rewards, over


def worlds(rng):
    """Kind, settings, state, actions of several rollouts."""
    for n, horizon in ((5, 12), (1, 7), (6, 1)):
        settings = (float(rng.uniform(0.7, 1.4)), float(rng.uniform(0.8, 1.2)))
        yield "Pendulum", settings, rng.uniform(-3, 3, 2), rng.uniform(-2.5, 2.5, (n, horizon, 1))
    for n, horizon in ((8, 24), (3, 24)):
        settings = (float(rng.uniform(0.2, 1.5)), float(rng.uniform(0.1, 0.3)))
        actions = rng.uniform(-1, 1, (n, horizon, 1))
        actions[0] = np.where(np.arange(horizon) < horizon // 4, 1, -1)[:, None]  # over the edge, and back
        yield "Table", settings, rng.uniform(-0.05, 0.05, 2), actions


KINDS = {"Pendulum": Pendulum, "Table": Table}


@grader.part("rollout", 1, "rewards and ends of imagined futures", "推演中的奖励与终止")
def futures(student, rng):
    for kind, settings, state, actions in worlds(rng):
        answer, given = student.call("rollout", student.make(kind, *settings), state, actions, echo=True)
        rewards, over = pair(("rollout", "rollout"), answer)
        right = followed(KINDS[kind](*settings), state, actions)
        close(REWARDS, rewards, right[0], dtype="float")
        close(TERMINATED, array(TERMINATED, over, right[1].shape, "bool"), right[1])
        close(("the state that was given", "传入的状态"), given[1], state)


@grader.part("rollout", 1, "one call of the model a step", "每步只调用一次模型")
def batched(student, rng):
    for kind, settings, state, actions in worlds(rng):
        world = student.make(kind, *settings)
        rewards, _ = pair(("rollout", "rollout"), student.call("rollout", world, state, actions))
        close(REWARDS, rewards, followed(KINDS[kind](*settings), state, actions)[0])
        calls, horizon = student.ask(world, "count"), actions.shape[1]
        check(
            calls == horizon,
            f"the model was called {calls} times for {len(actions)} candidates of {horizon} steps",
            f"{len(actions)} 个候选各 {horizon} 步，模型却被调用了 {calls} 次",
        )


# -- 2 -----------------------------------------------------------------------------------------------------------------


def worth(rewards, over, gamma, value):
    """Returns (N,), one candidate at a time."""
    total = np.zeros(len(rewards))
    for i in range(len(rewards)):
        for t in range(rewards.shape[1]):
            total[i] += gamma**t * rewards[i, t]
            if over[i, t]:
                break
        else:
            total[i] += gamma ** rewards.shape[1] * value[i]
    return total


def ended(rng, n, horizon, often):
    rewards = rng.normal(0, 2, (n, horizon))
    return rewards, rng.random((n, horizon)) < often


@grader.part("returns", 1, "the discounted sum", "折扣和")
def discounted(student, rng):
    for n, horizon, gamma in ((6, 9, 0.93), (1, 4, 0.5), (5, 1, 0.8), (4, 7, 0.0)):
        rewards, over = rng.normal(0, 2, (n, horizon)), np.zeros((n, horizon), bool)
        right = worth(rewards, over, gamma, np.zeros(n))
        close(RETURNS, student.call("discounted_returns", rewards, over, gamma), right)
    rewards, over = rng.normal(0, 2, (4, 6)), np.zeros((4, 6), bool)
    where = ("without a discount", "没有折扣时")
    close(RETURNS, student.call("discounted_returns", rewards, over), rewards.sum(axis=1), where=where)


@grader.part("returns", 1, "nothing after the end", "终止之后不再计入")
def masked(student, rng):
    for n, horizon, gamma, often in ((30, 8, 0.9, 0.15), (30, 8, 1.0, 0.5), (6, 1, 0.7, 0.5), (20, 25, 0.97, 0.03)):
        rewards, over = ended(rng, n, horizon, often)
        over[0], over[1] = False, True
        answer, given = student.call("discounted_returns", rewards, over, gamma, echo=True)
        close(RETURNS, answer, worth(rewards, over, gamma, np.zeros(n)))
        close(("the rewards that were given", "传入的奖励"), given[0], rewards)


@grader.part("returns", 1, "the value beyond the horizon", "时域之外的价值")
def terminal_value(student, rng):
    for n, horizon, gamma in ((30, 6, 0.9), (5, 1, 0.6), (20, 12, 1.0)):
        rewards, over = ended(rng, n, horizon, 0.1)
        over[0], over[1], over[2, -1] = False, False, True
        value = rng.normal(0, 20, n)
        right = worth(rewards, over, gamma, value)
        close(RETURNS, student.call("discounted_returns", rewards, over, gamma, value), right)
        over = np.zeros((n, horizon), bool)
        over[:, -1] = True
        right = worth(rewards, over, gamma, value)
        close(RETURNS, student.call("discounted_returns", rewards, over, gamma, value), right, where=LAST)


# -- 3 -----------------------------------------------------------------------------------------------------------------


def gaussian(rng, horizon, dimensions):
    """Mean, deviation (H, A) and bounds (A,)."""
    low, high = -rng.uniform(0.5, 2, dimensions), rng.uniform(0.5, 2, dimensions)
    return rng.normal(0, 0.8, (horizon, dimensions)), rng.uniform(0.2, 1.5, (horizon, dimensions)), low, high


@grader.part("cem", 1, "candidates within their bounds", "上下界之内的候选")
def drawn(student, rng):
    for n, horizon, dimensions in ((12, 6, 1), (9, 4, 3), (1, 1, 2)):
        mean, std, low, high = gaussian(rng, horizon, dimensions)
        noise = rng.standard_normal((n, horizon, dimensions))
        answer, given = student.call("candidates", mean, std, noise, low, high, echo=True)
        right = np.minimum(np.maximum(mean[None] + std[None] * noise, low), high)
        close(("the candidates", "候选"), answer, right)
        close(("the noise that was given", "传入的噪声"), given[2], noise)


def refitted(student, rng, momentum, cases):
    for n, horizon, dimensions, elites in cases:
        mean, std, _, _ = gaussian(rng, horizon, dimensions)
        actions = rng.normal(0, 1, (n, horizon, dimensions))
        returns = -rng.permutation(n) * rng.uniform(1, 100) - 0.5
        found = pair(("refit", "refit"), student.call("refit", actions, returns, elites, mean, std, momentum))
        best = np.array(sorted(range(n), key=lambda i: returns[i])[::-1][:elites])
        centre = sum(actions[i] for i in best) / elites
        spread = np.sqrt(sum((actions[i] - centre) ** 2 for i in best) / (elites - 1))
        close(("the mean", "均值"), found[0], centre + momentum * (mean - centre))
        close(("the deviation", "标准差"), found[1], spread + momentum * (std - spread))


@grader.part("cem", 1, "mean and deviation of the elites", "精英样本的均值与标准差")
def elites(student, rng):
    refitted(student, rng, 0.0, ((12, 5, 1, 4), (20, 3, 2, 2), (7, 1, 1, 7)))


@grader.part("cem", 1, "momentum", "动量")
def momentum(student, rng):
    refitted(student, rng, 0.1, ((12, 5, 1, 4), (9, 4, 2, 3)))
    refitted(student, rng, float(rng.uniform(0.5, 0.9)), ((15, 4, 3, 5), (6, 2, 1, 2)))


# -- 4 -----------------------------------------------------------------------------------------------------------------


def tinted(white, beta):
    """By the matrix of the transform there and back, written out."""
    horizon = white.shape[-2]
    step = np.arange(horizon)
    f = np.minimum(step, horizon - step) / horizon
    f[0] = 1 / horizon
    factor = f ** (-beta / 2)
    waves = np.cos(2 * np.pi * np.outer(step, step) / horizon)  # (frequency, distance in time)
    kernel = factor @ waves / horizon  # the answer to one impulse
    matrix = kernel[(step[:, None] - step) % horizon]
    return np.einsum("st,...ta->...sa", matrix, white) / np.sqrt((kernel**2).sum())


@grader.part("noise", 1, "the spectrum", "频谱")
def spectrum(student, rng):
    for n, horizon, beta in ((3, 8, 2.0), (2, 16, 1.0), (2, 24, float(rng.uniform(0.3, 3))), (2, 10, 0.0)):
        white = rng.standard_normal((n, horizon, 1))
        answer, given = student.call("coloured_noise", white, beta, echo=True)
        close(("the noise", "噪声"), answer, tinted(white, beta), dtype="float")
        close(("the noise that was given", "传入的噪声"), given[0], white)


@grader.part("noise", 1, "odd and short horizons, several actions", "奇数、很短的时域与多维动作")
def shapes(student, rng):
    for n, horizon, dimensions, beta in ((3, 9, 2, 2.0), (4, 2, 1, 2.0), (2, 3, 4, 1.5), (1, 25, 3, 0.7)):
        white = rng.standard_normal((n, horizon, dimensions))
        close(("the noise", "噪声"), student.call("coloured_noise", white, beta), tinted(white, beta))
    white = rng.standard_normal((3, 1, 2))
    where = ("for a horizon of one step", "时域只有一步时")
    close(("the noise", "噪声"), student.call("coloured_noise", white, 2.0), white, where=where)


# -- 5 -----------------------------------------------------------------------------------------------------------------


def weighed(returns, temperature):
    """By differences between pairs, which never overflow for long."""
    with np.errstate(over="ignore", invalid="ignore"):
        gaps = (returns[None] - returns[:, None]) / temperature  # how much better each other one is
    alive = np.isfinite(returns)
    return np.array([1 / np.exp(np.minimum(gaps[i][alive], 700)).sum() if alive[i] else 0 for i in range(len(returns))])


@grader.part("mppi", 1, "weights and plan", "权重与计划")
def weighted(student, rng):
    for n, temperature in ((8, 1.0), (5, 0.3), (20, float(rng.uniform(2, 9))), (1, 0.5)):
        returns = rng.normal(-3, 2, n)
        close(
            ("the weights", "权重"), student.call("mppi_weights", returns, temperature), weighed(returns, temperature)
        )
    for n, horizon, dimensions in ((6, 5, 1), (4, 3, 2), (1, 2, 3)):
        actions, weights = rng.normal(0, 1, (n, horizon, dimensions)), rng.dirichlet(np.ones(n))
        right = sum(w * a for w, a in zip(weights, actions, strict=True))
        close(PLAN, student.call("mppi_plan", actions, weights), right)


@grader.part("mppi", 1, "returns of any size", "任意大小的回报")
def stable(student, rng):
    for shift, temperature in ((-4e3, 1.0), (-1e6, 0.5), (3e4, 2.0), (-50.0, 0.01)):
        returns = shift + rng.normal(0, 2 * temperature, 7)
        close(
            ("the weights", "权重"), student.call("mppi_weights", returns, temperature), weighed(returns, temperature)
        )
    returns = np.concatenate([-900 + rng.normal(0, 1, 5), [-np.inf, -np.inf]])
    where = ("when some futures diverged", "有的推演发散时")
    close(("the weights", "权重"), student.call("mppi_weights", returns, 1.0), weighed(returns, 1.0), where=where)
    where = ("when all returns are equal", "所有回报相等时")
    close(("the weights", "权重"), student.call("mppi_weights", np.full(4, -2e3), 1.0), np.full(4, 0.25), where=where)


# -- 6 -----------------------------------------------------------------------------------------------------------------


def handed_on(student, rng, n, horizon, dimensions, keep):
    """What came back, what was handed in, and the right answer."""
    mean, actions = rng.normal(0, 1, (horizon, dimensions)), rng.normal(0, 1, (n, horizon, dimensions))
    returns = -rng.permutation(n) - rng.uniform(0, 500)
    answer, given = student.call("warm_start", mean, actions, returns, keep, echo=True)
    close(("the mean that was given", "传入的均值"), given[0], mean)
    close(("the candidates that were given", "传入的候选"), given[1], actions)
    later = [min(t + 1, horizon - 1) for t in range(horizon)]
    best = sorted(range(n), key=lambda i: returns[i], reverse=True)[:keep]
    return pair(("warm_start", "warm_start"), answer), mean[later], actions[best][:, later]


@grader.part("warm-start", 1, "the shifted mean", "前移后的均值")
def shifted(student, rng):
    for case in ((5, 6, 1, 2), (4, 3, 2, 1), (3, 1, 2, 2), (3, 2, 1, 3)):
        found, mean, _ = handed_on(student, rng, *case)
        close(("the shifted mean", "前移后的均值"), found[0], mean)


@grader.part("warm-start", 1, "the best candidates, shifted", "前移后的最优候选")
def memory(student, rng):
    for case in ((8, 6, 1, 3), (6, 3, 2, 1), (4, 1, 2, 2), (5, 4, 1, 5), (5, 4, 2, 0)):
        found, _, best = handed_on(student, rng, *case)
        kept = array(("the memory", "记忆"), found[1], best.shape)
        order = np.lexsort(kept.reshape(len(kept), -1).T) if kept.size else []  # in any order
        right = best[np.lexsort(best.reshape(len(best), -1).T)] if best.size else best
        close(("the memory", "记忆"), kept[order] if kept.size else kept, right)


# -- 7 -----------------------------------------------------------------------------------------------------------------


class Asked:
    """A student's planners side by side: asked over the wire, believed in nothing."""

    def __init__(self, student, world, seeds) -> None:
        self.student, self.low, self.high, self.number = student, world.low, world.high, len(seeds)
        settings = (world.low, world.high, HORIZON, POPULATION)
        self.planners = student.make("side_by_side", seeds, *settings)

    def propose(self) -> list[np.ndarray]:
        return [self.candidates(each) for each in self.one_each(self.student.ask(self.planners, "propose"))]

    def candidates(self, answer) -> np.ndarray:
        actions = array(("the candidates", "候选"), answer, dtype="number").astype(float)
        if actions.ndim != 3 or not 1 <= len(actions) <= POPULATION or actions.shape[1:] != (HORIZON, len(self.low)):
            wanted = f"(N ≤ {POPULATION}, {HORIZON}, {len(self.low)})"
            raise Wrong(
                f"the candidates: expected shape {wanted}, got {actions.shape}",
                f"候选：形状应为 {wanted}，实际为 {actions.shape}",
            )
        inside = (actions >= self.low - 1e-6).all() and (actions <= self.high + 1e-6).all()  # NaN is not inside
        check(inside, "the candidates leave their bounds", "候选超出了上下界")
        return actions

    def learn(self, actions, returns) -> None:
        self.student.tell(self.planners, "learn", actions, returns)

    def act(self) -> list[np.ndarray]:
        return [self.action(each) for each in self.one_each(self.student.ask(self.planners, "act"))]

    def action(self, answer) -> np.ndarray:
        action = array(("the action", "动作"), answer, (len(self.low),), "number").astype(float)
        check(np.isfinite(action).all(), "the action is not finite", "动作不是有限的数")
        return action

    def one_each(self, answer) -> list:
        one = isinstance(answer, list) and len(answer) == self.number
        check(one, "there should be one answer of each planner", "每个规划器应各有一个答复")
        return answer


@grader.part("planner", 4, "the return of your planner", "规划器的回报")
def earned(student, rng):
    world, begins = Pendulum(), starts(rng)
    seeds = [int(seed) for seed in rng.integers(2**31, size=len(begins))]
    total = play(Asked(student, world, seeds), world, begins, STEPS, ROUNDS)
    mean = float(np.mean(total))
    return Share(
        share(mean),
        (
            f"mean return {mean:.0f}; full points from {FULL:.0f}, none below {NULL:.0f}",
            f"平均回报 {mean:.0f}；达到 {FULL:.0f} 得满分，低于 {NULL:.0f} 不得分",
        ),
    )
