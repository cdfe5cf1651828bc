"""A small encoder that learns to fill blanks, in seconds of one core; what is hidden, and how, the caller says.

    network = MaskedLM(Config(len(vocabulary)))
    fit(network, lambda net: net.loss(*hidden_batch()), steps=1_000, lr=3e-3)
    logits = network.names(network(ids)[hidden])           # (hidden places, vocabulary)
    classifier = classify(network, rows, labels, steps=200)  # a head on the mean over the places; all weights train

The encoder is that of chapter 2: pre-norm, rotary positions (Su et al. 2021), GELU, padding masked. Words are named by
products with the table that reads them (tied weights), at hidden places only.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.nlp.batches import Bucketed
from helpers.nlp.texts import PAD
from helpers.training import NonFiniteLoss, fast_bf16


@dataclass(frozen=True)
class Config:
    """Sizes of the encoder; `base` sets the slowest rotation of its positions."""

    vocabulary: int
    d: int = 64
    layers: int = 2
    heads: int = 4
    longest: int = 64  # places
    base: float = 100.0


def turned(x: Tensor, base: float) -> Tensor:
    """Rotary positions: each pair of the numbers of x (…, T, d) turned by an angle that grows with its place."""
    half = x.shape[-1] // 2
    angle = torch.arange(x.shape[-2], device=x.device)[:, None] / base ** (torch.arange(half, device=x.device) / half)
    (a, b), c, s = x.chunk(2, -1), angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    return torch.cat([a * c - b * s, b * c + a * s], -1)


class Block(nn.Module):
    """Attention and an MLP, each on normalised states and added to them."""

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.heads, self.base = c.heads, c.base
        self.norm1, self.norm2 = nn.LayerNorm(c.d), nn.LayerNorm(c.d)
        self.qkv, self.out = nn.Linear(c.d, 3 * c.d), nn.Linear(c.d, c.d)
        self.mlp = nn.Sequential(nn.Linear(c.d, 4 * c.d), nn.GELU(), nn.Linear(4 * c.d, c.d))

    def forward(self, x: Tensor, gone: Tensor) -> Tensor:  # (B, T, d), (B, T) True at padding
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(self.norm1(x)).chunk(3, -1)
        )
        scores = turned(q, self.base) @ turned(k, self.base).transpose(-2, -1) / q.shape[-1] ** 0.5  # (B, heads, T, T)
        shares = scores.masked_fill(gone[:, None, None], torch.finfo(scores.dtype).min).softmax(-1)
        x = x + self.out((shares @ v).transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm2(x))


class MaskedLM(nn.Module):
    """`network(ids)` gives states (B, T, d); `names` turns states (N, d) into logits (N, vocabulary).

    Raises ValueError for a text beyond `config.longest` places, and for ids that its table does not have.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = c = config
        self.words = nn.Embedding(c.vocabulary, c.d)
        nn.init.normal_(self.words.weight, std=0.1)
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.layers))
        self.norm = nn.LayerNorm(c.d)
        self.naming = nn.Sequential(nn.Linear(c.d, c.d), nn.GELU(), nn.LayerNorm(c.d))
        self.bias = nn.Parameter(torch.zeros(c.vocabulary))

    def forward(self, ids: Tensor) -> Tensor:  # (B, T) → (B, T, d)
        if ids.shape[1] > self.config.longest:
            raise ValueError(
                f"{ids.shape[1]} places are more than the {self.config.longest} of this model: cut the text"
            )
        if ids.max() >= self.config.vocabulary:
            raise ValueError(
                f"id {ids.max()}, but the model knows {self.config.vocabulary}: is this its own vocabulary?"
            )
        x = 5 * self.words(ids)
        for block in self.blocks:
            x = block(x, ids == PAD)
        return self.norm(x)

    def names(self, x: Tensor) -> Tensor:
        return self.naming(x) @ self.words.weight.T + self.bias

    def loss(self, corrupted: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy at the places whose target is not -100; 0 if there is none."""
        hidden = targets != -100
        if not hidden.any():
            return 0 * self.bias.sum()
        return F.cross_entropy(self.names(self(corrupted)[hidden]).float(), targets[hidden])


def fit(network: nn.Module, loss: Callable[[nn.Module], Tensor], steps: int, lr: float) -> list[float]:
    """Train in place; `loss(network)` draws a batch. AdamW, a tenth of warm-up, then linearly to zero; the losses.

    Raises NonFiniteLoss, naming the step; ValueError for fewer than one step.
    """
    if steps < 1:
        raise ValueError(f"at least one step is needed, not {steps}")
    adam = torch.optim.AdamW(network.train().parameters(), lr, weight_decay=0.01)
    warm = max(1, steps // 10)
    ramp = torch.optim.lr_scheduler.LambdaLR(adam, lambda s: min((s + 1) / warm, (steps - s) / max(1, steps - warm)))
    device, losses = next(network.parameters()).device.type, []
    for step in range(1, steps + 1):
        with torch.autocast(device, torch.bfloat16, enabled=fast_bf16()):
            found = loss(network)
        if not torch.isfinite(found):
            raise NonFiniteLoss(f"the loss is {found.item()} at step {step}: try a lower rate than {lr:g}")
        adam.zero_grad()
        found.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        adam.step()
        ramp.step()
        losses.append(found.item())
    network.eval()
    return losses


class OnTop(nn.Module):
    """A linear head on the mean of an encoder's states over a text's places; (B, T) → (B, classes)."""

    def __init__(self, network: MaskedLM, classes: int = 2) -> None:
        super().__init__()
        self.network, self.drop, self.head = network, nn.Dropout(0.1), nn.Linear(network.config.d, classes)

    def forward(self, ids: Tensor) -> Tensor:
        real = (ids != PAD).unsqueeze(-1)
        return self.head(self.drop((self.network(ids) * real).sum(1) / real.sum(1)))


def endless(rows: Sequence[Sequence[int]], labels: Sequence[int] | np.ndarray | None, size: int) -> Iterator:
    """Shuffled batches of texts of similar length, pass after pass."""
    batches = Bucketed(rows, labels, size, shuffle=True)
    while True:
        yield from batches


def classify(
    network: MaskedLM, rows: Sequence[Sequence[int]], labels: np.ndarray, steps: int, lr: float = 2e-3
) -> OnTop:
    """A classifier on a copy of `network`, all of whose weights are trained on rows of ids with labels 0, 1, …

    Raises ValueError when all labels are equal.
    """
    if len(set(np.asarray(labels).tolist())) < 2:
        raise ValueError("all texts have the same label: a classifier needs at least two classes")
    model, batches = OnTop(copy.deepcopy(network)), endless(rows, labels, 16)

    def loss(net: nn.Module) -> Tensor:
        ids, truth = next(batches)
        return F.cross_entropy(net(ids).float(), truth)

    fit(model, loss, steps, lr)
    return model


@torch.inference_mode()
def predicted(model: nn.Module, rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Classes (N,) of rows of ids, in their order."""
    loader = Bucketed(rows, None, 64)
    found = torch.cat([model.eval()(ids).argmax(1) for ids, _ in loader])
    return found[loader.order.argsort()].numpy()
