"""Worlds of the labs on planning, computed for many states at once in NumPy: small enough to be read in a minute.

Each has `step(states, actions)`: states (N, S) and actions (N, A) to next states (N, S), rewards (N,) and terminated
(N,). Nothing is kept between the steps but `calls`, the number of them, and `simulated`, the number of states stepped.
"""

from collections.abc import Sequence

import numpy as np


class World:
    """Counts what it is asked. A subclass writes `advance`."""

    states: int  # S
    actions: int  # A
    low = np.array([-1.0])
    high = np.array([1.0])

    def __init__(self) -> None:
        self.calls = self.simulated = 0

    def step(self, states: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One step of all N states at once.

        Raises ValueError: the shapes do not belong together.
        """
        states, actions = np.asarray(states, float), np.asarray(actions, float)
        n = len(states) if states.ndim == 2 else "N"
        if states.shape != (n, self.states) or actions.shape != (n, self.actions):
            raise ValueError(
                f"a step takes states (N, {self.states}) and actions (N, {self.actions}), "
                f"not {states.shape} and {actions.shape}"
            )
        self.calls += 1
        self.simulated += n
        return self.advance(states, np.clip(actions, self.low, self.high))

    def advance(self, states: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        raise NotImplementedError

    def count(self) -> int:
        """How often `step` was called."""
        return self.calls


class Pendulum(World):
    """gymnasium's `Pendulum-v1`: state (angle, 0 upright; speed), action a torque from -2 to 2 N m, no end."""

    states, actions, low, high = 2, 1, np.array([-2.0]), np.array([2.0])

    def __init__(self, mass: float = 1.0, length: float = 1.0, gravity: float = 10.0) -> None:
        super().__init__()
        self.mass, self.length, self.gravity = mass, length, gravity

    def advance(self, states, actions):
        (theta, speed), torque = states.T, actions[:, 0]
        wrapped = (theta + np.pi) % (2 * np.pi) - np.pi
        reward = -(wrapped**2 + 0.1 * speed**2 + 0.001 * torque**2)
        push = 1.5 * self.gravity / self.length * np.sin(theta) + 3 * torque / (self.mass * self.length**2)
        speed = np.clip(speed + 0.05 * push, -8, 8)
        return np.stack([theta + 0.05 * speed, speed], axis=1), reward, np.zeros(len(states), bool)


class Table(World):
    """A cart on a table: state (position, speed), action a push from -1 to 1; over the edge the episode ends.

    The reward, 1 - |position - goal| after the step, is the larger the nearer the cart is to the goal.
    """

    states, actions = 2, 1

    def __init__(self, goal: float = 0.8, edge: float = 1.0) -> None:
        super().__init__()
        self.goal, self.edge = goal, edge

    def advance(self, states, actions):
        position, speed = states.T
        speed = speed + 0.1 * actions[:, 0]
        position = position + 0.1 * speed
        return np.stack([position, speed], axis=1), 1 - np.abs(position - self.goal), np.abs(position) > self.edge


class SideBySide:
    """Several planners, one for each of the episodes that are played at once, asked together."""

    def __init__(self, planners: Sequence) -> None:
        self.planners = list(planners)

    def propose(self) -> list[np.ndarray]:
        """What each planner wants to know about: E arrays (N, H, A)."""
        return [planner.propose() for planner in self.planners]

    def learn(self, actions: Sequence[np.ndarray], returns: Sequence[np.ndarray]) -> None:
        """Tell each planner the returns (N,) of its candidates."""
        for planner, asked, found in zip(self.planners, actions, returns, strict=True):
            planner.learn(asked, found)

    def act(self) -> list[np.ndarray]:
        """What each planner does, E arrays (A,)."""
        return [planner.act() for planner in self.planners]


def play(team, world: World, states: np.ndarray, steps: int, rounds: int = 3) -> np.ndarray:
    """The returns (E,) of E episodes under planners that are shown nothing but what their own candidates are worth.

    Before each step, `rounds` times: `team.propose()` gives E arrays of actions (N, H, A), and `team.learn(actions,
    returns)` is told E arrays of returns (N,), without a discount. Then `team.act()` gives the actions to take.
    """
    states, total, going = np.array(states, float), np.zeros(len(states)), np.ones(len(states))
    for _ in range(steps):
        for _ in range(rounds):
            actions = [np.asarray(each, float) for each in team.propose()]
            numbers = [len(each) for each in actions]
            worth = imagined(world, np.repeat(states, numbers, axis=0), np.concatenate(actions))
            team.learn(actions, np.split(worth, np.cumsum(numbers)[:-1]))
        states, reward, over = world.step(states, np.array([np.asarray(each, float) for each in team.act()]))
        total += going * reward
        going = going * ~over
        if not going.any():
            break
    return total


def imagined(world: World, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Returns (N,) of sequences of actions (N, H, A) from states (N, S); after the end of an episode comes nothing."""
    total, going = np.zeros(len(actions)), np.ones(len(actions))
    for now in np.moveaxis(actions, 1, 0):
        states, reward, over = world.step(states, now)
        total += going * reward
        going = going * ~over
    return total
