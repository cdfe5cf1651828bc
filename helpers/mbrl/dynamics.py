"""The true dynamics of three worlds, batched in torch: what a planner imagines with when it need not learn a model.

`Pendulum`, `CartPole` and `ContinuousCartPole` compute what gymnasium's environments compute, for any number of states
at once: `step` is one step of a batch, `rollout` a batch of imagined futures, `evaluate` what a planner asks for. The
functions on *observations* (`pendulum_reward`, `cart_pole_terminated` ...) serve learnt models as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from helpers.mbrl.environments import ContinuousCartPole as Physics

Value = Callable[[Tensor], Tensor]


def wrapped(angle: Tensor) -> Tensor:
    """Angles in [-π, π)."""
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi


def pendulum_observation(state: Tensor) -> Tensor:
    """States (..., 2), angle and speed, as observations (..., 3): cosine, sine, speed."""
    theta, speed = state.unbind(-1)
    return torch.stack([theta.cos(), theta.sin(), speed], -1)


def pendulum_state(observation: Tensor) -> Tensor:
    """Observations (..., 3) as states (..., 2)."""
    cosine, sine, speed = observation.unbind(-1)
    return torch.stack([torch.atan2(sine, cosine), speed], -1)


def pendulum_reward(observation: Tensor, action: Tensor) -> Tensor:
    """The reward (...) of acting with `action` (..., 1) where `observation` (..., 3) was seen, *before* the step."""
    theta, speed = pendulum_state(observation).unbind(-1)
    return -(theta**2 + 0.1 * speed**2 + 0.001 * action[..., 0].clamp(-2, 2) ** 2)


def cart_pole_terminated(observation: Tensor) -> Tensor:
    """Whether (...) the cart is off the track or the pole too steep in observations (..., 4), *after* the step."""
    return (observation[..., 0].abs() > Physics.FURTHEST) | (observation[..., 2].abs() > Physics.STEEPEST)


class World:
    """Dynamics on states (..., S), for actions (..., A). A subclass says `force`, `advance`, `rewards`, `over`.

    These four work on *parts*, one tensor for each coordinate of the state: a rollout then copies nothing.
    """

    name: ClassVar[str]
    states: ClassVar[int]  # S
    actions: ClassVar[int] = 1  # A
    low: ClassVar[float]
    high: ClassVar[float]

    def force(self, action: Tensor) -> Tensor:
        """What actions (..., 1) do to the body (...)."""
        raise NotImplementedError

    def advance(self, parts: tuple[Tensor, ...], force: Tensor) -> tuple[Tensor, ...]:
        """One step of the equations of motion."""
        raise NotImplementedError

    def rewards(self, before: tuple[Tensor, ...], force: Tensor) -> Tensor:
        raise NotImplementedError

    def over(self, after: tuple[Tensor, ...]) -> Tensor | None:
        """Where an episode has ended for good; None where it never does."""
        return None

    def step(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """States (B, S) and actions (B, A) to next states (B, S), rewards (B,), terminated (B,)."""
        before, force = state.unbind(-1), self.force(action)
        after = self.advance(before, force)
        over = self.over(after)
        reward = self.rewards(before, force)
        return torch.stack(after, -1), reward, torch.zeros_like(reward, dtype=torch.bool) if over is None else over

    def _futures(self, state: Tensor, actions: Tensor) -> tuple[list[Tensor], Tensor]:
        """Each part of the state over time (H + 1, ..., N), and the force (H, ..., N)."""
        force = self.force(actions).movedim(-1, 0)  # time first
        start = state.to(actions.dtype).unsqueeze(-2).expand(*actions.shape[:-2], -1)  # (..., N, S)
        path = [start.unbind(-1)]
        for push in force.unbind():
            path.append(self.advance(path[-1], push))
        return [torch.stack(part) for part in zip(*path, strict=True)], force

    def rollout(self, state: Tensor, actions: Tensor) -> Tensor:
        """From one state (S,) along N sequences of actions (N, H, A): states (N, H + 1, S), the first one included.

        With leading dimensions, a state each: (E, S) and (E, N, H, A) give (E, N, H + 1, S).
        """
        parts, _ = self._futures(state, actions)
        return torch.stack(parts, -1).movedim(0, -2)

    def evaluate(self, state: Tensor, value: Value | None = None) -> Callable[[Tensor], Tensor]:
        """What a planner asks for: a function from actions (..., N, H, A) to rewards (..., N, H).

        Nothing is earned after the end of an episode.

        Args:
            state: Where the futures start, (S,) or (E, S).
            value: What the last state (..., N, S) is worth beyond the horizon, (..., N); added to the last reward.
        """
        state = torch.as_tensor(state, dtype=torch.float32)

        def rewards(actions: Tensor) -> Tensor:
            parts, force = self._futures(state, actions)
            before, after = tuple(p[:-1] for p in parts), tuple(p[1:] for p in parts)
            earned = self.rewards(before, force)  # (H, ..., N)
            over = self.over(after)
            if over is not None:
                going = over.logical_not().to(earned.dtype).cumprod(0)
                earned[1:] *= going[:-1]
            if value is not None:
                left = value(torch.stack([p[-1] for p in parts], -1))
                earned[-1] += left if over is None else left * going[-1]
            return earned.movedim(0, -1)

        return rewards


class Pendulum(World):
    """gymnasium's `Pendulum-v1`: state (angle, 0 upright; speed), action: a torque from -2 to 2 N m."""

    name, states, low, high = "Pendulum-v1", 2, -2.0, 2.0
    G, LENGTH, MASS, STEP, FASTEST = 10.0, 1.0, 1.0, 0.05, 8.0

    def force(self, action: Tensor) -> Tensor:
        return action[..., 0].clamp(self.low, self.high)

    def advance(self, parts: tuple[Tensor, ...], force: Tensor) -> tuple[Tensor, ...]:
        theta, speed = parts
        fall = 1.5 * self.G / self.LENGTH * self.STEP
        speed = torch.add(speed, theta.sin(), alpha=fall).add(force, alpha=3 * self.STEP / (self.MASS * self.LENGTH**2))
        speed = speed.clamp(-self.FASTEST, self.FASTEST)
        return torch.add(theta, speed, alpha=self.STEP), speed

    def rewards(self, before: tuple[Tensor, ...], force: Tensor) -> Tensor:
        theta, speed = before
        return -(wrapped(theta) ** 2 + 0.1 * speed**2 + 0.001 * force**2)


class ContinuousCartPole(World):
    """`ContinuousCartPole-v0`: state (position, velocity, angle, angular velocity), force in units of 10 N."""

    name, states, low, high = "ContinuousCartPole-v0", 4, -1.0, 1.0

    def force(self, action: Tensor) -> Tensor:
        return Physics.FORCE * action[..., 0].clamp(self.low, self.high)

    def advance(self, parts: tuple[Tensor, ...], force: Tensor) -> tuple[Tensor, ...]:
        x, x_dot, theta, theta_dot = parts
        total, moment = Physics.CART + Physics.POLE, Physics.POLE * Physics.HALF_LENGTH
        sine, cosine = theta.sin(), theta.cos()
        pushed = (force + moment * theta_dot**2 * sine) / total
        inertia = Physics.HALF_LENGTH * (4 / 3 - Physics.POLE * cosine**2 / total)
        theta_acc = (Physics.GRAVITY * sine - cosine * pushed) / inertia
        x_acc = pushed - moment * theta_acc * cosine / total
        step = Physics.STEP
        return x + step * x_dot, x_dot + step * x_acc, theta + step * theta_dot, theta_dot + step * theta_acc

    def rewards(self, before: tuple[Tensor, ...], force: Tensor) -> Tensor:
        return torch.ones_like(before[0])

    def over(self, after: tuple[Tensor, ...]) -> Tensor:
        return (after[0].abs() > Physics.FURTHEST) | (after[2].abs() > Physics.STEEPEST)


class CartPole(ContinuousCartPole):
    """gymnasium's `CartPole-v1`: actions (..., 1) are 0, pushed to the left with 10 N, or 1, to the right."""

    name, low, high = "CartPole-v1", 0, 1

    def force(self, action: Tensor) -> Tensor:
        return torch.where(action[..., 0] > 0.5, Physics.FORCE, -Physics.FORCE)


def state_of(env: Any) -> Tensor:
    """The true state (S,) of one of these environments, `float32`: what an agent that learns its model never sees."""
    return torch.as_tensor(env.unwrapped.state, dtype=torch.float32)
