"""What the book's documents can be linked by: their titles, headings and labels, in one language."""

import posixpath
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
from markdown_it.token import Token

from aibook import house
from aibook.editions.colab.parsing import FlattenError, directive, parse

KINDS = {"figure": "figure", "table": "table", "list-table": "table"}
KINDS |= {"exercise": "exercise", "exercise-start": "exercise"}


@dataclass(frozen=True)
class Target:
    """Something with a label: the page it is on, its place there, what it is, its number of that kind, its title."""

    page: str
    anchor: str
    kind: str
    number: int | None
    title: str


@dataclass
class Library:
    """The documents below `root`, a tree of the book in `language`."""

    root: Path
    language: str
    titles: dict[str, str] = field(default_factory=dict)
    labels: dict[str, Target] = field(default_factory=dict)
    headings: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Path, language: str) -> "Library":
        """Read every page and notebook of a tree."""
        library = cls(root, language)
        for path in sorted((root / "book").rglob("*.md")):
            page = _Page(library, path)
            page.text(path.read_text(encoding="utf-8"))
        for path in house.notebooks([root / "notebooks"]):
            page = _Page(library, path)
            for cell in nbformat.read(path, as_version=4).cells:
                page.cell(cell)
        return library

    def page_of(self, path: Path) -> str:
        """Name of a document on the site: its path without the suffix."""
        return path.resolve().relative_to(self.root.resolve()).with_suffix("").as_posix()

    def resolve(self, href: str, page: str) -> tuple[str, str]:
        """Address that `href`, written on `page`, means outside the book, and the title of what it leads to.

        Raises FlattenError when it leads to nothing.
        """
        from aibook.site.editions import page_url

        parts = urlsplit(unquote(href))
        if parts.scheme in ("http", "https", "mailto"):
            return href, ""
        if parts.scheme not in ("", "project", "path", "doc"):
            raise FlattenError(f"cannot resolve the link `{href}`")
        if not parts.path:
            return self._label(parts.fragment, page)
        name = _absolute(parts.path, page)
        stem = name.removesuffix(".ipynb").removesuffix(".md")
        if stem in self.titles:
            anchor = f"#{_anchor(parts.fragment)}" if parts.fragment else ""
            return page_url(self.language, stem) + anchor, self.titles[stem]
        if self.file(parts.path, page):
            branch = house.config()["repository"].get("branch", "main")
            return f"{house.repository_url()}/blob/{branch}/{name}", posixpath.basename(name)
        raise FlattenError(f"the link `{href}` leads to no page and no file of the book")

    def file(self, path: str, page: str) -> Path | None:
        """The file that `path`, written on `page`, names in the tree or else in the repository."""
        name = _absolute(path, page)
        return next((root / name for root in (self.root, house.ROOT) if (root / name).exists()), None)

    def target(self, label: str) -> Target:
        """What a label names. Raises FlattenError when nothing has it."""
        if label.lower() not in self.labels:
            raise FlattenError(f"nothing in the book has the label `{label}`")
        return self.labels[label.lower()]

    def url(self, target: Target) -> str:
        """Address of a target on the site."""
        from aibook.site.editions import page_url

        return f"{page_url(self.language, target.page)}#{target.anchor}"

    def _label(self, label: str, page: str) -> tuple[str, str]:
        from aibook.site.editions import page_url

        if label.lower() in self.labels:
            target = self.target(label)
            return self.url(target), target.title
        if label in self.headings.get(page, {}):
            title = self.headings[page][label]
            return f"{page_url(self.language, page)}#{_anchor(title)}".rstrip("#"), title
        raise FlattenError(f"the link `#{label}` leads to no label and no heading of its page")


class _Page:
    """Reads one document into the library."""

    def __init__(self, library: Library, path: Path) -> None:
        self.library = library
        self.name = library.page_of(path)
        self.count: Counter[str] = Counter()
        library.headings[self.name] = {}

    def cell(self, cell: nbformat.NotebookNode) -> None:
        if cell.cell_type == "markdown":
            self.text(cell.source)
        elif figure := cell.metadata.get("mystnb", {}).get("figure"):
            self._numbered("figure", figure.get("name"), figure.get("caption", ""))

    def text(self, text: str) -> None:
        waiting: list[str] = []
        tokens = parse(text)
        for index, token in enumerate(tokens):
            if token.type == "myst_target":
                waiting.append(token.content)
                continue
            for child in token.children or []:
                if "id" in child.attrs:
                    self._add(str(child.attrs["id"]), "place", None, "")
            title = self._block(token, tokens[index + 1 : index + 2])
            if token.nesting >= 0 and waiting:
                for label in waiting:
                    self._add(label, "section", None, title)
                waiting.clear()
        for label in waiting:  # at the end of a cell: what is labelled is the next cell's output
            self._add(label, "place", None, "")

    def _block(self, token: Token, following: list[Token]) -> str:
        """Take in one block; its title, when it has one."""
        from myst_parser.mdit_to_docutils.base import default_slugify

        if token.type == "heading_open":
            title = plain(following[0])
            self.library.headings[self.name].setdefault(default_slugify(title), title)
            if token.tag == "h1":
                self.library.titles.setdefault(self.name, title)
            return title
        if token.type in ("math_block_label", "amsmath"):
            self._equation(token)
        elif found := directive(token):
            kind = KINDS.get(found.name)
            title = found.body.split("\n\n")[0] if found.name == "figure" else found.argument
            label = found.options.get("label") or found.options.get("name")
            if kind:
                self._numbered(kind, label, title)
            elif found.name == "math" and label:
                self._numbered("equation", label, "")
            elif label:
                self._add(label, found.name, None, title)
            if not is_verbatim(found.name):
                self.text(found.body)
            return title
        return ""

    def _equation(self, token: Token) -> None:
        label = token.info if token.type == "math_block_label" else ""
        if label:
            self._numbered("equation", label, "")

    def _numbered(self, kind: str, label: str | None, title: str) -> None:
        self.count[kind] += 1
        if label:
            self._add(label, kind, self.count[kind], title)

    def _add(self, label: str, kind: str, number: int | None, title: str) -> None:
        anchor = f"equation-{_anchor(label)}" if kind == "equation" else _anchor(label)
        self.library.labels[label.lower()] = Target(self.name, anchor, kind, number, title)


def is_verbatim(name: str) -> bool:
    """Whether a directive's text is not Markdown."""
    return name in ("code", "code-block", "code-cell", "math", "raw", "image", "literalinclude", "bibliography")


def plain(token: Token) -> str:
    """The text of an inline token without its markup."""
    return "".join(child.content or (" " if child.type == "softbreak" else "") for child in token.children or [])


def _absolute(path: str, page: str) -> str:
    """A path written on a page, from the root of the tree."""
    return posixpath.normpath(posixpath.join("/" + posixpath.dirname(page), path)).lstrip("/")


def _anchor(label: str) -> str:
    from docutils.nodes import make_id

    return make_id(label)
