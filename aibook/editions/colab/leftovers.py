"""What in a notebook's text Colab would show as it is written: the check of the Colab editions."""

import re
from collections.abc import Iterator

from markdown_it.token import Token
from nbformat import NotebookNode

from aibook.editions.colab.parsing import directive, parse

_FORBIDDEN = {
    "myst_target": "target",
    "myst_line_comment": "comment",
    "myst_block_break": "block break",
    "math_block_label": "equation label",
    "amsmath": "environment outside dollar signs",
    "colon_fence": "colon fence",
    "dl_open": "definition list",
    "footnote_reference_open": "footnote",
    "footnote_ref": "footnote",
    "substitution_block": "substitution",
    "substitution_inline": "substitution",
    "front_matter": "front matter",
    "myst_role": "role",
    "span_open": "attributes",
}
_RAW = re.compile(r"\{[A-Za-z][\w:-]*\}`|^\s*(?::{3,}|`{3,})\{|^\s*:::+\s*$|[\ue000\ue001]", re.MULTILINE)
_SOURCE = re.compile(r"""<(?:img|a)\b[^>]*?\b(?:src|href)\s*=\s*["']?([^"'\s>]+)""")
_OUTSIDE = ("http://", "https://", "mailto:", "data:", "attachment:")


def leftovers(node: NotebookNode) -> list[str]:
    """Each role, directive, target or address in a notebook's text that Colab cannot show or follow."""
    found = []
    for index, cell in enumerate(node.cells):
        if cell.cell_type == "markdown":
            found += [f"cell {index}: {what}" for what in _in_text(cell.source)]
    return found


def _in_text(text: str) -> Iterator[str]:
    for token in parse(text):
        if token.type in _FORBIDDEN:
            yield f"{_FORBIDDEN[token.type]} `{(token.info or token.content).strip()[:60]}`"
        elif found := directive(token):
            yield f"directive `{{{found.name}}}`"
        elif token.type == "html_block":
            yield from _raw(token.content)
        for child in token.children or []:
            yield from _inline(child)


def _inline(token: Token) -> Iterator[str]:
    if token.type in _FORBIDDEN or "attributes" in token.meta:
        yield f"{_FORBIDDEN.get(token.type, 'attributes')} `{token.meta.get('name', '')} {token.content}`"
    elif token.type in ("text", "html_inline"):
        yield from _raw(token.content)
    address = token.attrs.get("href") or token.attrs.get("src")
    if address and not str(address).startswith(_OUTSIDE):
        yield f"address `{address}`"


def _raw(text: str) -> Iterator[str]:
    yield from (f"text `{match[0].strip()}`" for match in _RAW.finditer(text))
    yield from (f"address `{address}`" for address in _SOURCE.findall(text) if not address.startswith(_OUTSIDE))
