"""An invented language for lab 6, of which all is known: texts with a topic and a mood, both to be read off the words.

    language = Language()
    ids, labels = language.texts(64, np.random.default_rng(1), turned=(0, 2))
    print(language.spelled(ids[0]), labels[0])

It has what makes pretraining pay: a few labelled texts show few of the words, and unlabelled texts show which words
belong together. And it has what makes *fine*-tuning pay: in some topics the moody words mean the opposite, as
"frightening" praises a horror film, so that neither the mood nor the topic alone tells the label.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

PAD, MASK, NOT = 0, 1, 2
SPECIAL = ("[PAD]", "[MASK]", "not")
TOPICS = ("horror", "love", "war", "cooking")


class Language:
    """Ids: [PAD], [MASK] and "not"; in an order drawn by the seed, the words that fill, of topics, and of two moods.

    A text has 6 to 16 words. 15 % fill, 25 % belong to its topic; the others speak of its mood, 1 in 10 of them
    wrongly, and 1 in 4 of them by "not" and a word of the other mood.
    """

    FILLERS, TOPICAL, MOODY = 10, 10, 40  # words; of each topic; of each mood
    LONGEST = 16
    FILL, TOPIC, WRONG, NEGATED = 0.15, 0.25, 0.1, 0.25

    def __init__(self, seed: int = 0) -> None:
        sizes = [self.FILLERS, *[self.TOPICAL] * len(TOPICS), self.MOODY, self.MOODY]
        ids = len(SPECIAL) + np.random.default_rng(seed).permutation(sum(sizes))
        self.fillers, *self.topical, bad, good = np.split(ids, np.cumsum(sizes)[:-1])
        self.moody = (bad, good)
        self.words = [*SPECIAL, *[""] * sum(sizes)]
        kinds = zip(("um", *TOPICS, "bad", "good"), (self.fillers, *self.topical, bad, good), strict=True)
        for kind, members in kinds:
            for i, word in enumerate(members):
                self.words[word] = f"{kind}{i}"

    def __len__(self) -> int:
        return len(self.words)

    def texts(self, n: int, rng: np.random.Generator, turned: Sequence[int] = ()) -> tuple[Tensor, Tensor]:
        """Ids (n, 16), int64, padded at the end, and labels (n,), int64: the mood, or its opposite in `turned` topics.

        turned: Numbers of topics.
        """
        ids, labels = np.full((n, self.LONGEST), PAD), np.empty(n, np.int64)
        for i in range(n):
            mood, topic = int(rng.integers(2)), int(rng.integers(len(TOPICS)))
            words = self._text(mood, topic, rng)
            ids[i, : len(words)] = words
            labels[i] = 1 - mood if topic in turned else mood
        return torch.from_numpy(ids), torch.from_numpy(labels)

    def spelled(self, ids: Tensor) -> str:
        """A text (T,) in words."""
        return " ".join(self.words[i] for i in ids.tolist() if i != PAD)

    def _text(self, mood: int, topic: int, rng: np.random.Generator) -> list[int]:
        words: list[int] = []
        length = int(rng.integers(6, self.LONGEST + 1))
        while len(words) < length:
            kind = rng.random()
            if kind < self.FILL:
                words.append(int(rng.choice(self.fillers)))
            elif kind < self.FILL + self.TOPIC:
                words.append(int(rng.choice(self.topical[topic])))
            else:
                meant = mood if rng.random() > self.WRONG else 1 - mood
                if rng.random() < self.NEGATED and len(words) < length - 1:
                    words += [NOT, int(rng.choice(self.moody[1 - meant]))]
                else:
                    words.append(int(rng.choice(self.moody[meant])))
        return words
