"""The stop rules: each stops the run for its own reason, and for no other."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from importer.capillary.codes import Next
from importer.capillary.triage import RequestFailed, Trouble
from importer.errors import ExitCode, Stop
from importer.model import Batch, MaxErrors, Outcome, Reply, RequestStatus, Status, Work
from importer.sender.stop_rules import REFUSED_BATCHES, UNREADABLE_ANSWERS, StopRules
from tests.support.sending import customers


def rules_of(max_errors: MaxErrors | None = None, canary: int = 0) -> StopRules:
    return StopRules(max_errors, canary)


def batch(number: int, rows: int = 2) -> Batch:
    return Batch(number, tuple(customers(rows, first_row=100 * number)))


def outcomes(one: Batch, status: Status) -> list[Outcome]:
    return [Outcome(customer.row_number, status, "200") for customer in one.customers]


def code(stop: Stop | None) -> ExitCode | None:
    return None if stop is None else stop.exit_code


# ---------------------------------------------------------------------------------------------------- unreadable


def answered(rules: StopRules) -> None:
    assert rules.learn(Work(Batch(1, ()), 1), Reply(200, RequestStatus(), ())) is None


def unreadable(rules: StopRules, root: int, foreign: bool, message: str) -> Stop | None:
    """The rules get a 200 that cannot be read, or that mentions no customer."""
    trouble = Trouble(Next.WARNING, "200", message, doubt=True, foreign=foreign)
    return rules.learn(Work(Batch(root, ()), root), RequestFailed(trouble, status=200))


def test_at_the_start_the_second_unreadable_answer_stops_with_2() -> None:
    """The request is sent once more, then the run stops: a login page is configuration. Both answers may be to one
    batch."""
    rules = rules_of()
    assert unreadable(rules, 1, True, "a page") is None
    stop = unreadable(rules, 1, True, "a page")
    assert code(stop) is ExitCode.SETTINGS
    assert stop is not None and "a page" in stop.message


def test_at_the_start_an_answer_without_items_counts_as_unreadable() -> None:
    rules = rules_of()
    assert unreadable(rules, 1, False, "") is None
    assert code(unreadable(rules, 1, False, "")) is ExitCode.SETTINGS


def test_unreadable_answers_count_in_a_row() -> None:
    """A good answer between them forgives: what answers is the API after all."""
    rules = rules_of()
    answered(rules)
    for _ in range(3):
        assert [unreadable(rules, root, True, "") for root in range(UNREADABLE_ANSWERS - 1)] == [None] * 4
        answered(rules)
    stops = [unreadable(rules, root, True, "") for root in range(UNREADABLE_ANSWERS)]
    assert [code(stop) for stop in stops] == [None] * 4 + [ExitCode.TEMPORARY]


def test_one_batch_of_unreadable_answers_is_not_everywhere() -> None:
    """A row that makes the answer to its batch unreadable is looked for; it does not stop the run."""
    rules = rules_of()
    answered(rules)
    assert all(unreadable(rules, 7, True, "") is None for _ in range(50))
    assert code(unreadable(rules, 8, True, "")) is ExitCode.TEMPORARY


def test_an_answer_without_items_does_not_stop_a_run_that_works() -> None:
    rules = rules_of()
    answered(rules)
    assert all(unreadable(rules, root, False, "") is None for root in range(50))


# ---------------------------------------------------------------------------------------------------- refused


def refuse(rules: StopRules, one: Batch, spared: int = 0) -> Stop | None:
    """A batch of two is refused, halved, and refused again; `spared` of its rows end otherwise."""
    assert rules.settled(one.batch_id, 1, [], refused=False) is None
    first = rules.settled(one.batch_id, -1, outcomes(one, Status.FAILED)[:1], refused=not spared)
    return rules.settled(one.batch_id, -1, outcomes(one, Status.FAILED)[1:], refused=True) or first


def test_the_first_three_batches_refused_down_to_every_row_stop_with_6() -> None:
    """And no more than three are risked to see that."""
    rules = rules_of()
    batches = [batch(number) for number in range(1, REFUSED_BATCHES + 1)]
    for one in batches:
        assert rules.may_begin()
        rules.begun(one)
    assert not rules.may_begin()
    assert [code(refuse(rules, one)) for one in batches] == [None, None, ExitCode.TOO_MANY_ERRORS]


def test_a_batch_with_one_row_that_was_not_refused_does_not_stop() -> None:
    """One row that the server judged by itself: it understands what we send, and all may begin."""
    rules = rules_of()
    batches = [batch(number) for number in range(1, REFUSED_BATCHES + 1)]
    for one in batches:
        rules.begun(one)
    assert [refuse(rules, one, spared=1) for one in batches] == [None, None, None]
    assert rules.may_begin()


def test_a_refused_row_that_was_sent_alone_does_not_count() -> None:
    """With one row a batch, three bad rows at the beginning of a sheet are three bad rows."""
    rules = rules_of()
    for number in range(1, 10):
        assert rules.may_begin()
        one = batch(number, rows=1)
        rules.begun(one)
        assert rules.settled(number, -1, outcomes(one, Status.FAILED), refused=True) is None


def test_batches_refused_after_a_success_do_not_count() -> None:
    rules = rules_of()
    answered(rules)
    for number in range(1, 10):
        rules.begun(batch(number))
        assert refuse(rules, batch(number)) is None


def test_a_batch_of_an_earlier_process_does_not_count() -> None:
    rules = rules_of()
    for number in range(1, 10):
        one = batch(number, rows=1)
        rules.inherited(number)
        assert rules.settled(number, -1, outcomes(one, Status.FAILED), refused=True) is None
    # Neither that something is wrong with all nor that nothing is: of the new ones no more than three are risked.
    batches = [batch(number) for number in range(11, 11 + REFUSED_BATCHES)]
    for one in batches:
        assert rules.may_begin()
        rules.begun(one)
    assert not rules.may_begin()
    assert [code(refuse(rules, one)) for one in batches] == [None, None, ExitCode.TOO_MANY_ERRORS]


# ---------------------------------------------------------------------------------------------------- the canary


def settle(rules: StopRules, found: Sequence[Batch], status: Status) -> list[ExitCode | None]:
    return [code(rules.settled(one.batch_id, -1, outcomes(one, status), refused=False)) for one in found]


def test_a_canary_of_several_batches_is_awaited_whole() -> None:
    """Nothing else begins while it is out; one success of it is enough."""
    rules = rules_of(canary=3)
    answered(rules)
    assert rules.at_most == 3
    first, second = batch(1), batch(2, rows=1)
    rules.begun(first)
    assert (rules.at_most, rules.may_begin()) == (1, True)
    rules.begun(second)
    assert not rules.may_begin()
    assert settle(rules, [first], Status.FAILED) == [None]
    assert not rules.may_begin()
    assert settle(rules, [second], Status.SUCCEEDED) == [None]
    assert (rules.at_most, rules.may_begin()) == (None, True)


def test_one_success_of_the_canary_is_enough_whatever_comes_after() -> None:
    """The first batch of it succeeds and the second fails; rows of other batches neither help nor harm."""
    rules = rules_of(canary=3)
    answered(rules)
    first, second, other = batch(1), batch(2, rows=1), batch(3)
    rules.begun(first)
    assert settle(rules, [first], Status.SUCCEEDED) == [None]
    rules.begun(second)
    rules.inherited(3)
    assert settle(rules, [other, second], Status.FAILED) == [None, None]
    assert rules.may_begin()


def test_a_success_beside_the_canary_does_not_save_it() -> None:
    rules = rules_of(canary=2)
    answered(rules)
    rules.inherited(3)
    rules.begun(batch(1))
    assert settle(rules, [batch(3)], Status.SUCCEEDED) == [None]
    assert settle(rules, [batch(1)], Status.FAILED) == [ExitCode.TOO_MANY_ERRORS]


def test_a_canary_that_is_not_whole_yet_is_not_judged() -> None:
    """Its first batch failed; two more rows of it are still to be read."""
    rules = rules_of(canary=4)
    rules.begun(batch(1))
    assert settle(rules, [batch(1)], Status.FAILED) == [None]
    assert (rules.at_most, rules.may_begin()) == (2, True)


def test_a_canary_of_which_none_succeeds_stops_with_6() -> None:
    rules = rules_of(canary=2)
    rules.begun(batch(1))
    assert settle(rules, [batch(1)], Status.UNKNOWN) == [ExitCode.TOO_MANY_ERRORS]


# ---------------------------------------------------------------------------------------------------- --max-errors


def limited(limit: MaxErrors, *found: Batch, whole: bool = False) -> StopRules:
    """A rules that has heard of these batches' rows; `whole`: and that the sheet has no others."""
    rules = rules_of(limit)
    for one in found:
        rules.fed(one.customers)
        rules.begun(one)
    if whole:
        assert rules.all_fed() is None
    return rules


def test_max_errors_counts_failed_and_unknown() -> None:
    singles = [batch(number, rows=1) for number in range(1, 5)]
    rules = limited(MaxErrors(rows=3), *singles, whole=True)
    for one, status in zip(singles, (Status.FAILED, Status.SUCCEEDED, Status.UNKNOWN), strict=False):
        assert settle(rules, [one], status) == [None]
    assert settle(rules, [singles[3]], Status.FAILED) == [ExitCode.TOO_MANY_ERRORS]


def test_max_errors_by_share_waits_for_a_hundred_rows_while_more_may_come() -> None:
    first, second, rest = batch(1, rows=99), batch(2, rows=1), batch(3)
    rules = limited(MaxErrors(share=0.05), first, second, rest)
    assert settle(rules, [first], Status.FAILED) == [None]
    assert settle(rules, [second], Status.SUCCEEDED) == [ExitCode.TOO_MANY_ERRORS]


def test_max_errors_by_share_is_taken_of_all_rows_once_all_are_known() -> None:
    """Two of forty are 5 %, whatever becomes of the others."""
    singles = [batch(number, rows=1) for number in range(1, 41)]
    rules = limited(MaxErrors(share=0.05), *singles, whole=True)
    assert settle(rules, singles[:2], Status.FAILED) == [None, ExitCode.TOO_MANY_ERRORS]


def test_max_errors_by_share_may_be_reached_at_the_end_of_the_sheet() -> None:
    found = [batch(1, rows=10), batch(2, rows=30)]
    rules = limited(MaxErrors(share=0.05), *found)
    assert settle(rules, found[:1], Status.FAILED) == [None]
    assert code(rules.all_fed()) is ExitCode.TOO_MANY_ERRORS


@pytest.mark.parametrize("limit", [MaxErrors(rows=5), MaxErrors(share=0.05)], ids=["number", "share"])
def test_max_errors_counts_the_last_row_too(limit: MaxErrors) -> None:
    """Whether rows were left when the limit was reached is a matter of what was in flight; the exit code is not."""
    only = batch(1, rows=40)
    rules = limited(limit, only, whole=True)
    assert settle(rules, [only], Status.FAILED) == [ExitCode.TOO_MANY_ERRORS]


def test_max_errors_that_is_not_reached_does_not_stop() -> None:
    only = batch(1, rows=40)
    rules = limited(MaxErrors(share=0.05), only, whole=True)
    assert settle(rules, [only], Status.SUCCEEDED) == [None]
    assert rules_of(MaxErrors(share=0.05)).all_fed() is None, "no row, no share"
