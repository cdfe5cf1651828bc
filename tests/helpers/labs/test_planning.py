"""Lab 7's checks and worlds: the master's solutions pass, each plausible mistake is caught and named."""

import numpy as np
import pytest

from aibook.labs import grading
from helpers.labs.checks import CheckFailed
from helpers.labs.planning import FULL, NULL, POPULATION, Watched, check, lab, share, starts
from helpers.labs.worlds import Pendulum, SideBySide, Table, imagined, play
from tests.labs.answers.planning import (
    ALSO_RIGHT,
    CANDIDATES,
    IMPROVED,
    NOISE,
    PLAN,
    REFIT,
    RETURNS,
    ROLLOUT,
    WARM,
    WEIGHTS,
    but,
)  # fmt: skip


@pytest.fixture(scope="module")
def solutions():
    """The names that the master's solution cells define."""
    return grading.solutions("07-planning")


def checked(task, solutions, source=""):
    """The visible check of a task, on the master's solutions with these definitions in place of theirs."""
    names = dict(solutions)
    exec(source, names)
    with np.errstate(all="ignore"):
        check(task, **{wanted: names[wanted] for wanted in lab.tasks[task].names})


def test_the_masters_solutions_pass(solutions, capsys):
    for task in lab.tasks:
        checked(task, solutions)
    points = sum(task.points for task in lab.tasks.values())
    assert f"{'█' * 20} {points} / {points}" in capsys.readouterr().out


@pytest.mark.parametrize("task", [task for task in ALSO_RIGHT if task != "planner"])
def test_another_right_answer_passes(task, solutions):
    for _, source in ALSO_RIGHT[task]:
        checked(task, solutions, source)


MISTAKES = [
    ("rollout", but(ROLLOUT, ("states, rewards[:, t]", "_, rewards[:, t]")), "starts from where the last one ended"),
    ("rollout", but(ROLLOUT, ("rewards, terminated\n", "rewards\n")), "two arrays"),
    ("rollout", but(ROLLOUT, ("(n, horizon), bool", "(n, horizon)")), "dtype bool"),
    ("rollout", but(ROLLOUT, ("range(horizon)", "range(horizon - 1)")), "second reward"),
    ("rollout", but(ROLLOUT, ("    return", "    state[:] = states[0]\n    return")), "changed the state"),
    ("returns", but(RETURNS, ("going[:, :-1] * ", "")), "ends with the second step"),
    ("returns", but(RETURNS, ("going[:, :-1]", "going[:, 1:]")), "still counts"),
    ("returns", but(RETURNS, ("np.arange(horizon)", "np.arange(1, horizon + 1)")), "first is not discounted"),
    ("returns", but(RETURNS, ("going[:, -1] * value", "value")), "ends with the last step"),
    ("returns", but(RETURNS, ("gamma**horizon * ", "")), "terminal value of 8"),
    ("cem", REFIT + but(CANDIDATES, ("np.clip(mean + std * noise, low, high)", "mean + std * noise")), "bounds"),
    ("cem", CANDIDATES + but(REFIT, ("[-elites:]", "[:elites]")), "two largest returns"),
    ("cem", CANDIDATES + but(REFIT, (", ddof=1", "")), "K − 1"),
    ("cem", CANDIDATES + but(REFIT, ("(1 - momentum) * new_mean + momentum * mean", "new_mean")), "momentum of 0.25"),
    ("noise", but(NOISE, ("beta / 2)", "0 * beta)")), "much alike"),
    ("noise", but(NOISE, (" / np.sqrt(np.mean(scale**2))", "")), "deviation"),
    ("noise", but(NOISE, ("frequency[0] = frequency[1]", "frequency[0] = 1")), "frequency 1/4"),
    ("mppi", PLAN + but(WEIGHTS, ("(returns - returns.max())", "returns")), "exp\\(−5000\\) is 0"),
    ("mppi", PLAN + but(WEIGHTS, (" / temperature", "")), "λ = 2"),
    ("mppi", WEIGHTS + but(PLAN, ("np.tensordot(weights, actions, axes=1)", "actions.mean(axis=0)")), "1/4 and 3/4"),
    ("warm-start", but(WARM, ("return shifted(mean)", "return mean")), "2, 3, 3"),
    ("warm-start", but(WARM, ("np.argsort(-returns)", "np.argsort(returns)")), "6 and 4"),
    ("warm-start", but(WARM, ("    return shifted(mean)", "    mean[:] = shifted(mean)\n    return mean")), "in place"),
    ("planner", but(IMPROVED, ("(self.n, *", "(2 * self.n, *")), f"at most {POPULATION} sequences"),
    ("planner", but(IMPROVED, ("self.low, self.high)\n\n    def learn", "-5, 5)\n\n    def learn")), "bounds"),
    ("planner", but(IMPROVED, ("self.mean[0].copy()", "self.mean[0, 0]")), "act\\(\\)"),
]  # fmt: skip


@pytest.mark.parametrize(("task", "source", "says"), MISTAKES, ids=[f"{m[0]}: {m[2]}" for m in MISTAKES])
def test_a_mistake_is_named(task, source, says, solutions):
    with pytest.raises(CheckFailed, match=says):
        checked(task, solutions, source)


# -- the worlds and the protocol ---------------------------------------------------------------------------------------
def test_the_pendulum_is_gymnasiums():
    import gymnasium as gym

    env, world, rng = gym.make("Pendulum-v1").unwrapped, Pendulum(), np.random.default_rng(0)
    env.reset(seed=0)
    states = np.array([env.state])
    for _ in range(100):
        action = rng.uniform(-3, 3, 1)  # beyond the bounds too: both clip
        _, reward, *_ = env.step(action.astype(np.float32))
        states, ours, over = world.step(states, action[None])
        assert ours[0] == pytest.approx(reward, abs=1e-5) and not over[0]
        assert states[0] == pytest.approx(env.state, abs=1e-5)


def test_a_table_has_an_edge_and_a_world_counts():
    world = Table(goal=1.5, edge=0.5)
    _, rewards, over = world.step(np.array([[0.45, 0.6], [0.0, 0.0]]), np.array([[1.0], [1.0]]))
    assert over.tolist() == [True, False] and rewards == pytest.approx([0.02, -0.49])
    assert (world.calls, world.simulated, world.count()) == (1, 2, 1)
    with pytest.raises(ValueError, match="states \\(N, 2\\)"):
        world.step(np.zeros(2), np.zeros((1, 1)))


def test_nothing_is_imagined_beyond_the_end(solutions):
    world, state = Table(goal=1.5, edge=0.05), np.zeros(2)
    actions = np.random.default_rng(0).uniform(-1, 1, (20, 12, 1))
    right = solutions["discounted_returns"](*solutions["rollout"](Table(1.5, 0.05), state, actions))
    assert imagined(world, np.tile(state, (20, 1)), actions) == pytest.approx(right)


def test_an_episode_counts_its_budget_and_stops_at_the_end():
    class Pusher:
        def propose(self):
            return np.ones((4, 5, 1))

        def learn(self, actions, returns):
            assert returns.shape == (4,)

        def act(self):
            return np.ones(1)

    world = Table(goal=0.0, edge=0.05)
    begins = np.array([[0.0, 0.0], [0.045, 0.0]])
    total = play(SideBySide([Pusher(), Pusher()]), world, begins, steps=50, rounds=2)
    assert total == pytest.approx([0.99 + 0.97 + 0.94, 0.945])  # the second falls at once, the first in step 3
    assert world.simulated == 3 * 2 * (2 * 4 * 5 + 1)


def test_the_share_rises_from_null_to_full():
    assert [share(x) for x in (NULL - 1, NULL, (NULL + FULL) / 2, FULL, 0)] == [0, 0, 0.5, 1, 1]
    states = starts(np.random.default_rng(0))
    assert (states[::2, 0] > np.pi).all() and (states[1::2, 0] < np.pi).all()


def test_a_planner_gets_copies_of_the_bounds():
    class Greedy:
        def __init__(self, low, high, *_):
            low[:], high[:] = -9, 9

    world = Pendulum()
    Watched(Greedy, world, 0)
    assert world.low == -2 and world.high == 2
