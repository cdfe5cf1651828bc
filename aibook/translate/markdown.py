"""Find the units of a MyST text, and write the text again with other words in their place.

A unit is one block of text: a paragraph, a heading, a table row, an answer of a quiz, the title of an admonition. The
blocks are found by the parser that builds the site, and a translation replaces exactly the characters of its unit, so
that everything else stays as it is, byte for byte.
"""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser
from myst_parser.parsers.options import TokenizeError, options_to_items

from aibook.translate import directives
from aibook.translate.inline import Content, content, has_text, html_content

# A test holds `_config.yml` to these.
EXTENSIONS = frozenset({"amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath", "substitution"})

NEWLINE = re.compile(r"\r\n|\n|\r")
DIRECTIVE = re.compile(r"\{([^}\s]+)\}[ \t]*(.*)")
OPTION = re.compile(r"(\s*:([\w-]+):[ \t]+)(\S.*?)\s*$")
ANSWER = re.compile(r"\[[ xX]\]\s+")
MARK = re.compile(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS|MARK SCHEME)")  # nbgrader's, shown as headings
CARD_BREAK = re.compile(r"\s*(\^{3,}|\+{3,})\s*$")
FENCES = ("fence", "colon_fence")
CELLS = ("th_open", "td_open")


class MarkupError(ValueError):
    """A text that cannot be taken apart; says the line, and what to write instead."""

    def __init__(self, line: int, what: str):
        super().__init__(what)
        self.line = line
        self.what = what

    def __str__(self) -> str:
        return f"line {self.line + 1}: {self.what}"


@dataclass(frozen=True)
class Unit:
    """One piece of text: `source[start:end]` holds it, `text` is what a translator sees of it (soft breaks joined)."""

    text: str
    kind: str
    line: int
    start: int
    end: int
    prefix: str = ""  # what the lines after the first begin with: indentation, quote marks
    section: str = ""  # the heading under which it stands, as a slug
    encode: Callable[[str], str] = field(default=str, compare=False)


@dataclass(frozen=True)
class Document:
    """A text, its units in their order, and its skeleton: (line, block) of everything that a translation must keep."""

    source: str
    units: list[Unit]
    skeleton: list[tuple[int, str]]
    env: dict  # the parser's: where links and footnotes lead
    reader: Callable[[str], "Document"]  # takes a text of this kind apart

    def rewrite(self, translate: Callable[[Unit], str]) -> str:
        """The text with `translate(unit)` in place of each unit; a unit that stays the same is not touched."""
        newline = match.group() if (match := NEWLINE.search(self.source)) else "\n"
        parts, done = [], 0
        for unit in self.units:
            text = translate(unit)
            if text != unit.text:
                text = unit.encode(text).replace("\n", newline + unit.prefix)
                parts += [self.source[done : unit.start], text]
                done = unit.end
        return "".join([*parts, self.source[done:]])


@cache
def parser() -> MarkdownIt:
    """The Markdown parser with the site's extensions."""
    return create_md_parser(MdParserConfig(enable_extensions=set(EXTENSIONS)), RendererHTML)


def parse(source: str) -> Document:
    """Take a MyST text apart. Raises MarkupError where it has a directive or option that cannot be told apart."""
    return _Parse(source).document()


def read(text: str, kind: str, env: dict) -> Content:
    """What a unit's text, or its translation, holds; `env` is that of its document (link and footnote targets)."""
    return html_content(text) if kind == "html" else content(text, parser(), env)


class _Parse:
    """One pass over a text. Nested text is a list of (line as the parser saw it, its number in the source)."""

    def __init__(self, source: str):
        self.source = source
        breaks = [(m.start(), m.end()) for m in NEWLINE.finditer(source)]
        self.starts = [0, *(end for _, end in breaks)]
        self.ends = [*(start for start, _ in breaks), len(source)]
        self.units: list[Unit] = []
        self.skeleton: list[tuple[int, str]] = []
        self.env: dict = {}

    def document(self) -> Document:
        lines = [(self.source[a:b], number) for number, (a, b) in enumerate(zip(self.starts, self.ends, strict=True))]
        self.blocks(lines)
        self.units.sort(key=lambda unit: unit.start)
        return Document(self.source, self._with_sections(), self.skeleton, self.env, parse)

    def _with_sections(self) -> list[Unit]:
        section, units = "", []
        for unit in self.units:
            if unit.kind.startswith("heading"):
                section = "-".join(re.findall(r"\w+", unit.text.lower()))
            units.append(Unit(**{**vars(unit), "section": section}))
        return units

    # -- blocks -------------------------------------------------------------------------------------------------------
    def blocks(self, lines: list[tuple[str, int]], quiz: bool = False) -> None:
        if not lines:
            return
        tokens = parser().parse("\n".join(text for text, _ in lines), self.env)
        parents: list[Token] = []
        first_of_item = False
        line = lines[0][1]
        for i, token in enumerate(tokens):
            line = lines[token.map[0]][1] if token.map else line
            if token.nesting < 0:
                parents.pop()
            if token.type != "inline" and token.type not in FENCES:
                start = token.attrs.get("start", "") if token.type == "ordered_list_open" else ""
                self.skeleton.append((line, f"{token.type} {token.tag} {start}".strip()))
            if token.nesting > 0:
                parents.append(token)
            if token.type == "list_item_open":
                first_of_item = True
            elif token.type == "tr_open":
                columns = sum(t.type in CELLS for t in itertools.takewhile(lambda t: t.type != "tr_close", tokens[i:]))
                self.row(*lines[token.map[0]], columns)
            elif token.type in FENCES:
                self.fence(token, lines)
            elif token.type == "html_block":
                self.html(token, lines)
            elif token.type == "inline":
                if parents[-1].type not in CELLS:
                    answer = quiz and first_of_item and sum(p.type == "list_item_open" for p in parents) == 1
                    self.inline(token, lines, parents, answer)
                first_of_item = False

    def add(self, text: str, kind: str, line: int, start: int, end: int, prefix: str = "", encode=str) -> None:
        if has_text(read(text, kind, self.env)) and not MARK.fullmatch(text):
            self.units.append(Unit(text, kind, line, start, end, prefix, encode=encode))

    def at(self, text: str, line: int, position: int) -> int:
        """Offset in the source of `text[position]`, where `text` is the end of source line `line`."""
        return self.ends[line] - (len(text) - position)

    def before(self, line: int, text: str) -> str:
        """What stands in source line `line` before `text`, which ends it."""
        return self.source[self.starts[line] : self.ends[line] - len(text.lstrip(" \t>"))]

    def inline(self, token: Token, lines: list[tuple[str, int]], parents: list[Token], answer: bool) -> None:
        content = token.content.split("\n")
        own = lines[token.map[0] : token.map[0] + len(content)]
        kind = _kind(parents)
        pieces = [(kind, content, own)]
        if answer and (mark := ANSWER.match(content[0])):
            pieces = [("answer", [content[0][mark.end() :]], own[:1])]
            if content[1:]:
                pieces.append(("explanation", content[1:], own[1:]))
        for kind, content, own in pieces:
            (first, line), (last, last_line) = own[0], own[-1]
            start = _find(first, content[0], line, heading=kind.startswith("heading"))
            end = _find(last, content[-1], last_line, heading=kind.startswith("heading")) + len(content[-1].strip())
            if own[1:]:
                prefix = self.before(own[1][1], own[1][0])
            else:
                prefix = re.sub(r"[^>\s]", " ", self.before(line, first[start:]))
            self.add(_join(content), kind, line, self.at(first, line, start), self.at(last, last_line, end), prefix)

    def row(self, text: str, line: int, columns: int) -> None:
        marks = len(re.match(r"[\s>]*", text).group())
        cells = split_row(text[marks:])
        if len(cells) != columns:
            raise MarkupError(line, f"this table row has {len(cells)} cells, the table {columns}; give it as many")
        row = f"| {' | '.join(cells)} |"
        self.add(row, "table row", line, self.at(text, line, marks), self.at(text, line, len(text.rstrip())))

    def html(self, token: Token, lines: list[tuple[str, int]]) -> None:
        content = token.content.rstrip("\n").split("\n")
        first, line = lines[token.map[0]]
        last, last_line = lines[token.map[0] + len(content) - 1]
        indent = len(first) - len(content[0].lstrip())
        self.add(
            "\n".join(content).strip(),
            "html",
            line,
            self.at(first, line, indent),
            self.at(last, last_line, len(last.rstrip())),
            prefix=self.source[self.starts[last_line] : self.ends[last_line] - len(content[-1])] if content[1:] else "",
        )

    # -- directives ---------------------------------------------------------------------------------------------------
    def fence(self, token: Token, lines: list[tuple[str, int]]) -> None:
        opening, line = lines[token.map[0]]
        content = token.content.split("\n")[: token.content.count("\n")] if token.content else []
        body = [(text, lines[token.map[0] + 1 + i][1]) for i, text in enumerate(content)]
        match = DIRECTIVE.match(token.info.strip())
        if not match:
            self.skeleton.append((line, f"code {token.info.strip()}"))
            return
        name, argument = match.groups()
        if name not in directives.CONTAINERS | directives.OPAQUE | directives.TITLED:
            raise MarkupError(
                line, f"directive {{{name}}} is new: say in aibook/translate/directives.py which of its parts are text"
            )
        titled = name in directives.TITLED
        self.skeleton.append((line, f"directive {name} {'' if titled else argument}".strip()))
        if titled and argument:
            start = _find(opening, argument, line)
            self.add(
                argument, "title", line, self.at(opening, line, start), self.at(opening, line, start + len(argument))
            )
        body = self.options(body)
        if name in directives.CARDS:
            breaks = [i for i, (text, _) in enumerate(body) if CARD_BREAK.match(text)]
            for a, b in zip([-1, *breaks], [*breaks, len(body)], strict=True):
                self.blocks(body[a + 1 : b])
        elif name in directives.CONTAINERS:
            self.blocks(body, quiz=name == "quiz")
        self.skeleton.append((line, f"end {name}"))

    def options(self, body: list[tuple[str, int]]) -> list[tuple[str, int]]:
        """Take the directive's options off its body; those that are text become units."""
        if body and body[0][0].startswith("---"):
            raise MarkupError(body[0][1], "write a directive's options as `:name: value`, one a line")
        count = next((i for i, (text, _) in enumerate(body) if not text.lstrip().startswith(":")), len(body))
        if fence := next((line for text, line in body[:count] if text.lstrip().startswith("::")), None):
            raise MarkupError(fence, "leave a line empty before this fence, or it is taken for an option")
        for text, line in body[:count]:
            match = OPTION.match(text)
            name = match.group(2) if match else text.strip().strip(":")
            if name not in directives.TEXT_OPTIONS or not match:
                self.skeleton.append((line, f"option {text.strip()}"))
                continue
            self.skeleton.append((line, f"option {name}"))
            try:
                (_, value), *_ = options_to_items(f"{name}: {match.group(3)}")[0]
            except TokenizeError as error:
                raise MarkupError(line, f"write the text of :{name}: in double quotes ({error.problem})") from None
            start, end = match.span(3)
            self.add(value, f"option {name}", line, self.at(text, line, start), self.at(text, line, end), encode=scalar)
        return body[count:]


def scalar(text: str) -> str:
    """`text` as a YAML scalar on one line: plain where that is safe, else in double quotes."""
    plain = re.match(r"[^\s\-?:,\[\]{}#&*!|>'\"%@`].*", text) and not re.search(r":(\s|$)|\s#|\n|\\", text)
    if plain and text == text.strip() and not re.fullmatch(r"(?i)[\d.eE+-]+|true|false|yes|no|on|off|null|~", text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def split_row(row: str) -> list[str]:
    """The cells of a table row, stripped; `\\|` does not end one."""
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip())]
    if cells and not cells[0]:
        cells = cells[1:]
    if len(cells) > 1 and not cells[-1]:
        cells = cells[:-1]
    return cells


def _find(text: str, content: str, line: int, heading: bool = False) -> int:
    """Where `content`, the text of a block in line `text`, begins."""
    content = content.strip()
    if heading and (hashes := re.match(r"[\s>]*#+\s+", text)):
        position = text.find(content, hashes.end())
    else:
        position = len(text.rstrip()) - len(content)
    if position < 0 or text[position : position + len(content)] != content:
        raise MarkupError(line, f"cannot find the text {content!r} in its line; indent with spaces, not tabs")
    return position


def _join(lines: list[str]) -> str:
    """Lines of a paragraph as one, but for hard breaks."""
    text = ""
    for line in lines[:-1]:
        line = line.lstrip()
        text += line + "\n" if line.endswith(("  ", "\\")) else line.rstrip() + " "
    return text + lines[-1].strip()


def _kind(parents: list[Token]) -> str:
    types = [parent.type for parent in parents]
    if types and types[-1] == "heading_open":
        return f"heading {parents[-1].tag[1:]}"
    names = {"dt_open": "term", "dd_open": "definition", "list_item_open": "list item", "blockquote_open": "quotation"}
    return next((names[t] for t in reversed(types) if t in names), "paragraph")
