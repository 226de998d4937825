"""Patches of the program by meaning: find code below a qualified name by its syntax tree, and replace it.

The file, comments, formatting and the wording of messages do not matter. In `old`, these match anything:

- `...` one expression, for example a message; as a statement: any statements, for example the body of an `if`;
- `*...` any further arguments or elements;
- `**...` any further keyword arguments, or entries of a dict.

In `new` they stand for what they matched, in the same order. An empty `new` deletes the statements.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]


class Misfit(Exception):
    """A patch that does not match exactly once."""


class Scope(NamedTuple):
    """A module, class, function or constant of the program."""

    name: str
    """Dotted, below `importer`: `sender.retry.Backoff.delay`."""
    path: Path
    node: ast.AST


class Found(NamedTuple):
    """One match: items `start` to `end` of a list that is the field of a node, or the whole field (`start` is -1)."""

    parent: ast.AST
    field: str
    start: int
    end: int
    taken: tuple[Any, ...]


def apply(name: str, old: str, new: str) -> tuple[Path, str]:
    """The file and its new text when `old` becomes `new` in the scope `name`; raises Misfit unless it matches once."""
    before, after = _parsed(old), _parsed(new)
    as_expression = isinstance(before, ast.expr) and isinstance(after, ast.expr)
    pattern = before if as_expression else _statements(before)
    found = [scope for scope in scopes() if f".{scope.name}".endswith(f".{name}")]
    if len(found) != 1:
        names = ", ".join(scope.name for scope in found) or "nothing"
        raise Misfit(f"{name} names {names}; the code matches in: {_where(pattern)}")
    (scope,) = found
    matches = list(_matches(pattern, scope.node))
    if len(matches) != 1:
        raise Misfit(f"matches {len(matches)} times in {scope.name}; the code matches in: {_where(pattern)}")
    (match,) = matches
    filled = _Filled(match.taken)
    put = (
        [filled.visit(after)]
        if isinstance(after, ast.expr) and as_expression
        else filled.statements(_statements(after))
    )
    kept = getattr(match.parent, match.field)
    if match.start < 0:
        changed = put[0]
    else:
        changed = [*kept[: match.start], *put, *kept[match.end :]]
        if not changed and match.field == "body":
            changed = [ast.Pass()]
    setattr(match.parent, match.field, changed)
    try:
        return scope.path, _text_of(scope)
    finally:
        setattr(match.parent, match.field, kept)  # the trees are read once, and shared


def _text_of(scope: Scope) -> str:
    """The file's text with the statement of the module that holds the scope written from its tree; or all of it."""
    module = _tree(scope.path)
    if scope.node is module:
        return ast.unparse(ast.fix_missing_locations(module)) + "\n"
    line = scope.node.lineno  # type: ignore[attr-defined]
    statement = next(one for one in module.body if one.lineno <= line <= one.end_lineno)
    decorators = getattr(statement, "decorator_list", [])
    first = min(one.lineno for one in (statement, *decorators))
    lines = _source(scope.path).splitlines(keepends=True)
    text = ast.unparse(ast.fix_missing_locations(statement))
    return "".join([*lines[: first - 1], text, "\n", *lines[statement.end_lineno :]])


def _where(pattern: ast.expr | list[ast.stmt]) -> str:
    """The innermost scopes in which a pattern matches, with the number of matches: the code may have moved."""
    times = Counter(
        _innermost(scope.path)[id(match.parent)]
        for scope in scopes()
        if isinstance(scope.node, ast.Module)
        for match in _matches(pattern, scope.node)
    )
    return ", ".join(f"{name} ({count})" for name, count in times.items()) or "nothing"


@cache
def _innermost(path: Path) -> dict[int, str]:
    """The module or function around each node of a file, by the node's id."""
    found: dict[int, str] = {}
    for scope in scopes():  # outer ones first
        if scope.path == path and isinstance(scope.node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef):
            found |= {id(node): scope.name for node in ast.walk(scope.node)}
    return found


# ---------------------------------------------------------------------------------------------------- scopes


@cache
def scopes() -> tuple[Scope, ...]:
    """Every module, class, function and constant of the program."""
    found: list[Scope] = []
    for path in sorted((ROOT / "importer").rglob("*.py")):
        found += _scopes_in(_tree(path), ".".join(path.relative_to(ROOT / "importer").with_suffix("").parts), path)
    return tuple(found)


@cache
def _source(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(_source(path))


def _scopes_in(node: ast.AST, name: str, path: Path) -> Iterator[Scope]:
    yield Scope(name, path, node)
    inside_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    pending = list(ast.iter_child_nodes(node))
    while pending:
        child = pending.pop(0)
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _scopes_in(child, f"{name}.{child.name}", path)
        elif isinstance(child, ast.Assign | ast.AnnAssign) and not inside_function:
            for target in child.targets if isinstance(child, ast.Assign) else [child.target]:
                for one in ast.walk(target):
                    if isinstance(one, ast.Name):
                        yield Scope(f"{name}.{one.id}", path, child)
        elif isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            pending += ast.iter_child_nodes(child)


# ---------------------------------------------------------------------------------------------------- matching


def _parsed(code: str) -> ast.expr | list[ast.stmt]:
    """An expression, or statements."""
    body = ast.parse(code.strip("\n")).body
    return body[0].value if len(body) == 1 and isinstance(body[0], ast.Expr) else body


def _statements(parsed: ast.expr | list[ast.stmt]) -> list[ast.stmt]:
    return [ast.Expr(parsed)] if isinstance(parsed, ast.expr) else parsed


def _matches(pattern: ast.expr | list[ast.stmt], root: ast.AST) -> Iterator[Found]:
    for parent in ast.walk(root):
        for field, value in ast.iter_fields(parent):
            if isinstance(pattern, ast.expr):
                for index, item in enumerate(value) if isinstance(value, list) else [(-1, value)]:
                    if isinstance(item, ast.expr) and (taken := _match(pattern, item)) is not None:
                        yield Found(parent, field, index, index + 1, taken)
            elif isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                ends = range(1, len(value) + 1)
                for start in range(len(value)):
                    for end in ends if any(map(_is_rest, pattern)) else [start + len(pattern)]:
                        part = value[start:end]
                        if part and (taken := _match_list(pattern, part)) is not None:
                            yield Found(parent, field, start, end, taken)


def _match(pattern: Any, node: Any) -> tuple[Any, ...] | None:
    """What the wildcards matched; None if the node does not fit."""
    if _is_any(pattern):
        return (node,) if isinstance(node, ast.expr) else None
    if isinstance(pattern, list):
        return _match_list(pattern, node) if isinstance(node, list) else None
    if not isinstance(pattern, ast.AST):
        return () if type(pattern) is type(node) and pattern == node else None
    if type(pattern) is not type(node):
        return None
    if isinstance(pattern, ast.Dict) and isinstance(node, ast.Dict):
        return _match_list(_pairs(pattern), _pairs(node))
    taken: tuple[Any, ...] = ()
    for field in pattern._fields:
        if field not in ("ctx", "kind", "type_comment"):
            found = _match(getattr(pattern, field, None), getattr(node, field, None))
            if found is None:
                return None
            taken += found
    return taken


def _match_list(patterns: Sequence[Any], nodes: Sequence[Any]) -> tuple[Any, ...] | None:
    if not patterns:
        return None if nodes else ()
    first, rest = patterns[0], patterns[1:]
    if _is_rest(first):
        for count in range(len(nodes) + 1):
            if (after := _match_list(rest, nodes[count:])) is not None:
                return (list(nodes[:count]), *after)
        return None
    if not nodes or (here := _match(first, nodes[0])) is None:
        return None
    after = _match_list(rest, nodes[1:])
    return None if after is None else here + after


def _is_any(node: Any) -> bool:
    return isinstance(node, ast.Constant) and node.value is Ellipsis


def _is_rest(node: Any) -> bool:
    """Whether the pattern of an item stands for any number of items."""
    if isinstance(node, ast.Expr | ast.Starred):
        return _is_any(node.value)
    if isinstance(node, ast.keyword):
        return node.arg is None and _is_any(node.value)
    return isinstance(node, _Pair) and node.key is None and _is_any(node.value)


class _Pair(ast.AST):
    """An entry of a dict."""

    _fields = ("key", "value")

    def __init__(self, key: ast.expr | None, value: ast.expr) -> None:
        super().__init__()
        self.key, self.value = key, value


def _pairs(node: ast.Dict) -> list[_Pair]:
    return [_Pair(key, value) for key, value in zip(node.keys, node.values, strict=True)]


# ---------------------------------------------------------------------------------------------------- replacing


class _Filled(ast.NodeTransformer):
    """A replacement whose wildcards become what those of the pattern matched."""

    def __init__(self, taken: tuple[Any, ...]) -> None:
        self._taken = list(taken)

    def statements(self, nodes: list[ast.stmt]) -> list[ast.stmt]:
        return self.visit(ast.Module(nodes, [])).body  # type: ignore[no-any-return]

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Dict):
            pairs: list[_Pair] = []
            for pair in _pairs(node):
                pairs += self._next() if _is_rest(pair) else [self.generic_visit(pair)]  # type: ignore[list-item]
            node.keys, node.values = [pair.key for pair in pairs], [pair.value for pair in pairs]
            return node
        return super().generic_visit(node)

    def visit(self, node: ast.AST) -> Any:
        if _is_any(node) or _is_rest(node):
            return self._next()
        return super().visit(node)

    def _next(self) -> Any:
        if not self._taken:
            raise Misfit("the replacement has more wildcards than the pattern")
        return self._taken.pop(0)
