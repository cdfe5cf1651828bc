"""Directives whose text is a list: quizzes and list tables."""

import re
from dataclasses import dataclass

from markdown_it.token import Token

from aibook.editions.colab.parsing import FlattenError, parse

_BOX = re.compile(r"\[([ xX])\]\s*")


@dataclass(frozen=True)
class Answer:
    """One answer of a quiz, and why it is right or wrong."""

    right: bool
    text: str
    why: str


def answers(body: str) -> list[Answer]:
    """The answers of a quiz: items that begin with a box and an answer, and go on with its explanation."""
    found = []
    for item in items(body):
        first, _, why = item.partition("\n")
        if not (box := _BOX.match(first)):
            raise FlattenError(f"the answer `{first}` does not begin with [ ] or [x]")
        found.append(Answer(box[1] != " ", first[box.end() :], why.strip("\n")))
    return found


def begins_with_text(markdown: str) -> bool:
    """Whether the first block is a paragraph, which other text can stand before."""
    return bool(tokens := parse(markdown)) and tokens[0].type == "paragraph_open"


def table(body: str, header: int) -> str:
    """A list of lists as a Markdown table."""
    rows = [[" ".join(cell.split()).replace("|", r"\|") for cell in items(row)] for row in items(body)]
    if not rows or len({len(row) for row in rows}) != 1:
        raise FlattenError("the rows of a list table must have as many cells as each other")
    head = rows[0] if header else [""] * len(rows[0])
    return "\n".join(_row(row) for row in [head, ["---"] * len(head), *(rows[1:] if header else rows)])


def items(text: str) -> list[str]:
    """Text of each item of the list that `text` is, without the item's marker and indentation."""
    tokens, lines = parse(text), text.split("\n")
    if not tokens or tokens[0].type not in ("bullet_list_open", "ordered_list_open"):
        raise FlattenError("a list is wanted here")
    return [_item(token, lines) for token in tokens if token.type == "list_item_open" and token.level == 1]


def _item(token: Token, lines: list[str]) -> str:
    first, *rest = lines[token.map[0] : token.map[1]]
    indent = re.match(r"\s*(?:[-*+]|\d+[.)])\s*", first).end()
    return "\n".join([first[indent:], *(line[min(indent, len(line) - len(line.lstrip())) :] for line in rest)]).rstrip()


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
