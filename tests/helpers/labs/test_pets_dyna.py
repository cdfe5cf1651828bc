"""Lab 8's mazes, and its checks: the master's solutions pass, and each plausible mistake is caught by name."""

import numpy as np
import pytest

from aibook.labs import grading
from helpers.labs.checks import CheckFailed
from helpers.labs.mazes import random_maze
from helpers.labs.pets_dyna import BAR, NULL, STEPS, check, lab, walk
from helpers.labs.pets_dyna import share as share_of
from tests.labs.answers.pets_dyna import DECOMPOSE, OUT, agent, model, particles, plan, sweep, update


@pytest.fixture(scope="module")
def solutions():
    """The names that the master's solution cells define."""
    return grading.solutions("08-pets-dyna")


def test_the_masters_solutions_pass(solutions, capsys):
    for name, task in lab.tasks.items():
        check(name, **{wanted: solutions[wanted] for wanted in task.names})
    out = capsys.readouterr().out
    assert out.count("✓") == len(lab.tasks)
    points = sum(task.points for task in lab.tasks.values())
    assert f"{'█' * 20} {points} / {points}" in out


@pytest.mark.parametrize(
    ("task", "wrong", "says"),
    [
        ("q-learning", update(target="r + gamma * q[s2].max()"), "at the end of the episode"),
        ("q-learning", update(target="r + gamma * q[s2].mean()"), "error should be 3.6"),
        ("q-learning", update(change="+= error"), "half of the way"),
        ("dyna", model(learn="self.pairs.append((s, a)); self.outcomes[s, a] = (r, s2, over)"), r"once more; tried"),
        ("dyna", model(learn="self.pairs.append((s, a)); self.outcomes.setdefault((s, a), (r, s2, over))"), "tried"),
        ("dyna", plan(picks="picks[::-1]"), "along the way"),
        ("sweeping", sweep(worst="max(errors, key=errors.get)"), "not sign"),
        ("sweeping", sweep(stop="abs(errors[s, a]) == 0"), "one update"),
        ("sweeping", sweep(answer="n"), "number of updates should be 3"),
        ("sweeping", sweep().replace(" and pairs", ""), "ValueError"),
        ("agent", agent(act="return 4"), "whole number from 0 to 3"),
        ("agent", agent(act="return True"), "whole number"),
        ("likelihood", "def gaussian_nll(m, v, y):\n    return 0.5 * (v + (y - m) ** 2 / v.exp())", "variance 4"),
        ("likelihood", "def gaussian_nll(m, v, y):\n    return (0 * v + (y - m) ** 2).mean()", "shape"),
        ("likelihood", "def bounded(x, low, high):\n    return x.clamp(low, high)", "far from both bounds"),
        ("likelihood", "def bounded(x, low, high):\n    return x", "stay between"),
        ("likelihood", "def bounded(x, low, high):\n    x = high - torch.log(1 + torch.exp(high - x))\n"
         "    return low + torch.log(1 + torch.exp(x - low))", "F.softplus"),
        ("ensemble", "def bootstrap(n, members, rng):\n    return np.stack([rng.permutation(n)] * members)", "63 %"),
        ("ensemble", "def bootstrap(n, members, rng):\n"
         "    return np.stack([rng.integers(n, size=n)] * members)", "its own rows"),
        ("ensemble", OUT.format("return np.array([np.isin(np.arange(4), m) for m in rows])"), "rows 1 and 3"),
        ("ensemble", DECOMPOSE.format("mean.mean(0), np.exp(log_variance.mean(0)), mean.var(0)"), "aleatoric"),
        ("ensemble", DECOMPOSE.format("mean.mean(0), np.exp(log_variance).mean(0), mean.var(0, ddof=1)"), "epistemic"),
        ("particles", particles(member="draws[t, p]"), "TSinf"),
        ("particles", particles(member="draws[0, p]"), "TS1"),
        ("particles", particles(following="path[t, p] + mean[e, p]"), "noise 2"),
        ("particles", particles(answer="path[1:]"), "shape"),
    ],
)  # fmt: skip
def test_a_mistake_is_caught_by_name(task, wrong, says, solutions):
    names = dict(solutions)
    exec(wrong, names)
    with pytest.raises(CheckFailed, match=says):
        check(task, **{wanted: names[wanted] for wanted in lab.tasks[task].names})


def test_an_agent_that_walks_at_random_gets_no_points(solutions, capsys):
    names = dict(solutions)
    exec(agent(act="return int(self.rng.integers(4))", learn="pass"), names)
    check("agent", Agent=names["Agent"])
    assert "◐ agent: 0.0 / 4 points" in capsys.readouterr().out


@pytest.mark.parametrize(("goals", "share"), [(0, 0), (NULL, 0), ((NULL + BAR) / 2, 0.5), (BAR, 1), (1, 1)])
def test_points_rise_from_the_null_level_to_the_bar(goals, share):
    assert share_of(goals) == pytest.approx(share)


# -- mazes -------------------------------------------------------------------------------------------------------------
def distances(maze):
    """Steps from the start to each cell, by sweeps over the table."""
    away = np.full(maze.states, np.inf)
    away[maze.start] = 0
    for _ in range(maze.states):
        for s, following in enumerate(maze.following):
            away[following] = np.minimum(away[following], away[s] + 1)
    return away


@pytest.mark.parametrize("seed", range(8))
def test_a_maze_can_be_solved_and_its_shortest_way_is_known(seed):
    maze = random_maze(np.random.default_rng(seed))
    away = distances(maze)
    assert np.isfinite(away).all() and away[maze.goal] == maze.shortest >= 13
    assert sorted(maze.numbers[maze.numbers >= 0].tolist()) == list(range(maze.states))
    row, column = np.argwhere(maze.numbers == maze.start)[0]
    near = {int(n) for n in maze.following[maze.start]} - {maze.start}
    around = [(row + i, column + j) for i, j in ((0, 1), (1, 0), (0, -1), (-1, 0))]
    inside = [maze.numbers[i, j] for i, j in around if 0 <= i < 6 and 0 <= j < 9]
    assert near == {int(n) for n in inside if n >= 0}


def test_only_the_goal_pays_and_ends():
    maze = random_maze(np.random.default_rng(3))
    s, a = np.argwhere(maze.following == maze.goal)[0]
    if s == maze.goal:
        s, a = np.argwhere(maze.following == maze.goal)[-1]
    assert maze.step(int(s), int(a)) == (1.0, maze.goal, True)
    assert maze.step(maze.start, 0)[0] == 0 and not maze.step(maze.start, 0)[2]


def test_one_who_knows_the_maze_reaches_every_possible_goal():
    maze = random_maze(np.random.default_rng(5))
    left = np.full(maze.states, np.inf)
    left[maze.goal] = 0
    for _ in range(maze.states):
        left = np.minimum(left, 1 + left[maze.following].min(axis=1))

    class Knows:
        def act(self, s):
            return left[maze.following[s]].argmin()

        def learn(self, *step):
            pass

    assert walk(maze, Knows(), STEPS).sum() == STEPS // maze.shortest
