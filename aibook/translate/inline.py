"""What a line of text holds beside its words: math, code, citations, links; and the words alone."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token

# Stand in the words for what is read aloud like a foreign word (code, math, a glued number), and for what is not.
OBJECT, MARK = "\ue000", "\ue001"

TITLE_AND_TARGET = re.compile(r"(.*?)\s*<([^<>]*)>\s*", re.DOTALL)
TEXT_ROLES = frozenset({"abbr", "bdg", "bdg-primary", "bdg-secondary", "guilabel", "term"})
HTML_TEXT = re.compile(r"\s(alt|title|aria-label)=(\"[^\"]*\"|'[^']*')")
HTML_TAG = re.compile(r"<!--.*?-->|</?[a-zA-Z][^>]*>", re.DOTALL)
HTML_CODE = re.compile(r"<(script|style|pre|code)\b.*?</\1>", re.DOTALL)


@dataclass
class Content:
    """`things` counts all that a translation must keep; `words` is the visible text."""

    things: Counter = field(default_factory=Counter)
    words: str = ""


def content(text: str, parser: MarkdownIt, env: dict) -> Content:
    """Take a line of Markdown apart."""
    found = Content()
    for token in parser.parseInline(text, env):
        _read(token.children or [], found)
    return found


def html_content(html: str) -> Content:
    """Take a block of HTML apart: its tags in their count, with their attributes but for those that are text."""
    found = Content()
    shown = [match.group(2)[1:-1] for match in HTML_TEXT.finditer(html)]
    for code in HTML_CODE.finditer(html):
        found.things[("code", code.group())] += 1
    rest = HTML_CODE.sub(OBJECT, html)
    for tag in HTML_TAG.findall(rest):
        found.things[("tag", HTML_TEXT.sub("", tag))] += 1
    found.words = "\n".join([HTML_TAG.sub("", rest), *shown])
    return found


def has_text(found: Content) -> bool:
    """Whether there are words to translate."""
    return any(character.isalpha() for character in found.words.replace(OBJECT, "").replace(MARK, ""))


def _read(tokens: Iterable[Token], found: Content) -> None:
    address = False
    for token in tokens:
        kind = token.type
        if kind == "text":
            found.words += MARK if address else token.content
        elif kind == "softbreak":
            found.words += " "
        elif kind == "hardbreak":
            found.words += "\n"
            found.things[("hard line break", "")] += 1
        elif kind == "code_inline":
            found.things[("code", token.content)] += 1
            found.words += OBJECT
        elif kind.startswith("math_") or kind == "amsmath":
            found.things[("math", " ".join(token.content.split()))] += 1
            found.words += OBJECT
        elif kind == "myst_role":
            _role(token, found)
        elif kind in ("em_open", "strong_open"):
            # Chinese has no italics, so `*…*` may become `**…**`.
            found.things[("emphasis", "")] += 1
        elif kind == "link_open":
            found.things[("link", _attributes(token))] += 1
            address = token.markup == "autolink"
        elif kind == "link_close":
            address = False
        elif kind == "image":
            found.things[("image", _attributes(token))] += 1
            found.words += "\n"
            _read(token.children or [], found)
            found.words += "\n"
        elif kind == "html_inline":
            found.things[("tag", HTML_TEXT.sub("", token.content))] += 1
            found.words += "\n" if token.content.startswith("<br") else ""
            found.words += "".join(f"\n{match.group(2)[1:-1]}\n" for match in HTML_TEXT.finditer(token.content))
        elif kind == "footnote_ref":
            found.things[("footnote", str(token.meta.get("label")))] += 1
        elif token.nesting == 0:
            found.things[(kind, token.content)] += 1
            found.words += MARK
        elif token.nesting > 0:
            found.things[(kind, _attributes(token))] += 1


def _role(token: Token, found: Content) -> None:
    name, text = token.meta["name"], token.content
    if match := TITLE_AND_TARGET.fullmatch(text):
        found.things[("role", f"{name} {match.group(2)}")] += 1
        found.words += match.group(1)
    elif name in TEXT_ROLES:
        found.things[("role", name)] += 1
        found.words += text
    else:
        found.things[("role", f"{name} {text}")] += 1
        found.words += OBJECT if name.startswith(("glue", "math", "eval")) else MARK


def _attributes(token: Token) -> str:
    return " ".join(f"{key}={value}" for key, value in sorted(token.attrs.items()) if key not in ("alt", "title"))
