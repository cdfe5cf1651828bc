"""stable-baselines3's agents as this book runs them: worlds that refuse NaN, fixed evaluations, an honest clock.

    agent = SAC("MlpPolicy", world("Pendulum-v1"), seed=0)
    curve = learn(agent, 2_000, Curve("Pendulum-v1", every=200))
    curve.steps, curve.returns, curve.cpu                    # real steps, mean returns, CPU-seconds so far
    evaluate(agent, "Pendulum-v1")                           # ten returns, always of the same ten episodes

Real steps are counted by the library (`num_timesteps`), the random ones at the beginning too; those of an evaluation
are not: they happen in worlds of their own.
"""

from __future__ import annotations

import copy
import math
import sys
import time
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv
from tqdm.auto import tqdm

from helpers.mbrl.environments import checked, make

FIRST_EPISODE = 10_000  # seed of the first episode of an evaluation: far from those that agents are trained with


class Checked(gym.Wrapper):
    """A world that raises `BadObservation` where it would hand on a number that is not finite."""

    def reset(self, **options: Any):
        observation, info = self.env.reset(**options)
        checked(observation)
        return observation, info

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        checked(observation, float(reward))
        return observation, reward, terminated, truncated, info


def world(name: str) -> gym.Env:
    """The environment `name` for an agent that acts with real numbers; see `environments.make` for what is refused."""
    return Checked(make(name, "box"))


class RandomPolicy:
    """The null baseline: any action of the space, whatever is seen. It has a policy's `predict`."""

    def __init__(self, name: str, seed: int = 0) -> None:
        env = make(name)
        self.space = env.action_space
        self.space.seed(seed)
        env.close()

    def predict(self, observation: np.ndarray, *_: Any, **__: Any) -> tuple[np.ndarray, None]:
        return np.stack([self.space.sample() for _ in observation]), None


def evaluate(agent: Any, name: str, episodes: int = 10, seed: int = FIRST_EPISODE) -> np.ndarray:
    """Returns, undiscounted, of `episodes` whole episodes (E,): episode i always begins with seed `seed` + i.

    Args:
        agent: Anything with the library's `predict`; it acts without exploring.
    """
    if episodes < 1:
        raise ValueError(f"{episodes} episodes: a score needs at least one")
    worlds = DummyVecEnv([lambda: world(name)] * episodes)
    worlds.seed(seed)
    try:
        returns, _ = evaluate_policy(
            agent, worlds, episodes, deterministic=True, return_episode_rewards=True, warn=False
        )
    finally:
        worlds.close()
    return np.array(returns)


def play(agent: Any, name: str, episodes: int = 1, seed: int = FIRST_EPISODE) -> list[tuple[np.ndarray, np.ndarray]]:
    """Whole episodes of an agent that does not explore: observations (T + 1, S) and actions (T, A) of each."""
    env, played = world(name), []
    for episode in range(episodes):
        observation, _ = env.reset(seed=seed + episode)
        seen, done, over = [observation], [], False
        while not over:
            action = agent.predict(observation[None], deterministic=True)[0][0]
            observation, _, terminated, truncated, _ = env.step(action)
            seen.append(observation)
            done.append(action)
            over = terminated or truncated
        played.append((np.array(seen, np.float32), np.array(done, np.float32)))
    env.close()
    return played


class Curve(BaseCallback):
    """Evaluates every so many real steps and keeps what it cost to get there, and the best agent.

    Args:
        name, every, episodes, seed: The world; real steps between two evaluations; their episodes, see `evaluate`.
        enough: Training stops at a mean return of so much; by default it goes on.

    Attributes:
        steps: Real steps at each evaluation. `returns`: the mean return there; `spread`: its standard deviation over
            the episodes; `cpu`: CPU-seconds since the start of training, during evaluations the clock stands still;
            `updates`: gradient steps. The first entry is the agent before any step.
        best: The policy's weights at the best evaluation.
    """

    def __init__(
        self,
        name: str,
        every: int,
        episodes: int = 10,
        seed: int = FIRST_EPISODE,
        enough: float = math.inf,
    ) -> None:
        super().__init__()
        self.name, self.every, self.episodes, self.first, self.enough = name, every, episodes, seed, enough
        self.steps: list[int] = []
        self.returns: list[float] = []
        self.spread: list[float] = []
        self.cpu: list[float] = []
        self.updates: list[int] = []
        self.best: dict[str, Any] | None = None
        self.bar: tqdm | None = None

    def _on_training_start(self) -> None:
        self.clock = time.process_time()
        self.look()

    def _on_step(self) -> bool:
        if self.bar is not None:
            self.bar.update()
        if self.num_timesteps % self.every == 0:
            self.look()
        return self.returns[-1] < self.enough

    def look(self) -> None:
        """Evaluate now."""
        begin = time.process_time()
        found = evaluate(self.model, self.name, self.episodes, self.first)
        self.model.policy.set_training_mode(False)
        if found.mean() > max(self.returns, default=-math.inf):
            self.best = copy.deepcopy(self.model.policy.state_dict())
        self.steps.append(self.num_timesteps)
        self.returns.append(float(found.mean()))
        self.spread.append(float(found.std()))
        self.cpu.append(begin - self.clock)
        self.updates.append(getattr(self.model, "_n_updates", 0))
        self.clock += time.process_time() - begin

    def reached(self, threshold: float) -> int | None:
        """Index of the first evaluation at or above the threshold; None if there is none."""
        return next((i for i, value in enumerate(self.returns) if value >= threshold), None)


def learn(agent: BaseAlgorithm, steps: int, curve: Curve, others: Sequence[BaseCallback] = ()) -> Curve:
    """Train for `steps` real steps; the curve. On Ctrl-C, the agent takes the weights of the best evaluation and stops.

    Raises:
        ValueError: A budget of less than one step.
    """
    if steps < 1:
        raise ValueError(f"a budget of {steps} real steps: an agent needs at least one to learn from")
    seen = sys.stderr.isatty() or "ipykernel" in sys.modules
    with tqdm(total=steps, desc=curve.name, unit="step", leave=False, delay=0.5, disable=not seen) as curve.bar:
        try:
            agent.learn(steps, [curve, *others], log_interval=None)
        except KeyboardInterrupt:
            if curve.best is not None:
                agent.policy.load_state_dict(curve.best)
                best = int(np.argmax(curve.returns))
                print(
                    f"Interrupted after {agent.num_timesteps:,} real steps: the agent is the best one so far, of step "
                    f"{curve.steps[best]:,} with a mean return of {curve.returns[best]:.1f}."
                )
    curve.bar = None
    return curve
