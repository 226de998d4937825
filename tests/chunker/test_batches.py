"""The chunker: batches bounded by count and by bytes, ids that never return, limits that stay."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from importer.chunker.batches import Chunker, batch_of
from importer.chunker.lanes import Lanes
from importer.model import Batch, Customer
from tests.support.sending import customers


def filled(found: list[Customer]) -> Lanes:
    lanes = Lanes()
    for customer in found:
        lanes.add(customer)
    return lanes


def rows(batch: Batch | None) -> list[int]:
    assert batch is not None
    return [customer.row_number for customer in batch.customers]


def test_batches_are_bounded_by_count() -> None:
    chunker, lanes = Chunker(4), filled(customers(10))
    assert chunker.full(lanes)
    sizes = []
    while (batch := chunker.make(lanes)) is not None:
        sizes.append(len(batch.customers))
    assert sizes == [4, 4, 2]
    assert not chunker.full(lanes)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=30), st.integers(100, 400))
@settings(max_examples=200, deadline=None)
def test_batches_are_bounded_by_bytes_and_lose_no_customer(lengths: list[int], most: int) -> None:
    """A body of several customers never exceeds the limit. All are sent, in order. A single customer may be larger."""
    found = [
        Customer(row, user_id=str(row), custom_fields=(("A", "é" * length),))
        for row, length in enumerate(lengths, start=2)
    ]
    chunker, lanes = Chunker(8, most), filled(found)
    gone: list[int] = []
    while (batch := chunker.make(lanes)) is not None:
        assert len(batch.body) <= most or len(batch.customers) == 1
        sent = json.loads(batch.body)["root"]["customer"]
        assert [int(entry["user_id"]) for entry in sent] == rows(batch)
        gone += rows(batch)
    assert gone == [customer.row_number for customer in found]


def test_the_limit_of_bytes_is_exact() -> None:
    """A body of exactly the limit goes whole; one byte less is two."""
    both = Chunker(100).make(filled(customers(2)))
    assert both is not None
    size = len(both.body)
    assert len(rows(Chunker(100, size).make(filled(customers(2))))) == 2
    assert len(rows(Chunker(100, size - 1).make(filled(customers(2))))) == 1


def test_ids_continue_and_are_never_reused() -> None:
    chunker, lanes = Chunker(2, next_id=7), filled(customers(5))
    first = chunker.make(lanes)
    assert first is not None and first.batch_id == 7
    halves = chunker.halves(first.customers, first.batch_id)
    assert [half.batch_id for half in halves] == [8, 9]
    assert {half.split_from for half in halves} == {7}
    second = chunker.make(lanes)
    assert second is not None and second.batch_id == 10


def test_a_batch_is_full_when_the_last_of_its_customers_is_ready() -> None:
    assert not Chunker(4).full(filled(customers(3)))
    assert Chunker(4).full(filled(customers(4)))


def test_a_first_batch_was_split_from_nothing_and_is_not_alone() -> None:
    batch = Chunker(100).make(filled(customers(1)))
    assert batch is not None
    assert (batch.batch_id, batch.split_from, batch.alone) == (1, None, False)


def test_halves_keep_all_customers_in_order() -> None:
    chunker = Chunker(100)
    for count in range(2, 9):
        batch = chunker.form(tuple(customers(count)))
        left, right = chunker.halves(batch.customers, batch.batch_id)
        assert rows(left) + rows(right) == rows(batch)
        assert len(left.customers) - len(right.customers) in (0, 1)


def test_1060_teaches_a_count() -> None:
    chunker = Chunker(100)
    assert chunker.shrink(chunker.form(tuple(customers(100))))
    assert chunker.batch_size == 50
    assert not chunker.shrink(chunker.form(tuple(customers(100)))), "another batch of the old size says nothing new"
    assert chunker.shrink(chunker.form(tuple(customers(3))))
    assert chunker.batch_size == 1
    assert not chunker.shrink(chunker.form(tuple(customers(1))))


def sized(count: int, size: int) -> Batch:
    """A batch whose body has so many bytes."""
    return Batch(1, tuple(customers(count)), body=b"x" * size)


def test_a_batch_that_is_made_again_has_the_same_bytes() -> None:
    first = Chunker(100).make(filled(customers(3)))
    assert first is not None
    assert batch_of(first.batch_id, first.customers) == first


def test_halves_of_one_customer_are_one_batch() -> None:
    (only,) = Chunker(100).halves(customers(1), 7)
    assert (rows(only), only.split_from) == ([2], 7)


def test_413_teaches_bytes() -> None:
    """Half of them and a little: at just half, the larger of two uneven halves was halved again, unasked."""
    chunker = Chunker(100)
    assert chunker.shrink(sized(100, 10_000), by_bytes=True)
    assert (chunker.batch_size, chunker.max_bytes) == (100, 5_500)
    assert not chunker.shrink(sized(100, 10_000), by_bytes=True)
    assert chunker.shrink(sized(1, 1), by_bytes=True)
    assert chunker.max_bytes == 1


def test_what_a_limit_makes_too_large_is_seen_before_it_is_sent() -> None:
    chunker = Chunker(4, max_bytes=1000)
    assert chunker.too_large(sized(5, 10))
    assert not chunker.too_large(sized(4, 1000))
    assert chunker.too_large(sized(2, 1001))
    assert not chunker.too_large(sized(1, 5000))


def test_at_most_so_many_for_a_canary() -> None:
    chunker, lanes = Chunker(100), filled(customers(10))
    assert rows(chunker.make(lanes, 3)) == [2, 3, 4]
    assert len(rows(chunker.make(lanes))) == 7
