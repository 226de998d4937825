"""Customers that occur more than once are counted exactly, in memory and on disk."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.checker import repeats
from importer.checker.repeats import RepeatCounter, Repeats
from importer.model import Customer

_TEXTS = st.sampled_from(["", "1", "2", "3", "4", "5"])
_CUSTOMERS = st.lists(st.tuples(_TEXTS, _TEXTS, _TEXTS, _TEXTS).filter(any), max_size=20)


def _count(customers: list[Customer], size: int = 1_000) -> Repeats:
    counter = RepeatCounter()
    for at in range(0, len(customers), size):
        counter.add(customers[at : at + size])
    found = counter.count()
    counter.close()
    return found


def _naive(customers: list[Customer]) -> tuple[int, int, int]:
    groups = list(range(len(customers)))
    for _ in customers:
        for one, left in enumerate(customers):
            for other, right in enumerate(customers):
                if set(left.identifiers) & set(right.identifiers):
                    groups[one] = groups[other] = min(groups[one], groups[other])
    sizes = [size for size in Counter(groups).values() if size > 1]
    return len(sizes), sum(sizes), max(sizes, default=0)


@given(_CUSTOMERS, st.integers(min_value=1, max_value=7))
def test_counted_as_by_hand(identifiers: list[tuple[str, str, str, str]], size: int) -> None:
    """Records that share any identifier, in chains too, are one customer."""
    customers = [Customer(2 + at, *values) for at, values in enumerate(identifiers)]
    found = _count(customers, size)
    assert (found.customers, found.records, found.most) == _naive(customers)


def test_on_disk_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The count by bucket is the same."""
    customers = [Customer(2 + at, mobile=str(at % 700), email=f"{at // 2}@X.com") for at in range(1_500)]
    expected = _count(customers)
    monkeypatch.setattr(repeats, "_WAITING", 300)
    assert _count(customers, 90) == expected


def test_counts_and_example_rows() -> None:
    """How many, in how many records, and the rows of some; an e-mail's case does not make another customer."""
    customers = [Customer(2, email="A@b.com"), Customer(3, mobile="1"), Customer(5, email="a@B.com", mobile="1")]
    assert _count(customers) == Repeats(1, 3, 3, ((2, 3, 5),))
    assert _count([Customer(2, mobile="1"), Customer(3, external_id="1")]) == Repeats()
    assert _count([]) == Repeats()
