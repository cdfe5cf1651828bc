"""A pendulum that is seen only now and then: the small partially observed world of the chapter on world models.

`GlimpsedPendulum-v0` is gymnasium's `Pendulum-v1` with three changes:

* the agent decides ten times a second, not twenty times: each action is held for two steps, whose rewards are added,
  so that returns stay comparable; an episode has 100 decisions;
* a decision sees the world with probability `share`; the first one of an episode always does. What is seen is where
  the pendulum is, but not how fast it moves. Otherwise all is dark: four zeros;
* beside it stands a lamp, on for five decisions and off for five, at a phase drawn anew for each episode. It has
  nothing to do with the pendulum.

`GlimpsedPendulumPixels-v0` shows the same as a picture of 32 × 32, black in the dark.
"""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

GLIMPSES, PIXELS = "GlimpsedPendulum-v0", "GlimpsedPendulumPixels-v0"
PERIOD, DECISIONS, HELD = 10, 100, 2


class Glimpses(gym.Env):
    """Observation (4,): whether it is seen (0 or 1), cosine and sine of the angle (0 upright), the lamp (-1 or 1);
    all zero in the dark. Action (1,): a torque from -2 to 2 N m.

    `info["truth"]` (5,) is for measurements, not for agents: cosine, sine, speed (rad/s), cosine and sine of the lamp's
    phase.

    Args:
        share: Probability that a decision sees the world.

    Raises:
        ValueError: A share that is no probability.
    """

    def __init__(self, share: float = 0.5) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"share = {share}: a probability, from 0 to 1")
        self.share, self.inner = share, gym.make("Pendulum-v1").unwrapped
        self.observation_space = spaces.Box(-1.0, 1.0, (4,), np.float32)
        self.action_space = self.inner.action_space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.inner.reset(seed=int(self.np_random.integers(2**31)))
        self.phase = int(self.np_random.integers(PERIOD))
        return self.look(seen=True), {"truth": self.truth()}

    def step(self, action):
        rewards = [float(self.inner.step(np.asarray(action, np.float32).reshape(1))[1]) for _ in range(HELD)]
        self.phase = (self.phase + 1) % PERIOD
        seen = bool(self.np_random.random() < self.share)
        return self.look(seen), sum(rewards), False, False, {"truth": self.truth()}

    @property
    def lamp(self) -> int:
        return 1 if self.phase < PERIOD // 2 else -1

    def truth(self) -> np.ndarray:
        theta, speed = self.inner.state
        turn = 2 * math.pi * self.phase / PERIOD
        return np.array([math.cos(theta), math.sin(theta), speed, math.cos(turn), math.sin(turn)], np.float32)

    def look(self, seen: bool) -> np.ndarray:
        theta = self.inner.state[0]
        return np.array([1, math.cos(theta), math.sin(theta), self.lamp], np.float32) * seen


class PixelGlimpses(Glimpses):
    """The same as a picture (1, 32, 32) of `uint8`: a rod and, in a corner, the lamp. In the dark it is black."""

    def __init__(self, share: float = 0.5) -> None:
        super().__init__(share)
        self.observation_space = spaces.Box(0, 255, (1, 32, 32), np.uint8)

    def look(self, seen: bool) -> np.ndarray:
        return picture(self.inner.state[0], self.lamp > 0) * np.uint8(seen)


def picture(theta: float, lamp: bool, size: int = 32) -> np.ndarray:
    """A pendulum at `theta` (rad, 0 upright, counter-clockwise) on grey, with a lamp: (1, size, size), `uint8`.

    A pixel's brightness falls off with its distance from the rod, so that small turns change the picture smoothly.
    """
    grid = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = grid[None, :], -grid[:, None]
    tip_x, tip_y = -0.8 * math.sin(theta), 0.8 * math.cos(theta)
    along = np.clip((x * tip_x + y * tip_y) / 0.64, 0, 1)
    distance = np.hypot(x - along * tip_x, y - along * tip_y)
    light = 0.25 + 0.75 * np.clip(1.5 - distance * size / 4, 0, 1)
    if lamp:
        light[:4, :4] = 1.0
    return (255 * light).astype(np.uint8)[None]


for _name, _world in ((GLIMPSES, Glimpses), (PIXELS, PixelGlimpses)):
    if _name not in gym.registry:
        gym.register(_name, _world, max_episode_steps=DECISIONS)
