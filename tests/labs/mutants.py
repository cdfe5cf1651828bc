"""Small wrong edits of a lab's solutions: what a careless hand, or a half-understood equation, does to code.

A mutant is one edit inside a solution region. Its name is the statement before and after the edit, so that it stays
the same while lines move.
"""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

COMPARISONS = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}  # fmt: skip
ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitAnd,
}  # fmt: skip
PAIRS = (
    ("min", "max"), ("argmin", "argmax"), ("minimum", "maximum"), ("amin", "amax"), ("zeros", "ones"),
    ("zeros_like", "ones_like"), ("floor", "ceil"), ("any", "all"), ("sin", "cos"), ("mean", "sum"),
    ("log_softmax", "softmax"),
)  # fmt: skip
TWINS = dict(PAIRS) | {b: a for a, b in PAIRS}
AXES = ("axis", "dim", "dims")
Edit = tuple[str, ast.AST, Callable[[], object]]


@dataclass(frozen=True)
class Mutant:
    """One edit: its kind, its name, and the whole cell with it."""

    kind: str
    name: str
    source: str


def mutants(task: str, source: str) -> list[Mutant]:
    """All mutants of a solution cell, each once, sorted by name."""
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    for number, node in enumerate(nodes):
        node.number = number  # survives a copy
    within, statements, found = _regions(source), _statements(tree), {}
    for number, node in enumerate(nodes):
        for place, (kind, anchor, _) in enumerate(_edits(node)):
            if getattr(anchor, "lineno", None) not in within:
                continue
            changed = copy.deepcopy(tree)
            list(_edits(_numbered(changed, number)))[place][2]()
            before = statements[id(anchor)]
            after = _line(_numbered(changed, before.number)) if kind != "removed" else "nothing"
            text = ast.unparse(ast.fix_missing_locations(changed))
            found.setdefault(text, Mutant(kind, f"{task}: {_line(before)} → {after}", text))
    found.pop(ast.unparse(tree), None)
    return sorted(found.values(), key=lambda mutant: (mutant.name, mutant.source))


def _numbered(tree: ast.AST, number: int) -> ast.AST:
    return next(node for node in ast.walk(tree) if getattr(node, "number", None) == number)


def _regions(source: str) -> set[int]:
    """The numbers of the lines between the solution marks; all lines, where there are no marks."""
    lines, within, marked = set(), False, "BEGIN SOLUTION" in source
    for number, line in enumerate(source.splitlines(), 1):
        within = ("BEGIN SOLUTION" in line or within) and "END SOLUTION" not in line
        if within or not marked:
            lines.add(number)
    return lines


def _statements(tree: ast.AST) -> dict[int, ast.stmt]:
    """Each node's innermost statement, by the node's id."""
    found: dict[int, ast.stmt] = {}

    def walk(node: ast.AST, statement: ast.stmt | None) -> None:
        statement = node if isinstance(node, ast.stmt) else statement
        found[id(node)] = statement
        for child in ast.iter_child_nodes(node):
            walk(child, statement)

    walk(tree, None)
    return found


def _line(statement: ast.stmt) -> str:
    return ast.unparse(statement).splitlines()[0].strip()


def _edits(node: ast.AST) -> Iterator[Edit]:
    """Each edit of this node: its kind, the node that says where it is, and a function that makes it in place."""
    match node:
        case ast.Compare(ops=ops):
            for place, op in enumerate(ops):
                for other in COMPARISONS[type(op)]:
                    yield "comparison", node, partial(ops.__setitem__, place, other())
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in ARITHMETIC:
            yield "arithmetic", node, partial(setattr, node, "op", ARITHMETIC[type(op)]())
        case ast.BoolOp(op=op):
            yield "logic", node, partial(setattr, node, "op", ast.Or() if isinstance(op, ast.And) else ast.And())
        case ast.Constant(value=bool(value)):
            yield "constant", node, partial(setattr, node, "value", not value)
        case ast.Constant(value=int(value)):
            yield "constant", node, partial(setattr, node, "value", value + 1)
            yield "constant", node, partial(setattr, node, "value", value - 1)
        case ast.Constant(value=float(value)):
            yield "constant", node, partial(setattr, node, "value", value * 1.5 if value else 1.0)
        case ast.Call(args=args, keywords=keywords):
            for place, keyword in enumerate(keywords):
                yield "keyword", node, partial(keywords.pop, place)
                if keyword.arg in AXES and isinstance(keyword.value, ast.Constant | ast.UnaryOp):
                    other = ast.Constant(1 if ast.unparse(keyword.value) == "0" else 0)
                    yield "axis", node, partial(setattr, keyword, "value", other)
            for place in range(len(args) - 1):
                yield "arguments", node, partial(_swap, args, place)
        case ast.Tuple(elts=elements, ctx=ast.Load()):
            for place in range(len(elements) - 1):
                yield "order", node, partial(_swap, elements, place)
        case ast.Attribute(attr=name) if name in TWINS:
            yield "name", node, partial(setattr, node, "attr", TWINS[name])
        case ast.Name(id=name) if name in TWINS:
            yield "name", node, partial(setattr, node, "id", TWINS[name])
    if isinstance(test := getattr(node, "test", None), ast.expr):
        yield "condition", test, partial(setattr, node, "test", ast.UnaryOp(ast.Not(), test))
    for place, test in enumerate(getattr(node, "ifs", [])):  # of a comprehension
        yield "condition", test, partial(node.ifs.__setitem__, place, ast.UnaryOp(ast.Not(), test))
    for field in ("value", "operand", "left", "right", "test"):  # a sign or a `not` left out
        inner = getattr(node, field, None)
        if isinstance(inner, ast.UnaryOp) and not isinstance(inner.operand, ast.Constant):
            yield "sign", inner, partial(setattr, node, field, inner.operand)
    for field in ("body", "orelse"):
        block = getattr(node, field, None)
        for place, statement in enumerate(block if isinstance(block, list) else []):
            if _removable(statement):
                yield "removed", statement, partial(block.__setitem__, place, ast.Pass())


def _removable(statement: ast.stmt) -> bool:
    docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    kinds = ast.Assign | ast.AugAssign | ast.Expr | ast.Return | ast.Continue | ast.Break
    return isinstance(statement, kinds) and not docstring


def _swap(items: list, place: int) -> None:
    items[place], items[place + 1] = items[place + 1], items[place]
