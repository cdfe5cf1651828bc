"""Drops from a style sheet the rules that no page can match."""

import re
from collections.abc import Iterator

WORD = re.compile(r"[A-Za-z_-][\w-]*")
CLASS = re.compile(r"\.(-?[A-Za-z_][\w-]*)")
NEGATED = re.compile(r":(?:not|is|where|has)\((?:[^()]|\([^()]*\))*\)")
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|[{};]|[^"\'{};]+', re.DOTALL)
GROUPS = ("@media", "@supports", "@layer", "@container")


def words(texts: list[str]) -> set[str]:
    """Every word of the pages and scripts that could be the name of a class."""
    return {word for text in texts for word in WORD.findall(text)}


def purge(sheet: str, used: set[str]) -> str:
    """`sheet` without selectors that name a class which is not among `used`.

    A class within `:not(…)`, `:is(…)` and the like proves nothing and is not asked for.
    """
    tokens = iter(TOKEN.findall(COMMENT.sub("", sheet)))
    return "".join(_rules(tokens, used))


def _rules(tokens: Iterator[str], used: set[str]) -> Iterator[str]:
    """Rules up to the end of the block that `tokens` stands in."""
    prelude = ""
    for token in tokens:
        if token == "}":
            return
        if token == ";":  # @charset, or @import of a sheet that is bundled too: neither has a place inside a bundle
            prelude = ""
        elif token == "{":
            head, prelude = prelude.strip(), ""
            if head.startswith(GROUPS):
                if inner := "".join(_rules(tokens, used)):
                    yield f"{head}{{{inner}}}"
            elif (body := _body(tokens)) and (kept := _matching(head, used)):
                yield f"{kept}{{{body}}}"
        else:
            prelude += token


def _body(tokens: Iterator[str]) -> str:
    """The text up to the brace that closes this block, inner blocks included."""
    depth, text = 0, ""
    for token in tokens:
        depth += (token == "{") - (token == "}")
        if depth < 0:
            break
        text += token
    return text.strip()


def _matching(selectors: str, used: set[str]) -> str:
    if selectors.startswith("@"):
        return selectors
    return ",".join(s for s in _split(selectors) if used.issuperset(CLASS.findall(NEGATED.sub("", s))))


def _split(selectors: str) -> list[str]:
    """The parts between commas that stand outside brackets."""
    parts, depth = [""], 0
    for character in selectors:
        depth += (character in "([") - (character in ")]")
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]
