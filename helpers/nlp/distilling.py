"""A training loop in which the loss is whatever the chapter says, and a teacher's answers computed once.

    said = last_states(teacher.top, states)                    # what the teacher's last layer says of each token
    losses, clock = fit(student, states, loss, epochs=2)       # loss(student, x, mask, rows) gives one number

`states` are `helpers.nlp.tuning.States`: what the frozen embeddings (or more layers) say of N texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from helpers.nlp.tuning import Classifier, Rows, States, groups
from helpers.training import NonFiniteLoss, Stopwatch, fast_bf16

Loss = Callable[[Classifier, Tensor, Tensor, Sequence[int]], Tensor]


@torch.inference_mode()
def last_states(top: nn.Module, states: States, batch_size: int = 64) -> States:
    """What the last layer of `top` says of each token, in half precision, text after text, in the order given."""
    top.eval()
    flat, ends = torch.empty_like(states.flat), states.lengths.cumsum(0)
    for rows in states.lengths.argsort(stable=True).split(batch_size):
        x, mask = states.batch(rows.tolist())
        with torch.autocast("cpu", torch.bfloat16, enabled=fast_bf16()):
            out = top(inputs_embeds=x, attention_mask=mask).last_hidden_state.float()
        for i, one in zip(rows.tolist(), out, strict=True):
            flat[ends[i] - states.lengths[i] : ends[i]] = one[: states.lengths[i]].half()
    return States(flat, states.lengths)


def fit(
    model: Classifier,
    states: States,
    loss: Loss,
    *,
    epochs: float = 1,
    lr: float = 2e-4,
    head_lr: float = 1e-3,
    batch_size: int = 16,
    weight_decay: float = 0.01,
) -> tuple[list[float], Stopwatch]:
    """Train `model` on all texts of `states`; returns the losses and the seconds.

    AdamW; the rate rises over the first tenth of the steps and falls linearly to zero. Order and dropout are drawn from
    PyTorch's global generator.

    loss: Called with the model, embedded texts (B, T, d), their mask (B, T) and the texts' row numbers.

    Raises NonFiniteLoss, naming the step.
    """
    model.train()
    optimizer = torch.optim.AdamW(groups(model, lr, head_lr, 1.0), weight_decay=weight_decay, fused=True)
    batches = Rows(states.lengths, batch_size)
    steps = max(1, round(epochs * len(batches)))
    warm = max(1, steps // 10)
    rise_and_fall = lambda i: min((i + 1) / warm, (steps - i) / max(1, steps - warm))  # noqa: E731
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rise_and_fall)
    losses: list[float] = []
    with Stopwatch() as clock:
        for step, rows in enumerate(batches.forever(steps), 1):
            x, mask = states.batch(rows)
            with torch.autocast("cpu", torch.bfloat16, enabled=fast_bf16()):
                value = loss(model, x, mask, rows)
            if not torch.isfinite(value):
                raise NonFiniteLoss(f"the loss is {value.item()} at step {step}: try a lower rate than {lr:g}")
            optimizer.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(value.item())
    model.eval()
    return losses, clock
