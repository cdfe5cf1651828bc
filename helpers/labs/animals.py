"""A little language of animals for lab 5: "two dog often bark ; one cat meows ;". Each verb follows from its noun.

Its words are pieces, the special ones first. Which id means which of the other words is drawn anew for each `Language`,
so that a network has to learn it from the batches.
"""

from __future__ import annotations

import numpy as np
import torch

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNK, CLS, SEP, MASK = range(5)
IGNORE = -100  # the label of a place where nothing is to be guessed
ANIMALS = {
    "dog": "bark", "cat": "meow", "cow": "moo", "duck": "quack", "lion": "roar", "horse": "neigh",
}  # fmt: skip
ADVERBS = ("often", "seldom", "loudly")
VERBS = (*ANIMALS.values(), *(verb + "s" for verb in ANIMALS.values()))
WORDS = ("one", "two", ";", *ADVERBS, *ANIMALS, *VERBS)
PIECES = len(SPECIAL) + len(WORDS)
LONGEST = 17  # three clauses of five words, [CLS] and [SEP]


class Language:
    """The language with ids drawn from `rng`: `ids` maps words to ids 0 … PIECES − 1, `words` ids to words."""

    def __init__(self, rng: np.random.Generator) -> None:
        drawn = (len(SPECIAL) + rng.permutation(len(WORDS))).tolist()
        self.ids = dict(zip((*SPECIAL, *WORDS), (*range(len(SPECIAL)), *drawn), strict=True))
        self.words = {i: word for word, i in self.ids.items()}
        self.verbs = torch.tensor([self.ids[verb] for verb in VERBS])

    def text(self, rng: np.random.Generator) -> list[str]:
        """Two or three clauses about different animals."""
        words: list[str] = []
        for noun in rng.permutation(list(ANIMALS))[: rng.integers(2, 4)].tolist():
            many = bool(rng.integers(2))
            adverb = [str(rng.choice(ADVERBS))] * int(rng.integers(2))
            verb = ANIMALS[noun] + ("" if many else "s")
            words += ["two" if many else "one", noun, *adverb, verb, ";"]
        return words

    def batch(self, n: int, rng: np.random.Generator) -> torch.Tensor:
        """n texts as [CLS] … [SEP], filled up with [PAD]: int64 (n, LONGEST)."""
        ids = torch.full((n, LONGEST), PAD)
        for row in ids:
            found = [CLS, *(self.ids[word] for word in self.text(rng)), SEP]
            row[: len(found)] = torch.tensor(found)
        return ids

    def batches(self, steps: int, n: int, rng: np.random.Generator) -> list[torch.Tensor]:
        """A budget of `steps` batches of n texts."""
        return [self.batch(n, rng) for _ in range(steps)]

    def blanks(self, n: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """n new texts whose verbs are all [MASK], and labels: the verbs there, IGNORE elsewhere; both (n, LONGEST)."""
        ids = self.batch(n, rng)
        blank = torch.isin(ids, self.verbs)
        return ids.masked_fill(blank, MASK), ids.masked_fill(~blank, IGNORE)

    def spelled(self, ids: torch.Tensor) -> str:
        """A text (T,) in words, without its padding."""
        return " ".join(self.words[i] for i in ids.tolist() if i != PAD)


def accuracy(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """Of all places with a label (other than IGNORE), the share guessed right by logits (N, T, PIECES)."""
    asked = labels != IGNORE
    return float((logits.argmax(-1) == labels)[asked].float().mean())
