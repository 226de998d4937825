"""A small maker of mutants: every program that differs from a module in one small thing.

`python -m tests.reconciler.mutants` prints those of the reconciler that its table does not catch.
"""

from __future__ import annotations

import ast
import copy
import types
from collections.abc import Iterator
from pathlib import Path

import importer.reconciler.reconcile

_OPPOSITES: dict[type[ast.cmpop], list[type[ast.cmpop]]] = {
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
}
_IDENTIFIERS = ("mobile", "email", "external_id", "user_id")


def _replacements(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in a node's place."""
    if isinstance(node, ast.Compare):
        for other in _OPPOSITES[type(node.ops[0])]:
            yield ast.Compare(node.left, [other()], node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        for skipped in range(len(node.values)):
            rest = [value for index, value in enumerate(node.values) if index != skipped]
            yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.BinOp):
        other_op = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add}.get(type(node.op))
        if other_op is not None:
            yield ast.BinOp(node.left, other_op(), node.right)
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield ast.Constant(not node.value)
        elif isinstance(node.value, int):
            yield ast.Constant(node.value + 1)
            yield ast.Constant(node.value - 1)
        elif isinstance(node.value, str):
            yield ast.Constant(node.value + "X")
        elif node.value is None:
            yield ast.Constant(1)
    elif isinstance(node, ast.Attribute) and node.attr in _IDENTIFIERS:
        for name in _IDENTIFIERS:
            if name != node.attr:
                yield ast.Attribute(node.value, name, node.ctx)
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and not node.args:
            yield node.func.value
        if isinstance(node.func, ast.Name) and node.func.id in ("all", "any"):
            yield ast.Call(ast.Name("any" if node.func.id == "all" else "all", ast.Load()), node.args, node.keywords)
        for keyword in node.keywords:
            if keyword.arg == "key":
                yield ast.Call(node.func, node.args, [k for k in node.keywords if k is not keyword])
    elif isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse
    elif isinstance(node, ast.If | ast.While):
        for value in (True, False):
            changed = copy.copy(node)
            changed.test = ast.Constant(value)
            yield changed
    elif isinstance(node, ast.Return) and node.value is not None:
        yield ast.Return(ast.Constant(None))
    elif isinstance(node, ast.Continue):
        yield ast.Break()
    elif isinstance(node, ast.Expr | ast.Assign | ast.AugAssign):
        yield ast.Pass()
    elif isinstance(node, ast.Slice) and node.lower is not None and node.upper is None:
        yield ast.Slice(None, node.lower)


def _skipped(tree: ast.Module) -> set[int]:
    """Docstrings, annotations, imports and the words of enumerations: nothing the program does."""
    found: set[int] = set()
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            parts.append(node.body[0])
        if isinstance(node, ast.FunctionDef):
            parts.append(node.returns)
            parts += [argument.annotation for argument in node.args.args]
        if isinstance(node, ast.AnnAssign):
            parts.append(node.annotation)
        if isinstance(node, ast.ImportFrom | ast.Import):
            parts.append(node)
        if isinstance(node, ast.ClassDef) and any(
            ast.unparse(base) in ("StrEnum", "msgspec.Struct") for base in node.bases
        ):
            parts.append(node)
        for part in parts:
            if part is not None:
                found.update(id(inner) for inner in ast.walk(part))
    return found


class _Put(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self._old:
            return self._new
        return self.generic_visit(node)


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """(what was changed, the changed program), one change each."""
    tree = ast.parse(source)
    skipped = _skipped(tree)
    for node in [node for node in ast.walk(tree) if id(node) not in skipped]:
        for replacement in _replacements(node):
            # The tree is shared among mutants, so it is copied with the node marked.
            node._marked = True  # type: ignore[attr-defined]
            copied = copy.deepcopy(tree)
            del node._marked  # type: ignore[attr-defined]
            (old,) = [inner for inner in ast.walk(copied) if getattr(inner, "_marked", False)]
            changed = ast.fix_missing_locations(_Put(old, copy.deepcopy(replacement)).visit(copied))
            line = getattr(node, "lineno", 0)
            yield f"line {line}: {ast.unparse(node)[:70]!r} -> {ast.unparse(replacement)[:70]!r}", ast.unparse(changed)


def load(source: str, name: str = "mutant") -> types.ModuleType:
    module = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
    return module


def reconciler_source() -> str:
    return Path(importer.reconciler.reconcile.__file__).read_text(encoding="utf-8")


if __name__ == "__main__":
    from tests.support.reconciling import check

    alive = made = 0
    for what, program in mutants(reconciler_source()):
        made += 1
        try:
            check(load(program))
        except Exception:
            continue
        alive += 1
        print("alive:", what)
    print(f"{made} mutants, {alive} alive")
