"""A probabilistic ensemble: several small networks that each answer with a normal distribution, computed as one.

    ensemble = Ensemble(inputs=5, outputs=3)
    curve = fit(ensemble, x, y, steps=1_000)         # counted gradient steps; each member its own bootstrap
    mean, log_variance = ensemble(x)                 # (E, B, out): what each member says of each input
    nll = out_of_bag(ensemble, x, y)                 # (E,): each member on the rows that it has not learnt from

Everything is learnt in units of the training data: the ensemble keeps their mean and deviation and converts.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.training import NonFiniteLoss


def gaussian_nll(mean: Tensor, log_variance: Tensor, target: Tensor) -> Tensor:
    """-log N(target; mean, variance), for each number."""
    return 0.5 * (math.log(2 * math.pi) + log_variance + (target - mean) ** 2 * torch.exp(-log_variance))


def bounded(log_variance: Tensor, bottom: Tensor, top: Tensor) -> Tensor:
    """The same between the bounds, which it approaches smoothly: a gradient is left on both sides."""
    log_variance = top - F.softplus(top - log_variance)
    return bottom + F.softplus(log_variance - bottom)


class Ensemble(nn.Module):
    """`members` networks of one shape, side by side in tensors (E, in, out).

    Args:
        inputs, outputs: Numbers in and out.
        width, depth: Of the hidden layers (SiLU).
        seed: Of the first weights, the bootstraps and the minibatches; the global generator is left alone.
        probabilistic: Answer with a variance. Otherwise the variance is zero, and training minimises squared errors.
        bound: Keep log-variances between two learnt bounds.
        normalise: Learn in units of the training data.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        members: int = 5,
        width: int = 128,
        depth: int = 2,
        *,
        seed: int = 0,
        probabilistic: bool = True,
        bound: bool = True,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        self.members, self.outputs, self.seed = members, outputs, seed
        self.probabilistic, self.bound, self.normalise = probabilistic, bound, normalise
        self.generator = torch.Generator().manual_seed(seed)
        sizes = [inputs, *depth * [width], (1 + probabilistic) * outputs]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for rows, columns in pairwise(sizes):
            w = torch.randn(members, rows, columns, generator=self.generator) / (2 * math.sqrt(rows))
            self.weights.append(nn.Parameter(w))
            self.biases.append(nn.Parameter(torch.zeros(members, 1, columns)))
        self.top = nn.Parameter(torch.full((outputs,), 0.5))  # bounds of the log-variance, in the data's units
        self.bottom = nn.Parameter(torch.full((outputs,), -10.0))
        for name, n in (("x", inputs), ("y", outputs)):
            self.register_buffer(f"{name}_mean", torch.zeros(n))
            self.register_buffer(f"{name}_scale", torch.ones(n))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What each member says of its inputs x (E, B, in): mean and log-variance, (E, B, out) each.

        Inputs (B, in) go to all members.
        """
        mean, log_variance = self.normalised((x - self.x_mean) / self.x_scale)
        return mean * self.y_scale + self.y_mean, log_variance + 2 * self.y_scale.log()

    def normalised(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The same, in the units of the training data."""
        h = x if x.dim() == 3 else x.expand(self.members, *x.shape)
        for w, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            h = F.silu(torch.baddbmm(b, h, w), inplace=True)  # (E, B, width): E products of matrices in one call
        answer = torch.baddbmm(self.biases[-1], h, self.weights[-1])
        if not self.probabilistic:
            return answer, torch.full_like(answer, -math.inf)
        mean, log_variance = answer.chunk(2, dim=-1)
        return mean, bounded(log_variance, self.bottom, self.top) if self.bound else log_variance

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """What training minimises, a number; x (E, B, in) and y (E, B, out) are normalised."""
        mean, log_variance = self.normalised(x)
        if not self.probabilistic:
            return 0.5 * ((mean - y) ** 2).mean((1, 2)).sum()
        nll = gaussian_nll(mean, log_variance, y).mean((1, 2)).sum()  # the members do not share weights: a sum
        return nll + 0.01 * (self.top - self.bottom).sum()  # and the bounds close in

    def fit_normaliser(self, x: Tensor, y: Tensor) -> None:
        """Take mean and deviation of the training data; a number that never changes keeps its unit."""
        if not self.normalise:
            return
        for name, values in (("x", x), ("y", y)):
            deviation = values.std(0, correction=0)
            getattr(self, f"{name}_mean").copy_(values.mean(0))
            getattr(self, f"{name}_scale").copy_(torch.where(deviation > 1e-6, deviation, torch.ones_like(deviation)))


def bags(members: int, rows: int, seed: int) -> np.ndarray:
    """How often each member has each row in its bootstrap, (N, E): about 0, 1, 1, 2 …, one on average.

    Poisson's numbers stand for drawing N of N rows with replacement; a row keeps its numbers when others come after.
    """
    return np.random.default_rng(seed).poisson(1.0, (rows, members))


def bootstrap(members: int, rows: int, steps: int, batch: int, seed: int, generator: torch.Generator) -> Tensor:
    """Rows for `steps` minibatches of each member, (steps, E, batch), drawn from the member's own bag."""
    counts = bags(members, rows, seed)
    draws = []
    for member in range(members):
        bag = np.repeat(np.arange(rows), counts[:, member])
        bag = torch.from_numpy(bag if len(bag) else np.arange(rows))
        draws.append(bag[torch.randint(len(bag), (steps, batch), generator=generator)])
    return torch.stack(draws, 1)


def fit(
    ensemble: Ensemble,
    x: Tensor,
    y: Tensor,
    steps: int,
    *,
    batch: int = 64,
    lr: float = 2e-3,
    weight_decay: float = 1e-4,
) -> np.ndarray:
    """Train by `steps` steps of AdamW from where the ensemble is, on x (N, in) and y (N, out); the losses, (steps,).

    Raises:
        ValueError: No rows, rows that do not match, or numbers that are not finite.
        NonFiniteLoss: The model diverged; says at which step, and what helps.
    """
    _check(x, y)
    ensemble.fit_normaliser(x, y)
    x, y = (x - ensemble.x_mean) / ensemble.x_scale, (y - ensemble.y_mean) / ensemble.y_scale
    rows = bootstrap(ensemble.members, len(x), steps, batch, ensemble.seed, ensemble.generator)
    adam = torch.optim.AdamW(ensemble.parameters(), lr, weight_decay=weight_decay, foreach=True)
    losses = np.zeros(steps, np.float32)
    for step, chosen in enumerate(rows):  # (E, batch)
        loss = ensemble.loss(x[chosen], y[chosen])
        losses[step] = loss.item()
        if not math.isfinite(losses[step]):
            raise NonFiniteLoss(
                f"The model diverged: its loss is {losses[step]} at gradient step {step}. Bounds for the log-variance, "
                "normalised inputs or a lower learning rate usually help."
            )
        adam.zero_grad()
        loss.backward()
        adam.step()
    return losses


@torch.inference_mode()
def out_of_bag(ensemble: Ensemble, x: Tensor, y: Tensor) -> np.ndarray:
    """Mean negative log-likelihood of each member, (E,), in nats a number, on the rows of its training data x, y that
    its bootstrap left out (about 37 %): a held-out score that takes no data away. NaN for a member that saw all."""
    _check(x, y)
    left_out = torch.from_numpy(bags(ensemble.members, len(x), ensemble.seed) == 0).T  # (E, N)
    nll = gaussian_nll(*ensemble(x), y).mean(-1)  # (E, N)
    return ((nll * left_out).sum(1) / left_out.sum(1)).numpy()


def _check(x: Tensor, y: Tensor) -> None:
    if not len(x) or len(x) != len(y):
        raise ValueError(f"{len(x)} inputs and {len(y)} targets: a model needs at least one pair, and as many of each")
    if not (x.isfinite().all() and y.isfinite().all()):
        raise ValueError("the training data hold a number that is not finite: a model of it would answer NaN for ever")
