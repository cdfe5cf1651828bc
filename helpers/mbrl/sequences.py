"""What a world model learns from: episodes in their order, and windows of consecutive steps cut from them.

memory = Sequences(capacity=2_000, observation=(3,), actions=1)
memory.begin(observation)                                # at the start of an episode
memory.add(action, reward, next_observation, terminated)
window = memory.windows(16, 25, generator)               # observations (16, 26, 3), actions (16, 25, 1), …
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from helpers.mbrl.environments import BadObservation


class Windows(NamedTuple):
    """B windows of T steps. Where an episode was over before its window, `mask` is 0: the last observation is
    repeated, with actions and rewards of zero."""

    observation: Tensor  # (B, T + 1, *O)
    action: Tensor  # (B, T, A); action t leads from observation t to observation t + 1
    reward: Tensor  # (B, T)
    terminated: Tensor  # (B, T), 0 or 1; an episode that is only cut has a 0 everywhere
    mask: Tensor  # (B, T), 1 where the step was really taken


class Sequences:
    """All episodes, up to `capacity` steps in sum.

    Args:
        capacity: Real steps; as many as will ever be taken.
        observation: Shape of an observation.
        actions: Numbers in an action.
        dtype: Observations are kept as this; `uint8` for pixels.
    """

    def __init__(
        self, capacity: int, observation: tuple[int, ...], actions: int, dtype: type[np.generic] = np.float32
    ) -> None:
        if capacity < 1:
            raise ValueError(f"a memory of {capacity} steps keeps nothing: its capacity must be at least 1")
        self.capacity, self.steps, self.rows = capacity, 0, 0
        room = 2 * capacity + 1  # an episode has one observation more than steps
        self._observation = np.zeros((room, *observation), dtype)
        self._action = np.zeros((room, actions), np.float32)
        self._reward, self._terminated = np.zeros(room, np.float32), np.zeros(room, np.float32)
        self._episode = np.zeros(room, np.int64)
        self._starts = np.zeros(capacity, np.int64)  # rows that a step was taken from
        self._last: list[int] = []  # row of each episode's last observation so far
        self._idle = False  # the newest episode has no step yet

    def __len__(self) -> int:
        return self.steps

    def begin(self, observation: ArrayLike) -> None:
        """The first observation of an episode."""
        _finite("first observation", observation)
        if self._idle:  # nothing was done in the last one: it is forgotten
            self.rows -= 1
            self._last.pop()
        self._last.append(self.rows)
        self._idle = True
        self._keep(observation)

    def add(self, action: ArrayLike, reward: float, observation: ArrayLike, terminated: bool) -> None:
        """One step: what was done, what it brought, and what was seen then.

        Raises:
            RuntimeError: No episode has begun, or the memory is full.
            BadObservation: Something is NaN or infinite; nothing is kept.
        """
        if not self._last:
            raise RuntimeError("no episode has begun: call `begin` with its first observation")
        if self.steps == self.capacity:
            raise RuntimeError(f"the memory is full ({self.capacity} steps): make it as large as the budget of steps")
        for name, value in (("action", action), ("reward", reward), ("observation", observation)):
            _finite(name, value)
        row = self.rows - 1
        self._action[row], self._reward[row], self._terminated[row] = action, reward, terminated
        self._starts[self.steps] = row
        self.steps += 1
        self._last[-1], self._idle = self.rows, False
        self._keep(observation)

    def _keep(self, observation: ArrayLike) -> None:
        self._observation[self.rows], self._episode[self.rows] = observation, len(self._last) - 1
        self.rows += 1

    def windows(self, batch: int, length: int, generator: np.random.Generator) -> Windows:
        """`batch` windows of `length` steps that begin at steps drawn with replacement; none leaves its episode."""
        if not self.steps:
            raise ValueError("the memory is empty: act first, then learn")
        return self.at(self._starts[generator.integers(self.steps, size=batch)], length)

    def episodes(self, length: int) -> Windows:
        """Every episode from its beginning, `length` steps of it."""
        firsts = [0, *(last + 1 for last in self._last[:-1])]
        return self.at(np.array(firsts), length)

    def at(self, rows: np.ndarray, length: int) -> Windows:
        """The windows that begin at these rows."""
        last = np.array(self._last)[self._episode[rows]][:, None]
        places = rows[:, None] + np.arange(length + 1)  # (B, T + 1)
        mask = (places[:, :-1] < last).astype(np.float32)
        places = np.minimum(places, last)
        before = places[:, :-1]
        parts = (self._action[before] * mask[..., None], self._reward[before] * mask, self._terminated[before] * mask)
        return Windows(*map(torch.from_numpy, (self._observation[places], *parts, mask)))


def _finite(name: str, value: ArrayLike) -> None:
    if not np.isfinite(value).all():
        raise BadObservation(f"the {name} is not finite. A model that learns from it would answer NaN for ever")
