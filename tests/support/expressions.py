"""Every regular expression of the program, and the texts on which each could be slow."""

from __future__ import annotations

import ast
import importlib
import re
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from types import FrameType
from typing import Any, NamedTuple

from tests.support.patches import ROOT

#: How an expression is applied; the others search.
_ANCHORED = {"match": "match", "fullmatch": "fullmatch"}
#: Characters that may stand for a class.
_SAMPLES = [*"a1 x-<>\"&A.;,:/@\\_+(=\n\t'[{#%?*!é０", *map(chr, range(33, 127))]
_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)


class Expression(NamedTuple):
    """A pattern of the program. `names`: where it is. `methods`: how it is applied."""

    name: str
    pattern: re.Pattern[Any]
    methods: tuple[str, ...]


def expressions() -> list[Expression]:
    """Those that modules keep, also in collections, and those written where they are used."""
    trees = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted((ROOT / "importer").rglob("*.py"))
    }
    uses = {module: _uses(tree) for module, tree in trees.items()}
    everywhere: dict[str, set[str]] = {}
    for used in uses.values():
        for name, methods in used.items():
            everywhere.setdefault(name, set()).update(methods)
    found: dict[object, Expression] = {}
    for module, tree in trees.items():
        for name, pattern in _kept(module):
            key = name.partition("[")[0]
            methods = (uses[module] if key.startswith("_") else everywhere).get(key, {"search"})
            found.setdefault(pattern, Expression(f"{module}.{name}", pattern, tuple(sorted(methods))))
        for line, pattern, method in _written(tree):
            found.setdefault((pattern, method), Expression(f"{module}:{line}", pattern, (method,)))
    return list(found.values())


def _uses(tree: ast.AST) -> dict[str, set[str]]:
    """Name of an expression → the methods that are taken of it."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.setdefault(node.value.id, set()).add(_ANCHORED.get(node.attr, "search"))
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute):
            # NAME = re.compile(…).fullmatch
            for target in node.targets:
                if isinstance(target, ast.Name) and node.value.attr in _ANCHORED:
                    found.setdefault(target.id, set()).add(node.value.attr)
    return found


def _kept(module: str) -> Iterator[tuple[str, re.Pattern[Any]]]:
    try:
        made = importlib.import_module(module)
    except ImportError:  # of an optional part
        return
    for name, value in vars(made).items():
        for key, item in _inside(value):
            yield f"{name}{key}", item


def _inside(value: object, depth: int = 0) -> Iterator[tuple[str, re.Pattern[Any]]]:
    if isinstance(value, re.Pattern):
        yield "", value
    elif isinstance(owner := getattr(value, "__self__", None), re.Pattern):
        yield "", owner
    elif isinstance(value, dict) and depth < 3:
        for key, item in value.items():
            yield from ((f"[{key!r}]{inner}", found) for inner, found in _inside(item, depth + 1))
    elif isinstance(value, tuple | list | set | frozenset) and depth < 3:
        for at, item in enumerate(value):
            yield from ((f"[{at}]{inner}", found) for inner, found in _inside(item, depth + 1))


def _written(tree: ast.AST) -> Iterator[tuple[int, re.Pattern[Any], str]]:
    for node in ast.walk(tree):
        if not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            continue
        flags = [word.value for word in node.keywords if word.arg == "flags"]
        flags += [argument for argument in node.args[1:] if ast.unparse(argument).startswith("re.")]
        flag = eval(ast.unparse(flags[0]), {"re": re}) if flags else 0
        if node.func.attr not in ("escape", "compile"):
            yield node.lineno, re.compile(node.args[0].value, flag), _ANCHORED.get(node.func.attr, "search")


# ------------------------------------------------------------------------------------------------- worst texts


def attacks(pattern: re.Pattern[Any], length: int) -> Iterator[str]:
    """Texts of about this length: what the pattern may repeat, behind what must stand before it, without its end."""
    tree = parser.parse(pattern.pattern, pattern.flags)
    made: dict[tuple[str, str], None] = {}
    for before, part in _parts(list(tree), ""):
        for prefix in ("", before):
            made.setdefault((prefix, part))
        made.setdefault(("", before + part))
    for prefix, pump in made:
        if pump:
            text = prefix + pump * (length // len(pump))
            yield text
            yield text + "\x00"


def _parts(items: Sequence[Any], before: str) -> Iterator[tuple[str, str]]:
    """(what stands before, a part that can repeat) for every part of a pattern."""
    for at, (operation, value) in enumerate(items):
        prefix = before + _sample(items[:at])
        for character in _characters(operation, value):
            yield prefix, character
        yield prefix, _sample([(operation, value)])
        for inner in _inner(operation, value):
            yield from _parts(inner, prefix)
            yield prefix, _sample(inner)


def _inner(operation: Any, value: Any) -> list[list[Any]]:
    if operation in _REPEATS:
        return [list(value[2])]
    if operation is codes.SUBPATTERN:
        return [list(value[-1])]
    if operation is codes.BRANCH:
        return [list(branch) for branch in value[1][:12]]
    if operation is codes.ATOMIC_GROUP:
        return [list(value)]
    if operation in (codes.ASSERT, codes.ASSERT_NOT):
        return [list(value[1])]
    return []


def _characters(operation: Any, value: Any) -> list[str]:
    """Different characters that one element matches."""
    if operation is codes.LITERAL:
        return [chr(value)]
    if operation is codes.ANY:
        return ["x", " ", "1"]
    if operation is codes.NOT_LITERAL:
        return [next(c for c in _SAMPLES if ord(c) != value)]
    if operation is codes.IN:
        matching = [c for c in _SAMPLES if _is_in(value, c)]
        kinds = [str.isdigit, str.isspace, str.isalpha, lambda c: not c.isalnum() and not c.isspace()]
        chosen = [next((c for c in matching if kind(c)), "") for kind in kinds]
        return [c for c in chosen if c] or [chr(v) for o, v in value if o is codes.LITERAL][:2]
    return []


def _is_in(members: Sequence[Any], character: str) -> bool:
    code, negated, found = ord(character), False, False
    for operation, value in members:
        if operation is codes.NEGATE:
            negated = True
        elif operation is codes.LITERAL:
            found = found or value == code
        elif operation is codes.RANGE:
            found = found or value[0] <= code <= value[1]
        elif operation is codes.CATEGORY:
            word = str(value)
            holds = (
                character.isdigit()
                if "DIGIT" in word
                else character.isspace()
                if "SPACE" in word
                else character.isalnum() or character == "_"
            )
            found = found or holds != ("NOT" in word)
    return found != negated


def _sample(items: Sequence[Any]) -> str:
    """A short text that these elements match."""
    made = ""
    for operation, value in items:
        if operation in _REPEATS:
            made += _sample(list(value[2])) * max(value[0], 1)
        elif operation in (codes.SUBPATTERN, codes.BRANCH, codes.ATOMIC_GROUP):
            made += _sample(_inner(operation, value)[0])
        else:
            made += next(iter(_characters(operation, value)), "")
    return made


class TooSlow(Exception):
    """An expression did not end in time."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise `TooSlow` in this thread after so many seconds of CPU time."""

    def stop(_: int, __: FrameType | None) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def applied(expression: Expression, method: str, text: str) -> float:
    """Apply an expression to all of a text: each match is found. Returns the seconds."""
    pattern = expression.pattern
    data = text.encode("utf-8") if isinstance(pattern.pattern, bytes) else text
    began = time.perf_counter()
    if method == "search":
        deque(pattern.finditer(data), 0)
    else:
        getattr(pattern, method)(data)
    return time.perf_counter() - began
