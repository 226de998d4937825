"""The guard of CSV reports can be taken off again without a trace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.system.formula_guard import guard, unguard

CELLS = st.one_of(
    st.text(), st.text(alphabet="'=+-@\t\r 09a().", max_size=12), st.from_regex(r"'{0,3}[=+\-@].*", fullmatch=True)
)


@given(CELLS)
def test_unguard_gives_back_every_cell(cell: str) -> None:
    """import(report(x)) = x, whatever the cell."""
    assert unguard(guard(cell)) == cell


@given(CELLS)
def test_no_guarded_cell_can_run(cell: str) -> None:
    """What is written begins with none of the characters that start a formula, unless it is a number."""
    written = guard(cell)
    assert (
        written[:1] not in tuple("=+-@\t\r")
        or not set(written) - set("+-0123456789 .()\t\r\n\f\v")
        or any(character.isdigit() for character in written)
    )


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("@SUM(1)", "'@SUM(1)"),
        ("+917744876415", "+917744876415"),
        ("+91 (774) 487-6415", "+91 (774) 487-6415"),
        ("-3.5", "-3.5"),
        ("-", "'-"),
        ("+", "'+"),
        ("-2+3+cmd", "'-2+3+cmd"),
        ("\tx", "'\tx"),
        ("'=1", "''=1"),
        ("''+x", "'''+x"),
        ("'007", "'007"),
        ("it's", "it's"),
        ("", ""),
    ],
)
def test_the_rule_by_example(cell: str, written: str) -> None:
    """Formulas are guarded, phone numbers are not, a user's own apostrophe survives."""
    assert guard(cell) == written
    assert unguard(written) == cell
