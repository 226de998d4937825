"""The list of removals matches the program, and taking a handling out is noticed."""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.support import patches
from tests.support.patches import ROOT, Misfit, apply
from tests.whole.removals import REMOVALS, Removal, selection, unnoticed


@cache
def functions_of(path: str) -> set[str]:
    return set(re.findall(r"(?m)^\s*def (\w+)\(", (ROOT / path).read_text(encoding="utf-8")))


@pytest.mark.slow
@pytest.mark.parametrize("removal", REMOVALS, ids=lambda removal: removal.what)
def test_a_removal_matches_once_and_its_tests_exist(removal: Removal) -> None:
    """A list that does not match proves nothing: a change of a handling changes its entry too."""
    path, patched = apply(removal.scope, removal.old, removal.new)
    assert removal.new != removal.old
    compile(patched, path, "exec")
    assert removal.tests
    for test in selection(removal.tests):
        file, _, name = test.partition("::")
        assert functions_of(file) and (not name or name in functions_of(file)), test


def test_names_are_unique() -> None:
    assert len({removal.what for removal in REMOVALS}) == len(REMOVALS)


@pytest.mark.parametrize(
    ("scope", "old", "new", "message"),
    [
        ("BackOff.delay", "1234", "1", "matches 0 times in sender.retry.BackOff.delay; the code matches in: nothing"),
        ("BackOff.delay", "...", "1", "matches"),
        ("BackOff.succeeded", "self._breaker.answered()", "", "the code matches in: sender."),
        ("BackOff.nothing", "1", "2", "BackOff.nothing names nothing; the code matches in: "),
        ("__init__", "1", "2", "__init__ names "),
        ("MAX_ATTEMPTS", "5", "...", "more wildcards"),
    ],
)
def test_a_patch_that_does_not_match_once_is_an_error(
    monkeypatch: pytest.MonkeyPatch, scope: str, old: str, new: str, message: str
) -> None:
    """The error says where the code is now. Here it is searched for in one package and one module only."""
    some = tuple(one for one in patches.scopes() if one.name.startswith(("sender", "model")))
    monkeypatch.setattr(patches, "scopes", lambda: some)
    with pytest.raises(Misfit, match=message.replace(".", r"\.")):
        apply(scope, old, new)


@pytest.mark.process
@pytest.mark.slow
def test_only_a_removal_that_its_tests_cover_is_noticed() -> None:
    """One removal that a test notices, and one that no test beside it can notice: the check can fail."""
    noticed = Removal("yes", "MAX_ATTEMPTS", "5", "9", ("test_figures::test_figures_of_retries_and_outages",))
    blind = Removal("no", "MAX_ATTEMPTS", "5", "9", ("test_figures::test_figures_of_a_429",))
    assert unnoticed([noticed, blind]) == [blind]
