"""What happens next with a batch, as a table: work and reply in, outcomes, follow-up batches and lessons out."""

from __future__ import annotations

from typing import Any

import pytest

from importer.capillary.codes import Next
from importer.capillary.triage import RequestFailed, Trouble
from importer.errors import ExitCode, Stop
from importer.model import MAX_ATTEMPTS, Batch, Customer, ItemStatus, Reply, RequestStatus, Status, Work
from importer.reconciler import decide as deciding
from importer.reconciler.decide import ATTEMPTS_OF_A_PART, TRIES_ALONE, Decision, halved
from importer.reconciler.reconcile import reconcile

YES, NO = ItemStatus(success=True, code="200"), ItemStatus(success=False, code="1012", message="not found")
BUSY = ItemStatus(success=False, code="521")
ALONE = ItemStatus(success=False, code="999999")
TOO_MANY = ItemStatus(success=False, code="1060")
FORBIDDEN = ItemStatus(success=False, code="403", message="no")
NOTHING = ItemStatus()
BOTH = ItemStatus(success=True, code="1012")


def work_of(count: int, **changed: Any) -> Work:
    alone = changed.pop("alone", False)
    batch = Batch(7, tuple(Customer(row, user_id=str(row)) for row in range(2, 2 + count)), alone=alone)
    return Work(batch, 7, **changed)


def decide(work: Work, reply: Reply | RequestFailed, **known: Any) -> Decision:
    rulings = reconcile(work.batch.customers, reply.items or ()) if isinstance(reply, Reply) else ()
    return deciding.decide(work, reply, rulings, **known)


def items(*found: ItemStatus) -> Reply:
    return Reply(200, RequestStatus(), found)


def failed(next_: Next, code: str = "x", *, doubt: bool = False, foreign: bool = False) -> RequestFailed:
    return RequestFailed(Trouble(next_, code, "why", doubt, foreign))


def statuses(decision: Decision) -> dict[int, Status]:
    return {one.customer.row_number: one.status for one in decision.decided}


def rows(decision: Decision) -> list[tuple[int, ...]]:
    return [tuple(customer.row_number for customer in follow_up.customers) for follow_up in decision.follow_ups]


# ---------------------------------------------------------------------------------------------------- items


@pytest.mark.parametrize(
    ("item", "changed", "status"),
    [
        (YES, {}, Status.SUCCEEDED),
        (NO, {}, Status.FAILED),
        (BUSY, {}, None),
        (BUSY, {"attempts": MAX_ATTEMPTS - 2}, None),
        (BUSY, {"attempts": MAX_ATTEMPTS - 1}, Status.FAILED),
        (BUSY, {"attempts": MAX_ATTEMPTS - 1, "doubt": True}, Status.UNKNOWN),
        (ALONE, {}, None),
        (ALONE, {"alone": True}, None),
        (ALONE, {"alone": True, "tries": TRIES_ALONE - 1}, Status.FAILED),
        (NOTHING, {"tries": TRIES_ALONE}, None),
        (NOTHING, {"alone": True, "tries": TRIES_ALONE - 1}, Status.UNKNOWN),
        (BOTH, {"alone": True, "tries": TRIES_ALONE - 1}, Status.UNKNOWN),
        (TOO_MANY, {}, Status.FAILED),
        (FORBIDDEN, {}, None),
    ],
)
def test_the_outcome_of_one_customer(item: ItemStatus, changed: dict[str, Any], status: Status | None) -> None:
    """An outcome, or None: the row is asked again."""
    decision = decide(work_of(1, **changed), items(item))
    assert statuses(decision) == ({} if status is None else {2: status})
    assert rows(decision) == ([] if status is not None else [(2,)])


@pytest.mark.parametrize("item", [BUSY, ALONE, NOTHING, BOTH, TOO_MANY, FORBIDDEN])
def test_each_customer_is_decided_or_follows(item: ItemStatus) -> None:
    """Every customer of the batch is in exactly one place."""
    decision = decide(work_of(4), items(YES, item, NO, item))
    placed = [*statuses(decision), *(row for batch in rows(decision) for row in batch)]
    assert sorted(placed) == [2, 3, 4, 5]
    assert decision.attempts == 1
    assert not decision.goes_on


def test_busy_customers_are_sent_again_together_and_the_whole_batch_as_it_was() -> None:
    some = decide(work_of(3, attempts=1), items(BUSY, YES, BUSY))
    assert rows(some) == [(2, 4)]
    (follow_up,) = some.follow_ups
    assert (follow_up.same, follow_up.back_off, follow_up.work.attempts, follow_up.work.tries) == (False, 2, 2, 0)
    (again,) = decide(work_of(2, tries=1, attempts=3), items(BUSY, BUSY)).follow_ups
    assert (again.same, again.back_off, again.work.attempts, again.work.tries) == (True, 2, 4, 2)


def test_customers_in_doubt_are_sent_alone_at_once() -> None:
    decision = decide(work_of(3), items(ALONE, YES, NOTHING))
    assert rows(decision) == [(2,), (4,)]
    assert all(f.alone and f.work.doubt and f.back_off == 0 for f in decision.follow_ups)


def test_a_customer_that_stands_alone_waits_after_999999_only() -> None:
    for item, back_off in ((ALONE, 1), (NOTHING, 0)):
        (again,) = decide(work_of(1, alone=True), items(item)).follow_ups
        assert (again.same, again.back_off) == (True, back_off)


def test_1060_teaches_a_count_and_halves() -> None:
    decision = decide(work_of(2), items(TOO_MANY, TOO_MANY))
    assert decision.too_large and not decision.by_bytes
    assert [f.halves for f in decision.follow_ups] == [True]


def test_a_refused_permission_stops_the_run_and_keeps_the_rows_open() -> None:
    decision = decide(work_of(2), items(FORBIDDEN, YES))
    assert decision.stop is not None and decision.stop.exit_code is ExitCode.REFUSED
    assert (rows(decision), statuses(decision)) == ([(2,)], {3: Status.SUCCEEDED})


def test_a_refusal_names_the_variables_that_hold_the_credentials() -> None:
    """Those of a profile have their own prefix. The page names none: its users cannot set them."""
    known = {"variables": ("BRAND_A_USERNAME", "BRAND_A_PASSWORD")}
    for stop in (
        decide(work_of(2), items(FORBIDDEN, YES), **known).stop,
        decide(work_of(2), failed(Next.REFUSED), **known).stop,
    ):
        assert stop is not None
        assert "Check BRAND_A_USERNAME and BRAND_A_PASSWORD, then resume" in stop.advice
        assert "BRAND_A" not in stop.on_page


# ---------------------------------------------------------------------------------------------------- no items


@pytest.mark.parametrize("next_", [Next.SLOW, Next.RENEW])
def test_throttling_and_renewal_cost_no_attempt(next_: Next) -> None:
    (again,) = decide(work_of(2, attempts=1, tries=1), failed(next_)).follow_ups
    assert (again.same, again.back_off, again.work.attempts, again.work.tries) == (True, 0, 1, 1)


@pytest.mark.parametrize(("next_", "exit_code"), [(Next.REFUSED, ExitCode.REFUSED), (Next.SETTINGS, ExitCode.SETTINGS)])
@pytest.mark.parametrize("doubt", [False, True])
def test_credentials_and_configuration_stop_and_no_row_fails(next_: Next, exit_code: ExitCode, doubt: bool) -> None:
    decision = decide(work_of(2, doubt=doubt), failed(next_))
    assert decision.stop is not None and decision.stop.exit_code is exit_code
    assert decision.stays and decision.goes_on and decision.untouched is not doubt
    assert not decision.decided and not decision.follow_ups


@pytest.mark.parametrize(
    ("code", "too_large", "by_bytes"),
    [("1060", True, False), ("413", True, True), ("400", False, False)],
)
def test_a_batch_refused_whole_is_halved_down_to_its_row(code: str, too_large: bool, by_bytes: bool) -> None:
    decision = decide(work_of(2, most_tries=3), failed(Next.HALVE, code))
    (halves,) = decision.follow_ups
    assert (halves.halves, halves.work.most_tries, halves.work.attempts) == (True, 3, 1)
    assert (decision.too_large, decision.by_bytes, decision.refused_alone) == (too_large, by_bytes, False)
    alone = decide(work_of(1), failed(Next.HALVE, code))
    assert (statuses(alone), alone.refused_alone) == ({2: Status.FAILED}, True)
    assert alone.decided[0].code == code


@pytest.mark.parametrize(
    ("count", "changed", "doubt", "server_down", "what"),
    [
        (2, {}, True, False, "again"),
        (2, {"tries": MAX_ATTEMPTS - 1}, True, False, "halves"),
        (1, {"tries": MAX_ATTEMPTS - 1}, True, False, "unknown"),
        (2, {"tries": MAX_ATTEMPTS - 1}, True, True, "again"),
        (2, {"tries": MAX_ATTEMPTS - 1}, False, False, "again"),
        (2, {"tries": MAX_ATTEMPTS - 1, "doubt": True}, False, False, "halves"),
        (1, {"tries": 50}, False, False, "again"),
    ],
)
@pytest.mark.parametrize("next_", [Next.AGAIN, Next.ALONE])
def test_no_answer(next_: Next, count: int, changed: dict[str, Any], doubt: bool, server_down: bool, what: str) -> None:
    """Again with back-off; attempts spent on a server that answers others: halves, then `unknown`; never for a batch
    that the server has certainly not seen."""
    decision = decide(work_of(count, **changed), failed(next_, doubt=doubt), server_down=server_down)
    if what == "unknown":
        assert statuses(decision) == {2: Status.UNKNOWN} and decision.decided[0].code == "no_answer"
        return
    (follow_up,) = decision.follow_ups
    assert follow_up.same is (what == "again") and follow_up.halves is (what == "halves")
    if what == "halves":
        assert follow_up.work.most_tries == ATTEMPTS_OF_A_PART and follow_up.work.doubt
    else:
        assert follow_up.back_off == follow_up.work.tries == changed.get("tries", 0) + 1


def test_an_unreadable_reply_to_one_customer_is_tried_twice() -> None:
    first = decide(work_of(1, alone=True), failed(Next.WARNING, doubt=True))
    (again,) = first.follow_ups
    assert again.work.most_tries == TRIES_ALONE
    assert statuses(decide(again.work, failed(Next.WARNING, doubt=True))) == {2: Status.UNKNOWN}


@pytest.mark.parametrize(("next_", "foreign"), [(Next.AGAIN, False), (Next.ALONE, False), (Next.WARNING, True)])
def test_a_temporary_problem_leaves_a_customer_alone_its_five_attempts(next_: Next, foreign: bool) -> None:
    """Only a reply of the API itself that cannot be read says something about this one customer."""
    (again,) = decide(work_of(1, alone=True), failed(next_, doubt=True, foreign=foreign)).follow_ups
    assert again.work.most_tries == MAX_ATTEMPTS


def test_a_reply_that_is_not_from_the_api_keeps_the_batch_open() -> None:
    stop = Stop(ExitCode.SETTINGS, "not the API")
    decision = decide(work_of(1, tries=9), failed(Next.WARNING, doubt=True, foreign=True), stop=stop)
    assert decision.stays and decision.stop is stop and not decision.untouched


def test_a_batch_that_became_too_large_is_halved_before_it_is_sent() -> None:
    decision = halved(work_of(2, attempts=3, most_tries=2))
    (halves,) = decision.follow_ups
    assert (decision.attempts, halves.halves, halves.work.attempts, halves.work.most_tries) == (3, True, 3, 2)
