"""Lanes: rows that share an identifier, or are linked by one, are out one at a time and in the sheet's order."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.chunker.lanes import Lanes, keys_of
from importer.model import Customer


class Groups:
    """The simplest model: which rows are one customer by everything that was said up to a row."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], set[tuple[str, str]]] = {}

    def add(self, customer: Customer) -> frozenset[tuple[str, str]]:
        joined = set(identifiers(customer))
        for identifier in identifiers(customer):
            joined |= self._of.get(identifier, set())
        for identifier in joined:
            self._of[identifier] = joined
        return frozenset(joined)

    def whole(self, customer: Customer) -> set[tuple[str, str]]:
        return self._of[next(iter(identifiers(customer)))]


def identifiers(customer: Customer) -> list[tuple[str, str]]:
    """Mobiles by their last ten digits: with and without country code they may be the same."""
    return [(kind, value[-10:] if kind == "mobile" else value) for kind, value in customer.identifiers]


def row(number: int, mobile: str = "", email: str = "", external_id: str = "", user_id: str = "") -> Customer:
    return Customer(number, mobile, email, external_id, user_id)


def drain(lanes: Lanes) -> list[int]:
    """Takes everything, one at a time."""
    order = []
    while lanes.ready:
        customer = next(lanes.take())
        order.append(customer.row_number)
        lanes.done(customer)
    return order


def test_rows_of_one_customer_come_one_after_the_other() -> None:
    lanes = Lanes()
    for number in (2, 3, 4):
        lanes.add(row(number, mobile="917744876415"))
    assert [customer.row_number for customer in lanes.take()] == [2]
    assert (lanes.ready, len(lanes)) == (0, 2)
    lanes.done(row(2, mobile="917744876415"))
    assert drain(lanes) == [3, 4]
    assert len(lanes) == 0


def test_rows_of_other_customers_overtake() -> None:
    lanes = Lanes()
    for customer in (row(2, mobile="911"), row(3, mobile="911"), row(4, mobile="912")):
        lanes.add(customer)
    assert [customer.row_number for customer in lanes.take()] == [2, 4]


def test_a_chain_of_identifiers_is_one_customer() -> None:
    """After (mobile, e-mail) in one row, a row with the mobile and a row with the e-mail are the same customer."""
    lanes = Lanes()
    for customer in (row(2, "911", "a@x.y"), row(3, "911"), row(4, email="A@X.Y"), row(5, email="b@x.y")):
        lanes.add(customer)
    assert [customer.row_number for customer in lanes.take()] == [2, 5]
    lanes.done(row(2))
    assert [customer.row_number for customer in lanes.take()] == [3]
    lanes.done(row(3))
    assert [customer.row_number for customer in lanes.take()] == [4]


def test_a_row_that_links_two_customers_waits_for_both() -> None:
    lanes = Lanes()
    for customer in (
        row(2, "911"),
        row(3, email="a@x.y"),
        row(4, "911", "a@x.y"),
        row(5, "911"),
        row(6, email="a@x.y"),
    ):
        lanes.add(customer)
    assert [customer.row_number for customer in lanes.take()] == [2, 3]
    lanes.done(row(3))
    assert lanes.ready == 0
    lanes.done(row(2))
    assert drain(lanes) == [4, 5, 6]


def test_a_link_is_remembered_after_its_row_is_done() -> None:
    lanes = Lanes()
    lanes.add(row(2, "911", "a@x.y"))
    assert drain(lanes) == [2]
    lanes.add(row(3, "911"))
    lanes.add(row(4, email="a@x.y"))
    assert [customer.row_number for customer in lanes.take()] == [3]


def test_a_row_that_is_not_sent_links_all_the_same() -> None:
    """It had its outcome before: who shares its mobile and who shares its e-mail are one customer."""
    lanes = Lanes()
    lanes.link(keys_of(row(2, "911", "a@x.y")))
    assert len(lanes) == lanes.ready == 0
    lanes.add(row(3, "911"))
    lanes.add(row(4, email="a@x.y"))
    assert [customer.row_number for customer in lanes.take()] == [3]
    lanes.done(row(3))
    assert drain(lanes) == [4]


def test_a_link_between_two_that_are_out_waits_for_both() -> None:
    """Later rows wait for both; the link itself does not wait."""
    lanes = Lanes()
    lanes.add(row(2, "911"))
    lanes.hold(row(3, email="a@x.y"))
    assert [customer.row_number for customer in lanes.take()] == [2]
    lanes.link(keys_of(row(4, "911", "a@x.y")))
    assert len(lanes) == 0
    lanes.add(row(5, "911"))
    lanes.add(row(6, email="a@x.y"))
    lanes.done(row(2))
    assert lanes.ready == 0
    lanes.done(row(3))
    assert drain(lanes) == [5, 6]
    assert not lanes._queues and not lanes._inside


def test_a_chain_of_links_as_long_as_a_sheet_goes_at_once() -> None:
    """Behind one row that is out: no recursion, however long."""
    lanes = Lanes()
    lanes.add(row(2, "910"))
    for number in range(5000):
        lanes.hold(row(10_000 + number, f"92{number}"))
    for number in range(5000):
        lanes.link(keys_of(row(0, "910", f"{number}@x.y")))
        lanes.link(keys_of(row(0, f"92{number}", f"{number}@x.y")))
    for number in reversed(range(5000)):
        lanes.done(row(10_000 + number))
    assert [customer.row_number for customer in lanes.take()] == [2]
    lanes.done(row(2))
    assert not lanes._queues and not lanes._inside


def test_a_mobile_with_and_without_its_country_code_is_one_customer() -> None:
    """Its last ten digits decide; with nine, different customers would wait for each other."""
    lanes = Lanes()
    lanes.add(row(2, "917744876415"))
    lanes.add(row(3, "7744876415"))
    lanes.add(row(4, "918744876415"))
    assert len(lanes) == 3
    assert [customer.row_number for customer in lanes.take()] == [2, 4]
    assert len(lanes) == 1


def test_equal_values_of_different_kinds_do_not_link() -> None:
    assert len(set(keys_of(row(2, "1", "1", "1", "1")))) == 4


def test_what_an_earlier_process_had_in_flight_is_out_already() -> None:
    """Held rows are never taken again, not even behind each other, and new rows wait for them."""
    lanes = Lanes()
    lanes.hold(row(2, "911"))
    lanes.hold(row(3, "911"))
    lanes.add(row(4, "911"))
    assert lanes.ready == 0
    lanes.done(row(2))
    assert (lanes.ready, len(lanes)) == (0, 1)
    lanes.done(row(3))
    assert drain(lanes) == [4]
    assert len(lanes) == 0


def test_a_row_that_is_put_back_is_next() -> None:
    lanes = Lanes()
    for number in (2, 3):
        lanes.add(row(number, user_id=str(number)))
    first = next(lanes.take())
    lanes.put_back(first)
    assert [customer.row_number for customer in lanes.take()] == [2, 3]


def test_memory_is_bounded() -> None:
    """A million customers leave no more behind than what is remembered."""
    lanes = Lanes(remembered=100)
    for number in range(2, 5000):
        lanes.add(row(number, f"91{number:010d}", f"{number}@x.y"))
        assert drain(lanes) == [number]
    assert len(lanes._young) + len(lanes._old) <= 2 * 102
    assert not lanes._queues and not lanes._inside
    assert len(lanes._joined) <= 102


def test_memory_is_bounded_also_where_queues_are_joined() -> None:
    lanes = Lanes(remembered=100)
    for number in range(2, 5000):
        lanes.add(row(number, f"91{number:010d}"))
        lanes.add(row(10_000 + number, email=f"{number}@x.y"))
        assert drain(lanes) == [number, 10_000 + number]
        lanes.link(keys_of(row(0, f"91{number:010d}", f"{number}@x.y")))
    assert len(lanes._young) + len(lanes._old) <= 2 * 102
    assert len(lanes._joined) <= 102
    assert not lanes._queues and not lanes._inside


def test_forgetting_never_lets_a_row_past_one_that_is_out() -> None:
    """What waits or is out is not forgotten, however many come in between."""
    lanes = Lanes(remembered=10)
    lanes.add(row(2, "911", "a@x.y"))
    assert [customer.row_number for customer in lanes.take()] == [2]
    for number in range(10, 200):
        lanes.add(row(number, user_id=str(number)))
        assert drain(lanes) == [number]
    lanes.add(row(500, email="a@x.y"))
    assert lanes.ready == 0


rows_of_few = st.lists(
    st.tuples(*(st.one_of(st.just(""), st.sampled_from(values)) for values in ("abc", "def", "ghi", "jkl"))).filter(
        any
    ),
    max_size=25,
)


@pytest.mark.slow
@given(rows_of_few, st.integers(0, 2**32), st.integers(1, 6), st.sampled_from([0.0, 0.4]))
@settings(max_examples=300, deadline=None)
def test_however_rows_are_taken_and_finished_the_order_is_that_of_the_sheet(
    cells: Sequence[tuple[str, ...]], seed: int, at_once: int, not_sent: float
) -> None:
    """No two rows of one customer are out at once, each customer's rows end in the sheet's order, and all rows end.

    Some rows are not sent (they have their outcome already) and say all the same who is one customer.
    """
    chance = random.Random(seed)
    sheet = [row(number, *values) for number, values in enumerate(cells, start=2)]
    lanes, groups = Lanes(), Groups()
    known: dict[int, frozenset[tuple[str, str]]] = {}
    out: dict[int, Customer] = {}
    ended: list[int] = []
    coming = list(sheet)
    while coming or out or lanes.ready:
        choices = [name for name, can in (("add", coming), ("take", lanes.ready), ("done", out)) if can]
        match chance.choice(choices):
            case "add":
                customer = coming.pop(0)
                group = groups.add(customer)
                if chance.random() < not_sent:
                    lanes.link(keys_of(customer))
                    sheet.remove(customer)
                else:
                    known[customer.row_number] = group
                    lanes.add(customer)
            case "take":
                for customer in lanes.take():
                    mine = known[customer.row_number]
                    for other in out.values():
                        assert not mine & known[other.row_number], "two rows of one customer are out"
                    earlier = [n for n in known if n < customer.row_number and n not in ended and n not in out]
                    assert not any(mine & known[n] and _linked(known, n, customer.row_number) for n in earlier)
                    out[customer.row_number] = customer
                    if len(out) >= at_once:
                        break
            case "done":
                number = chance.choice(sorted(out))
                lanes.done(out.pop(number))
                ended.append(number)
    assert sorted(ended) == [customer.row_number for customer in sheet]
    assert not lanes._queues and not lanes._inside and not len(lanes)
    by_number = {customer.row_number: customer for customer in sheet}
    for customer in sheet:
        for identifier in identifiers(customer):
            sharing = [n for n in ended if identifier in identifiers(by_number[n])]
            assert sharing == sorted(sharing)


def _linked(known: dict[int, frozenset[tuple[str, str]]], earlier: int, later: int) -> bool:
    """Whether the earlier row belongs to the later one by what was known when the later came."""
    return bool(known[earlier] & known[later])
