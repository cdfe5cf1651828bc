"""What an agent remembers of the real world, or of an imagined one: transitions in arrays of a fixed size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from helpers.mbrl.environments import BadObservation

FIELDS = ("observation", "action", "reward", "next_observation", "terminated")


class Transitions:
    """Up to `capacity` transitions (observation, action, reward, next observation, terminated), the oldest go first.

    `terminated` says that the episode ended because of where the world is: nothing comes after, and the value there is
    zero. An episode that is *cut* after so many steps (`truncated` in gymnasium) would have gone on: store False.

    Observations and actions are stored flat, in `float32`; discrete actions as one number.
    """

    def __init__(self, capacity: int, observations: int, actions: int) -> None:
        if capacity < 1:
            raise ValueError(f"a memory of {capacity} transitions keeps nothing: its capacity must be at least 1")
        self.capacity, self.seen = capacity, 0
        self._rows = {
            "observation": np.zeros((capacity, observations), np.float32),
            "action": np.zeros((capacity, actions), np.float32),
            "reward": np.zeros(capacity, np.float32),
            "next_observation": np.zeros((capacity, observations), np.float32),
            "terminated": np.zeros(capacity, bool),
        }

    def __len__(self) -> int:
        return min(self.seen, self.capacity)

    def add(
        self,
        observation: ArrayLike,
        action: ArrayLike,
        reward: float,
        next_observation: ArrayLike,
        terminated: bool,
    ) -> None:
        """Keep one transition.

        Raises:
            BadObservation: Something is NaN or infinite; nothing is kept.
        """
        row = (observation, action, reward, next_observation, terminated)
        self.extend(*(np.asarray(value)[None] for value in row))

    def extend(
        self,
        observations: ArrayLike,
        actions: ArrayLike,
        rewards: ArrayLike,
        next_observations: ArrayLike,
        terminated: ArrayLike,
    ) -> None:
        """Keep a batch (B, ...) of transitions, in their order; raises as `add` does."""
        given = dict(zip(FIELDS, (observations, actions, rewards, next_observations, terminated), strict=True))
        n = len(np.asarray(rewards))
        arrays = {
            name: np.asarray(value, store.dtype).reshape(n, *store.shape[1:])
            for (name, store), value in zip(self._rows.items(), given.values(), strict=True)
        }
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise BadObservation(
                    f"the transition's {name} is not finite. A model that learns from it would answer NaN for ever"
                )
        places = (self.seen + np.arange(n))[-self.capacity :] % self.capacity
        for name, array in arrays.items():
            self._rows[name][places] = array[-self.capacity :]
        self.seen += n

    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """All that is kept, the oldest first: (N, S), (N, A), (N,), (N, S) and, `bool`, (N,)."""
        order = np.arange(self.seen - len(self), self.seen) % self.capacity
        return self._at(order)

    def minibatches(
        self, batch: int, steps: int, generator: np.random.Generator
    ) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]:
        """`steps` batches, each drawn with replacement from all that is kept: as many as you count, not epochs."""
        if not len(self):
            raise ValueError("the memory is empty: act first, then learn")
        for _ in range(steps):
            yield self._at(generator.integers(len(self), size=batch))

    def _at(self, rows: np.ndarray) -> tuple[Tensor, ...]:
        return tuple(torch.from_numpy(self._rows[name][rows]) for name in FIELDS)
