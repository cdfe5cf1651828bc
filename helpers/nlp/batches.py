"""Batches of texts of different lengths with little padding: texts of similar length share a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from helpers.nlp.texts import PAD


def padded(sequences: Sequence[Sequence[int]], pad: int = PAD) -> Tensor:
    """Ids (B, T), int64, where T is the longest sequence's length; shorter ones end in `pad`.

    Raises ValueError for an empty list and for an empty sequence.
    """
    if not sequences or not all(len(sequence) for sequence in sequences):
        raise ValueError("a batch needs at least one sequence, and each sequence at least one token")
    ids = torch.full((len(sequences), max(map(len, sequences))), pad, dtype=torch.int64)
    for row, sequence in zip(ids, sequences, strict=True):
        row[: len(sequence)] = torch.as_tensor(sequence)
    return ids


class Bucketed:
    """Batches `(ids (B, T), labels (B,))` of texts of similar length, drawn anew at each pass.

    Where `shuffle` is set, the texts are shuffled, cut into pools of `pool` batches, sorted by length within a pool,
    and the batches come in random order: random enough to train on, with a small fraction of the padding of random
    batches. Else they come sorted by length, each text once; `order` then says which text is where, so that
    `answers[loader.order.argsort()]` puts answers back into the texts' order.

    Args:
        sequences: N lists of ids, none of them empty.
        labels: Shape (N,), or (N, …); None for zeros.
        batch_size: Texts in a batch.
        pad: The id that fills up.
        shuffle: A new order at each pass, drawn from PyTorch's global generator.
        pool: Batches that are sorted together when shuffling; 1 is plain shuffling.
    """

    def __init__(
        self,
        sequences: Sequence[Sequence[int]],
        labels: Sequence[int] | np.ndarray | Tensor | None,
        batch_size: int,
        *,
        pad: int = PAD,
        shuffle: bool = False,
        pool: int = 50,
    ) -> None:
        labels = torch.zeros(len(sequences), dtype=torch.int64) if labels is None else torch.as_tensor(labels)
        if len(sequences) != len(labels):
            raise ValueError(f"{len(sequences)} texts but {len(labels)} labels")
        if not len(sequences) or not all(len(sequence) for sequence in sequences):
            raise ValueError("there must be at least one text, and each at least one token")
        self.sequences, self.labels, self.batch_size = list(sequences), labels, batch_size
        self.pad, self.shuffle, self.pool = pad, shuffle, pool
        self.lengths = torch.tensor([len(sequence) for sequence in sequences])
        self.order = torch.argsort(self.lengths, stable=True)

    def __len__(self) -> int:
        return -(-len(self.sequences) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for index in self._batches():
            yield padded([self.sequences[i] for i in index.tolist()], self.pad), self.labels[index]

    def _batches(self) -> list[Tensor]:
        if not self.shuffle:
            return list(self.order.split(self.batch_size))
        pools = torch.randperm(len(self.sequences)).split(self.batch_size * self.pool)
        batches = [b for p in pools for b in p[self.lengths[p].argsort(stable=True)].split(self.batch_size)]
        return [batches[i] for i in torch.randperm(len(batches))]
