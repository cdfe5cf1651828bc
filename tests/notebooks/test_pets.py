"""Chapter 3's own code, taken from its cells: particles go where they should, and the agent learns."""

import copy
import math
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from aibook import recipes
from helpers import studies
from helpers.mbrl.dynamics import Pendulum, pendulum_state
from helpers.mbrl.ensemble import Ensemble
from helpers.mbrl.environments import BadObservation, WrongWorld
from helpers.mbrl.memory import Transitions
from helpers.mbrl.planners import Diverged
from helpers.training import NonFiniteLoss


@pytest.fixture(scope="module")
def chapter():
    """What the chapter's cells tagged `recipe` define."""
    return recipes.load("mbrl/03-pets")


# ---- A tiny world ------------------------------------------------------------------------------------------------


class Line(gym.Env):
    """A point on a line, to be kept near 0: x' = x + 0.5 a. Episodes of 20 steps, over beyond ±3."""

    observation_space, action_space = spaces.Box(-np.inf, np.inf, (1,)), spaces.Box(-1.0, 1.0, (1,))
    broken_at = None  # the step of the process at which an observation is NaN
    steps = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x = self.np_random.uniform(1, 2, 1)
        return self.x.astype(np.float32), {}

    def step(self, action):
        type(self).steps += 1
        reward = -abs(float(self.x[0]))
        self.x = self.x + 0.5 * np.clip(action, -1, 1)
        if self.steps == self.broken_at:
            return np.array([np.nan], np.float32), reward, False, False, {}
        return self.x.astype(np.float32), reward, bool(abs(self.x[0]) > 3), False, {}


class Wide(Line):
    action_space = spaces.Discrete(3)


for name, world in (("TestLine-v0", Line), ("TestWide-v0", Wide)):
    if name not in gym.registry:
        gym.register(name, world, max_episode_steps=20)


@pytest.fixture
def line(chapter):
    Line.steps, Line.broken_at = 0, None
    return chapter.Task("TestLine-v0", lambda s, a: -s[..., 0].abs(), lambda s: s[..., 0].abs() > 3)


@pytest.fixture
def quick(chapter):
    return chapter.Settings(random_steps=30, every=20, first=200, later=40, width=16, horizon=6, population=16)


# ---- Imagination -------------------------------------------------------------------------------------------------


def counting(members=4):
    """Member e adds 10^e to the first number of the state, without noise: a particle's sum tells whom it met."""
    ensemble = Ensemble(2, 1, members=members, depth=0, probabilistic=False)
    with torch.no_grad():
        ensemble.weights[0].zero_()
        ensemble.biases[0][:] = 10.0 ** torch.arange(members).view(-1, 1, 1)
    return ensemble


@pytest.mark.parametrize("copies", [1, 3])
def test_ts_infinity_keeps_a_particle_with_its_member_and_ts1_deals_anew(chapter, copies):
    plans, start = torch.zeros(5, 7, 1), torch.zeros(5, 1)
    model = chapter.Model(counting())
    states, alive = chapter.imagine(model, start, plans, particles=4 * copies, how="TSinf")
    assert states.shape == (8, 4, 5 * copies, 1) and alive.shape == (7, 4, 5 * copies)
    for e in range(4):
        assert (states[-1, e] == 7 * 10.0**e).all()
    states, _ = chapter.imagine(model, start, plans, particles=4 * copies, how="TS1")
    ends = states[-1, ..., 0]
    met = torch.stack([(ends // 10**e) % 10 for e in range(4)])  # how often each particle met each member
    assert (met.sum(0) == 7).all() and (met > 0).sum(0).float().mean() > 2.5
    hands = met.view(4, 4, 5, copies).sum((1, 3))  # over all particles of a candidate
    assert (hands == 7 * copies).all()  # every step, every member has its share of each candidate


def test_the_mean_goes_where_the_members_average_goes(chapter):
    states, _ = chapter.imagine(chapter.Model(counting()), torch.zeros(2, 1), torch.zeros(2, 3, 1), 4, "mean")
    assert torch.allclose(states[-1], torch.tensor(3 * 1111 / 4))


def test_dealing_moves_rows_whole_and_only_within_a_candidate(chapter):
    rows = torch.arange(5 * 6 * 2, dtype=torch.float32).view(5, 6, 2)  # 5 members, 3 candidates of 2 copies
    dealt = chapter.deal(rows, 3, torch.Generator().manual_seed(0))
    assert not torch.equal(dealt, rows)
    for candidate in range(3):
        own = slice(2 * candidate, 2 * candidate + 2)
        before, after = (sorted(map(tuple, x[:, own].reshape(-1, 2).tolist())) for x in (rows, dealt))
        assert before == after


def test_dealing_is_uniform(chapter):
    g = torch.Generator().manual_seed(0)
    rows = torch.arange(4.0).view(4, 1, 1).expand(4, 3_000, 1)
    where = chapter.deal(rows, 3_000, g)[0, :, 0]
    assert torch.bincount(where.long(), minlength=4).sub(750).abs().max() < 100


@pytest.mark.parametrize("how", ["TS1", "TSinf"])
def test_particles_have_the_exact_moments_of_a_linear_gaussian_model(chapter, how):
    A, b = torch.tensor([[1.0, 0.2], [-0.3, 0.9]]), torch.tensor([0.1, 0.4])
    q = torch.tensor([0.1, 0.2])
    ensemble = Ensemble(3, 2, depth=0, bound=False)
    with torch.no_grad():
        ensemble.weights[0].zero_()
        ensemble.weights[0][:, :, :2] = torch.cat([(A - torch.eye(2)).T, b[None]])
        ensemble.biases[0][:, :, 2:] = 2 * q.log()
    m, C, actions = torch.tensor([1.0, -1.0]), torch.zeros(2, 2), [0.5, -0.2, 0.9, 0.0, 1.0, -1.0]
    start = m[None]
    for a in actions:
        m, C = A @ m + b * a, A @ C @ A.T + torch.diag(q**2)
    model = chapter.Model(ensemble, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        states, _ = chapter.imagine(model, start, torch.tensor(actions).view(1, -1, 1), 50_000, how)
    cloud = states[-1].flatten(0, 1)
    assert (cloud.mean(0) - m).abs().max() < 0.01
    assert (cloud.T.cov() - C).abs().max() < 0.02 * C.abs().max()


def test_a_member_that_is_wrong_widens_ts_infinity_more_than_ts1(chapter):
    ensemble = Ensemble(2, 1, members=5, depth=0, probabilistic=False)
    with torch.no_grad():
        ensemble.weights[0].zero_()
        ensemble.biases[0][:] = torch.arange(5.0).view(5, 1, 1)  # each in its own world, mean 2, variance 2
    model, spread = chapter.Model(ensemble), {}
    for how in ("TS1", "TSinf"):
        states, _ = chapter.imagine(model, torch.zeros(1, 1), torch.zeros(1, 9, 1), 5_000, how)
        spread[how] = states[-1].std(correction=0).item()
    assert spread["TSinf"] == pytest.approx(9 * math.sqrt(2), rel=1e-4)  # grows with t
    assert spread["TS1"] == pytest.approx(3 * math.sqrt(2), rel=0.05)  # grows with the root of t


def test_a_plan_is_worth_its_rewards_until_the_end_also_after_dealing(chapter):
    task = chapter.Task("-", lambda s, a: 1 + 0 * s[..., 0], lambda s: s[..., 0] > 2.5)
    ensemble = Ensemble(2, 1, members=5, depth=0, probabilistic=False)
    with torch.no_grad():
        ensemble.weights[0].zero_()
        ensemble.weights[0][:, 1] = 1.0  # s' = s + a
    model, plans = chapter.Model(ensemble), torch.stack([torch.full((6, 1), a) for a in (0.0, 0.5, 1.0, 3.0)])
    for how in ("TS1", "TSinf", "mean"):
        found = chapter.worth(model, task, torch.zeros(1), plans, 5, how)
        assert found.tolist() == [6, 6, 3, 1]  # the step that ends an episode still earns


def test_a_reward_is_that_of_the_state_before_and_of_the_action(chapter):
    task = chapter.Task("-", lambda s, a: s[..., 0] + 100 * a[..., 0])
    ensemble = Ensemble(2, 1, members=2, depth=0, probabilistic=False)
    with torch.no_grad():
        ensemble.weights[0].zero_()
        ensemble.weights[0][:, 1] = 1.0
    plans = torch.rand(7, 4, 1)
    expected = [sum(2 + plan[:t].sum() + 100 * plan[t] for t in range(4)).item() for plan in plans]
    found = chapter.worth(chapter.Model(ensemble), task, torch.tensor([2.0]), plans, 6)
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


def test_several_episodes_are_judged_as_one_by_one(chapter):
    torch.manual_seed(0)
    model = chapter.Model(Ensemble(4, 3, width=8, probabilistic=False))
    starts, plans = torch.randn(3, 3), torch.randn(3, 6, 5, 1)
    together = chapter.worth(model, chapter.PENDULUM, starts, plans, how="TSinf")
    assert together.shape == (3, 6)
    for i in range(3):
        alone = chapter.worth(model, chapter.PENDULUM, starts[i], plans[i], how="TSinf")
        assert torch.allclose(together[i], alone, atol=1e-3)


# ---- The model ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("difference", [True, False])
def test_the_model_learns_a_linear_world_and_draws_around_it(chapter, difference):
    rng, memory = np.random.default_rng(0), Transitions(400, 2, 1)
    for _ in range(400):
        s, a = rng.normal(size=2), rng.uniform(-1, 1, 1)
        memory.add(s, a, 0.0, s + [0.1 * s[1], a[0]] + 0.05 * rng.normal(size=2), False)
    model = chapter.Model(Ensemble(3, 2, width=32), difference)
    model.learn(memory, 1_500)
    state, action = torch.tensor([0.5, -1.0]), torch.tensor([0.7])
    with torch.inference_mode():
        draws = model.step(state.expand(5, 2_000, 2), action.expand(5, 2_000, 1))
    assert (draws.mean((0, 1)) - torch.tensor([0.4, -0.3])).abs().max() < 0.08
    assert (draws.flatten(0, 1).std(0) - 0.06).abs().max() < 0.04


def test_coverage_is_honest_for_the_truth_and_low_for_the_overconfident(chapter):
    g = torch.Generator().manual_seed(0)
    mean, y = torch.zeros(1, 4_000, 2), 2 * torch.randn(4_000, 2, generator=g)
    assert np.abs(chapter.coverage(mean, 2 + mean, y) - chapter.LEVELS).max() < 2.5
    assert (chapter.coverage(mean, 1 + mean, y) < chapter.LEVELS - 2).all()
    two = torch.stack([mean[0] - 3, mean[0] + 3])  # a mixture of two
    y = 3 * (2 * torch.randint(0, 2, (4_000, 2), generator=g) - 1) + torch.randn(4_000, 2, generator=g)
    assert np.abs(chapter.coverage(two, torch.ones_like(two), y) - chapter.LEVELS).max() < 2.5


# ---- The agent ---------------------------------------------------------------------------------------------------


def test_it_learns_a_tiny_world_and_a_seed_repeats_it(chapter, line, quick):
    runs = [chapter.pets(line, quick, 90, seed=3, exams=(30, 90), episodes=4) for _ in range(2)]
    assert [(n, r) for n, r, _ in runs[0].episodes] == [(n, r) for n, r, _ in runs[1].episodes]
    returns, seconds = runs[0].exams[90]
    blind = chapter.exam(chapter.newborn(line, quick, chapter.make(line.name, "box"), 0), episodes=4)
    assert returns.mean() > -8 and returns.mean() > blind.mean() + 5  # nothing can beat about -4
    assert returns.shape == (4,) and 0 < seconds <= runs[0].cpu
    assert runs[0].gradient_steps == 200 + 3 * 40 and len(runs[0].rewards) == 90
    other = chapter.pets(line, quick, 40, seed=4)
    assert other.rewards[:30] != runs[0].rewards[:30]


def test_an_exam_changes_nothing_for_the_training(chapter, line, quick):
    plain, examined = (chapter.pets(line, quick, 70, seed=1, exams=exams, episodes=2) for exams in ((), (30, 50)))
    assert plain.rewards == examined.rewards


def test_it_stops_when_an_episode_is_good_enough(chapter, line, quick):
    run = chapter.pets(line, quick, 200, seed=3, enough=-9)
    assert run.episodes[-1][1] >= -9 and len(run.rewards) == run.episodes[-1][0] < 200


def test_interrupting_keeps_the_best_agent(chapter, line, quick, monkeypatch, capsys):
    step, snapshots = Line.step, {}

    def stops(self, action):
        if Line.steps == 85:
            raise KeyboardInterrupt
        return step(self, action)

    finished = chapter.Run.end

    def watched(self, n, total):
        if self.gradient_steps:
            snapshots[total] = copy.deepcopy(self.agent.model.ensemble.state_dict())
        finished(self, n, total)

    monkeypatch.setattr(Line, "step", stops)
    monkeypatch.setattr(chapter.Run, "end", watched)
    run = chapter.pets(line, quick, 500, seed=3)
    assert "after 85 real steps" in capsys.readouterr().out
    assert len(run.rewards) == 85 and len(snapshots) >= 2 and run.highest == max(snapshots)
    best = run.best.ensemble.state_dict()
    assert all(torch.equal(best[key], value) for key, value in snapshots[max(snapshots)].items())
    assert replace(run.agent, model=run.best).act(np.array([1.5], np.float32)).shape == (1,)


def test_optimism_is_what_plans_claim_minus_what_they_bring(chapter, monkeypatch):
    def flattering(model, task, start, plans, particles, how):
        return Pendulum().evaluate(pendulum_state(start))(plans).sum(-1) + 5

    s = chapter.Settings(population=16, horizon=6)
    agent = chapter.newborn(chapter.PENDULUM, s, chapter.make("Pendulum-v1", "box"), 0)
    ignorant = chapter.optimism(agent, n=8)
    monkeypatch.setattr(chapter, "worth", flattering)
    assert chapter.optimism(agent, n=8) == pytest.approx(5, abs=1e-3) and abs(ignorant - 5) > 1


def test_the_ledge_is_a_walk_with_gusts_that_ends_in_a_fall(chapter):
    env = chapter.make("Ledge-v0", "box")
    env.reset(seed=0)
    x, moves = 0.0, []
    for _ in range(50):
        observation, reward, terminated, truncated, _ = env.step(np.array([1.0], np.float32))
        assert reward == pytest.approx(x, abs=1e-5) and terminated == (observation[0] > 3) and not truncated
        moves.append(observation[0] - x)
        x = float(observation[0])
        if terminated:
            break
    assert terminated and abs(np.mean(moves) - 0.3) < 0.15 and 0.05 < np.std(moves) < 0.3


# ---- Bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [0, 30, -1])
def test_a_budget_without_planned_steps_is_refused(chapter, line, quick, steps):
    with pytest.raises(ValueError, match=f"budget of {steps} real steps"):
        chapter.pets(line, quick, steps)


def test_worlds_that_it_cannot_act_in_are_refused(chapter, line, quick):
    with pytest.raises(WrongWorld, match="Box"):
        chapter.pets(replace(line, name="TestWide-v0"), quick, 40)
    with pytest.raises(WrongWorld, match="Did you mean"):
        chapter.pets(replace(line, name="Pendulun-v1"), quick, 40)


@pytest.mark.parametrize("when", [5, 35])
def test_an_observation_that_is_no_number_stops_it_at_once(chapter, line, quick, when):
    Line.broken_at = when
    with pytest.raises(BadObservation, match="not finite"):
        chapter.pets(line, quick, 60)
    assert Line.steps == when


def test_a_model_that_diverges_stops_it(chapter, line, quick, monkeypatch):
    def diverging(*_, **__):
        raise NonFiniteLoss("The model diverged: its loss is nan at gradient step 0.")

    with monkeypatch.context() as patch:
        patch.setattr(chapter, "fit", diverging)
        with pytest.raises(NonFiniteLoss):
            chapter.pets(line, quick, 60)
    agent = chapter.newborn(line, quick, chapter.make(line.name, "box"), 0)
    with torch.no_grad():
        agent.model.ensemble.biases[-1].fill_(torch.nan)
    with pytest.raises(Diverged, match="diverged"):
        agent.act(np.array([1.0], np.float32))


# ---- What the chapter claims of its study ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study():
    return studies.load("mbrl/03-pets")


def test_the_bars_are_met_by_the_median(study):
    assert np.median(study.values("cart_pole_return")) >= 180
    assert np.median(study.values("cart_pole_steps")) <= 450
    assert np.median(study.values("pendulum_steps")) <= 800
    assert np.median(study.values("pendulum_return")) >= -200


def test_the_ensemble_is_better_calibrated_than_a_member_with_every_seed(study):
    pairs = zip(study.values("gap_five_members"), study.values("gap_one_of_them"), strict=True)
    assert all(together < alone for together, alone in pairs)


def test_ts_infinity_fans_out_further_with_every_seed(study):
    assert all(a < b for a, b in zip(study.values("fan_ts1"), study.values("fan_tsinf"), strict=True))


def test_who_imagines_chance_keeps_away_from_the_ledge_with_every_seed(study):
    rash = [
        max(pair)
        for pair in zip(*(study.values(f"ledge_{n}") for n in ("mean_only", "one_deterministic")), strict=True)
    ]
    for name in ("pets", "tsinf", "one_probabilistic"):
        assert all(careful > r for careful, r in zip(study.values(f"ledge_{name}"), rash, strict=True))


def test_the_ablations_on_the_pendulum_leave_nothing_certain(study):
    gain, sd = study.mean("gain_200"), study.sd("gain_200")
    assert abs(gain) < 2 * sd  # if this fails, the chapter's text has to change
