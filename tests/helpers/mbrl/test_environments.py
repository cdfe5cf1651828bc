"""Worlds by name, the continuous cart-pole against gymnasium's own, and what is refused."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from helpers.mbrl.environments import BadObservation, ContinuousCartPole, WrongWorld, checked, make


def test_at_full_force_the_continuous_cart_pole_is_gymnasiums():
    theirs, ours = gym.make("CartPole-v1").unwrapped, ContinuousCartPole()
    theirs.reset(seed=3)
    ours.reset(seed=3)
    ours.state = np.array(theirs.state)
    rng = np.random.default_rng(0)
    for _ in range(200):
        push = int(rng.integers(2))
        observation, _, terminated, _, _ = theirs.step(push)
        same, reward, over, cut, _ = ours.step(np.array([2.0 * push - 1]))
        np.testing.assert_allclose(same, observation, rtol=1e-6)
        assert (reward, over, cut) == (1.0, terminated, False)
        if over:
            break
    assert over


def test_the_continuous_cart_pole_keeps_gymnasiums_rules_and_is_cut_at_200_steps():
    check_env(ContinuousCartPole(), skip_render_check=True)
    env = make("ContinuousCartPole-v0", "box")
    assert env.spec.max_episode_steps == 200
    env.reset(seed=0)
    first = env.step(np.array([0.3]))[0]
    env.reset(seed=0)
    np.testing.assert_array_equal(env.step(np.array([0.3]))[0], first)


def test_a_force_beyond_the_bounds_is_clipped():
    env = ContinuousCartPole()
    env.reset(seed=0)
    far = env.step([9.0])[0]
    env.reset(seed=0)
    np.testing.assert_array_equal(env.step([1.0])[0], far)


@pytest.mark.parametrize(
    ("name", "actions", "message"),
    [
        ("Pendullum-v1", None, "Did you mean Pendulum-v1"),
        ("NoSuchThing", None, "pprint_registry"),
        ("CartPole-v1", "box", "needs a Box"),
        ("Pendulum-v1", "discrete", "needs a Discrete"),
    ],
)
def test_another_world_is_refused_with_a_reason(name, actions, message):
    with pytest.raises(WrongWorld, match=message):
        make(name, actions)


def test_what_is_not_finite_is_refused():
    assert checked([1, 2]).dtype == np.float32
    with pytest.raises(BadObservation, match=r"not finite at \[1\]"):
        checked([0.0, np.nan])
    with pytest.raises(BadObservation, match="reward is inf"):
        checked([0.0], float("inf"))
