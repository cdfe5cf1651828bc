"""A pretrained encoder of 25,000 weights for lab 6, and the one loop that trains it by somebody else's rule.

    model = pretrained()                                     # has read 20,000 texts of `Language()`, without labels
    logits = model(ids, ids != PAD)                          # (B, 2); its head is new
    train(model, tuner.update, batches(ids, labels, steps=80, rng=rng))

The names of its weights are those of a BERT in `transformers`, shortened. `python -m helpers.labs.small_encoder`
pretrains it anew, in about 90 seconds of one core, and writes the file that `pretrained` reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.labs.invented_language import MASK, PAD, Language

CHECKPOINT = Path(__file__).with_suffix(".npz")
HEAD = "head."


class Attention(nn.Module):
    """Self-attention with several heads, added to its input and normalised: (B, T, d) → (B, T, d)."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.dense = (nn.Linear(d, d) for _ in range(4))
        self.LayerNorm = nn.LayerNorm(d)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = (f(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f in (self.query, self.key, self.value))
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
        return self.LayerNorm(x + self.dense(found.transpose(1, 2).flatten(2)))


class Layer(nn.Module):
    """BERT's layer: attention, then two dense layers, each added to its input and normalised."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(d, heads)
        self.intermediate, self.output, self.LayerNorm = nn.Linear(d, 2 * d), nn.Linear(2 * d, d), nn.LayerNorm(d)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.attention(x, mask)
        return self.LayerNorm(x + self.output(F.gelu(self.intermediate(x))))


class Embeddings(nn.Module):
    """Words and places: ids (B, T) → (B, T, d)."""

    def __init__(self, vocabulary: int, d: int, longest: int) -> None:
        super().__init__()
        self.word_embeddings, self.position_embeddings = nn.Embedding(vocabulary, d), nn.Embedding(longest, d)
        self.LayerNorm = nn.LayerNorm(d)
        nn.init.normal_(self.word_embeddings.weight, std=0.3)
        nn.init.normal_(self.position_embeddings.weight, std=0.1)

    def forward(self, ids: Tensor) -> Tensor:
        return self.LayerNorm(self.word_embeddings(ids) + self.position_embeddings.weight[: ids.shape[1]])


class Encoder(nn.Module):
    """The stack of layers."""

    def __init__(self, d: int, layers: int, heads: int) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(d, heads) for _ in range(layers))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        for layer in self.layer:
            x = layer(x, mask)
        return x


class SmallEncoder(nn.Module):
    """ids (B, T), mask (B, T), True on words → logits (B, 2), from the mean over the words; `states`: (B, T, d)."""

    def __init__(self, vocabulary: int = 133, d: int = 32, layers: int = 2, heads: int = 4, longest: int = 16) -> None:
        super().__init__()
        self.embeddings, self.encoder = Embeddings(vocabulary, d, longest), Encoder(d, layers, heads)
        self.head = nn.Linear(d, 2)

    def states(self, ids: Tensor, mask: Tensor) -> Tensor:
        return self.encoder(self.embeddings(ids), mask)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        weights = mask[..., None].float()
        return self.head((self.states(ids, mask) * weights).sum(1) / weights.sum(1))


def linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    """A linear layer with these numbers: weight (out, in), bias (out,)."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, dtype=weight.dtype)
    layer.load_state_dict({"weight": weight} | ({} if bias is None else {"bias": bias}))
    return layer


def trainable_names(module: nn.Module) -> list[str]:
    """Names of the parameters that ask for gradients."""
    return [name for name, parameter in module.named_parameters() if parameter.requires_grad]


def walk(pairs: Iterable) -> Iterator:
    """An iterator, as `named_parameters()` is one: it can be walked through once."""
    return iter(pairs)


def pretrained(seed: int = 0) -> SmallEncoder:
    """The encoder with its pretrained weights, and a new head, drawn by the seed."""
    model = SmallEncoder()
    draw = torch.Generator().manual_seed(seed)
    with np.load(CHECKPOINT) as saved:
        weights = {name: torch.from_numpy(saved[name].astype(np.float32)) for name in saved.files}
    head = {"head.weight": 0.02 * torch.randn(2, model.head.in_features, generator=draw), "head.bias": torch.zeros(2)}
    model.load_state_dict(weights | head)
    return model.eval()


def batches(
    ids: Tensor, labels: Tensor, *, steps: int, rng: np.random.Generator, size: int = 16
) -> Iterator[tuple[Tensor, Tensor]]:
    """So many batches of labelled texts, pass after pass, each pass in a new order."""
    order: list[int] = []
    for _ in range(steps):
        while len(order) < size:
            order += rng.permutation(len(ids)).tolist()
        chosen, order = order[:size], order[size:]
        yield ids[chosen], labels[chosen]


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """A copy of all parameters, by name."""
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def train(
    model: nn.Module,
    update: Callable[[dict[str, Tensor]], dict[str, Tensor]],
    data: Iterator[tuple[Tensor, Tensor]],
) -> list[float]:
    """Train the model in place by what `update` makes of each batch's gradients; the losses.

    update: From {name: gradient} to {name: new weights}, for all parameters.
    """
    losses = []
    for ids, labels in data:
        loss = F.cross_entropy(model(ids, ids != PAD), labels)
        names, parameters = zip(*model.named_parameters(), strict=True)
        gradients = dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))
        model.load_state_dict({name: weights.detach() for name, weights in update(gradients).items()})
        losses.append(loss.item())
    return losses


@torch.inference_mode()
def accuracy(model: nn.Module, ids: Tensor, labels: Tensor) -> float:
    """The share of texts, 0 to 1, whose label the model names."""
    return float((model(ids, ids != PAD).argmax(1) == labels).float().mean())


def pretrain(steps: int = 6_000, size: int = 96, lr: float = 4e-3) -> tuple[SmallEncoder, list[float]]:
    """An encoder that has learned to fill blanks, one word in five, in 20,000 texts; and the losses."""
    torch.manual_seed(0)
    language, rng, model = Language(), np.random.default_rng(0), SmallEncoder()
    ids, _ = language.texts(20_000, rng)
    bias, table = nn.Parameter(torch.zeros(len(language))), model.embeddings.word_embeddings.weight
    body = [parameter for name, parameter in model.named_parameters() if not name.startswith(HEAD)]
    optimizer = torch.optim.AdamW([*body, bias], lr=lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: min((i + 1) / 50, (steps - i) / (steps - 50)))
    losses = []
    for _ in range(steps):
        text = ids[torch.from_numpy(rng.integers(0, len(ids), size))]
        blank = (torch.rand(text.shape) < 0.2) & (text != PAD)
        states = model.states(torch.where(blank, MASK, text), text != PAD)[blank]  # (blanks, d)
        loss = F.cross_entropy(states @ table.T + bias, text[blank])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return model, losses


if __name__ == "__main__":
    made, course = pretrain()
    print(f"loss from {course[0]:.2f} to {np.mean(course[-100:]):.2f}")
    kept = {name: weights.numpy().astype(np.float16) for name, weights in weights_of(made).items() if HEAD not in name}
    np.savez_compressed(CHECKPOINT, **kept)
