"""Mutants of a Python module: each is the module with one small fault put in."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

# Tables of wordings. What they recognise is measured by the labelled replies of tests/corpus.
TEXT_TABLES: Final = {
    "SIGNS", "REACTIONS", "REACTION_OBJECTS", "SIGNATURE_LINES", "FORWARD_LINES",
    "FORWARD_PREFIXES",
    "HEADERS", "INSTRUCTIONS", "CODES", "WORDS", "CHINESE_CODES", "CHINESE_WORDS", "SCOPED_STOPS",
    "SCOPED_REFUSALS", "POLITE_WORDS",
}  # fmt: skip
COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATORS: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult, ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}  # fmt: skip
FUNCTIONS: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
# statements without which a function still runs: not those that give a local variable its value
DELETED: Final = (ast.AugAssign, ast.Expr, ast.Raise, ast.Continue, ast.Break)
MAX_SHOWN: Final = 100  # characters of a line in the report


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one fault: its source, and the line before and after."""

    path: str  # relative to the package
    source: str
    lines: range  # of the original that the fault changes
    is_in_function: bool  # and runs when that function is called, not when the module is imported
    old: str
    new: str

    @property
    def name(self) -> str:
        """Return it as the report and the table of survivors have it."""
        return f"{self.path}: `{self.old}` → `{self.new}`"


Change = tuple[Callable[[], None], Callable[[], None]]  # puts the fault in, and takes it out


def mutants_of(path: str, source: str) -> Iterator[Mutant]:
    """Yield every mutant of a module, in the order of its lines."""
    tree = ast.parse(source)
    original = ast.unparse(tree)
    for node, is_in_function in _walk(tree, is_in_function=False):
        for apply, revert in _changes(node, is_in_function=is_in_function):
            apply()
            changed = ast.unparse(tree)
            revert()
            lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            old, new = _first_difference(original, changed)
            yield Mutant(path, changed + "\n", lines, is_in_function, old, new)


def _walk(node: ast.AST, *, is_in_function: bool) -> Iterator[tuple[ast.expr | ast.stmt, bool]]:
    """Yield what may be mutated: no docstring, annotation, decorator, type or wording."""
    if isinstance(node, ast.expr | ast.stmt):
        yield node, is_in_function
    for child in _children(node):
        is_body = isinstance(node, ast.FunctionDef) and isinstance(child, ast.stmt)
        yield from _walk(child, is_in_function=is_in_function or is_body)


def _children(node: ast.AST) -> list[ast.AST]:
    skipped: list[ast.AST | None] = []
    match node:
        case ast.FunctionDef(returns=returns, decorator_list=decorators):
            skipped += [returns, *decorators]
        case ast.ClassDef(bases=bases, keywords=keywords, decorator_list=decorators):
            skipped += [*bases, *keywords, *decorators]
        case ast.arg(annotation=annotation):
            skipped.append(annotation)
        case ast.Raise(exc=error):
            skipped.append(error)  # how an error is worded
        case ast.AnnAssign(annotation=ast.Name(id="TypeAlias")) | ast.Import() | ast.ImportFrom():
            return []
        case ast.Expr(value=ast.Constant()) | ast.Call(func=ast.Name(id="TypeVar")):
            return []  # a docstring, a type
        case ast.AnnAssign(annotation=annotation, value=value, target=target):
            is_table = isinstance(target, ast.Name) and target.id in TEXT_TABLES
            skipped += [annotation, value if is_table else None]
        case _:
            pass
    return [child for child in ast.iter_child_nodes(node) if child not in skipped]


def _changes(node: ast.expr | ast.stmt, *, is_in_function: bool) -> Iterator[Change]:
    match node:
        case ast.Constant(value=value):
            yield from (_set(node, "value", changed) for changed in _constants(value))
        case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS:
            yield _set(node.func, "id", FUNCTIONS[name])
        case ast.Return(value=value) if value and ast.unparse(value) != "None":
            yield _set(node, "value", ast.Constant(None))
        case _:
            yield from _operators(node)
    if is_in_function and _may_be_deleted(node):
        yield _become(node, ast.Pass())


def _operators(node: ast.expr | ast.stmt) -> Iterator[Change]:
    match node:
        case ast.Compare(ops=ops):
            for place, each in enumerate(ops):
                changed: list[ast.cmpop] = [*ops]
                changed[place] = COMPARISONS[type(each)]()
                yield _set(node, "ops", changed)
        case ast.BoolOp(op=op):
            yield _set(node, "op", ast.Or() if isinstance(op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not()):
            yield _become(node, node.operand)
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in OPERATORS:
            yield _set(node, "op", OPERATORS[type(op)]())
        case _:
            pass


def _constants(value: object) -> list[object]:
    match value:
        case bool():
            return [not value]
        case int() | float():
            return [value + 1, value - 1]
        case str() if value:
            return [f"XX{value}"]
        case bytes() if value:
            return [b"XX" + value]
        case _:
            return []


def _may_be_deleted(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant()):
            return False
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]):
            return True
        case _:
            return isinstance(node, DELETED)


def _set(node: ast.AST, name: str, value: object) -> Change:
    old = getattr(node, name)
    return (lambda: setattr(node, name, value)), (lambda: setattr(node, name, old))


def _become(node: ast.AST, other: ast.AST) -> Change:
    """Return the change that puts `other` in the place of `node`."""
    kind, members = type(node), dict(vars(node))

    def apply() -> None:
        vars(node).clear()
        node.__class__ = type(other)
        vars(node).update(vars(other))

    def revert() -> None:
        vars(node).clear()
        node.__class__ = kind
        vars(node).update(members)

    return apply, revert


def _first_difference(original: str, changed: str) -> tuple[str, str]:
    """Return the line that differs, before and after: as much of it as shows the change."""
    pairs = zip(original.splitlines(), changed.splitlines(), strict=False)
    old, new = next((old.strip(), new.strip()) for old, new in pairs if old != new)
    at = next((i for i, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), 0)
    begin = max(0, min(at - MAX_SHOWN // 2, max(len(old), len(new)) - MAX_SHOWN))
    return old[begin : begin + MAX_SHOWN], new[begin : begin + MAX_SHOWN]
