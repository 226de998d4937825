"""The guard of CSV reports can be taken off again without a trace."""

from __future__ import annotations

import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.system.formula_guard import guard, may_need_guard, unguard

#: Characters that matter to the rule, and some that do not.
ALPHABET = "'=+-@\t\r\n\0\x0b\x1b \"09aE%().;|!*&\u061b\xa0\u200b\u202e\ufeff\u3000\u3164＝＋－＠−"
CELLS = st.one_of(st.text(), st.text(alphabet=ALPHABET, max_size=12), st.from_regex(r"'{0,3}[=+\-@].*", fullmatch=True))


@given(CELLS)
def test_unguard_gives_back_every_cell(cell: str) -> None:
    """import(report(x)) = x, whatever the cell."""
    assert unguard(guard(cell)) == cell


def _runs(part: str) -> bool:
    """Whether a careless program may run this: without what it does not show, it begins as a formula does."""
    shown = "".join(
        character
        for character in unicodedata.normalize("NFKC", part)
        if unicodedata.category(character) not in ("Cc", "Cf", "Zs", "Zl", "Zp") and character not in '"\u3164\u1160'
    )
    return shown[:1] in tuple("=+-@\u2212") and not set(shown) <= set("+-0123456789.()") and shown != ""


@given(CELLS)
def test_no_guarded_cell_can_run(cell: str) -> None:
    """No cell and no part of a cell, divided at semicolons and line breaks, begins as a formula does."""
    written = guard(cell)
    assert written[:1] not in ("\t", "\r", "\n") or any(character.isdigit() for character in written)
    assert not any(map(_runs, re.split("[;\u061b\t\r\n]", written)))


@given(st.lists(CELLS, min_size=1, max_size=6))
def test_the_test_of_a_whole_column_misses_no_cell(cells: list[str]) -> None:
    """A column is guarded cell by cell wherever one of its cells needs a guard."""
    if any(guard(cell) != cell for cell in cells):
        assert may_need_guard("\0" + "\0".join(cells) + "\0")


@pytest.mark.parametrize(
    "unit",
    [
        " ",
        "1 ",
        ";",
        "; ",
        "'",
        "'; ",
        "\u200b",
        "5+",
        "=;",
        "-1",
        '"',
        "+1(",
        "|;5+",
        "\0",
        "'\0",
        "5E1",
        "5+'",
        "5 %",
    ],
    ids=repr,
)
def test_the_time_grows_with_the_length_only(unit: str) -> None:
    """No cell, however long, makes the expressions search the same text again and again."""

    def seconds(length: int) -> float:
        cell = unit * (length // len(unit)) + "x"
        begin = time.process_time()
        assert unguard(guard(cell)) == cell
        may_need_guard("\0" + cell + "\0")
        return time.process_time() - begin

    # Eight times the text may take eight times the time, never 64 times.
    assert seconds(400_000) < 25 * max(seconds(50_000), 0.005)


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
        ("\n=1", "'\n'=1"),
        ("＝1+1", "'＝1+1"),
        ("＠SUM(1)", "'＠SUM(1)"),
        ("  =1", "'  =1"),
        ("\u200b=1", "'\u200b=1"),
        ("\xa0+x", "'\xa0+x"),
        ("＋91 98765", "＋91 98765"),
        (" +91 98765", " +91 98765"),
        ("\u202a+91 98765\u202c", "\u202a+91 98765\u202c"),
        ("red;blue", "red;blue"),
        ("red;=1", "red;'=1"),
        ("red; '=1", "red; '=1"),
        ("red;'=1", "red;''=1"),
        ("red\n=1", "red\n'=1"),
        ("red;-5;L", "red;-5;L"),
        ("S - M;L", "S - M;L"),
        ("2-3;4-5", "2-3;4-5"),
        ("0+cmd|'/c calc'!A0;x", "'0+cmd|'/c calc'!A0;x"),
        ("0+cmd|'/c calc'!A0", "0+cmd|'/c calc'!A0"),
        ("5%+cmd|'/c calc'!A0;x", "'5%+cmd|'/c calc'!A0;x"),
        ("5E1 +cmd|'/c calc'!A0;x", "'5E1 +cmd|'/c calc'!A0;x"),
        # The next cell may complete it: `a'!A0;x`.
        ("5+cmd|'/c calc", "'5+cmd|'/c calc"),
        ("5*'\\\\evil\\[x.xls", "'5*'\\\\evil\\[x.xls"),
        ("e-mail (work);x", "e-mail (work);x"),
        ("5 O'Brien", "5 O'Brien"),
    ],
)
def test_the_rule_by_example(cell: str, written: str) -> None:
    """Formulas are guarded, phone numbers are not, a user's own apostrophe survives."""
    assert guard(cell) == written
    assert unguard(written) == cell
