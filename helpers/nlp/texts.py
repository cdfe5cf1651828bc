"""From texts to numbers: cutting into tokens, a vocabulary, ids.

Id 0 is padding and id 1 stands for every token that the vocabulary lacks, in all chapters that build their own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

PAD, UNKNOWN = 0, 1
SPECIAL = ("<pad>", "<unk>")
WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+|[^\w\s]")


def words(text: str) -> list[str]:
    """English: lower-case words, numbers, and single marks of punctuation. "It's 5, ok" → it's, 5, `,`, ok."""
    return WORD.findall(text.lower().replace("’", "'"))


def characters(text: str) -> list[str]:
    """Chinese: every character by itself, without white space."""
    return [character for character in text if not character.isspace()]


class Vocabulary:
    """Tokens and their ids: padding, unknown, `extra` ones, then tokens by frequency (ties: in their own order).

    Args:
        documents: Lists of tokens.
        most: How many tokens to keep at most, the special ones included; None for all.
        least: How often a token must occur to be kept.
        extra: Further special tokens, such as "<bos>", which get the ids 2, 3, …

    Raises ValueError when nothing but special tokens would be in it.
    """

    def __init__(
        self,
        documents: Iterable[Sequence[str]],
        *,
        most: int | None = None,
        least: int = 1,
        extra: Sequence[str] = (),
    ) -> None:
        counts = Counter(token for document in documents for token in document)
        self.tokens = [*SPECIAL, *extra]
        ranked = sorted((-n, token) for token, n in counts.items() if n >= least and token not in self.tokens)
        self.tokens += [token for _, token in ranked][: None if most is None else max(0, most - len(self.tokens))]
        if len(self.tokens) == len(SPECIAL) + len(extra):
            raise ValueError(f"no token occurs {least} times or more: the vocabulary would be empty")
        self.ids = {token: i for i, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """Ids of tokens; UNKNOWN for each that is not in the vocabulary."""
        return [self.ids.get(token, UNKNOWN) for token in tokens]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Tokens of ids."""
        return [self.tokens[i] for i in ids]


def encoded(
    texts: Sequence[str], cut: Callable[[str], list[str]], vocabulary: Vocabulary, longest: int
) -> list[list[int]]:
    """Each text as ids, cut off after `longest` tokens; a text without tokens is one UNKNOWN, never an empty list.

    Raises ValueError for `longest` below 1.
    """
    if longest < 1:
        raise ValueError(f"longest is the number of tokens to keep, 1 or more, not {longest}")
    return [vocabulary.encode(cut(text)[:longest]) or [UNKNOWN] for text in texts]
