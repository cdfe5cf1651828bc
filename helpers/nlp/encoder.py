"""What BERT, RoBERTa and ALBERT have in common: a post-norm Transformer block, a start that suits narrow networks,
and a classifier on top of any body.

The block is Devlin et al.'s (2019); ALBERT's differs in the activation only (GELU by a tanh).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.nlp.batches import Bucketed
from helpers.nlp.texts import PAD
from helpers.nlp.token_budget import fit


class Block(nn.Module):
    """Attention in both directions and an MLP, each added and then normalised.

    Args:
        d, heads, inner: Width, heads (they must divide d), width of the MLP.
        dropout, eps: Of the two sums; LayerNorm's.
        tanh: GELU by its tanh approximation, as ALBERT has it.

    Raises ValueError when the heads do not divide the width.
    """

    def __init__(
        self, d: int, heads: int, inner: int, *, dropout: float = 0.1, eps: float = 1e-12, tanh: bool = False
    ) -> None:
        super().__init__()
        if d % heads:
            raise ValueError(f"a width of {d} cannot be shared out among {heads} heads")
        self.heads, self.form = heads, "tanh" if tanh else "none"
        self.q, self.k, self.v, self.out = (nn.Linear(d, d) for _ in range(4))
        self.wide, self.narrow = nn.Linear(d, inner), nn.Linear(inner, d)
        self.norm1, self.norm2, self.drop = nn.LayerNorm(d, eps), nn.LayerNorm(d, eps), nn.Dropout(dropout)

    def attend(self, x: Tensor, mask: Tensor) -> Tensor:
        """What each place gathers: (B, T, d) from x (B, T, d); mask (B, T) is True where there is text."""
        q, k, v = (f(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f in (self.q, self.k, self.v))
        scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5  # (B, heads, T, T)
        shares = scores.masked_fill(~mask[:, None, None, :], torch.finfo(scores.dtype).min).softmax(-1)
        return self.out((shares @ v).transpose(1, 2).flatten(2))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.norm1(x + self.drop(self.attend(x, mask)))
        return self.norm2(x + self.drop(self.narrow(F.gelu(self.wide(x), approximate=self.form))))


def sinusoids(places: Tensor, d: int) -> Tensor:
    """Sines, then cosines of places (or distances) (T,), as Transformer-XL has them: (T, d)."""
    angle = places[:, None].float() / 10_000 ** (torch.arange(0, d, 2, device=places.device) / d)
    return torch.cat([angle.sin(), angle.cos()], -1)


def fresh(network: nn.Module) -> nn.Module:
    """Draw a network's weights to suit a narrow one: linear layers 1/√(inputs), tables 0.1, sinusoids for places.

    A table of places is a module named `place`. Bare parameters of one or more dimensions are drawn with 0.1.
    Returns the network, which is changed in place.
    """
    for name, layer in network.named_modules():
        for own, p in layer.named_parameters(recurse=False):
            if isinstance(layer, nn.LayerNorm):
                continue
            if isinstance(layer, nn.Linear):
                nn.init.normal_(p, std=layer.in_features**-0.5) if own == "weight" else nn.init.zeros_(p)
            else:
                nn.init.normal_(p, std=0.1)
        if name.split(".")[-1] == "place":
            layer.weight.data.copy_(0.1 * sinusoids(torch.arange(len(layer.weight)), layer.weight.shape[1]))
    return network


class Classifier(nn.Module):
    """A linear layer on the mean over a text's places.

    Args:
        body: Called with ids (B, T), answers (B, T, d).
        d: Its width. classes: How many.
    """

    def __init__(self, body: nn.Module, d: int, classes: int = 2) -> None:
        super().__init__()
        self.body, self.drop, self.head = body, nn.Dropout(0.1), nn.Linear(d, classes)

    def forward(self, ids: Tensor) -> Tensor:
        real = (ids != PAD)[..., None]
        return self.head(self.drop((self.body(ids) * real).sum(1) / real.sum(1)))  # (B, classes)


def fine_tuned(
    body: nn.Module, d: int, rows: Sequence[Sequence[int]], labels: Sequence[int], passes: float, lr: float = 2e-3
) -> Classifier:
    """A Classifier on `body` (which is changed, too), trained on rows of ids for a number of passes, 16 at a time.

    Raises ValueError when all labels are the same.
    """
    if len(set(np.asarray(labels).tolist())) < 2:
        raise ValueError("all texts have the same label: a classifier needs at least two classes")
    network, batches = Classifier(body, d), Bucketed(rows, labels, 16, shuffle=True)
    endless = (batch for _ in iter(int, 1) for batch in batches)

    def loss(network: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor]:
        return (F.cross_entropy(network(batch[0]).float(), batch[1]),)

    fit(network, loss, endless, tokens=int(passes * sum(map(len, rows))), lr=lr)
    return network


@torch.inference_mode()
def predicted(network: nn.Module, rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Classes of all rows of ids, in their order: (N,)."""
    loader = Bucketed(rows, None, 64)
    found = torch.cat([network.eval()(ids).argmax(1) for ids, _ in loader])
    return found[loader.order.argsort()].numpy()
