"""The batched dynamics are gymnasium's, step for step."""

import gymnasium as gym
import numpy as np
import pytest
import torch

from helpers.mbrl import dynamics
from helpers.mbrl.environments import make

WORLDS = {"Pendulum-v1": dynamics.Pendulum, "CartPole-v1": dynamics.CartPole}
WORLDS |= {"ContinuousCartPole-v0": dynamics.ContinuousCartPole}


@pytest.mark.parametrize("name", WORLDS)
def test_a_batch_moves_as_gymnasium_moves_each(name):
    world, env = WORLDS[name](), make(name)
    env.action_space.seed(0)
    states, actions, after, rewards, overs = [], [], [], [], []
    for seed in range(6):
        env.reset(seed=seed)
        for _ in range(60):
            action = env.action_space.sample()
            action = action if name == "CartPole-v1" else action.astype(float)  # gymnasium counts in its precision
            states.append(np.array(env.unwrapped.state))
            _, reward, over, cut, _ = env.step(action)
            actions.append(np.atleast_1d(action))
            after.append(np.array(env.unwrapped.state))
            rewards.append(reward)
            overs.append(over)
            if over or cut:
                break
    state, action = torch.tensor(np.array(states)), torch.tensor(np.array(actions))
    found, reward, over = world.step(state.double(), action.double())
    assert torch.allclose(found, torch.tensor(np.array(after)).double(), atol=1e-9)
    assert torch.allclose(reward, torch.tensor(rewards, dtype=torch.float64), atol=1e-6)
    assert over.tolist() == overs
    assert any(overs) == (name != "Pendulum-v1")


@pytest.mark.parametrize("name", WORLDS)
def test_a_rollout_is_steps_in_a_row(name):
    world = WORLDS[name]()
    generator = torch.Generator().manual_seed(0)
    actions = world.low + (world.high - world.low) * torch.rand(5, 70, 1, generator=generator)
    start = 0.02 * torch.randn(world.states, generator=generator)
    states = world.rollout(start, actions)
    rewards = world.evaluate(start)(actions)
    assert states.shape == (5, 71, world.states) and rewards.shape == (5, 70)
    state, going = start.expand(5, -1), torch.ones(5)
    for t in range(70):
        assert torch.equal(states[:, t], state)
        state, reward, over = world.step(state, actions[:, t])
        assert torch.allclose(rewards[:, t], reward * going)
        going = going * ~over
    if name != "Pendulum-v1":
        assert going.min() == 0  # the test saw an end


def test_leading_dimensions_hold_a_state_each():
    world, generator = dynamics.Pendulum(), torch.Generator().manual_seed(0)
    starts, actions = torch.randn(3, 2, generator=generator), torch.randn(3, 4, 6, 1, generator=generator)
    together = world.evaluate(starts)(actions)
    assert together.shape == (3, 4, 6)
    for i in range(3):
        assert torch.allclose(together[i], world.evaluate(starts[i])(actions[i]))
        assert torch.allclose(world.rollout(starts, actions)[i], world.rollout(starts[i], actions[i]))


def test_a_terminal_value_counts_once_and_only_for_the_living():
    world = dynamics.CartPole()
    steady = torch.tensor([[0, 1] * 10, [1] * 20], dtype=torch.float32).unsqueeze(-1)  # the second falls
    without = world.evaluate(torch.zeros(4))(steady)
    with_value = world.evaluate(torch.zeros(4), lambda state: torch.full(state.shape[:-1], 100.0))(steady)
    assert (with_value - without).sum(1).tolist() == [100, 0]


def test_observations_and_states_translate():
    env = gym.make("Pendulum-v1")
    observation, _ = env.reset(seed=3)
    state = dynamics.state_of(env)
    assert torch.allclose(dynamics.pendulum_observation(state), torch.tensor(observation), atol=1e-6)
    assert torch.allclose(dynamics.pendulum_state(torch.tensor(observation)), state, atol=1e-6)


def test_rewards_on_observations_are_the_environments():
    env = gym.make("Pendulum-v1")
    env.action_space.seed(1)
    observation, _ = env.reset(seed=1)
    for _ in range(50):
        action = 2 * env.action_space.sample()  # beyond the bounds, which clip it
        found = dynamics.pendulum_reward(torch.tensor(observation), torch.tensor(action))
        observation, reward, *_ = env.step(action)
        assert float(found) == pytest.approx(reward, abs=1e-4)


def test_the_end_on_observations_is_the_environments():
    limits = torch.tensor([[2.41, 0, 0, 0], [0, 9, 0, 9], [0, 0, -0.21, 0], [0, 0, 0.2, 0]])
    assert dynamics.cart_pole_terminated(limits).tolist() == [True, False, True, False]
