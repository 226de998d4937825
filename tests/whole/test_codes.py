"""`importer codes CODE`: what a code in a report means, and what to do about it."""

from __future__ import annotations

import pytest

from importer.capillary.codes import ITEM_CODES, REQUEST_CODES, RUN_CODES, own_codes
from importer.errors import REFUSALS
from importer.normaliser.damage import REPAIRS
from tests.support.terminal import Terminal

EVERY = [*ITEM_CODES, *REQUEST_CODES, *RUN_CODES, *own_codes(), *REPAIRS, *REFUSALS]


def test_every_code_that_a_report_shows_is_found(terminal: Terminal) -> None:
    """Codes of the API, of rejected rows, of automatic fixes and of refused files, several at once."""
    ended = terminal.type("codes", *EVERY, "--json")
    assert ended.code == 0
    assert {entry["code"] for entry in ended.json} == set(EVERY)
    assert all(entry["meaning"] for entry in ended.json)


def test_a_code_is_shown_with_its_advice(terminal: Terminal) -> None:
    """As it is copied from a cell: in capitals, or several with a comma. A number may have two meanings."""
    ended = terminal.type("codes", "816,MOBILE_ROUNDED")
    assert (ended.code, ended.err) == (0, "")
    words = " ".join(ended.out.split())
    for entry in (ITEM_CODES["816"], own_codes()["mobile_rounded"]):
        assert entry.meaning in words
        assert entry.advice in words
    ended = terminal.type("codes", "500", "--json")
    assert {entry["meaning"] for entry in ended.json} == {ITEM_CODES["500"].meaning, REQUEST_CODES["500"].meaning}


@pytest.mark.parametrize(
    ("typed", "near"),
    [("mobile_to_short", "mobile_too_short"), ("99999", "999999"), ("no-such-thing", "importer codes")],
)
def test_an_unknown_code_names_the_nearest(terminal: Terminal, typed: str, near: str) -> None:
    """With exit code 2; what is known beside it is shown."""
    ended = terminal.type("codes", "816", typed)
    assert ended.code == 2
    assert ITEM_CODES["816"].meaning in ended.out
    assert typed in ended.err
    assert near in ended.err


def test_without_a_code_all_are_listed(terminal: Terminal) -> None:
    found = terminal.type("codes", "--json").json
    assert {entry["code"] for entry in found["items"]} == {*ITEM_CODES, *RUN_CODES, *own_codes()}
    assert {entry["code"] for entry in found["requests"]} == set(REQUEST_CODES)
