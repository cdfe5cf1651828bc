"""Training small models the same way in every chapter: seeds, batches from memory, a quiet Trainer, honest clocks.

- `seed_everything`: one call fixes every generator that training draws from.
- `TensorBatches`: batches by indexing tensors in memory, 3.8 times faster here than `DataLoader` workers.
- `quiet_trainer`: Lightning's `Trainer` without files, bars or banners; logs stay in memory (`History`) and
  training stops at once on a loss that is not finite (`StopOnNonFinite`).
- `fast_bf16`: whether bfloat16 makes this machine faster.
- `outputs`: a trained network's answers to many inputs, batch by batch.
- `Stopwatch`: CPU-seconds (all threads) beside wall-clock seconds.
"""

from __future__ import annotations

import logging
import random
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import Logger
from torch import Tensor, nn


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's generators (on every device)."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class TensorBatches:
    """Batches of `(images, labels)` drawn by index from tensors in memory.

    Args:
        images: Shape (N, ...), any type; stays as it is (`uint8` images stay small).
        labels: Shape (N,).
        batch_size: The last, smaller batch is dropped when shuffling, kept otherwise.
        augment: Called on each batch of images.
        shuffle: A new order at each pass, drawn from PyTorch's global generator.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
        *,
        augment: Callable[[Tensor], Tensor] | None = None,
        shuffle: bool = False,
    ) -> None:
        if len(images) != len(labels):
            raise ValueError(f"{len(images)} images but {len(labels)} labels")
        if shuffle and len(images) < batch_size:
            raise ValueError(f"{len(images)} images do not fill one batch of {batch_size}: choose a smaller batch_size")
        self.images, self.labels, self.batch_size = images, labels, batch_size
        self.augment, self.shuffle = augment, shuffle

    def __len__(self) -> int:
        full, rest = divmod(len(self.images), self.batch_size)
        return full if self.shuffle or not rest else full + 1

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        n = len(self.images)
        order = torch.randperm(n) if self.shuffle else torch.arange(n)
        for i in range(len(self)):
            index = order[i * self.batch_size : (i + 1) * self.batch_size].to(self.images.device)
            images = self.images[index]
            yield (self.augment(images) if self.augment else images), self.labels[index]


class History(Logger):
    """A Lightning logger that keeps every logged number in memory: `history["loss"]` is its curve so far."""

    def __init__(self) -> None:
        super().__init__()
        self.curves: dict[str, list[tuple[int, float]]] = {}

    @property
    def name(self) -> str:
        return "history"

    @property
    def version(self) -> int:
        return 0

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing to write: the notebook itself shows the hyper-parameters."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        for key, value in metrics.items():
            self.curves.setdefault(key, []).append((step or 0, float(value)))

    def steps(self, key: str) -> list[int]:
        return [step for step, _ in self.curves[key]]

    def __getitem__(self, key: str) -> list[float]:
        return [value for _, value in self.curves[key]]


class NonFiniteLoss(RuntimeError):
    """The loss became NaN or infinite."""


class StopOnNonFinite(Callback):
    """Stop at the first loss that is not finite; the error names the step and the loss."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        if loss is not None and not torch.isfinite(loss):
            raise NonFiniteLoss(
                f"The loss is {loss.item()} at step {trainer.global_step}: training stops here. "
                "A lower learning rate, or a look at this batch's inputs, usually helps."
            )


def fast_bf16() -> bool:
    """Whether bfloat16 makes this machine faster: a GPU that has it, or a CPU with AVX512-BF16 or AMX."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def quiet_trainer(*, epochs: int = -1, steps: int = -1, bf16: bool = False, **options: Any) -> Trainer:
    """A `Trainer` that writes no files and prints nothing, with a `History` as its logger.

    Args:
        epochs, steps: When to stop (whichever comes first; -1: no such limit).
        bf16: Compute in bfloat16 where that is safe (mixed precision); weights and their updates stay in float32.
        options: Handed to `Trainer`: `devices`, `num_nodes`, `strategy`, …
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    return Trainer(
        max_epochs=epochs,
        max_steps=steps,
        precision="bf16-mixed" if bf16 else "32-true",
        callbacks=[StopOnNonFinite()],
        logger=History(),
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **{"devices": 1, **options},
    )


@torch.inference_mode()
def outputs(network: nn.Module, inputs: Tensor, *, bf16: bool = False, batch_size: int = 500) -> Tensor:
    """What `network`, in evaluation mode, answers to all `inputs` (N, ...): float32 (N, ...), on the CPU.

    The network moves to the GPU if there is one, and stays there.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device).eval()
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        return torch.cat([network(batch.to(device)).float().cpu() for batch in inputs.split(batch_size)])


class Stopwatch:
    """`with Stopwatch() as watch: ...`, then `watch.cpu` and `watch.wall` in seconds."""

    def __enter__(self) -> Self:
        self._cpu, self._wall = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        self.cpu, self.wall = time.process_time() - self._cpu, time.perf_counter() - self._wall
