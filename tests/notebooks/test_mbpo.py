"""Chapter 4's own code, taken from its cells: branches, what ends them, SAC's targets, and MBPO as a whole."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer

from aibook import recipes
from helpers.mbrl.dynamics import Pendulum, pendulum_observation, pendulum_state
from helpers.mbrl.ensemble import Ensemble, fit
from helpers.mbrl.environments import WrongWorld
from helpers.mbrl.planners import Diverged
from helpers.mbrl.sb3 import RandomPolicy, evaluate
from helpers.training import NonFiniteLoss


@pytest.fixture(scope="module")
def chapter():
    """What the chapter's cells tagged `recipe` define."""
    return recipes.load("mbrl/04-mbpo")


# ---- The model and its branches ----------------------------------------------------------------------------------


def walk(seen, action):
    """A world to check by hand: the state grows by the action; the reward is the new state."""
    return (seen + action)[:, 0], seen + action


def far(following):
    return following[:, 0] > 3


def one(seen):
    return torch.ones(len(seen), 1)


def test_branches_start_at_the_given_states_and_each_step_follows_the_last(chapter):
    starts = torch.tensor([[0.0], [-5.0]])
    seen, action, reward, following, ended = chapter.imagine(walk, one, starts, 3, far)
    assert torch.equal(seen[:, 0], torch.tensor([0.0, -5, 1, -4, 2, -3]))
    assert torch.equal(following, seen + action) and torch.equal(reward, following[:, 0])
    assert not ended.any() and action.shape == (6, 1)


def test_what_has_ended_does_not_go_on(chapter):
    seen, _, _, following, ended = chapter.imagine(walk, one, torch.tensor([[2.0], [0.0], [3.0]]), 10, far)
    assert torch.equal(ended, following[:, 0] > 3)
    assert not (seen > 3).any()  # nothing starts where it has ended
    assert ended.sum() == 3 and len(seen) == 2 + 4 + 1  # every branch stops at its own end, none before


def test_a_model_that_diverges_is_refused(chapter):
    with pytest.raises(Diverged, match="step 2 of 5"):
        chapter.imagine(lambda s, a: (s[:, 0], 1e4 * s), one, torch.full((3, 1), 50.0), 5, chapter.never)
    with pytest.raises(Diverged, match="step 1"):
        chapter.imagine(lambda s, a: (s[:, 0] * torch.nan, s), one, torch.ones(3, 1), 5, chapter.never)


def test_with_the_true_model_imagined_transitions_are_gymnasiums(chapter):
    torch.manual_seed(0)
    world, env = Pendulum(), gym.make("Pendulum-v1").unwrapped
    env.reset(seed=0)

    def truth(seen, action):  # actions in [-1, 1], as the library keeps them
        after, reward, _ = world.step(pendulum_state(seen), 2 * action)
        return reward, pendulum_observation(after)

    starts = pendulum_observation(torch.randn(6, 2))
    rows = chapter.imagine(truth, lambda seen: 2 * torch.rand(len(seen), 1) - 1, starts, 4, chapter.never)
    for seen, action, reward, following, ended in zip(*rows, strict=True):
        env.state = pendulum_state(seen).double().numpy()
        observed, earned, terminated, _, _ = env.step(2 * action.numpy())
        np.testing.assert_allclose(following.numpy(), observed, atol=2e-5)
        assert earned == pytest.approx(reward.item(), abs=1e-3) and bool(ended) == terminated


def test_a_model_answers_in_rewards_and_changes_of_the_state(chapter):
    torch.manual_seed(0)
    seen, action = torch.randn(400, 2), 2 * torch.rand(400, 1) - 1
    reward, following = 3 * action[:, 0] + seen[:, 1], seen + 0.1 * action
    x, y = chapter.pairs(seen, action, reward, following)
    assert x.shape == (400, 3) and y.shape == (400, 3) and torch.allclose(y[:, 0], reward)
    assert torch.allclose(y[:, 1:], (0.1 * action).expand(-1, 2), atol=1e-5)
    ensemble = Ensemble(3, 3, width=32, seed=0)
    fit(ensemble, x, y, 500)
    guessed, then = chapter.step(ensemble, seen, action)
    assert (guessed - reward).abs().mean() < 0.3 and (then - following).abs().mean() < 0.05


def test_each_state_asks_a_member_of_its_own(chapter):
    torch.manual_seed(0)
    ensemble = Ensemble(2, 2, members=3, width=4)
    with torch.no_grad():
        for weights in (*ensemble.weights, *ensemble.biases):
            weights.zero_()
        ensemble.biases[-1][:, 0, :2] = torch.tensor([[0.0], [10.0], [20.0]])  # member e answers 10 e …
        ensemble.biases[-1][:, 0, 2:] = -40.0
        ensemble.bottom.fill_(-30.0)  # … without noise
    reward, following = chapter.step(ensemble, torch.zeros(300, 1), torch.zeros(300, 1))
    assert torch.allclose(reward, following[:, 0], atol=0.01)  # one member answers a whole row
    assert (reward / 10).round().unique(return_counts=True)[1].min() > 60


def test_the_rules_of_ending_are_gymnasiums(chapter):
    for task in (chapter.POLE, chapter.HOPPER):
        env, found = gym.make(task.name), []
        for seed in range(6):
            env.reset(seed=seed)
            env.action_space.seed(seed)
            over = False
            while not over:
                observation, _, terminated, truncated, _ = env.step(env.action_space.sample())
                found.append((bool(task.over(torch.tensor(observation[None]))), terminated))
                over = terminated or truncated
        assert sum(t for _, t in found) == 6 and all(ours == theirs for ours, theirs in found)
    broken = torch.full((1, 11), torch.nan)
    assert chapter.fallen(broken) and chapter.hopper_down(broken)


# ---- Memories and targets ----------------------------------------------------------------------------------------


def spaces_of(states=2):
    return spaces.Box(-np.inf, np.inf, (states,)), spaces.Box(-1.0, 1.0, (1,))


def marked(buffer, rows, value):
    for i in range(rows):
        state = np.array([value, i])
        buffer.add(state, state + 0.5, np.array([0.1]), np.array([value]), np.array([False]), [{}])


def test_a_batch_has_its_share_of_real_transitions(chapter):
    real = chapter.MixedBuffer(50, *spaces_of(), "cpu")
    marked(real, 30, 1.0)
    assert (real.sample(40).observations[:, 0] == 1).all()  # nothing dreamt yet
    real.imagined, real.real_share = ReplayBuffer(50, *spaces_of(), "cpu"), 0.25
    assert (real.sample(40).observations[:, 0] == 1).all()
    marked(real.imagined, 50, 2.0)
    for share in (0.25, 0.0, 1.0):
        real.real_share = share
        batch = real.sample(40)
        assert (batch.observations[:, 0] == 1).sum() == 40 * share and batch.dones.shape == (40, 1)
        assert torch.equal(batch.next_observations, batch.observations + 0.5)  # rows stay together
        assert torch.equal(batch.rewards, batch.observations[:, :1])


def test_the_model_learns_from_all_real_transitions_and_only_from_those(chapter):
    real = chapter.MixedBuffer(50, *spaces_of(), "cpu")
    marked(real, 30, 1.0)
    real.imagined = ReplayBuffer(50, *spaces_of(), "cpu")
    marked(real.imagined, 50, 2.0)
    seen, action, reward, following = real.tensors()
    assert seen.shape == (30, 2) and action.shape == (30, 1) and reward.shape == (30,)
    assert (seen[:, 0] == 1).all() and torch.equal(seen[:, 1], torch.arange(30.0))
    assert torch.equal(following, seen + 0.5)


def test_a_cut_bootstraps_and_an_end_does_not_in_the_librarys_target(chapter, monkeypatch):
    agent, _ = chapter.train(quick(chapter), 12, 1, every=100, episodes=1)
    buffer = ReplayBuffer(3, agent.observation_space, agent.action_space, "cpu")
    for end, cut in ((False, False), (True, True), (True, False)):  # going on; cut by the clock; ended
        info = [{"TimeLimit.truncated": cut}]
        buffer.add(np.ones(3), np.ones(3), np.zeros(1), np.array([5.0]), np.array([end]), info)
    mixed = chapter.MixedBuffer(3, agent.observation_space, agent.action_space, "cpu")
    vars(mixed).update(vars(buffer))
    monkeypatch.setattr(
        np.random, "randint", lambda low, high=None, size=None: np.arange(np.prod(size)) % (high or low)
    )
    batch, targets = mixed.sample(3), []
    assert batch.dones[:, 0].tolist() == [0, 0, 1]
    with torch.no_grad():  # by hand
        torch.manual_seed(1)
        agent.actor.action_log_prob(batch.observations)  # the library draws these first
        action, log_p = agent.actor.action_log_prob(batch.next_observations)
        q = torch.cat(agent.critic_target(batch.next_observations, action), 1).amin(1)
        value = q - agent.log_ent_coef.exp() * log_p
        expected = 5.0 + agent.gamma * torch.tensor([1.0, 1.0, 0.0]) * value

    def spy(guess, target):
        targets.append(target.detach()[:, 0].clone())
        return ((guess - target) ** 2).mean()

    monkeypatch.setattr("stable_baselines3.sac.sac.F.mse_loss", spy)
    agent.replay_buffer = mixed
    torch.manual_seed(1)
    agent.train(1, 3)
    assert torch.allclose(targets[0], expected, atol=1e-5) and targets[0][2] == 5.0 and (targets[0][:2] != 5.0).all()


# ---- MBPO as a whole ---------------------------------------------------------------------------------------------


def quick(chapter, steps=10):
    return chapter.Task("Pendulum-v1", chapter.never, -200.0, steps)


def little(chapter, **changes):
    return chapter.Imagining(
        **{"length": 3, "rollouts": 20, "every": 10, "kept": 2, "width": 16, "first": 20, "steps": 5, **changes}
    )


@pytest.fixture
def dreamt(chapter, monkeypatch):
    """A short run whose branches are all kept, with the real states that there were."""
    calls, original = [], chapter.imagine

    def spy(step, actor, starts, length, over):
        rows = original(step, actor, starts, length, over)
        calls.append((starts, length, rows))
        return rows

    monkeypatch.setattr(chapter, "imagine", spy)
    return calls


def test_branches_really_come_from_real_states_and_go_into_the_librarys_buffer(chapter, dreamt):
    agent, curve = chapter.train(quick(chapter), 40, 2, little(chapter), every=40, episodes=1)
    real = agent.replay_buffer
    assert agent.num_timesteps == real.size() == 40 and curve.steps == [0, 40]
    assert len(dreamt) == 4  # after 10, 20, 30 and 40 real steps
    known = {tuple(row) for row in real.observations[:, 0].round(5)}
    for starts, length, _ in dreamt:
        assert length == 3 and len(starts) == 20 and {tuple(row) for row in starts.numpy().round(5)} <= known
    dreams = real.imagined
    assert dreams.full and dreams.buffer_size == 2 * 20 * 3  # the newest two times, the older ones forgotten
    kept = torch.cat([rows[0] for _, _, rows in dreamt[-2:]]).numpy()
    assert np.allclose(np.sort(dreams.observations[:, 0], 0), np.sort(kept, 0), atol=1e-6)
    assert not dreams.dones.any()  # a branch that stops has not ended


def test_without_branches_every_dream_begins_like_an_episode(chapter, dreamt):
    chapter.train(quick(chapter), 20, 1, little(chapter, branched=False), every=100, episodes=1)
    starts = torch.cat([call[0] for call in dreamt])
    assert (starts[:, 2].abs() <= 1).all() and len(starts.unique(dim=0)) > 10  # gymnasium's starts: slow


def test_imagined_ends_are_marked_for_the_learner(chapter):
    always = chapter.Task("Pendulum-v1", lambda following: following[:, 0] < 2, -200.0, 10)
    agent, _ = chapter.train(always, 20, 1, little(chapter), every=100, episodes=1)
    dreams = agent.replay_buffer.imagined
    assert dreams.size() == 2 * 20 and dreams.sample(30).dones.all()  # over after one step each


def test_the_hoppers_branches_end_by_its_rule(chapter):
    task = replace(chapter.HOPPER, random_steps=20)
    small = {"policy_kwargs": {"net_arch": [16, 16]}, "batch_size": 16}
    agent, curve = chapter.train(task, 40, 1, little(chapter, length=8), every=40, episodes=1, **small)
    dreams = agent.replay_buffer.imagined
    ended, following = dreams.dones[: dreams.size(), 0] == 1, dreams.next_observations[: dreams.size(), 0]
    assert curve.steps == [0, 40] and following.shape[1] == 11
    assert 0 < ended.sum() < len(ended)
    assert np.array_equal(ended, chapter.hopper_down(torch.from_numpy(following)).numpy())


def test_without_a_model_it_is_the_librarys_sac(chapter):
    from stable_baselines3 import SAC

    from helpers.mbrl.sb3 import world
    from helpers.training import seed_everything

    ours, _ = chapter.train(quick(chapter), 30, 2, seed=3, every=1_000, episodes=1)
    seed_everything(3)
    theirs = SAC(
        "MlpPolicy", world("Pendulum-v1"), buffer_size=30, learning_starts=10, gradient_steps=2, seed=3,
        **chapter.SETTINGS,
    ).learn(30)  # fmt: skip
    for a, b in zip(ours.policy.parameters(), theirs.policy.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


class Slope(gym.Env):
    """A tiny world: stand at 0. The state moves by half the action, the reward is minus its distance from 0."""

    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x = self.np_random.uniform(-2, 2, 1)
        return self.x.astype(np.float32), {}

    def step(self, action):
        self.x = self.x + 0.5 * np.clip(action, -1, 1)
        return self.x.astype(np.float32), -float(abs(self.x[0])), False, False, {}


@pytest.fixture(scope="module")
def slope():
    if "BookSlope-v0" not in gym.registry:
        gym.register("BookSlope-v0", Slope, max_episode_steps=20)
    return "BookSlope-v0"


def test_it_learns_a_tiny_world_in_two_hundred_steps(chapter, slope):
    task = chapter.Task(slope, chapter.never, -5.0, 40)
    config = chapter.Imagining(length=3, rollouts=200, every=20, width=16, first=200, steps=40)
    agent, curve = chapter.train(task, 200, 8, config, every=50)
    null = evaluate(RandomPolicy(slope), slope).mean()
    best = -np.mean([sum(max(abs(x) - 0.5 * t, 0) for t in range(1, 21)) for x in np.linspace(-2, 2, 41)])
    assert max(curve.returns) > -5 > 3 * null / 4 and best > max(curve.returns) - 5
    assert evaluate(agent, slope).mean() > null / 2


# ---- What is refused ---------------------------------------------------------------------------------------------


def test_bad_input_is_refused_with_a_reason(chapter):
    with pytest.raises(ValueError, match="budget of 0"):
        chapter.train(quick(chapter), 0, 1)
    with pytest.raises(WrongWorld, match="needs a Box"):
        chapter.train(chapter.Task("CartPole-v1", chapter.never, 0.0, 10), 10)
    with pytest.raises(WrongWorld, match="Did you mean"):
        chapter.train(chapter.Task("Pendulm-v1", chapter.never, 0.0, 10), 10)


def test_a_model_that_diverges_in_training_stops_the_run(chapter, monkeypatch):
    def explode(*_, **__):
        raise NonFiniteLoss("The model diverged: its loss is nan at gradient step 3.")

    monkeypatch.setattr(chapter, "fit", explode)
    with pytest.raises(NonFiniteLoss, match="diverged"):
        chapter.train(quick(chapter), 20, 1, little(chapter), every=100, episodes=1)


def test_an_interruption_while_dreaming_keeps_the_best_agent(chapter, monkeypatch, capsys):
    calls, original = [], chapter.fit

    def interrupted(*arguments, **options):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    monkeypatch.setattr(chapter, "fit", interrupted)
    agent, curve = chapter.train(quick(chapter), 200, 1, little(chapter), every=10, episodes=1)
    assert agent.num_timesteps == 30 and "Interrupted after 30" in capsys.readouterr().out
    assert evaluate(agent, "Pendulum-v1", 1).mean() == pytest.approx(max(curve.returns))


def test_the_penalty_of_the_bound(chapter):
    assert chapter.penalty(0, 0.1, 0.5, 0.9) == pytest.approx(0.9 * 0.1 / 0.01 + 0.1 / 0.1)
    assert chapter.penalty(2, 0.0, 0.5, 0.9) == pytest.approx(2 * 0.5 / 0.1)
    lengths = np.arange(100)
    assert np.argmin(chapter.penalty(lengths, 1.0, 1.01)) == 0 < np.argmin(chapter.penalty(lengths, 1.0, 0.9))
