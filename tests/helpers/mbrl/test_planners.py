"""Planners are held to their properties: bounds, weights, seeds, falling cost, clear errors."""

import math

import numpy as np
import pytest
import torch

from helpers.mbrl.dynamics import Pendulum
from helpers.mbrl.planners import CEM, ICEM, MPPI, Diverged, RandomShooting, coloured, tinted

BOUNDS = {"low": -2.0, "high": 2.0, "horizon": 8, "population": 40}
PLANNERS = [RandomShooting, MPPI, CEM, ICEM]
TARGET = torch.linspace(-1.5, 1.5, 8).unsqueeze(-1)


def bowl(actions):
    """Best at TARGET."""
    return -((actions - TARGET) ** 2).sum(-1)


@pytest.mark.parametrize("kind", PLANNERS)
def test_actions_stay_within_bounds_even_when_more_would_pay(kind):
    planner = kind(low=[-1.0, 0.0], high=[1.0, 0.5], horizon=5, population=30)
    seen = []

    def greedy(actions):
        seen.append(actions)
        return actions.sum((-1, -2))

    for _ in range(5):
        action = planner.act(greedy)
        assert action.shape == (2,) and action.dtype == np.float32
    everything = torch.cat(seen)
    low, high = torch.tensor([-1.0, 0.0]), torch.tensor([1.0, 0.5])
    assert (everything >= low).all() and (everything <= high).all()
    assert (action <= high.numpy()).all() and (action > 0.5 * high.numpy() - 0.2).all()


@pytest.mark.parametrize("kind", PLANNERS)
def test_a_seed_reproduces_and_another_differs(kind):
    def run(seed):
        planner = kind(**BOUNDS, seed=seed)
        return np.stack([planner.act(bowl) for _ in range(3)])

    assert np.array_equal(run(0), run(0))
    assert not np.array_equal(run(0), run(1))
    planner = kind(**BOUNDS)
    first = planner.act(bowl)
    planner.reset()
    assert np.array_equal(first, planner.act(bowl))


def test_seeds_leave_the_global_generator_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    ICEM(**BOUNDS).act(bowl)
    assert torch.equal(torch.rand(3), expected)


def test_mppi_weights_sum_to_one_and_make_the_plan():
    planner = MPPI(**BOUNDS, temperature=0.7)
    plan = planner.plan(bowl)
    assert planner.weights.sum().item() == pytest.approx(1, abs=1e-5)
    assert torch.allclose(plan, torch.einsum("n,nha->ha", planner.weights, planner.candidates), atol=1e-5)
    expected = torch.exp(planner.imagined / 0.7) / torch.exp(planner.imagined / 0.7).sum()
    assert torch.allclose(planner.weights, expected, atol=1e-6)


def test_mppi_between_its_extremes_of_temperature():
    cold, hot = MPPI(**BOUNDS, temperature=1e-6), MPPI(**BOUNDS, temperature=1e9)
    assert torch.allclose(cold.plan(bowl), cold.candidates[cold.imagined.argmax()], atol=1e-5)
    assert torch.allclose(hot.plan(bowl), hot.candidates.mean(0), atol=1e-5)


def test_mppi_does_not_overflow_on_huge_returns():
    planner = MPPI(**BOUNDS, temperature=0.01)
    assert torch.isfinite(planner.plan(lambda actions: 1e6 * bowl(actions))).all()


@pytest.mark.parametrize("kind", [CEM, ICEM])
def test_the_elites_get_better_with_iterations_and_reach_the_optimum(kind):
    planner = kind(low=-2, high=2, horizon=8, population=200, iterations=12)
    plan = planner.plan(bowl)
    progress = torch.stack(planner.progress)
    assert len(progress) == 12 and progress[-1] > progress[0]
    assert (progress.diff() > -0.05).all()
    assert progress[-1] > progress[0] / 10
    assert kind is ICEM or (plan - TARGET).abs().max() < 0.1  # slow noise cannot follow TARGET's ends so closely


def test_icem_keeps_its_best_from_one_iteration_to_the_next():
    """With elites kept, the best of an iteration can never be worse than the best before it."""
    best = []

    def noted(actions):
        best.append(bowl(actions).sum(-1).max())
        return bowl(actions)

    ICEM(low=-2, high=2, horizon=8, population=20, iterations=10).plan(noted)
    assert (torch.stack(best).diff() >= -1e-5).all()


def test_icem_shrinks_its_population_but_not_below_twice_the_elites():
    sizes = []

    def noted(actions):
        sizes.append(len(actions))
        return bowl(actions)

    ICEM(low=-2, high=2, horizon=8, population=40, elites=8, iterations=6, shrink=2, keep=0).plan(noted)
    assert sizes == [40, 20, 16, 16, 16, 17]  # the last one tries the mean, too


@pytest.mark.parametrize("kind", PLANNERS)
def test_the_plan_shifts(kind):
    planner = kind(**BOUNDS)
    planner.plan(bowl)
    before = planner.mean.clone()
    planner.shift()
    assert torch.equal(planner.mean[:-1], before[1:]) and torch.equal(planner.mean[-1], before[-1])


@pytest.mark.parametrize("kind", PLANNERS)
def test_without_a_warm_start_nothing_is_remembered(kind):
    planner = kind(**BOUNDS, warm=False)
    planner.act(bowl)
    state = planner.generator.get_state()
    second = planner.act(bowl)
    fresh = kind(**BOUNDS, warm=False)
    fresh.generator.set_state(state)
    assert np.array_equal(second, fresh.act(bowl))


def test_random_shooting_never_loses_the_plan_it_had():
    planner = RandomShooting(**BOUNDS)
    planner.act(lambda actions: bowl(actions))
    planner.plan(bowl)
    assert planner.imagined.max() >= planner.imagined[0]
    assert torch.equal(planner.candidates[0, -1], planner.candidates[0, -2])  # the shifted plan is among them


@pytest.mark.parametrize("kind", PLANNERS)
def test_episodes_in_parallel_have_plans_of_their_own(kind):
    targets = torch.tensor([-1.0, 0.0, 1.0]).reshape(3, 1, 1, 1)
    more = {"temperature": 0.1} if kind is MPPI else {"population": 3000} if kind is RandomShooting else {}
    planner = kind(**(BOUNDS | {"horizon": 3, "population": 300} | more), parallel=3)
    for _ in range(4):
        action = planner.act(lambda actions: -((actions - targets) ** 2).sum((-1, -2)))
    assert action.shape == (3, 1)
    assert np.abs(action[:, 0] - [-1, 0, 1]).max() < 0.35


def test_coloured_noise_has_unit_variance_and_the_slope_of_its_colour():
    generator = torch.Generator().manual_seed(0)
    for beta in (0.0, 1.0, 2.0):
        noise = tinted(torch.randn(20_000, 64, 1, generator=generator), coloured(64, beta))[..., 0]
        assert torch.allclose(noise.var(0), torch.ones(64), atol=0.08)
        power = torch.fft.rfft(noise).abs().square().mean(0)[1:32]
        slope = np.polyfit(np.log(np.arange(1, 32)), power.log().numpy(), 1)[0]
        assert slope == pytest.approx(-beta, abs=0.05)
    assert torch.allclose(coloured(16, 0.0), torch.eye(16), atol=1e-6)


def test_a_planner_swings_up_and_the_random_actions_do_not():
    world, planner = Pendulum(), ICEM(low=-2, high=2, horizon=20, population=40)
    generator = torch.Generator().manual_seed(0)
    ends = []
    for act in (planner.act, lambda _: (4 * torch.rand(1, generator=generator) - 2).numpy()):
        state, late = torch.tensor([math.pi, 0.0]), 0.0
        for t in range(120):
            action = torch.as_tensor(act(world.evaluate(state)))
            state, reward, _ = (x[0] for x in world.step(state[None], action[None]))
            late += float(reward) * (t >= 100)
        ends.append(late)
    assert ends[0] > -0.5 and ends[1] < -20


@pytest.mark.parametrize("kind", PLANNERS)
def test_a_diverging_model_is_named(kind):
    planner = kind(**BOUNDS)
    planner.act(bowl)

    def diverging(actions):
        rewards = bowl(actions)
        rewards[3, 5:] = math.nan
        return rewards

    with pytest.raises(Diverged, match=r"diverged at step 6 of 8: 1 of 4\d .*action 2 of"):
        planner.act(diverging)
    with pytest.raises(Diverged, match=r"diverged: 4\d of 4\d"):
        planner.act(lambda actions: torch.full((len(actions),), -math.inf))


@pytest.mark.parametrize("kind", PLANNERS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"horizon": 0}, "horizon = 0"),
        ({"population": 0}, "population"),
        ({"high": math.inf}, "infinite"),
        ({"low": [-1.0], "high": [1.0, math.inf]}, "per action"),
        ({"low": 2.0}, "below"),
    ],
)
def test_what_cannot_be_planned_is_refused(kind, change, message):
    with pytest.raises(ValueError, match=message):
        kind(**(BOUNDS | change))


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        (CEM, {"population": 5, "elites": 10}, "10 elites of a population of 5"),
        (ICEM, {"elites": 1}, "at least two elites"),
        (CEM, {"iterations": 0}, "at least once"),
        (MPPI, {"iterations": 0}, "at least once"),
        (MPPI, {"temperature": 0.0}, "temperature"),
        (MPPI, {"spread": math.nan}, "spread"),
        (CEM, {"momentum": 1.0}, "momentum"),
        (ICEM, {"keep": 1.5}, "keep"),
        (ICEM, {"shrink": 0.5}, "shrink"),
        (ICEM, {"beta": -1.0}, "beta"),
    ],
)
def test_settings_that_make_no_sense_are_refused(kind, change, message):
    with pytest.raises(ValueError, match=message):
        kind(**(BOUNDS | change))


def test_an_evaluation_of_the_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"returns \(40,\) or rewards \(40, 8\), not \(8, 40\)"):
        CEM(**BOUNDS).act(lambda actions: bowl(actions).T)
