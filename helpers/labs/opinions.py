"""A little language of opinions: "film very good ; dull plot ;". Each thing is praised or blamed by the word beside it.

Which id means which word is drawn anew for each `Language`, so that a network has to learn it from the batches.
"""

from __future__ import annotations

import numpy as np
import torch

PAD, NOTHING = 0, -100  # the id that fills up, and the label of what is no thing
SMALL = ("very", ";")
THINGS = ("film", "plot", "cast", "music", "ending", "script", "humor", "story", "camera", "scenery")
PRAISE = ("good", "great", "lovely", "superb", "clever", "fresh")
BLAME = ("bad", "dull", "awful", "weak", "stale", "clumsy")
WORDS = SMALL + THINGS + PRAISE + BLAME
PIECES = 1 + len(WORDS)  # ids, PAD included
CLAUSES, LONGEST = 4, 16  # at most: clauses in a text, and its ids


class Language:
    """The language with ids drawn from `rng`: `ids` maps words to ids 1 … PIECES − 1, `words` ids to words."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.ids = dict(zip(WORDS, (1 + rng.permutation(len(WORDS))).tolist(), strict=True))
        self.words = {i: word for word, i in self.ids.items()} | {PAD: "·"}

    def text(self, rng: np.random.Generator) -> tuple[list[str], list[int]]:
        """One text of 2 to 4 clauses: its words, and for each 1 (praised), 0 (blamed) or NOTHING (no thing)."""
        words, labels = [], []
        for thing in rng.permutation(THINGS)[: rng.integers(2, CLAUSES + 1)].tolist():
            praised = int(rng.integers(2))
            opinion = [str(rng.choice(PRAISE if praised else BLAME))]
            if rng.integers(2):
                opinion = ["very", *opinion]
            before = bool(rng.integers(2))  # "very good film" or "film very good"
            words += [*opinion, thing, ";"] if before else [thing, *opinion, ";"]
            silent = [NOTHING] * len(opinion)
            labels += [*silent, praised, NOTHING] if before else [praised, *silent, NOTHING]
        return words, labels

    def batch(self, n: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """n texts, filled up at the end: ids and labels, both int64 (n, LONGEST)."""
        ids = torch.full((n, LONGEST), PAD)
        labels = torch.full((n, LONGEST), NOTHING)
        for row, found in zip(ids, labels, strict=True):
            words, true = self.text(rng)
            row[: len(words)] = torch.tensor([self.ids[word] for word in words])
            found[: len(true)] = torch.tensor(true)
        return ids, labels

    def batches(self, steps: int, n: int, rng: np.random.Generator) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """A budget of `steps` batches of n texts."""
        return [self.batch(n, rng) for _ in range(steps)]


def accuracy(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """Of all things (labels other than NOTHING), the share judged right by logits (N, T, 2)."""
    judged = labels != NOTHING
    return float((logits.argmax(-1) == labels)[judged].float().mean())
