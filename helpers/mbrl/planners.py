"""Planners by sampling: random shooting, the cross-entropy method, iCEM and MPPI.

A planner knows no model. It asks `evaluate(actions)` what sequences of actions are worth, however that is computed:

    planner = ICEM(low=-2, high=2, horizon=20, population=32)
    planner.reset()                                # at the start of an episode
    action = planner.act(evaluate)                 # (A,), plans and takes the first action; the plan shifts by one

`evaluate` takes actions (N, H, A) and gives returns (N,), or rewards (N, H), which are summed. With `parallel=E` all
shapes get E in front: E episodes planned at once, each with its own plan.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Evaluate = Callable[[Tensor], Tensor]


class Diverged(RuntimeError):
    """The model imagined something that is not finite."""


@dataclass(kw_only=True, eq=False)
class Planner:
    """What all planners share: bounds, the plan and its shift, seeds, checks.

    Args:
        low, high: Bounds of the action; numbers or sequences of A numbers.
        horizon: H, how many steps it looks ahead.
        population: N, sequences that are imagined at a time.
        warm: Whether the next step starts from this step's plan, shifted by one, or from scratch.
        seed: Of its own random numbers.
        parallel: Episodes planned at once, or None for one without a leading dimension.
    """

    low: float | Sequence[float]
    high: float | Sequence[float]
    horizon: int
    population: int
    warm: bool = True
    seed: int = 0
    parallel: int | None = None

    def __post_init__(self) -> None:
        low = torch.atleast_1d(torch.as_tensor(self.low, dtype=torch.float32))
        high = torch.atleast_1d(torch.as_tensor(self.high, dtype=torch.float32))
        if low.shape != high.shape or low.dim() != 1:
            raise ValueError(f"low and high need one number per action each, not {self.low} and {self.high}")
        if not (torch.isfinite(low).all() and torch.isfinite(high).all()):
            raise ValueError(f"a planner samples within bounds, and these are infinite: {self.low} to {self.high}")
        if not (low < high).all():
            raise ValueError(f"the lower bound must be below the upper one: {self.low}, {self.high}")
        for name in ("horizon", "population"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}: a planner needs at least 1")
        self.low, self.high = low, high
        self.middle, self.half = (low + high) / 2, (high - low) / 2
        self.reset()

    def reset(self, seed: int | None = None) -> None:
        """Forget the plan and, since an episode begins, start the random numbers anew."""
        self.generator = torch.Generator().manual_seed(self.seed if seed is None else seed)
        self.steps = 0  # actions taken in this episode
        self.forget()

    def forget(self) -> None:
        """The plan of somebody who knows nothing: the middle of the bounds."""
        front = () if self.parallel is None else (self.parallel,)
        self.mean = self.middle.repeat(*front, self.horizon, 1)  # (..., H, A)

    def plan(self, evaluate: Evaluate) -> Tensor:
        """Improve `mean`, and return the sequence (..., H, A) whose first action is to be taken."""
        raise NotImplementedError

    @torch.no_grad()
    def act(self, evaluate: Evaluate) -> np.ndarray:
        """The next action (..., A): plan, take the first action, shift the plan."""
        if not self.warm:
            self.forget()
        action = self.plan(evaluate)[..., 0, :].numpy().copy()
        self.shift()
        self.steps += 1
        return action

    def shift(self) -> None:
        """What was planned for the next step is now for this one; the last action is planned twice."""
        self.mean = torch.cat([self.mean[..., 1:, :], self.mean[..., -1:, :]], -2)

    def noise(self, population: int) -> Tensor:
        """White noise (..., N, H, A)."""
        shape = (*self.mean.shape[:-2], population, *self.mean.shape[-2:])
        return torch.randn(shape, generator=self.generator)

    def clipped(self, actions: Tensor) -> Tensor:
        return actions.clamp(self.low, self.high)

    def returns(self, evaluate: Evaluate, actions: Tensor) -> Tensor:
        """Returns (..., N) of actions (..., N, H, A); `candidates` and `imagined` keep both to be looked at.

        Raises:
            Diverged: Some are not finite.
        """
        found = evaluate(actions)
        per_step = found.shape == actions.shape[:-1]
        if not per_step and found.shape != actions.shape[:-2]:
            n = tuple(actions.shape[:-1])
            raise ValueError(f"evaluate must give returns {n[:-1]} or rewards {n}, not {tuple(found.shape)}")
        total = found.sum(-1) if per_step else found
        if not math.isfinite(total.sum()):  # one number to look at instead of N
            self._diverged(found, total, per_step)
        self.candidates, self.imagined = actions, total
        return total

    def _diverged(self, found: Tensor, total: Tensor, per_step: bool) -> None:
        bad = ~torch.isfinite(total)
        where = ""
        if per_step and not torch.isfinite(found).all():
            first = int((~torch.isfinite(found)).flatten(0, -2).any(0).nonzero()[0]) + 1
            where = f" at step {first} of {self.horizon}"
        raise Diverged(
            f"the model diverged{where}: {int(bad.sum())} of {bad.numel()} imagined returns are not finite (action "
            f"{self.steps + 1} of this episode). Check the model's inputs and its training, or shorten the horizon."
        )


@dataclass(kw_only=True, eq=False)
class RandomShooting(Planner):
    """Draw sequences, keep the best. A warm start puts the shifted plan among the candidates."""

    population: int = 1000

    def plan(self, evaluate: Evaluate) -> Tensor:
        shape = (*self.mean.shape[:-2], self.population, *self.mean.shape[-2:])
        actions = self.low + (self.high - self.low) * torch.rand(shape, generator=self.generator)
        if self.warm and self.steps:
            actions[..., 0, :, :] = self.mean
        best = self.returns(evaluate, actions).argmax(-1)
        self.mean = chosen(actions, best[..., None])[..., 0, :, :]
        return self.mean


@dataclass(kw_only=True, eq=False)
class MPPI(Planner):
    """Model-predictive path integral control: the mean of all candidates, weighted by exp(return / temperature).

    Args:
        spread: Standard deviation of the noise, in units of the action.
        temperature: λ. Towards 0 the best candidate takes all, towards infinity all count alike.
        iterations: How often the plan is improved before each step.
        beta: Colour of the noise, 0 is white.
    """

    population: int = 1000
    spread: float = 1.0
    temperature: float = 1.0
    iterations: int = 1
    beta: float = 0.0

    def __post_init__(self) -> None:
        for name in ("spread", "temperature"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} = {getattr(self, name)}: it must be positive")
        _at_least_once(self.iterations)
        super().__post_init__()
        self.colour = coloured(self.horizon, self.beta) if self.beta else None

    def plan(self, evaluate: Evaluate) -> Tensor:
        for _ in range(self.iterations):
            white = self.noise(self.population)
            noise = white if self.colour is None else tinted(white, self.colour)
            actions = self.clipped(self.mean.unsqueeze(-3) + self.spread * noise)
            returns = self.returns(evaluate, actions)
            self.weights = torch.softmax(returns / self.temperature, -1)  # (..., N), sums to 1
            self.mean = (self.weights[..., None, None] * actions).sum(-3)
        return self.mean


@dataclass(kw_only=True, eq=False)
class CEM(Planner):
    """The cross-entropy method: draw from a Gaussian, refit it to the elites, repeat.

    Args:
        elites: K, how many candidates the Gaussian is refitted to.
        iterations: Refits before each step.
        spread: First standard deviation, as a share of half the range of actions.
        momentum: Share of the old Gaussian that a refit keeps.
    """

    population: int = 100
    elites: int = 10
    iterations: int = 4
    spread: float = 0.5
    momentum: float = 0.1

    def __post_init__(self) -> None:
        if not 1 < self.elites <= self.population:
            raise ValueError(
                f"{self.elites} elites of a population of {self.population}: a spread needs at least two elites, "
                "and there must be as many candidates"
            )
        _at_least_once(self.iterations)
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum = {self.momentum}: a share of the old Gaussian, from 0 to below 1")
        super().__post_init__()

    def plan(self, evaluate: Evaluate) -> Tensor:
        std = (self.spread * self.half).expand_as(self.mean)
        self.progress: list[Tensor] = []  # mean return of the elites, one (...) for each iteration
        for _ in range(self.iterations):
            actions = self.clipped(self.mean.unsqueeze(-3) + std.unsqueeze(-3) * self.noise(self.population))
            best, order = self.returns(evaluate, actions).topk(self.elites, -1)
            std, self.mean = self.refit(chosen(actions, order), std)
            self.progress.append(best.mean(-1))
        return self.mean

    def refit(self, elites: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
        """Deviation and mean of the elites (..., K, H, A), moved a little towards the old ones."""
        new_std, new_mean = torch.std_mean(elites, -3)
        return new_std.lerp(std, self.momentum), new_mean.lerp(self.mean, self.momentum)


@dataclass(kw_only=True, eq=False)
class ICEM(CEM):
    """iCEM, a CEM for real time (Pinneri et al. 2020): coloured noise, elites kept and shifted, the best one executed.

    Args:
        population: Candidates of the first iteration; each later one has `shrink` times fewer.
        beta: Colour of the noise: 0 white, 2 Brownian; the larger, the slower actions change.
        keep: Share of the elites that stay candidates, in the next iteration and, shifted, in the next step.
        shrink: γ, never below twice the elites.
    """

    population: int = 40
    elites: int = 8
    iterations: int = 3
    beta: float = 2.0
    keep: float = 0.3
    shrink: float = 1.25

    def __post_init__(self) -> None:
        if not 0 <= self.keep <= 1:
            raise ValueError(f"keep = {self.keep}: a share of the elites, from 0 to 1")
        if self.shrink < 1:
            raise ValueError(f"shrink = {self.shrink}: a population that grows; it must be at least 1")
        super().__post_init__()
        self.colour = coloured(self.horizon, self.beta)
        self.kept = round(self.keep * self.elites)

    def forget(self) -> None:
        super().forget()
        self.elite: Tensor | None = None  # (..., K, H, A), best first

    def noise(self, population: int) -> Tensor:
        return tinted(super().noise(population), self.colour)

    def plan(self, evaluate: Evaluate) -> Tensor:
        std = (self.spread * self.half).expand_as(self.mean)
        self.progress, best = [], None
        for i in range(self.iterations):
            n = max(int(self.population * self.shrink**-i), min(2 * self.elites, self.population))
            actions = self.clipped(self.mean.unsqueeze(-3) + std.unsqueeze(-3) * self.noise(n))
            extra = [self.mean.unsqueeze(-3)] if i == self.iterations - 1 else []  # is the mean itself any good?
            if self.elite is not None and self.kept:
                extra.append(self.elite[..., : self.kept, :, :])
            returns = self.returns(evaluate, torch.cat([actions, *extra], -3))
            best, order = returns.topk(self.elites, -1)
            self.elite = chosen(self.candidates, order)
            std, self.mean = self.refit(self.elite, std)
            self.progress.append(best.mean(-1))
        return self.elite[..., 0, :, :]

    def shift(self) -> None:
        super().shift()
        self.elite = torch.cat([self.elite[..., 1:, :], self.elite[..., -1:, :]], -2)


def chosen(actions: Tensor, order: Tensor) -> Tensor:
    """Of actions (..., N, H, A) those with indices (..., K)."""
    if order.dim() == 1:
        return actions[order]
    return actions.take_along_dim(order[..., None, None], -3)


def coloured(horizon: int, beta: float) -> Tensor:
    """A matrix (H, H) that turns white noise into noise whose power falls with frequency f as 1 / f^beta.

    Each step keeps a variance of 1. It is the Fourier transform, the scaling and the way back in one
    (Timmer & König 1995): the frequency 0 is scaled like the first one.
    """
    if not 0 <= beta < math.inf:
        raise ValueError(f"beta = {beta}: it must be zero (white) or positive")
    frequency = np.fft.rfftfreq(horizon)
    frequency[0] = frequency[1] if horizon > 1 else 1.0
    spectrum = np.fft.rfft(np.eye(horizon), axis=1) * frequency ** (-beta / 2)
    matrix = np.fft.irfft(spectrum, horizon, axis=1)
    return torch.tensor(matrix / np.sqrt((matrix**2).sum(0)), dtype=torch.float32)


def tinted(white: Tensor, colour: Tensor) -> Tensor:
    """White noise (..., H, A) coloured along time."""
    return (white.transpose(-1, -2) @ colour).transpose(-1, -2)


def _at_least_once(iterations: int) -> None:
    if iterations < 1:
        raise ValueError(f"iterations = {iterations}: a plan is improved at least once")
