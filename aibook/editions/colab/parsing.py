"""MyST parsed as the site parses it, keeping the place of each inline construct so that it can be replaced."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import yaml
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from aibook import house

# Inline rules whose constructs Colab cannot show or resolve, with the type of the token that each pushes.
_PLACED = {
    "myst_role": "myst_role",
    "link": "link_open",
    "image": "image",
    "span": "span_open",
    "footnote_ref": "footnote_ref",
    "autolink": "link_open",
}
_FENCES = ("fence", "colon_fence")
_NAME = re.compile(r"\{([^\s{}]+)\}[ \t]*(.*)", re.DOTALL)
_OPTION = re.compile(r":([A-Za-z][\w-]*):(?:[ \t]+(.*))?$")


class FlattenError(ValueError):
    """Something in a notebook that cannot be shown in Colab; the message names the notebook, the cell and the thing."""


@dataclass(frozen=True)
class Directive:
    """A parsed directive: its name, what follows on its first line, its options, and its text."""

    name: str
    argument: str
    options: dict[str, str]
    body: str

    @property
    def classes(self) -> list[str]:
        return str(self.options.get("class") or "").replace(",", " ").split()


@cache
def parser() -> MarkdownIt:
    """The site's Markdown parser. Inline tokens carry `meta["span"]`: their start and end in the inline text."""
    from myst_parser.config.main import MdParserConfig
    from myst_parser.parsers.mdit import create_md_parser

    extensions = set(house.config()["parse"]["myst_enable_extensions"])
    markdown = create_md_parser(MdParserConfig(enable_extensions=extensions), RendererHTML)
    rules = {rule.name: rule.fn for rule in markdown.inline.ruler.__rules__}
    for name, token_type in _PLACED.items():
        if name in rules:
            markdown.inline.ruler.at(name, _placing(rules[name], token_type))
    if "attr" in rules:
        markdown.inline.ruler.at("attr", _placing_attributes(rules["attr"]))
    return markdown


def parse(text: str) -> list[Token]:
    """Block tokens of a text."""
    return parser().parse(text, {})


def directive(token: Token) -> Directive | None:
    """The directive that a fence opens, or None when the fence is not one."""
    if token.type not in _FENCES or not (match := _NAME.fullmatch(token.info.strip())):
        return None
    options, body = _options(token.content)
    return Directive(match[1], match[2].strip(), options, body)


def _options(content: str) -> tuple[dict[str, str], str]:
    """Options at the head of a directive's content, in either of MyST's forms, and the text after them."""
    lines = content.split("\n")
    if lines[0].strip() == "---" and "---" in (line.strip() for line in lines[1:]):
        end = [line.strip() for line in lines].index("---", 1)
        return yaml.safe_load("\n".join(lines[1:end])) or {}, "\n".join(lines[end + 1 :]).strip("\n")
    options = {}
    while lines and (match := _OPTION.fullmatch(lines[0].strip())):
        options[match[1]] = (match[2] or "").strip()
        lines.pop(0)
    return options, "\n".join(lines).strip("\n")


Rule = Callable[[StateInline, bool], bool]


def _placing(rule: Rule, token_type: str) -> Rule:
    def placed(state: StateInline, silent: bool) -> bool:
        start, count = state.pos, len(state.tokens)
        done = rule(state, silent)
        if done and not silent:
            token = next(token for token in state.tokens[count:] if token.type == token_type)
            token.meta["span"] = (start, state.pos)
            if state.src[start] == "[" or token_type == "image":
                opening = start + (token_type == "image")
                position, state.pos = state.pos, start
                token.meta["label_end"] = state.md.helpers.parseLinkLabel(state, opening, False)
                state.pos = position
        return done

    return placed


def _placing_attributes(rule: Rule) -> Rule:
    """Keeps where `{.class}` stood after an image, a link or code: in `meta["attributes"]` of the last token."""

    def placed(state: StateInline, silent: bool) -> bool:
        start = state.pos
        done = rule(state, silent)
        if done and not silent:
            state.tokens[-1].meta.setdefault("attributes", []).append((start, state.pos))
        return done

    return placed
