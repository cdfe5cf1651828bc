"""Worlds that fit into a table, Markov decision processes with finitely many states and actions: what is checked
before one plans in them, and what a run of a learning agent leaves behind."""

from __future__ import annotations

import math
import sys
import time

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from tqdm import tqdm

from helpers.mbrl import mazes  # noqa: F401  (its worlds are registered, so that `make` knows them)
from helpers.mbrl.environments import WrongWorld


def sizes(env: gym.Env) -> tuple[int, int]:
    """How many states and actions a tabular environment has.

    Raises:
        WrongWorld: Its states or actions cannot be counted.
    """
    for space, what in ((env.observation_space, "states"), (env.action_space, "actions")):
        if not isinstance(space, spaces.Discrete):
            raise WrongWorld(f"a table needs {what} that can be counted (Discrete); {_name(env)} has {space}")
    return int(env.observation_space.n), int(env.action_space.n)


def table(env: gym.Env) -> dict:
    """The table `P[s][a] = [(probability, next state, reward, terminated), …]` that the environment was made from.

    Raises:
        WrongWorld: It has none. Then a model has to be learned.
    """
    sizes(env)
    found = getattr(env.unwrapped, "P", None)
    if found is None:
        raise WrongWorld(f"{_name(env)} does not show its table P[s][a]; learn a model of it from its steps instead")
    return found


def checked_mdp(P: np.ndarray, R: np.ndarray, gamma: float) -> None:
    """Check transitions P (S, A, S), rewards R (S, A) and the discount.

    Raises:
        ValueError: Shapes that do not fit, a row of probabilities that does not sum to one, a negative or non-finite
            number, a discount outside [0, 1).
    """
    states, actions = R.shape if R.ndim == 2 else (0, 0)
    if P.shape != (states, actions, states):
        raise ValueError(f"P {P.shape} and R {R.shape} do not fit: they should be (S, A, S) and (S, A)")
    if not np.isfinite(R).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(R))[0])
        raise ValueError(f"the reward R[{where[0]}, {where[1]}] is {R[where]}: mend it before you plan with it")
    total = P.sum(2)
    wrong = ~np.isclose(total, 1) | (P < 0).any(2)
    if wrong.any():
        s, a = (int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"P[{s}, {a}] is no distribution: it sums to {total[s, a]:.6g} and its least entry is {P[s, a].min():.6g}. "
            "Each action in each state leads somewhere with probability 1; give an end a state that leads to itself"
        )
    if not 0 <= gamma < 1:
        raise ValueError(f"the discount γ = {gamma} must be at least 0 and below 1, or values need not be finite")


def starts(env: gym.Env) -> np.ndarray:
    """The probability of each state (S,) to be an episode's first."""
    return np.asarray(env.unwrapped.initial_state_distrib, float)


class Run:
    """What a run of a learning agent leaves behind.

    Attributes:
        steps, scores: When the agent was scored (in real steps), and what came out.
        rewards: The reward of each real step.
        reached: The real step from which on the score held the target for `hold` checks in a row; None if it never did.
        best: A copy of the action values at the best score so far.
        cpu: CPU-seconds of acting and learning, without those of scoring.
        interrupted: Whether somebody stopped it.
    """

    def __init__(self, budget: int, target: float = math.inf, hold: int = 1) -> None:
        if budget < 1:
            raise ValueError(f"a budget of {budget} real steps teaches nothing: give at least one")
        self.budget, self.target, self.hold = budget, target, hold
        self.steps: list[int] = []
        self.scores: list[float] = []
        self.rewards: list[float] = []
        self.reached: int | None = None
        self.best: np.ndarray | None = None
        self.cpu, self.interrupted = 0.0, False

    def clock(self):
        """The numbers of the real steps, 1 to `budget`, with a progress bar where a run lasts; keeps `cpu`."""
        seen = sys.stderr.isatty() or "ipykernel" in sys.modules
        self._since = time.process_time()
        try:
            yield from tqdm(range(1, self.budget + 1), leave=False, delay=30, unit="steps", disable=not seen)
        finally:
            self.cpu += time.process_time() - self._since

    def note(self, step: int, score, q: np.ndarray) -> bool:
        """Score the action values; returns whether the target was held long enough."""
        self.cpu += time.process_time() - self._since
        self.steps.append(step)
        self.scores.append(float(score(q)))
        if self.scores[-1] >= max(self.scores):
            self.best = q.copy()
        if len(self.scores) >= self.hold and min(self.scores[-self.hold :]) >= self.target:
            self.reached = self.steps[-self.hold]
        self._since = time.process_time()
        return self.reached is not None


def _name(env: gym.Env) -> str:
    return env.spec.id if env.spec else type(env.unwrapped).__name__
