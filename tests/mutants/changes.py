"""Small changes of a source text, each of which some test should notice."""

import ast
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass

OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq},
    **{ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And},
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult},
    **{ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd},
}
NAMES = {"min": "max", "any": "all", "amin": "amax", "argmin": "argmax", "minimum": "maximum", "zeros": "ones"}
NAMES |= {other: name for name, other in NAMES.items()}
NAMES |= {"zeros_like": "ones_like", "ones_like": "zeros_like", "flatnonzero": "argwhere"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file."""

    line: int
    before: str
    after: str
    source: str  # the whole text, changed


def find_mutants(source: str) -> list[Mutant]:
    """Return all changes of a source text, in its order: operators, numbers, truth values and pairs such as min, max.

    Left alone: annotations, messages of errors and texts, decorators, `strict` of a `zip`, and `if TYPE_CHECKING`.
    """
    lines = source.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    found = []
    for node in _expressions(ast.parse(source)):
        for changed in _changes(node):
            first, last = (
                starts[line - 1] + column
                for line, column in ((node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0))
            )
            text, after = source.encode(), ast.unparse(changed)
            put = f"({after})" if isinstance(node, ast.BinOp | ast.BoolOp | ast.Compare | ast.UnaryOp) else after
            whole = (text[:first] + put.encode() + text[last:]).decode()
            found.append(Mutant(node.lineno, ast.unparse(node), after, whole))
    return found


def _expressions(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom):
        return
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    if isinstance(node, ast.expr):
        yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        if isinstance(node, ast.keyword) and node.arg == "strict":
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _expressions(child)


def _changes(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in OPERATORS:
        yield _with(node, op=OPERATORS[type(node.op)]())
    elif isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            ops = [*node.ops[:place], OPERATORS[type(operator)](), *node.ops[place + 1 :]]
            yield _with(node, ops=ops)
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant):
        yield node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield _with(node, value=not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield _with(node, value=node.value + 1 if isinstance(node.value, int) or not node.value else node.value * 2)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in NAMES:
        yield _with(node, func=ast.Name(NAMES[node.func.id]))
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        yield _with(node, attr=NAMES[node.attr])


def _with(node: ast.expr, **values: object) -> ast.expr:
    changed = copy(node)
    for name, value in values.items():
        setattr(changed, name, value)
    return changed
