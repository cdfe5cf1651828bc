"""The glimpsed pendulum is gymnasium's, seen now and then."""

import math

import gymnasium as gym
import numpy as np
import pytest

from helpers.mbrl.glimpses import DECISIONS, GLIMPSES, PERIOD, PIXELS, picture


def played(name, seed=0, **options):
    env = gym.make(name, **options)
    env.action_space.seed(seed)
    observation, info = env.reset(seed=seed)
    seen, truth, rewards, actions, over = [observation], [info["truth"]], [], [], False
    while not over:
        actions.append(env.action_space.sample())
        observation, reward, terminated, truncated, info = env.step(actions[-1])
        assert not terminated
        seen.append(observation), truth.append(info["truth"]), rewards.append(reward)
        over = terminated or truncated
    return np.array(seen), np.array(truth), np.array(rewards), np.array(actions)


def test_each_action_is_two_of_gymnasiums_steps_and_the_rewards_are_added():
    seen, truth, rewards, actions = played(GLIMPSES, 3)
    assert len(actions) == DECISIONS and seen.shape == (DECISIONS + 1, 4)
    env = gym.make("Pendulum-v1").unwrapped
    env.reset()
    env.state = np.array([math.atan2(truth[0, 1], truth[0, 0]), truth[0, 2]])
    for t, action in enumerate(actions):
        earned = [env.step(action)[1] for _ in range(2)]
        assert rewards[t] == pytest.approx(sum(earned), abs=1e-3)
        np.testing.assert_allclose(
            truth[t + 1, :3], [np.cos(env.state[0]), np.sin(env.state[0]), env.state[1]], atol=1e-3
        )


def test_a_glimpse_tells_the_angle_and_the_lamp_and_the_dark_tells_nothing():
    seen, truth, _, _ = played(GLIMPSES)
    light = seen[:, 0] == 1
    assert light[0] and 0.3 < light.mean() < 0.7
    assert (seen[~light] == 0).all() and np.allclose(seen[light, 1:3], truth[light, :2])
    turn = np.arctan2(truth[:, 4], truth[:, 3]) % (2 * math.pi) * PERIOD / (2 * math.pi)
    assert np.array_equal(seen[light, 3], np.where(turn.round() % PERIOD < 5, 1, -1)[light])


def test_the_share_is_obeyed_and_the_lamp_has_nothing_to_do_with_the_pendulum():
    assert (played(GLIMPSES, share=1.0)[0][:, 0] == 1).all() and played(GLIMPSES, share=0.0)[0][:, 0].sum() == 1
    phases = {round(math.atan2(*played(GLIMPSES, seed, share=0.0)[1][0, [4, 3]]), 2) for seed in range(30)}
    assert len(phases) > 5
    with pytest.raises(ValueError, match="from 0 to 1"):
        gym.make(GLIMPSES, share=1.5)


def test_a_seed_repeats_an_episode():
    assert all(np.array_equal(a, b) for a, b in zip(played(GLIMPSES, 5), played(GLIMPSES, 5), strict=True))
    assert not np.array_equal(played(GLIMPSES, 5)[0], played(GLIMPSES, 6)[0])


def test_pixels_are_black_in_the_dark_and_show_the_rod_where_it_is():
    seen, *_ = played(PIXELS, 1)
    assert seen.shape == (DECISIONS + 1, 1, 32, 32) and seen.dtype == np.uint8
    dark = seen.max((1, 2, 3)) == 0
    assert 0.3 < dark.mean() < 0.7 and not dark[0]
    up, left = picture(0.0, False)[0], picture(math.pi / 2, False)[0]
    assert up[6, 15] > 250 > 100 > up[25, 15] and left[15, 6] > 250 > 100 > left[15, 25]  # counter-clockwise
    assert (picture(1.0, True) != picture(1.0, False)).sum() == 16  # the lamp
