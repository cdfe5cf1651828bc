"""Code without what is easily changed (names, comments, annotations, layout) and without what everyone was given."""

import ast
import builtins
import io
import keyword
import re
import tokenize
import warnings
from collections import Counter
from dataclasses import dataclass

LONGEST = 50_000  # characters of a cell that are looked at
MAGIC_LINE = re.compile(r"^(\s*)[%!].*$", re.MULTILINE)
KEPT = set(dir(builtins)) | set(keyword.kwlist) | {"self"}


@dataclass(frozen=True)
class Unit:
    """A simple statement, or the head of a compound one: as it was written, its tokens, and its lines, from 1."""

    text: str
    tokens: tuple[str, ...]
    first: int
    last: int


def units(source: str, given: str = "") -> list[Unit]:
    """The statements of a cell in their order, less those of `given`, the cell as everyone got it.

    Code that is no Python is taken by lines.
    """
    own = Counter(text for text, *_ in _statements(given)[0])
    found, bound = _statements(source)
    bound -= _statements(given)[1] | KEPT
    kept = []
    for text, first, last in found:
        if own[text]:
            own[text] -= 1
        elif tokens := _tokens(text, bound):
            kept.append(Unit(text, tokens, first, last))
    return kept


def _statements(source: str) -> tuple[list[tuple[str, int, int]], set[str]]:
    """(text, first line, last line) of each statement, and the names that the code binds."""
    source = source[:LONGEST]
    for text in (source, MAGIC_LINE.sub(r"\1pass", source)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(text)
            return list(_flat(tree.body)), _bound(tree)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    lines = ((line.partition("#")[0].strip(), number) for number, line in enumerate(source.splitlines(), 1))
    return [(line, number, number) for line, number in lines if line], set()


def _flat(body: list[ast.stmt]):
    for node in body:
        if (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) or isinstance(node, ast.Pass):
            continue  # docstrings, `...`
        inner = [part for part in ("body", "handlers", "orelse", "finalbody", "cases") if getattr(node, part, None)]
        blocks = [(getattr(node, part), part) for part in inner]
        first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
        if not blocks:
            yield ast.unparse(_bare(node)), node.lineno, node.end_lineno or node.lineno
            continue
        start = blocks[0][0][0]
        head = getattr(start, "lineno", None) or getattr(start, "pattern", node).lineno
        yield _head(node), first, max(first, head - 1)
        for block, part in blocks:
            for one in block if part in ("handlers", "cases") else ():
                yield from _flat(one.body)
            if part not in ("handlers", "cases"):
                yield from _flat(block)


def _head(node: ast.stmt) -> str:
    """The head of a compound statement, on its line."""
    kept = dict(ast.iter_fields(node))
    empty = type(node)(**kept | {part: [] for part in ("orelse", "finalbody", "handlers", "cases") if part in kept})
    if "body" in kept:
        empty.body = [ast.Pass()]
    if isinstance(node, ast.Try):
        return "try"
    if isinstance(node, ast.Match):
        return f"match {ast.unparse(node.subject)}"
    text = ast.unparse(ast.fix_missing_locations(_bare(empty)))
    return text.rstrip().removesuffix("pass").rstrip()


def _bare(node: ast.AST) -> ast.AST:
    """Without annotations."""
    for part in ast.walk(node):
        if isinstance(part, ast.arg):
            part.annotation = None
        elif isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            part.returns = None
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        assigned = ast.Assign(targets=[node.target], value=node.value)
        return ast.copy_location(ast.fix_missing_locations(assigned), node)
    return node


def _bound(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
    return names


def _tokens(text: str, bound: set[str]) -> tuple[str, ...]:
    """A statement's tokens: a name that the student chose is `v`, whatever it is; a text is `s`."""
    try:
        found = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return tuple(re.findall(r"\w+|[^\w\s]", text))
    kept = []
    for token in found:
        if token.type == tokenize.NAME:
            kept.append("v" if token.string in bound else token.string)
        elif token.type == tokenize.STRING:
            kept.append("s")
        elif token.type in (tokenize.NUMBER, tokenize.OP):
            kept.append(token.string)
    return tuple(kept)
