"""The rule of attribution as a table: what was sent, what was answered, and the verdict of each customer.

`check(module)` checks a reconciler against it: the real one passes, each of its mutants fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from importer.capillary.codes import ITEM_CODES, Next
from importer.model import Customer, ItemStatus

OK, NO, NOBODY = "succeeded", "failed", "unattributed"


@dataclass
class Case:
    """`said`: the verdict of each customer, in the order in which they were sent."""

    name: str
    sent: Sequence[Customer]
    items: Sequence[ItemStatus]
    said: Sequence[str]


def sent(row: int = 2, **identifiers: Any) -> Customer:
    return Customer(row, **identifiers)


def yes(mobile: str = "", email: str = "", external_id: str = "", user_id: str = "") -> ItemStatus:
    return ItemStatus(mobile, email, external_id, user_id, success=True, code="200")


def no(code: str = "1012", **identifiers: Any) -> ItemStatus:
    return ItemStatus(success=False, code=code, **identifiers)


M1, M2, M3 = "917744876415", "917744876416", "917744876417"
A = sent(2, mobile=M1, email="Asha@Example.com")
B = sent(3, mobile=M2, external_id="B-2")
C = sent(4, email="c@example.com", user_id="75")
D = sent(5, external_id="D-4")
E = sent(6, user_id="5")
ALL = sent(7, mobile=M1, email="Asha@x.y", external_id="A-1", user_id="71")

CASES: list[Case] = [
    Case("nothing was sent", [], [], []),
    Case(
        "echoed as sent", [A, B], [yes(mobile=M1, email="Asha@Example.com"), no(mobile=M2, external_id="B-2")], [OK, NO]
    ),
    Case("nothing echoed: by position", [A, B], [yes(), no()], [OK, NO]),
    Case("some identifiers blank", [A, B], [yes(email="asha@example.com"), no(external_id="B-2")], [OK, NO]),
    # ------------------------------------------------------------------ counts
    Case("no items", [A, B], [], [NOBODY, NOBODY]),
    Case("an item too few", [A, B], [yes(mobile=M2)], [NOBODY, OK]),
    Case("an item too few, and nothing echoed", [A, B], [yes()], [NOBODY, NOBODY]),
    Case("a blank item too many", [A], [yes(), yes()], [NOBODY]),
    Case("a foreign item too many", [A, B], [no(mobile=M2), yes(mobile="919999999999"), yes(mobile=M1)], [OK, NO]),
    Case("one item twice", [A, B], [yes(mobile=M1), yes(mobile=M1)], [NOBODY, NOBODY]),
    Case("one item twice, and the other", [A, B], [yes(mobile=M1), yes(mobile=M1), no(mobile=M2)], [NOBODY, NO]),
    Case("one item thrice", [A, B], [yes(mobile=M1)] * 3 + [no(mobile=M2)], [NOBODY, NO]),
    # ------------------------------------------------------------------ order
    Case("swapped", [A, B], [no(mobile=M2), yes(mobile=M1)], [OK, NO]),
    Case("swapped by e-mail", [A, C], [no(email="C@example.com"), yes(email="asha@example.com")], [OK, NO]),
    Case("swapped by external id", [B, D], [no(external_id="D-4"), yes(external_id="B-2")], [OK, NO]),
    Case("swapped by user id", [C, E], [no(user_id="5"), yes(user_id="75")], [OK, NO]),
    Case("swapped, of different kinds", [sent(2, mobile=M1), D], [no(external_id="D-4"), yes(mobile=M1)], [OK, NO]),
    Case(
        "swapped, of different kinds, one blank", [sent(2, mobile=M1), D], [yes(external_id="D-4"), no()], [NOBODY, OK]
    ),
    Case("swapped, e-mail for user id", [sent(2, email="a@b.c"), E], [yes(user_id="5"), no()], [NOBODY, OK]),
    Case("swapped, user id for e-mail", [E, sent(2, email="a@b.c")], [yes(email="A@b.c"), no()], [NOBODY, OK]),
    Case("swapped, mobile for external id", [D, sent(2, mobile=M1)], [yes(mobile=M1), no()], [NOBODY, OK]),
    Case("three in a circle", [A, B, D], [yes(mobile=M2), no(external_id="D-4"), yes(mobile=M1)], [OK, OK, NO]),
    Case("one out of place spoils positions", [A, B, D], [yes(mobile=M1), yes(), yes(mobile=M2)], [OK, OK, NOBODY]),
    Case("somebody else's mobile", [A, B], [yes(mobile=M3), no(mobile=M2)], [NOBODY, NO]),
    Case("somebody else's e-mail", [A, B], [yes(email="x@y.z"), no(mobile=M2)], [NOBODY, NO]),
    Case("somebody else's external id", [B, D], [yes(external_id="X"), no(external_id="D-4")], [NOBODY, NO]),
    Case("somebody else's user id", [C, E], [yes(user_id="6"), no(user_id="5")], [NOBODY, NO]),
    Case(
        "an item that fits two decides neither",
        [A, B],
        [yes(mobile=M1, external_id="B-2"), yes()],
        [NOBODY, NOBODY],
    ),
    Case(
        "an item that fits two spoils what fits one",
        [A, B],
        [yes(mobile=M1, external_id="B-2"), yes(mobile=M1), no(mobile=M2)],
        [NOBODY, NOBODY],
    ),
    Case(
        "what fits one, then an item that fits two",
        [A, B],
        [yes(mobile=M1), no(mobile=M2), yes(mobile=M1, external_id="B-2")],
        [NOBODY, NOBODY],
    ),
    # ------------------------------------------------------------------ normalised by the server
    Case("country code of two digits", [sent(mobile="7744876415")], [yes(mobile=M1)], [OK]),
    Case("country code of one digit", [sent(mobile="2025550123")], [yes(mobile="12025550123")], [OK]),
    Case("country code of three digits", [sent(mobile="501234567")], [yes(mobile="971501234567")], [OK]),
    Case("four digits are not a country code", [sent(mobile="501234567")], [yes(mobile="9711501234567")], [NOBODY]),
    Case("a number of seven digits", [sent(mobile="1234567")], [yes(mobile="911234567")], [OK]),
    Case("six digits are not a number", [sent(mobile="234567")], [yes(mobile="91234567")], [NOBODY]),
    Case("a short number as it was sent", [sent(mobile="12345")], [yes(mobile="12345")], [OK]),
    Case("a short number with a plus", [sent(mobile="12345")], [yes(mobile="+12345")], [OK]),
    Case("the country code taken off", [sent(mobile=M1)], [yes(mobile="7744876415")], [OK]),
    Case("another end", [sent(mobile="7744876415")], [yes(mobile="917744876416")], [NOBODY]),
    Case("another beginning of the same length", [sent(mobile=M1)], [yes(mobile="447744876415")], [NOBODY]),
    Case("plus and spaces", [sent(mobile=M1)], [yes(mobile="+91 77448-76415")], [OK]),
    Case("no digits at all", [sent(mobile=M1)], [yes(mobile="unknown")], [NOBODY]),
    Case("e-mail by case", [sent(email="ASHA@x.y")], [yes(email="asha@X.Y")], [OK]),
    Case("external ids are as they are", [sent(external_id="a-1")], [yes(external_id="A-1")], [NOBODY]),
    Case("user ids are as they are", [sent(user_id="7a")], [yes(user_id="7A")], [NOBODY]),
    Case("country code and swapped", [sent(2, mobile="7744876415"), B], [no(mobile=M2), yes(mobile=M1)], [OK, NO]),
    Case(
        "country codes added, in order",
        [sent(2, mobile="7744876415"), sent(3, mobile="7744876416")],
        [yes(mobile=M1), no(mobile=M2)],
        [OK, NO],
    ),
    Case(
        "a mobile that fits two rows is a choice between two",
        [sent(2, mobile="7744876415"), sent(3, mobile="17744876415")],
        [no(mobile="17744876415"), yes(mobile=M1)],
        [NOBODY, NOBODY],
    ),
    Case(
        "the same last ten digits, other countries",
        [sent(2, mobile="917744876415"), sent(3, mobile="447744876415")],
        [no(mobile="447744876415"), yes(mobile="917744876415")],
        [OK, NO],
    ),
    Case(
        "the same last seven digits",
        [sent(2, mobile="7744876415"), sent(3, mobile="7844876415")],
        [no(mobile="917844876415"), yes(mobile="917744876415")],
        [OK, NO],
    ),
    # ------------------------------------------------------------------ changed by the server, and still by position
    Case("mobile changed", [ALL, B], [yes(mobile="7744876415"), no()], [OK, NO]),
    Case("mobile changed, the others as sent", [ALL, B], [yes("7744876415", "Asha@x.y", "A-1", "71"), no()], [OK, NO]),
    Case("e-mail changed", [ALL, B], [yes(email="aSHA@x.y"), no()], [OK, NO]),
    Case("e-mail changed, the others as sent", [ALL, B], [yes(M1, "asha@X.y", "A-1", "71"), no()], [OK, NO]),
    Case("mobile changed, and another e-mail", [ALL, B], [yes("7744876415", "x@y.z"), no()], [OK, NOBODY]),
    Case("mobile changed, and another external id", [ALL, B], [yes("7744876415", "", "A-2"), no()], [OK, NOBODY]),
    Case("mobile changed, and another user id", [ALL, B], [yes("7744876415", user_id="72"), no()], [OK, NOBODY]),
    Case("e-mail changed, and another mobile", [ALL, B], [yes(M3, "asha@x.y"), no()], [OK, NOBODY]),
    Case("another e-mail, no mobile", [C, D], [yes(email="x@y.z"), no()], [NOBODY, NOBODY]),
    Case("another mobile, no e-mail", [B, D], [yes(M3), no()], [NOBODY, NOBODY]),
    Case("another external id, no e-mail", [B, C], [yes(external_id="X"), no()], [NOBODY, NOBODY]),
    Case("another user id, no mobile", [C, D], [yes(user_id="X"), no()], [NOBODY, NOBODY]),
    Case("one changed, one foreign", [ALL, B, D], [yes("7744876415"), yes(M3), no()], [OK, NOBODY, NOBODY]),
    Case("unasked mobile", [D, C], [yes(M3), no()], [OK, NO]),
    Case("unasked e-mail", [D, C], [yes(email="x@y.z"), no()], [OK, NO]),
    Case("unasked external id", [C, D], [yes(external_id="X"), no()], [OK, NO]),
    Case("unasked user id", [D, C], [yes(user_id="X"), no()], [OK, NO]),
    # ------------------------------------------------------------------ the stored customer's identifiers
    Case("identifiers that were not sent", [D, E], [yes(mobile=M1, email="x@y.z"), no(mobile=M2)], [OK, NO]),
    Case("identifiers that were not sent beside ours", [D], [yes(mobile=M1, external_id="D-4")], [OK]),
    Case("unasked, and another row's", [A, D], [yes(mobile=M1), yes(email="asha@example.com")], [NOBODY, NOBODY]),
    Case("unasked, another row's, beside ours", [A, D], [yes(), yes(email="asha@example.com")], [OK, NOBODY]),
    Case(
        "an e-mail of another customer beside our mobile", [A, B], [yes(mobile=M1, email="old@x.y"), no()], [OK, NOBODY]
    ),
    # ------------------------------------------------------------------ what is said
    Case("neither yes nor no", [A], [ItemStatus(code="200")], [NOBODY]),
    Case("an empty item", [A, B], [ItemStatus(), yes(mobile=M2)], [NOBODY, OK]),
    Case("an undocumented code: no", [A], [no("31415")], [NO]),
    Case("an undocumented code: yes", [A], [ItemStatus(success=True, code="31415")], [OK]),
    Case("no code: yes", [A], [ItemStatus(success=True)], [OK]),
    Case("no code: no", [A], [ItemStatus(success=False)], [NO]),
]

_SAID_NO = {
    Next.ROW: "failed",
    Next.WARNING: "failed",
    Next.AGAIN: "again",
    Next.ALONE: "alone",
    Next.HALVE: "too many",
    Next.REFUSED: "refused",
    Next.SUCCESS: "contradiction",
}
for _code, _entry in ITEM_CODES.items():
    _sound = _entry.klass in (Next.SUCCESS, Next.WARNING)
    CASES.append(Case(f"no with {_code}", [A], [no(_code)], [_SAID_NO[_entry.klass]]))
    CASES.append(
        Case(f"yes with {_code}", [A], [ItemStatus(success=True, code=_code)], [OK if _sound else "contradiction"])
    )
    CASES.append(Case(f"neither with {_code}", [A], [ItemStatus(code=_code)], [NOBODY]))


def check_case(reconciler: Any, case: Case) -> None:
    rulings = reconciler.reconcile(case.sent, case.items)
    assert [ruling.verdict for ruling in rulings] == list(case.said), case.name


#: What nearly every answer looks like. It is attributed without an index of identifiers, which would cost more than all
#: the rest.
ORDINARY = (
    [yes(M1, "Asha@x.y", "A-1", "71"), no(mobile=M2, external_id="B-2")],
    [yes(), no()],
    [yes(mobile=M1), no()],
    [yes(email="Asha@x.y"), no()],
    [yes(external_id="A-1"), no()],
    [yes(user_id="71"), no()],
)


def check(reconciler: Any) -> None:
    """Raises AssertionError, or whatever the reconciler raises, when it does not keep the rule."""
    for case in CASES:
        check_case(reconciler, case)
    index = reconciler._Positions
    reconciler._Positions = None
    try:
        for items in ORDINARY:
            check_case(reconciler, Case("ordinary", [ALL, B], items, [OK, NO]))
    finally:
        reconciler._Positions = index
    (ruling,) = reconciler.reconcile([A], [ItemStatus(success=True, code="91009", message="m", warnings=("w",))])
    assert (ruling.code, ruling.message, ruling.warnings) == ("91009", "m", ("w",))
    (ruling,) = reconciler.reconcile([A], [ItemStatus(mobile=M2, success=True, code="200", message="m")])
    assert (ruling.code, ruling.message, ruling.warnings) == ("", "", ()), "a foreign item's words are not the row's"
