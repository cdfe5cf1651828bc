"""Python code as canonical bytes: equal for two texts that mean the same, and equal under every Python from 3.11 on.

`ast.dump` will not do: its output differs between versions (new empty fields, other f-string trees). This walk writes
a node's name and its non-empty fields by name, without positions, contexts, type comments and docstrings.
"""

import ast
import hashlib
import re
from collections.abc import Iterable

SKIPPED = {"ctx", "kind", "type_comment", "type_ignores"}
# Cell magics whose body is Python; the body of any other (%%bash, %%html) is not, and such a cell is left out.
PYTHON_CELL_MAGICS = {"%%time", "%%timeit", "%%capture", "%%prun"}
PLACEHOLDER = "_magic_"
MAGIC_LINE = re.compile(r"^(\s*)(?:[%!].*|[\w.,\s]*=\s*[%!].*|\?{0,2}[\w.]+\?{1,2})\s*$")


def parse_module(text: str, name: str) -> ast.Module:
    """Parse a module's text. Raises SyntaxError naming it."""
    return ast.parse(text, filename=name)


def parse_cell(source: str, name: str) -> ast.Module | None:
    """Parse a code cell, with magics and shell lines taken out; None where nothing of Python is left.

    Raises SyntaxError naming the cell.
    """
    magic, _, rest = source.lstrip().partition("\n")
    if magic.startswith("%%"):
        if magic.split()[0] not in PYTHON_CELL_MAGICS:
            return None
        source = rest
    tree = _parse_without_magics(source, name)
    return tree if tree.body else None


def _parse_without_magics(source: str, name: str) -> ast.Module:
    # A line that begins with % can also be Python (the rest of an expression, text within a long string), so only
    # the lines at which parsing stops are taken for magics.
    lines = source.split("\n")
    while True:
        try:
            tree = ast.parse("\n".join(lines), filename=name)
        except SyntaxError as error:
            at = (error.lineno or 1) - 1
            if at >= len(lines) or not (magic := MAGIC_LINE.match(lines[at])):
                raise
            lines[at] = f"{magic[1]}{PLACEHOLDER}"
        else:
            tree.body = [s for s in tree.body if ast.unparse(s) != PLACEHOLDER]
            return tree


def module_hash(tree: ast.Module) -> str:
    """Hash of a module; strings that stand as statements (docstrings) do not count."""
    return _digest([_node(ast.Module(body=_code(tree.body), type_ignores=[]))])


def cells_hash(cells: Iterable[tuple[str, ast.Module]]) -> str:
    """Hash of a notebook's code cells, each given as its source and its tree.

    Where a cell ends counts, since its last expression is displayed, and so does the semicolon that prevents it.
    """
    return _digest([_node(tree) + (b";" if source.rstrip().endswith(";") else b"") for source, tree in cells])


def string_constants(tree: ast.AST) -> set[str]:
    """Every string constant in the tree."""
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def _digest(pieces: list[bytes]) -> str:
    return hashlib.sha256(b"\n".join(pieces)).hexdigest()[:16]


def _code(body: list[ast.stmt]) -> list[ast.stmt]:
    return [
        statement
        for statement in body
        if not (
            isinstance(statement, ast.Expr)
            and isinstance(statement.value, ast.Constant)
            and isinstance(statement.value.value, str)
        )
    ]


def _node(value: object) -> bytes:
    if isinstance(value, ast.Constant):
        # ascii(), since what repr() prints as it is grows with each version of Unicode.
        return f"<{type(value.value).__name__} {value.value!a}>".encode()
    if isinstance(value, ast.JoinedStr):
        return b"(JoinedStr " + b"".join(map(_node, _joined(value.values))) + b")"
    if isinstance(value, ast.AST):
        return b"(" + type(value).__name__.encode() + b"".join(_fields(value)) + b")"
    if isinstance(value, list):
        return b"[" + b"".join(map(_node, value)) + b"]"
    return f"<{value!a}>".encode()


def _fields(node: ast.AST) -> Iterable[bytes]:
    for name in sorted(node._fields):
        value = getattr(node, name, None)
        if name == "body" and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            value = _code(value)
        if isinstance(node, ast.FormattedValue) and isinstance(value, ast.JoinedStr) and not _joined(value.values):
            value = None  # f"{x:}": an empty format, which Python 3.11 leaves out
        if value is None or value == [] or name in SKIPPED:
            continue
        yield f" {name}=".encode() + _node(value)


def _joined(values: list[ast.expr]) -> list[ast.expr]:
    """The pieces of an f-string with neighbouring texts joined and empty ones left out, as versions differ in them."""
    joined: list[ast.expr] = []
    for value in values:
        if isinstance(value, ast.Constant) and joined and isinstance(joined[-1], ast.Constant):
            joined[-1] = ast.Constant(joined[-1].value + value.value)
        elif not (isinstance(value, ast.Constant) and value.value == ""):
            joined.append(value)
    return joined
