"""The list of handlings that the tests miss when they are taken out: it fits the program as it stands."""

from __future__ import annotations

import ast
from functools import cache

import pytest

from tests.whole.removals import REMOVALS, ROOT, Removal, selection, unmissed


@cache
def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("removal", REMOVALS, ids=lambda removal: removal.what)
def test_what_is_taken_out_is_there_once_and_its_tests_exist(removal: Removal) -> None:
    """A list that no longer fits proves nothing: who changes a handling changes its entry too."""
    text = (ROOT / removal.where).read_text(encoding="utf-8")
    assert text.count(removal.old) == 1
    assert removal.new != removal.old
    compile(text.replace(removal.old, removal.new), removal.where, "exec")
    assert removal.tests
    for test in selection(removal.tests):
        path, _, name = test.partition("::")
        assert functions_of(path) and (not name or name in functions_of(path)), test


def test_each_has_its_own_name() -> None:
    assert len({removal.what for removal in REMOVALS}) == len(REMOVALS)


def test_taking_out_is_noticed_and_only_what_is_tested_is() -> None:
    """One that a test misses, and one that no test beside it can: the list is no rubber stamp."""
    missed = Removal(
        "yes", "importer/sender/retry.py", "MAX_ATTEMPTS = 5", "MAX_ATTEMPTS = 9", ("test_figures::test_patience",)
    )
    blind = Removal(
        "no", "importer/sender/retry.py", "MAX_ATTEMPTS = 5", "MAX_ATTEMPTS = 9", ("test_figures::test_429",)
    )
    assert unmissed([missed, blind]) == [blind]
