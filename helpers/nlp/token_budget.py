"""Training for a number of tokens instead of steps: what different recipes can be given alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from helpers.nlp.texts import PAD
from helpers.training import NonFiniteLoss, Stopwatch, fast_bf16


@dataclass(frozen=True)
class Fitted:
    """What a training cost and how it went: losses (steps, parts), tokens after each step (steps,), CPU-seconds."""

    losses: np.ndarray
    tokens: np.ndarray
    cpu: float


def fit(
    network: nn.Module,
    loss: Callable[[nn.Module, Any], Iterable[Tensor]],
    batches: Iterable[tuple[Tensor, ...]],
    *,
    tokens: int,
    lr: float,
    pad: int = PAD,
    warm_up: float = 0.1,
) -> Fitted:
    """Train in place until `tokens` tokens have been read; the sum of the parts of `loss(network, batch)` is minimised.

    The first element of a batch is its ids (B, T); all but `pad` count. AdamW; the rate rises during the share
    `warm_up` of the budget and then falls linearly to zero; gradients are clipped at norm 1; bfloat16 where it is
    fast. Leaves the network in evaluation mode.

    Raises ValueError for a budget below one token, and when the batches end before the budget; NonFiniteLoss, which
    names the step, when the loss is not a number.
    """
    if tokens < 1:
        raise ValueError(f"a budget of {tokens} tokens trains nothing")
    adam = torch.optim.AdamW(network.train().parameters(), lr, weight_decay=0.01)
    seen, losses, counts, device = 0, [], [], next(network.parameters()).device.type
    with Stopwatch() as watch:
        for batch in batches:
            done = seen / tokens
            for group in adam.param_groups:
                group["lr"] = lr * min((done + 1e-3) / warm_up, (1 - done) / (1 - warm_up))
            with torch.autocast(device, torch.bfloat16, enabled=fast_bf16()):
                parts = list(loss(network, batch))
            if not torch.isfinite(sum(parts)):
                raise NonFiniteLoss(f"the loss is {sum(parts).item()} at step {len(losses)}: try a rate below {lr}")
            adam.zero_grad()
            sum(parts).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            adam.step()
            seen += int((batch[0] != pad).sum())
            losses.append([part.item() for part in parts])
            counts.append(seen)
            if seen >= tokens:
                break
        else:
            raise ValueError(f"the batches ended after {seen:,} of {tokens:,} tokens: repeat them")
    network.eval()
    return Fitted(np.array(losses), np.array(counts), watch.cpu)
