"""Agents of stable-baselines3 as the book runs them: fixed evaluations, counted steps, refusals, interruptions."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback

from helpers.mbrl.environments import BadObservation, WrongWorld
from helpers.mbrl.sb3 import Curve, RandomPolicy, evaluate, learn, play, world
from helpers.training import Stopwatch

NAME = "Pendulum-v1"


def small(name=NAME, **options):
    policy = {"net_arch": [8]}
    return SAC("MlpPolicy", world(name), policy_kwargs=policy, learning_starts=20, batch_size=8, seed=0, **options)


def test_an_evaluation_is_of_the_same_episodes_whoever_asks_and_equals_playing_them():
    agent = small()
    first, again = evaluate(agent, NAME, 3), evaluate(agent, NAME, 3)
    assert np.array_equal(first, again) and first.shape == (3,)
    assert not np.allclose(first, evaluate(agent, NAME, 3, seed=77))
    env, total = gym.make(NAME), []
    for i, (observations, actions) in enumerate(play(agent, NAME, 3)):
        assert observations.shape == (201, 3) and actions.shape == (200, 1)
        env.reset(seed=10_000 + i)
        total.append(sum(env.step(action)[1] for action in actions))
    assert np.allclose(sorted(total), sorted(first), rtol=1e-4)


def test_an_evaluation_leaves_the_random_numbers_of_training_alone():
    torch.manual_seed(3)
    np.random.seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    evaluate(small_agent := small(), NAME, 1)
    torch.manual_seed(3)
    np.random.seed(3)
    evaluate(small_agent, NAME, 2)
    assert torch.equal(before[0], torch.get_rng_state()) and np.array_equal(before[1], np.random.get_state()[1])


def test_the_null_baseline_takes_any_action_within_bounds_and_is_repeatable():
    seen = np.zeros((500, 3))
    one, same, other = (RandomPolicy(NAME, seed).predict(seen)[0] for seed in (0, 0, 1))
    assert one.shape == (500, 1) and np.array_equal(one, same) and not np.array_equal(one, other)
    assert one.min() < -1.8 and one.max() > 1.8 and np.abs(one).max() <= 2
    assert evaluate(RandomPolicy(NAME), NAME, 4).mean() < -700


def test_a_curve_counts_every_real_step_random_ones_too_and_none_of_the_evaluations():
    agent = small(gradient_steps=2)
    curve = learn(agent, 60, Curve(NAME, every=20, episodes=1))
    assert agent.num_timesteps == 60 and curve.steps == [0, 20, 40, 60]
    assert curve.updates == [0, 0, 2 * 19, 2 * 39]  # 20 random steps; the look at t comes before the updates of t
    assert len(curve.returns) == len(curve.cpu) == 4 and np.all(np.diff(curve.cpu) > 0)
    assert agent.replay_buffer.size() == 60


def test_the_first_evaluation_that_reaches_a_threshold():
    curve = Curve(NAME, 10)
    curve.returns = [-900.0, -150.0, -400.0]
    assert curve.reached(-200) == 1 and curve.reached(-100) is None


def test_training_stops_when_it_is_enough_and_the_clock_stands_still_in_evaluations():
    agent = small()
    curve = Curve(NAME, every=30, episodes=10, enough=-5_000.0)
    learn(agent, 200, curve)
    assert agent.num_timesteps == 1 and len(curve.returns) == 1 and curve.reached(-5_000) == 0
    curve = Curve(NAME, every=5, episodes=10)
    with Stopwatch() as watch:
        learn(small(), 20, curve)
    assert curve.cpu == sorted(curve.cpu) and curve.cpu[-1] < 0.5 * watch.cpu


class Stop(BaseCallback):
    """Presses Ctrl-C after some steps, having spoilt the policy first."""

    def _on_step(self):
        if self.num_timesteps == 50:
            with torch.no_grad():
                for p in self.model.policy.parameters():
                    p.zero_()
            raise KeyboardInterrupt
        return True


def test_an_interruption_keeps_the_best_agent(capsys):
    agent = small()
    curve = learn(agent, 200, Curve(NAME, every=20, episodes=2), [Stop()])
    assert agent.num_timesteps == 50 and "the best one so far" in capsys.readouterr().out
    assert evaluate(agent, NAME, 2).mean() == pytest.approx(max(curve.returns))


class Broken(gym.Wrapper):
    def step(self, action):
        observation, *rest = self.env.step(action)
        return observation * np.nan, *rest


def test_nan_from_the_world_stops_training_and_says_where(monkeypatch):
    from helpers.mbrl import environments, sb3

    monkeypatch.setattr(sb3, "make", lambda name, kind=None: Broken(environments.make(name, kind)))
    agent = SAC("MlpPolicy", sb3.world(NAME), learning_starts=5)
    with pytest.raises(BadObservation, match="not finite"):
        agent.learn(10)


def test_what_cannot_be_done_is_refused():
    with pytest.raises(ValueError, match="budget of 0"):
        learn(small(), 0, Curve(NAME, 10))
    with pytest.raises(ValueError, match="at least one"):
        evaluate(small(), NAME, 0)
    with pytest.raises(WrongWorld, match="Did you mean Pendulum-v1"):
        world("Pendullum-v1")
    with pytest.raises(WrongWorld, match="needs a Box"):
        world("CartPole-v1")
