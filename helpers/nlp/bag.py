"""A classifier that learns from scratch in a second: the mean of a vector for each term (Joulin et al. 2017).

Terms are a text's tokens and its pairs of neighbours, so that “not good” has a vector of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.nlp.texts import UNKNOWN, Vocabulary
from helpers.training import NonFiniteLoss


def terms(tokens: Sequence[str]) -> list[str]:
    """Tokens, then pairs of neighbours joined by a space: a, b, c → a, b, c, a b, b c."""
    return [*tokens, *(f"{a} {b}" for a, b in pairwise(tokens))]


class Bag(nn.Module):
    """Mean of the terms' vectors, dropout, a linear layer; flat ids (all terms,) and offsets (B,) → logits (B, K)."""

    def __init__(self, vocabulary: Vocabulary, cut: Callable[[str], list[str]], classes: int = 2, d: int = 64) -> None:
        super().__init__()
        self.vocabulary, self.cut = vocabulary, cut
        self.vectors = nn.EmbeddingBag(len(vocabulary), d, mode="mean")
        nn.init.normal_(self.vectors.weight, std=0.1)
        self.drop, self.head = nn.Dropout(0.5), nn.Linear(d, classes)

    def forward(self, ids: Tensor, offsets: Tensor) -> Tensor:
        return self.head(self.drop(self.vectors(ids, offsets)))

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text's known terms; a text without any is one UNKNOWN."""
        rows = [[i for i in self.vocabulary.encode(terms(self.cut(text))) if i != UNKNOWN] for text in texts]
        return [row or [UNKNOWN] for row in rows]

    @torch.inference_mode()
    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """Classes (N,) of texts."""
        return self.eval()(*_flat(self.encode(texts))).argmax(1).numpy()


def _flat(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(row) for row in rows])
    return torch.tensor([i for row in rows for i in row]), lengths.cumsum(0) - lengths


def fit_bag(
    texts: Sequence[str], labels: np.ndarray, cut: Callable[[str], list[str]], *, steps: int = 300, lr: float = 2e-2
) -> Bag:
    """A `Bag` trained from random vectors for `steps` batches of 32, of terms that occur twice or more.

    Draws from PyTorch's global generator. Raises ValueError when all labels are equal or no term occurs twice;
    NonFiniteLoss, naming the step.
    """
    labels = torch.as_tensor(np.asarray(labels), dtype=torch.int64)
    if len(labels.unique()) < 2:
        raise ValueError("all texts have the same label: a classifier needs at least two classes")
    model = Bag(Vocabulary((terms(cut(text)) for text in texts), least=2), cut)
    rows, adam = model.encode(texts), torch.optim.AdamW(model.train().parameters(), lr, weight_decay=0.1)
    for step in range(1, steps + 1):
        chosen = torch.randint(len(rows), (32,))
        loss = F.cross_entropy(model(*_flat([rows[i] for i in chosen.tolist()])), labels[chosen])
        if not torch.isfinite(loss):
            raise NonFiniteLoss(f"the loss is {loss.item()} at step {step}: try a lower rate than {lr:g}")
        adam.param_groups[0]["lr"] = lr * (1 - (step - 1) / steps)
        adam.zero_grad()
        loss.backward()
        adam.step()
    return model.eval()
