"""Replacing parts of a Markdown text by place, so that everything that is not replaced stays as it was written."""

import re

from markdown_it.token import Token


class Edits:
    """Replacements to make in one text, collected by line or by place in an inline token."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0] + [match.end() for match in re.finditer(r"\n", text)] + [len(text)]
        self._edits: list[tuple[int, int, str]] = []
        self._cursor: dict[int, int] = {}
        self._places: dict[int, list[tuple[int, int]]] = {}

    def line(self, number: int) -> str:
        return self.text[self.starts[number] : self._end(number)]

    def lines(self, token: Token, new: str, markup: str) -> None:
        """Replace the lines of a block token, which begins with `markup`, inside the same list item or block quote."""
        first, last = token.map[0], min(token.map[1], len(self.starts) - 1)
        head = self.line(first)
        prefix = head[: head.index(markup)]
        further = re.sub(r"[^>\s]", " ", prefix)
        text = "\n".join((further if i else prefix) + part for i, part in enumerate(new.split("\n")))
        self._edits.append((self.starts[first], self._end(last - 1), text))

    def places(self, token: Token) -> list[tuple[int, int]]:
        """For each line of an inline token: where it begins in the token's content, and where in the text."""
        if id(token) in self._places:
            return self._places[id(token)]
        found, offset = [], 0
        for number, part in enumerate(token.content.split("\n"), start=token.map[0]):
            # In a table's cell a `|` is written `\|`, which the token's content has without the backslash.
            pieces = [part] if part in self.line(number) else re.split(r"(?=\|)", part)
            begin = self.text.index("\\".join(pieces), self._cursor.get(number, self.starts[number]))
            for piece in pieces:
                found.append((offset, begin))
                offset, begin = offset + len(piece), begin + len(piece) + 1
            self._cursor[number] = begin - 1
            offset += 1
        self._places[id(token)] = found
        return found

    def inline(self, places: list[tuple[int, int]], start: int, end: int, new: str) -> None:
        """Replace what stands between two places of an inline token's content."""
        self._edits.append((_absolute(places, start), _absolute(places, end), new))

    def at(self, start: int, end: int, new: str) -> None:
        """Replace what stands between two places of the text."""
        self._edits.append((start, end, new))

    def applied(self) -> str:
        """The text with every replacement made."""
        text = self.text
        for start, end, new in sorted(self._edits, key=lambda edit: edit[:2], reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def _end(self, number: int) -> int:
        end = self.starts[number + 1]
        return end - 1 if self.text[end - 1 : end] == "\n" else end


def _absolute(places: list[tuple[int, int]], position: int) -> int:
    offset, begin = next(place for place in reversed(places) if place[0] <= position)
    return begin + position - offset
