"""Pieces of Markdown and HTML that Colab shows: quotes, folds, code."""

import re
from functools import cache

from markdown_it import MarkdownIt


def quote(title: str, body: str) -> str:
    """A block quote that begins with a bold title."""
    text = f"**{title}**\n\n{body}".strip() if title else body
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def fold(summary: str, body: str) -> str:
    """A fold that opens on a click; `summary` is inline Markdown."""
    return f"<details>\n<summary>{inline_html(summary)}</summary>\n\n{body.strip()}\n\n</details>"


def code(language: str, text: str) -> str:
    """A block of code."""
    longest = max((len(run) for run in re.findall("`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def inline_html(text: str) -> str:
    """Inline Markdown as HTML, for places where Colab reads none; math stays between its dollar signs."""
    return _inline().renderInline(" ".join(text.split()))


@cache
def _inline() -> MarkdownIt:
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    markdown = MarkdownIt("commonmark")
    dollarmath_plugin(markdown, allow_space=False, double_inline=True)
    for kind, mark in {"math_inline": "$", "math_inline_double": "$$"}.items():
        markdown.add_render_rule(kind, lambda _, tokens, index, *__, mark=mark: f"{mark}{tokens[index].content}{mark}")
    return markdown
