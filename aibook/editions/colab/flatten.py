"""One page's Markdown, with everything that Colab cannot show put into what it can."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from markdown_it.token import Token
from nbformat import NotebookNode

from aibook.editions.colab import images
from aibook.editions.colab.directives import rendered
from aibook.editions.colab.edits import Edits
from aibook.editions.colab.library import Library
from aibook.editions.colab.parsing import FlattenError, directive, parse
from aibook.editions.colab.roles import role
from aibook.editions.colab.words import WORDS

# Environments of amsmath, and what stands for them between dollar signs, where they are not allowed.
_AMSMATH = {"align": "aligned", "flalign": "aligned", "eqnarray": "aligned", "alignat": "alignedat"} | {
    "gather": "gathered",
    "multline": "gathered",
}
_LABEL = re.compile(r"\\label\{[^}]*\}")


class Page:
    """A notebook on its way to Colab: what its text may refer to, and how far its numbering has come."""

    def __init__(self, node: NotebookNode, path: Path, library: Library) -> None:
        self.node = node
        self.path = path
        self.name = library.page_of(path)
        self.library = library
        self.language = library.language
        self.words = WORDS[library.language]
        self.cited: list[str] = []
        self._count: Counter[str] = Counter()
        self._where = ""

    @contextmanager
    def at(self, where: str) -> Iterator[None]:
        """Errors inside name this page and `where`."""
        try:
            yield
        except FlattenError as error:
            raise FlattenError(f"{self.name}, {where}: {error}") from None

    def next_number(self, kind: str) -> int:
        """The number of the next figure, table, exercise or labelled equation."""
        self._count[kind] += 1
        return self._count[kind]

    def flatten(self, text: str) -> str:
        """The text without anything that only MyST understands. Raises FlattenError where that cannot be done."""
        text = text.replace("\r\n", "\n")
        edits = Edits(text)
        tokens = parse(text)
        for index, token in enumerate(tokens):
            if token.type == "inline":
                self._inline(token, edits)
            elif token.type in _BLOCKS:
                _BLOCKS[token.type](self, token, edits)
            elif token.type == "dt_open":
                self._term(tokens[index + 1], edits)
            elif token.type == "dd_open":
                self._definition(tokens[index + 1], edits)
        return edits.applied().strip("\n")

    # -- blocks --------------------------------------------------------------------------------------------------------
    def _fence(self, token: Token, edits: Edits) -> None:
        if found := directive(token):
            edits.lines(token, rendered(found, self), token.markup)

    def _math(self, token: Token, edits: Edits) -> None:
        label = token.info if token.type == "math_block_label" else ""
        if label:
            edits.lines(token, self.display_math(token.content, label=label), "$$")

    def _amsmath(self, token: Token, edits: Edits) -> None:
        token.map = [token.map[0], token.map[0] + token.content.count("\n") + 1]  # the parser's stops a line short
        edits.lines(token, self.display_math(token.content), r"\begin")

    def _removed(self, token: Token, edits: Edits) -> None:
        markup = {"myst_target": "(", "myst_line_comment": "%", "front_matter": "---"}.get(token.type, token.markup[:3])
        edits.lines(token, "", markup)

    def _definition(self, token: Token, edits: Edits) -> None:
        marker = re.compile(r"[^:~]*[:~]").match(edits.text, edits.starts[token.map[0]])
        edits.at(marker.end() - 1, marker.end(), " ")

    def _footnote(self, token: Token, edits: Edits) -> None:
        start = edits.starts[token.map[0]]
        head = re.compile(r"\[\^([^\]]+)\]:").search(edits.text, start)
        edits.at(head.start(), head.end(), f"<sup>{head[1]}</sup>")

    def _substitution(self, token: Token, edits: Edits) -> None:
        raise FlattenError(f"substitutions such as `{{{{ {token.content} }}}}` are not used in this book")

    def _term(self, token: Token, edits: Edits) -> None:
        places = edits.places(token)
        edits.inline(places, 0, 0, "- **")
        edits.inline(places, len(token.content), len(token.content), f"**{self.words['colon'].rstrip()}")

    def display_math(self, tex: str, label: str = "") -> str:
        """A displayed equation, numbered when it has a label."""
        tex = _LABEL.sub("", tex).strip()
        if match := re.fullmatch(r"\\begin\{(\w+)\*?\}(.*)\\end\{\1\*?\}", tex, re.DOTALL):
            inner = _AMSMATH.get(match[1])
            if inner:
                tex = f"\\begin{{{inner}}}{match[2]}\\end{{{inner}}}"
            elif match[1] == "equation":
                tex = match[2].strip()
        tag = f" \\tag{{{self.next_number('equation')}}}" if label else ""
        return f"$$\n{tex}{tag}\n$$"

    # -- inside a paragraph --------------------------------------------------------------------------------------------
    def _inline(self, token: Token, edits: Edits) -> None:
        placed = [child for child in token.children or [] if "span" in child.meta or "attributes" in child.meta]
        substitution = next((c for c in token.children or [] if c.type == "substitution_inline"), None)
        if substitution:
            self._substitution(substitution, edits)
        places = edits.places(token)
        for child in placed:
            for start, end in child.meta.get("attributes", []):
                edits.inline(places, start, end, "")
            if "span" in child.meta:
                self._construct(child, token.content, places, edits)

    def _construct(self, child: Token, content: str, places: list[tuple[int, int]], edits: Edits) -> None:
        start, end = child.meta["span"]
        label_end = child.meta.get("label_end")
        if child.type == "myst_role":
            edits.inline(places, start, end, role(child.meta["name"], child.content, self))
        elif child.type == "footnote_ref":
            edits.inline(places, start, end, f"<sup>{content[start + 2 : end - 1]}</sup>")
        elif child.type == "span_open":
            edits.inline(places, start, start + 1, "")
            edits.inline(places, label_end, end, "")
        elif child.type == "image":
            address = images.address(child.attrs["src"], self)
            if address != child.attrs["src"]:
                edits.inline(places, label_end, end, f"]({address})")
        elif label_end is None:
            if not child.attrs["href"].startswith(("http://", "https://", "mailto:")):
                url, title = self.library.resolve(child.attrs["href"], self.name)
                edits.inline(places, start, end, f"[{title or url}]({url})")
        else:
            self._link(child, start, label_end, end, places, edits)

    def _link(self, child: Token, start: int, label_end: int, end: int, places: list, edits: Edits) -> None:
        if child.attrs["href"].startswith("attachment:"):
            return
        url, title = self.library.resolve(child.attrs["href"], self.name)
        empty = label_end == start + 1
        if url != child.attrs["href"] or empty:
            text = self.label_text(child.attrs["href"], title) if empty else ""
            edits.inline(places, label_end, end, f"{text}]({url})")

    def label_text(self, href: str, title: str) -> str:
        """What a link without a text of its own shows: `Figure 2`, `(3)`, or the title of what it leads to."""
        label = href.rpartition("#")[2].lower()
        target = self.library.labels.get(label)
        return self.numbered(target) if target and target.number else (self.flatten(title) if title else href)

    def numbered(self, target) -> str:
        """`Figure 2`, `Exercise 1`, `(3)` for an equation."""
        if target.kind == "equation":
            return f"({target.number})"
        return f"{self.words[target.kind]} {target.number}"


_BLOCKS: dict[str, Callable[[Page, Token, Edits], None]] = {
    "fence": Page._fence,
    "colon_fence": Page._fence,
    "math_block_label": Page._math,
    "amsmath": Page._amsmath,
    "myst_target": Page._removed,
    "myst_line_comment": Page._removed,
    "myst_block_break": Page._removed,
    "front_matter": Page._removed,
    "footnote_reference_open": Page._footnote,
    "substitution_block": Page._substitution,
}
