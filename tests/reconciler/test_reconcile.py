"""The reconciler: the rule as a table, every mutant of it caught, and mutated answers of a model server."""

from __future__ import annotations

import json
import random
import warnings
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import importer.reconciler.reconcile
from importer.capillary.codes import ITEM_CODES, Next
from importer.capillary.wire import UnreadableAnswer, decode_answer
from importer.model import Customer
from importer.reconciler.reconcile import Verdict, reconcile
from tests.reconciler.mutants import load, mutants, reconciler_source
from tests.support.reconciling import CASES, Case, check, check_case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_rule(case: Case) -> None:
    """By position where the counts agree and nothing contradicts, else by what fits one row only, else to no row."""
    check_case(importer.reconciler.reconcile, case)


@pytest.mark.slow
def test_no_mutant_of_the_reconciler_survives() -> None:
    """Each small change of the module is caught by the table: so nothing in it is there for nothing."""
    check(importer.reconciler.reconcile)
    alive, made = [], 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        for what, program in mutants(reconciler_source()):
            made += 1
            try:
                check(load(program))
            except Exception:
                continue
            alive.append(what)
    assert alive == []
    assert made > 200


# ---------------------------------------------------------------------------------------------------- a model server

_FAILURES = [code for code, entry in ITEM_CODES.items() if entry.klass not in (Next.SUCCESS, Next.WARNING)]


class ModelServer:
    """A batch and the server's own truth about it; `answer` is what a sound server says, as a document."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.customers = [self._customer(row) for row in range(2, 2 + chance.choice([1, 2, 3, 5, 8]))]
        self.accepted = [chance.random() < 0.5 for _ in self.customers]
        self.bare = chance.random() < 0.3
        self.code = chance.choice([200, "200", 1000, 200.0])
        self.yes, self.no = chance.choice([("true", "false"), (True, False), ("True", "False")])
        self.country = chance.random() < 0.5

    def _customer(self, row: int) -> Customer:
        kinds = self.chance.sample(["mobile", "email", "external_id", "user_id"], self.chance.randint(1, 4))
        # Mobiles that differ in their first digits only are the hard ones.
        tail = f"{self.chance.randint(0, 9)}48764{row:02d}"
        values: dict[str, Any] = {
            "mobile": self.chance.choice(["91", "44", ""]) + f"77{tail}",
            "email": f"Row{row}@Example.com",
            "external_id": f"X-{row}",
            "user_id": f"{row}",
        }
        return Customer(row, **{kind: values[kind] for kind in kinds})

    def item(self, index: int) -> dict[str, Any]:
        customer, accepted = self.customers[index], self.accepted[index]
        code = self.code if accepted else int(self.chance.choice(_FAILURES))
        status = {"success": self.yes if accepted else self.no, "code": code, "message": "", "warnings": {}}
        if not accepted and self.bare:
            return self.chance.choice([{}, {"item_status": status}])
        mobile = customer.mobile
        if self.country and len(mobile) == 10:
            mobile = "91" + mobile
        item = {
            "mobile": mobile,
            "email": self.chance.choice([customer.email, customer.email.lower()]),
            "external_id": customer.external_id,
            "user_id": customer.user_id,
            "item_status": status,
        }
        for kind in ("mobile", "email", "external_id", "user_id"):
            if not item[kind]:
                # Not sent: empty, null, missing, or the stored customer's.
                stored = {"mobile": f"9155500{index:05d}", "email": f"stored{index}@x.y"}.get(kind, f"S-{index}")
                item[kind] = self.chance.choice(["", None, stored])
                if self.chance.random() < 0.3:
                    del item[kind]
        return item

    def answer(self) -> list[dict[str, Any]]:
        return [self.item(index) for index in range(len(self.customers))]


def _structure(chance: random.Random, items: list[Any]) -> None:
    """Items lost, repeated, moved, made up. A moved item keeps its identifiers, or it could not be detected."""
    foreign = {"mobile": "918888888888", "email": "f@x.y", "external_id": "F", "user_id": "F"}
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(items)) if items else 0
        match chance.choice(["drop", "repeat", "reverse", "shuffle", "foreign", "swap", "empty", "rotate"]):
            case "drop" if items:
                del items[at]
            case "repeat" if items:
                items.insert(chance.randrange(len(items) + 1), json.loads(json.dumps(items[at])))
            case "reverse":
                items.reverse()
            case "shuffle":
                chance.shuffle(items)
            case "rotate" if items:
                items.append(items.pop(0))
            case "swap" if len(items) > 1:
                other = chance.randrange(len(items))
                items[at], items[other] = items[other], items[at]
            case "foreign":
                status = {"success": "true", "code": 200}
                items.insert(chance.randrange(len(items) + 1), {**foreign, "item_status": status})
            case "empty" if items:
                items[at] = chance.choice([{}, None, [], "x"])
            case _:
                pass


def _content(chance: random.Random, items: list[Any]) -> None:
    """What is said of somebody changes: yes and no in odd forms, turned round, blank identifiers."""
    for _ in range(chance.randint(1, 3)):
        item = chance.choice(items) if items else None
        if not isinstance(item, dict) or not isinstance(item.get("item_status"), dict):
            continue
        status = item["item_status"]
        match chance.choice(["odd", "turn", "missing", "blank", "all blank", "type", "case", "plus"]):
            case "odd":
                status["success"] = chance.choice([1, 0, "yes", "", None, "1", [], {}, "tru", 1.0])
            case "turn":
                turned = {True: False, False: True, "true": "false", "false": "true", "True": "False", "False": "True"}
                said = status.get("success")
                if isinstance(said, bool | str) and said in turned:
                    status["success"] = turned[said]
            case "missing":
                status.pop("success", None)
            case "blank":
                kinds = [k for k in ("mobile", "email", "external_id", "user_id") if item.get(k)]
                if len(kinds) > 1:
                    item[chance.choice(kinds)] = chance.choice(["", None])
            case "all blank":
                for kind in ("mobile", "email", "external_id", "user_id"):
                    item.pop(kind, None)
            case "type" if str(item.get("mobile") or "").isdecimal():
                item["mobile"] = int(item["mobile"])
            case "case" if item.get("email"):
                item["email"] = item["email"].upper()
            case "plus" if isinstance(item.get("mobile"), str) and item["mobile"]:
                item["mobile"] = "+" + item["mobile"]
            case _:
                pass


def judge(chance: random.Random) -> str:
    """One mutated answer, read and attributed, compared with the server's truth."""
    server = ModelServer(chance)
    items: list[Any] = server.answer()
    kind = chance.choice(["sound", "structure", "content"])
    if kind == "structure":
        _structure(chance, items)
    elif kind == "content":
        _content(chance, items)
    body = json.dumps({"response": {"status": {"success": "true", "code": 200}, "customer": items}}).encode()
    try:
        found = decode_answer(body).items or ()
    except UnreadableAnswer:
        raise AssertionError("a document of this test is readable") from None
    for customer, accepted, ruling in zip(
        server.customers, server.accepted, reconcile(server.customers, found), strict=True
    ):
        if ruling.verdict is Verdict.SUCCEEDED:
            assert accepted, f"row {customer.row_number} succeeded, and the server refused it: {kind} {body!r}"
        if ruling.verdict is Verdict.FAILED and (kind != "structure" or not server.bare):
            assert not accepted, f"row {customer.row_number} failed, and the server accepted it: {kind} {body!r}"
        if kind == "sound" and accepted:
            assert ruling.verdict is Verdict.SUCCEEDED
        if kind == "sound" and not accepted:
            assert ruling.verdict not in (Verdict.SUCCEEDED, Verdict.CONTRADICTION)
    return kind


@pytest.mark.parametrize("seed", range(4))
def test_no_row_gets_anothers_outcome_over_ten_thousand_answers(seed: int) -> None:
    """Over 10,000 mutated replies: no refused row has `succeeded`, and no accepted row has `failed`."""
    chance = random.Random(seed)
    for _ in range(3_000):
        judge(chance)


@pytest.mark.slow
@given(st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_no_row_gets_anothers_outcome(chance: random.Random) -> None:
    """The same with examples that Hypothesis chooses, and makes small when one fails."""
    judge(chance)
