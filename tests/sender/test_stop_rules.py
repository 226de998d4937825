"""The guards: each stops the run for its own reason, and for no other."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from importer.errors import ExitCode, Stop
from importer.model import Batch, MaxErrors, Outcome, Status
from importer.sender.stop_rules import REFUSED_BATCHES, UNREADABLE_ANSWERS, Guards
from tests.support.sending import customers


def guards(max_errors: MaxErrors | None = None, canary: int = 0) -> Guards:
    return Guards(max_errors, canary)


def batch(number: int, rows: int = 2) -> Batch:
    return Batch(number, tuple(customers(rows, first_row=100 * number)))


def outcomes(one: Batch, status: Status) -> list[Outcome]:
    return [Outcome(customer.row_number, status, "200") for customer in one.customers]


def code(stop: Stop | None) -> ExitCode | None:
    return None if stop is None else stop.exit_code


# ---------------------------------------------------------------------------------------------------- unreadable


def test_before_anything_was_answered_the_second_unreadable_answer_stops_with_2() -> None:
    """Once more, then stop: a login page is configuration, also when both were answers to one batch."""
    watch = guards()
    assert watch.unreadable(1, foreign=True, message="a page") is None
    stop = watch.unreadable(1, foreign=True, message="a page")
    assert code(stop) is ExitCode.SETTINGS
    assert stop is not None and "a page" in stop.message


def test_before_anything_was_answered_an_answer_that_says_nothing_of_anybody_counts_too() -> None:
    watch = guards()
    assert watch.unreadable(1, foreign=False, message="") is None
    assert code(watch.unreadable(1, foreign=False, message="")) is ExitCode.SETTINGS


def test_unreadable_answers_count_in_a_row() -> None:
    """A good answer between them forgives: what answers is the API after all."""
    watch = guards()
    watch.answered()
    for _ in range(3):
        assert [watch.unreadable(root, True, "") for root in range(UNREADABLE_ANSWERS - 1)] == [None] * 4
        watch.answered()
    stops = [watch.unreadable(root, True, "") for root in range(UNREADABLE_ANSWERS)]
    assert [code(stop) for stop in stops] == [None] * 4 + [ExitCode.SETTINGS]


def test_one_batch_of_unreadable_answers_is_not_everywhere() -> None:
    """A row that makes the answer to its batch unreadable is looked for; it does not stop the run."""
    watch = guards()
    watch.answered()
    assert all(watch.unreadable(7, True, "") is None for _ in range(50))
    assert code(watch.unreadable(8, True, "")) is ExitCode.SETTINGS


def test_an_answer_of_the_api_that_says_nothing_of_anybody_does_not_stop_a_run_that_works() -> None:
    watch = guards()
    watch.answered()
    assert all(watch.unreadable(root, False, "") is None for root in range(50))


# ---------------------------------------------------------------------------------------------------- refused


def refuse(watch: Guards, one: Batch, spared: int = 0) -> Stop | None:
    """A batch of two is refused, halved, and refused again; `spared` of its rows end otherwise."""
    assert watch.settled(one.batch_id, 1, [], refused=False) is None
    first = watch.settled(one.batch_id, -1, outcomes(one, Status.FAILED)[:1], refused=not spared)
    return watch.settled(one.batch_id, -1, outcomes(one, Status.FAILED)[1:], refused=True) or first


def test_the_first_three_batches_refused_down_to_every_row_stop_with_6() -> None:
    """And no more than three are risked to see that."""
    watch = guards()
    batches = [batch(number) for number in range(1, REFUSED_BATCHES + 1)]
    for one in batches:
        assert watch.may_begin()
        watch.begun(one)
    assert not watch.may_begin()
    assert [code(refuse(watch, one)) for one in batches] == [None, None, ExitCode.TOO_MANY_ERRORS]


def test_a_batch_of_which_one_row_was_not_refused_is_not_all_poison() -> None:
    """One row that the server judged by itself: it understands what we send, and all may begin."""
    watch = guards()
    batches = [batch(number) for number in range(1, REFUSED_BATCHES + 1)]
    for one in batches:
        watch.begun(one)
    assert [refuse(watch, one, spared=1) for one in batches] == [None, None, None]
    assert watch.may_begin()


def test_a_row_that_goes_alone_and_is_refused_proves_nothing_of_all() -> None:
    """With one row a batch, three bad rows at the beginning of a sheet are three bad rows."""
    watch = guards()
    for number in range(1, 10):
        assert watch.may_begin()
        one = batch(number, rows=1)
        watch.begun(one)
        assert watch.settled(number, -1, outcomes(one, Status.FAILED), refused=True) is None


def test_batches_refused_after_a_good_answer_prove_nothing_of_all() -> None:
    watch = guards()
    watch.answered()
    for number in range(1, 10):
        watch.begun(batch(number))
        assert refuse(watch, batch(number)) is None


def test_a_batch_of_an_earlier_process_proves_nothing_of_all() -> None:
    watch = guards()
    for number in range(1, 10):
        one = batch(number, rows=1)
        watch.inherited(number)
        assert watch.settled(number, -1, outcomes(one, Status.FAILED), refused=True) is None
    # Neither that something is wrong with all nor that nothing is: of the new ones no more than three are risked.
    batches = [batch(number) for number in range(11, 11 + REFUSED_BATCHES)]
    for one in batches:
        assert watch.may_begin()
        watch.begun(one)
    assert not watch.may_begin()
    assert [code(refuse(watch, one)) for one in batches] == [None, None, ExitCode.TOO_MANY_ERRORS]


# ---------------------------------------------------------------------------------------------------- the canary


def settle(watch: Guards, found: Sequence[Batch], status: Status) -> list[ExitCode | None]:
    return [code(watch.settled(one.batch_id, -1, outcomes(one, status), refused=False)) for one in found]


def test_a_canary_of_several_batches_is_awaited_whole() -> None:
    """Nothing else begins while it is out; one success of it is enough."""
    watch = guards(canary=3)
    watch.answered()
    assert watch.at_most == 3
    first, second = batch(1), batch(2, rows=1)
    watch.begun(first)
    assert (watch.at_most, watch.may_begin()) == (1, True)
    watch.begun(second)
    assert not watch.may_begin()
    assert settle(watch, [first], Status.FAILED) == [None]
    assert not watch.may_begin()
    assert settle(watch, [second], Status.SUCCEEDED) == [None]
    assert (watch.at_most, watch.may_begin()) == (None, True)


def test_one_success_of_the_canary_is_enough_whatever_comes_after() -> None:
    """The first batch of it succeeds and the second fails; rows of other batches neither help nor harm."""
    watch = guards(canary=3)
    watch.answered()
    first, second, other = batch(1), batch(2, rows=1), batch(3)
    watch.begun(first)
    assert settle(watch, [first], Status.SUCCEEDED) == [None]
    watch.begun(second)
    watch.inherited(3)
    assert settle(watch, [other, second], Status.FAILED) == [None, None]
    assert watch.may_begin()


def test_a_success_beside_the_canary_does_not_save_it() -> None:
    watch = guards(canary=2)
    watch.answered()
    watch.inherited(3)
    watch.begun(batch(1))
    assert settle(watch, [batch(3)], Status.SUCCEEDED) == [None]
    assert settle(watch, [batch(1)], Status.FAILED) == [ExitCode.TOO_MANY_ERRORS]


def test_a_canary_that_is_not_whole_yet_is_not_judged() -> None:
    """Its first batch failed; two more rows of it are still to be read."""
    watch = guards(canary=4)
    watch.begun(batch(1))
    assert settle(watch, [batch(1)], Status.FAILED) == [None]
    assert (watch.at_most, watch.may_begin()) == (2, True)


def test_a_canary_of_which_none_succeeds_stops_with_6() -> None:
    watch = guards(canary=2)
    watch.begun(batch(1))
    assert settle(watch, [batch(1)], Status.UNKNOWN) == [ExitCode.TOO_MANY_ERRORS]


# ---------------------------------------------------------------------------------------------------- --max-errors


def limited(limit: MaxErrors, *found: Batch, whole: bool = False) -> Guards:
    """A watch that has heard of these batches' rows; `whole`: and that the sheet has no others."""
    watch = guards(limit)
    for one in found:
        watch.fed(one.customers)
        watch.begun(one)
    if whole:
        assert watch.all_fed() is None
    return watch


def test_max_errors_counts_failed_and_unknown() -> None:
    singles = [batch(number, rows=1) for number in range(1, 5)]
    watch = limited(MaxErrors(rows=3), *singles, whole=True)
    for one, status in zip(singles, (Status.FAILED, Status.SUCCEEDED, Status.UNKNOWN), strict=False):
        assert settle(watch, [one], status) == [None]
    assert settle(watch, [singles[3]], Status.FAILED) == [ExitCode.TOO_MANY_ERRORS]


def test_max_errors_by_share_waits_for_a_hundred_rows_while_more_may_come() -> None:
    first, second, rest = batch(1, rows=99), batch(2, rows=1), batch(3)
    watch = limited(MaxErrors(share=0.05), first, second, rest)
    assert settle(watch, [first], Status.FAILED) == [None]
    assert settle(watch, [second], Status.SUCCEEDED) == [ExitCode.TOO_MANY_ERRORS]


def test_max_errors_by_share_is_taken_of_all_rows_once_all_are_known() -> None:
    """Two of forty are 5 %, whatever becomes of the others."""
    singles = [batch(number, rows=1) for number in range(1, 41)]
    watch = limited(MaxErrors(share=0.05), *singles, whole=True)
    assert settle(watch, singles[:2], Status.FAILED) == [None, ExitCode.TOO_MANY_ERRORS]


def test_max_errors_by_share_may_be_reached_by_hearing_that_the_sheet_ends() -> None:
    found = [batch(1, rows=10), batch(2, rows=30)]
    watch = limited(MaxErrors(share=0.05), *found)
    assert settle(watch, found[:1], Status.FAILED) == [None]
    assert code(watch.all_fed()) is ExitCode.TOO_MANY_ERRORS


@pytest.mark.parametrize("limit", [MaxErrors(rows=5), MaxErrors(share=0.05)], ids=["number", "share"])
def test_max_errors_is_told_also_of_the_last_row(limit: MaxErrors) -> None:
    """Whether rows were left when the limit was reached is a matter of what was in flight; the exit code is not."""
    only = batch(1, rows=40)
    watch = limited(limit, only, whole=True)
    assert settle(watch, [only], Status.FAILED) == [ExitCode.TOO_MANY_ERRORS]


def test_max_errors_that_is_not_reached_is_not_told() -> None:
    only = batch(1, rows=40)
    watch = limited(MaxErrors(share=0.05), only, whole=True)
    assert settle(watch, [only], Status.SUCCEEDED) == [None]
    assert guards(MaxErrors(share=0.05)).all_fed() is None, "no row, no share"
