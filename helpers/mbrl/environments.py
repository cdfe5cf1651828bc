"""The worlds of the part on model-based RL: made by name, checked, and refused with a reason.

`make` is `gymnasium.make` for an agent that is about to be trained: it fails early and says what to do. It also knows
`ContinuousCartPole-v0`, on which PETS is usually measured.
"""

from __future__ import annotations

import difflib
import math
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from gymnasium import spaces

CONTINUOUS_CART_POLE = "ContinuousCartPole-v0"


class WrongWorld(ValueError):
    """The environment is not one that this agent can act in."""


class BadObservation(RuntimeError):
    """The environment returned an observation or a reward that is not finite."""


class ContinuousCartPole(gym.Env):
    """gymnasium's cart-pole, pushed by any force from -10 to 10 N instead of one of the two extremes.

    Dynamics, limits and reward are those of mbrl-lib's `cartpole_continuous` (Pineda et al. 2021), which are
    gymnasium's: Euler's method with steps of 0.02 s, 1 for each step, over when the cart is 2.4 m or the pole
    12 degrees off. An episode is cut at 200 steps.

    Observation (4,): position (m), velocity (m/s), angle (rad, 0 upright), angular velocity (rad/s), `float32`.
    Action (1,): force in units of 10 N, from -1 to 1; what is beyond is clipped.
    """

    GRAVITY, CART, POLE, HALF_LENGTH, FORCE, STEP = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
    FURTHEST, STEEPEST = 2.4, 12 * math.pi / 180

    def __init__(self) -> None:
        high = np.array([2 * self.FURTHEST, np.inf, 2 * self.STEEPEST, np.inf], np.float32)
        self.observation_space = spaces.Box(-high, high, dtype=np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.state = np.zeros(4)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.state = self.np_random.uniform(-0.05, 0.05, 4)
        return self.state.astype(np.float32), {}

    def step(self, action):
        _x, x_dot, theta, theta_dot = self.state
        force = self.FORCE * float(np.clip(np.asarray(action).reshape(()), -1, 1))
        total, moment = self.CART + self.POLE, self.POLE * self.HALF_LENGTH
        pushed = (force + moment * theta_dot**2 * math.sin(theta)) / total
        inertia = self.HALF_LENGTH * (4 / 3 - self.POLE * math.cos(theta) ** 2 / total)
        theta_acc = (self.GRAVITY * math.sin(theta) - math.cos(theta) * pushed) / inertia
        x_acc = pushed - moment * theta_acc * math.cos(theta) / total
        self.state = self.state + self.STEP * np.array([x_dot, x_acc, theta_dot, theta_acc])
        over = abs(self.state[0]) > self.FURTHEST or abs(self.state[2]) > self.STEEPEST
        return self.state.astype(np.float32), 1.0, bool(over), False, {}


if CONTINUOUS_CART_POLE not in gym.registry:
    gym.register(CONTINUOUS_CART_POLE, ContinuousCartPole, max_episode_steps=200)


def make(name: str, actions: Literal["box", "discrete"] | None = None, **options: Any) -> gym.Env:
    """The environment called `name`, whose actions are of the wanted kind.

    Args:
        name: An id of gymnasium's registry.
        actions: `"box"` for real numbers within finite bounds, `"discrete"` for one of n, None for either.

    Raises:
        WrongWorld: The id is not registered, its package is missing, or the agent cannot handle its actions.
    """
    try:
        env = gym.make(name, **options)
    except gym.error.DependencyNotInstalled as error:
        raise WrongWorld(f"{name} needs a package that is not installed: {error}") from error
    except gym.error.Error as error:
        near = difflib.get_close_matches(name, gym.registry, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(near)}?" if near else " `gymnasium.pprint_registry()` lists what there is."
        raise WrongWorld(f"gymnasium knows no environment {name!r}.{hint}") from error
    space = env.action_space
    if actions == "box" and not (isinstance(space, spaces.Box) and space.is_bounded() and len(space.shape) == 1):
        env.close()
        raise WrongWorld(f"{name} takes {space}; this agent needs a Box of real numbers with finite bounds")
    if actions == "discrete" and not isinstance(space, spaces.Discrete):
        env.close()
        raise WrongWorld(f"{name} takes {space}; this agent needs a Discrete choice of actions")
    return env


def checked(observation: Any, reward: float = 0.0) -> np.ndarray:
    """The observation as `float32`, if it and the reward are finite.

    Raises:
        BadObservation: Something is NaN or infinite; says where.
    """
    values = np.asarray(observation, np.float32)
    if not np.isfinite(values).all():
        where = np.flatnonzero(~np.isfinite(values.ravel())).tolist()
        raise BadObservation(
            f"the observation is not finite at {where}: {values}. Learning from it would spoil the model."
        )
    if not math.isfinite(reward):
        raise BadObservation(f"the reward is {reward}. Learning from it would spoil the model.")
    return values
