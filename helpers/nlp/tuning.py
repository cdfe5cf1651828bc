"""Fine-tuning an encoder of `transformers` cheaply: a frozen bottom is run once, its top is trained on what came out.

    bottom, top = split(AutoModel.from_pretrained(pretrained("minilm")), 4)
    states = run(bottom, token_ids(tokenizer, texts))          # once: what the four lower layers say of each token
    model = Classifier(top, classes=2)                         # the upper two layers, a mean over tokens, a head
    start(model, states, labels)                               # the head first, by itself
    tune(model, states, labels, epochs=3)
    logits = answers(model, run(bottom, token_ids(tokenizer, test_texts)))

`split(model, 0)` trains all layers (embeddings stay frozen), `split(model, n)` with all n layers leaves the head
alone. Texts of similar length share a batch. For encoders with `embeddings` and `encoder.layer`, as BERT, RoBERTa and
their likes have.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from helpers.nlp.batches import Bucketed
from helpers.training import NonFiniteLoss, Stopwatch, fast_bf16


# ------------------------------------------------------------------------------------------------- texts and tokenizer
def token_ids(
    tokenizer: Any, texts: Sequence[str], seconds: Sequence[str] | None = None, *, longest: int = 128, prefix: str = ""
) -> list[list[int]]:
    """Ids of each text, or pair of texts, with its special tokens, cut off after `longest` tokens.

    seconds: The second text of each pair. prefix: What the model's makers put before each text ("query: " for E5).

    Raises ValueError, naming the text, for one with nothing but white space, and for `longest` below 3 or beyond what
    the tokenizer says its model can take.
    """
    if not 3 <= longest <= tokenizer.model_max_length:
        raise ValueError(f"longest is {longest}: this model takes 3 to {tokenizer.model_max_length} tokens")
    both = [texts] if seconds is None else [texts, seconds]
    for part in both:
        if empty := [i for i, text in enumerate(part) if not text.strip()]:
            raise ValueError(
                f"text {empty[0]} is empty ({len(empty)} of {len(part)} are): there is nothing to classify"
            )
    both = [[prefix + text for text in part] for part in both]
    return tokenizer(*both, truncation=True, max_length=longest)["input_ids"]


def check_match(model: nn.Module, tokenizer: Any) -> None:
    """Raise ValueError if the tokenizer can give ids that the model has no embedding for: it is another model's."""
    rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise ValueError(
            f"the tokenizer knows {len(tokenizer):,} tokens, the model {rows:,}: they do not belong together. "
            "Load both from the same name"
        )


# ------------------------------------------------------------------------------------------------------ bottom and top
class Given(nn.Module):
    """In place of a model's embeddings: the states that are given already."""

    def forward(self, inputs_embeds: Tensor, **_: Any) -> Tensor:
        return inputs_embeds


def _part(model: nn.Module, layers: nn.ModuleList, embeddings: nn.Module) -> nn.Module:
    """A model of the same class with these layers and embeddings and without a pooler; `model` stays as it is."""
    part, encoder = copy.copy(model), copy.copy(model.encoder)
    encoder._modules = {**model.encoder._modules, "layer": layers}
    part._modules = {**model._modules, "embeddings": embeddings, "encoder": encoder}
    if "pooler" in part._modules:
        part._modules["pooler"] = None
    return part


def split(model: nn.Module, k: int) -> tuple[nn.Module, nn.Module]:
    """The model's embeddings with its k lower layers, and a copy of the layers above, which takes `inputs_embeds`.

    The bottom shares its weights with `model`; the top has its own, so that several tops may be tuned from one model.

    Raises ValueError when there are fewer than k layers.
    """
    layers = model.encoder.layer
    if not 0 <= k <= len(layers):
        raise ValueError(f"the model has {len(layers)} layers and cannot be cut after {k}")
    return _part(model, layers[:k], model.embeddings), _part(model, copy.deepcopy(layers[k:]), Given())


@dataclass(frozen=True)
class States:
    """What a bottom says of N texts: `flat` (all tokens, d), half precision, text after text; `lengths` (N,)."""

    flat: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, chosen: Sequence[int] | np.ndarray | slice) -> States:
        """Some of the texts, in the order given."""
        rows = np.arange(len(self))[chosen].tolist()
        parts = self.flat.split(self.lengths.tolist())
        return States(torch.cat([parts[i] for i in rows]), self.lengths[rows])

    def batch(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """States (B, T, d) in float32, zero beyond a text's end, and the mask (B, T), 1 on tokens."""
        ends = self.lengths.cumsum(0)
        texts = [self.flat[ends[i] - self.lengths[i] : ends[i]].float() for i in rows]
        states = nn.utils.rnn.pad_sequence(texts, batch_first=True)
        return states, (torch.arange(states.shape[1]) < self.lengths[list(rows), None]).long()


@torch.inference_mode()
def run(bottom: nn.Module, ids: Sequence[Sequence[int]], batch_size: int = 32) -> States:
    """The bottom's hidden states for each text of `ids`, in their order, computed on the GPU if there is one."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    bottom.to(device).eval()
    lengths = torch.tensor([len(one) for one in ids])
    flat, ends = torch.empty(int(lengths.sum()), bottom.config.hidden_size, dtype=torch.float16), lengths.cumsum(0)
    order = lengths.argsort(stable=True).split(batch_size)
    for rows, (batch, _) in zip(order, Bucketed(ids, None, batch_size), strict=True):
        mask = (torch.arange(batch.shape[1]) < lengths[rows, None]).long()
        with torch.autocast(device.type, torch.bfloat16, enabled=fast_bf16()):
            out = bottom(input_ids=batch.to(device), attention_mask=mask.to(device)).last_hidden_state.float().cpu()
        for i, states in zip(rows.tolist(), out, strict=True):
            flat[ends[i] - lengths[i] : ends[i]] = states[: lengths[i]].half()
    bottom.cpu()  # its weights are the encoder's, which stays where it was
    return States(flat, lengths)


# ---------------------------------------------------------------------------------------------------- pooling and head
def pooled(states: Tensor, mask: Tensor, how: Literal["mean", "first"] = "mean") -> Tensor:
    """One vector (B, d) for each text from its tokens' states (B, T, d): their mean, or the first, [CLS]."""
    if how == "first":
        return states[:, 0]
    weights = mask.unsqueeze(-1).to(states.dtype)  # (B, T, 1)
    return (states * weights).sum(1) / weights.sum(1)


class Classifier(nn.Module):
    """A top, a mean over the tokens (or the first one) and a linear head; answers (B, classes) to (B, T, d)."""

    def __init__(
        self, top: nn.Module, classes: int, *, how: Literal["mean", "first"] = "mean", dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.top, self.how, self.dropout = top, how, nn.Dropout(dropout)
        self.head = nn.Linear(top.config.hidden_size, classes)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        out = self.top(inputs_embeds=states, attention_mask=mask).last_hidden_state  # (B, T, d)
        return self.head(self.dropout(pooled(out, mask, self.how)))


def start(model: Classifier, states: States, labels: ArrayLike, c: float = 0.003) -> None:
    """Give the head the weights of a logistic regression on what the top says before it is tuned (Kumar et al. 2022).

    A head drawn at random sends random gradients into the layers below it. c: Inverse regularisation, on vectors
    brought to mean 0 and deviation 1.
    """
    head, model.head = model.head, nn.Identity()
    try:
        x = answers(model, states)  # (N, d)
    finally:
        model.head = head
    mean, deviation = x.mean(0), x.std(0) + 1e-6
    found = LogisticRegression(C=c, max_iter=500).fit((x - mean) / deviation, np.asarray(labels))
    weight, bias = (torch.as_tensor(part, dtype=torch.float32) for part in (found.coef_, found.intercept_))
    if len(weight) == 1:  # two classes have one row: half of it for, half against
        weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
    if len(weight) != head.out_features:
        raise ValueError(f"the labels have {len(weight)} classes, the head {head.out_features}")
    head.weight.data = weight / deviation
    head.bias.data = bias - (weight / deviation) @ mean


def groups(model: Classifier, lr: float, head_lr: float, decay: float) -> list[dict[str, Any]]:
    """What is to be trained, with its rate: `lr` at the uppermost layer, times `decay` with each layer further down."""
    names = [name for name, p in model.top.named_parameters() if p.requires_grad]
    depth = {name: next((int(part) for part in name.split(".") if part.isdigit()), 0) for name in names}
    highest, weights = max(depth.values(), default=0), dict(model.top.named_parameters())
    found = [{"params": list(model.head.parameters()), "lr": head_lr}]
    found += [{"params": [weights[n]], "lr": lr * decay ** (highest - depth[n])} for n in names]
    return found


# ------------------------------------------------------------------------------------------------------------ training
def tune(
    model: Classifier,
    states: States,
    labels: ArrayLike,
    *,
    epochs: float = 1,
    lr: float = 2e-4,
    head_lr: float = 2e-3,
    decay: float = 1.0,
    batch_size: int = 16,
    weight_decay: float = 0.01,
    smoothing: float = 0.0,
    watch_steps: int = 0,
    watch: Callable[[Classifier], None] | None = None,
) -> tuple[list[float], Stopwatch]:
    """Train whatever in `model` asks for gradients; returns the losses and the seconds.

    AdamW; the rate rises over the first tenth of the steps and falls linearly to zero. Order and dropout are drawn from
    PyTorch's global generator.

    epochs: Passes over the texts; a part of one is allowed.
    decay: The learning rate's factor from a layer to the one below it.
    watch: Called with the model, in evaluation mode, after each `watch_steps` steps and after the last; may raise
        StopIteration to stop.

    Raises NonFiniteLoss, naming the step; ValueError when numbers of texts and labels differ or all labels are equal.
    """
    labels = torch.as_tensor(np.asarray(labels), dtype=torch.int64)
    if len(labels) != len(states):
        raise ValueError(f"{len(states)} texts but {len(labels)} labels")
    if len(labels.unique()) < 2:
        raise ValueError("all texts have the same label: a classifier needs at least two classes")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device).train()
    optimizer = torch.optim.AdamW(groups(model, lr, head_lr, decay), weight_decay=weight_decay)
    batches = Rows(states.lengths, batch_size)
    steps = max(1, round(epochs * len(batches)))
    warm = max(1, steps // 10)
    rise_and_fall = lambda i: min((i + 1) / warm, (steps - i) / max(1, steps - warm))  # noqa: E731
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rise_and_fall)
    losses: list[float] = []
    with Stopwatch() as clock:
        for step, rows in enumerate(batches.forever(steps), 1):
            x, mask = (part.to(device) for part in states.batch(rows))
            with torch.autocast(device.type, torch.bfloat16, enabled=fast_bf16()):
                logits = model(x, mask).float()
            loss = F.cross_entropy(logits, labels[rows].to(device), label_smoothing=smoothing)
            if not torch.isfinite(loss):
                raise NonFiniteLoss(f"the loss is {loss.item()} at step {step}: try a lower rate than {lr:g}")
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            if watch and (step == steps or (watch_steps and step % watch_steps == 0)):
                try:
                    watch(model.eval())
                except StopIteration:
                    break
                model.to(device).train()
    model.cpu().eval()
    return losses, clock


class Rows:
    """Batches of row numbers, each of texts of similar length: shuffled, sorted in pools of 20 batches, shuffled."""

    def __init__(self, lengths: Tensor, batch_size: int) -> None:
        self.lengths, self.batch_size = lengths, batch_size

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        pools = torch.randperm(len(self.lengths)).split(20 * self.batch_size)
        batches = [b for p in pools for b in p[self.lengths[p].argsort()].split(self.batch_size)]
        return iter([batches[i].tolist() for i in torch.randperm(len(batches))])

    def forever(self, steps: int) -> Iterator[list[int]]:
        """So many batches, pass after pass."""
        done = 0
        while True:
            for rows in self:
                if done == steps:
                    return
                done += 1
                yield rows


@torch.inference_mode()
def answers(model: nn.Module, states: States, batch_size: int = 64) -> Tensor:
    """The model's answers (N, …) to all texts, in their order, float32, on the CPU."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device).eval()
    order = states.lengths.argsort(stable=True)
    found = []
    for rows in order.split(batch_size):
        x, mask = (part.to(device) for part in states.batch(rows.tolist()))
        with torch.autocast(device.type, torch.bfloat16, enabled=fast_bf16()):
            found.append(model(x, mask).float().cpu())
    model.cpu()
    return torch.cat(found)[order.argsort()]


def vectors(states: States, how: Literal["mean", "first"] = "mean") -> Tensor:
    """One vector (N, d) for each text, straight from its states."""
    parts = states.flat.float().split(states.lengths.tolist())
    return torch.stack([part[0] if how == "first" else part.mean(0) for part in parts])


def weights_trained(model: nn.Module) -> int:
    """How many numbers training may change."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
