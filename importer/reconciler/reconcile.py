"""A batch and its answer become one verdict per customer. Pure.

Items match customers by position if the counts agree and no echoed identifier contradicts, else by an identifier that
fits one customer only. A customer without a match is asked again, alone. Only `item_status.success` decides, and only
if its code does not say the opposite.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from importer.capillary.codes import ITEM_CODES, Next
from importer.model import Customer, ItemStatus

#: A country code has at most three digits; a subscriber's number has at least seven.
_LONGEST_COUNTRY_CODE = 3
_SHORTEST_NUMBER = 7


class Verdict(StrEnum):
    """What an answer means for one customer."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    AGAIN = "again"  # the server was busy with this customer: again later
    ALONE = "alone"  # 999999: again alone, twice, then it has failed
    CONTRADICTION = "contradiction"  # success with a code that means failure: again alone, then unknown
    UNATTRIBUTED = "unattributed"  # no answer that certainly belongs to this customer: again alone, then unknown
    TOO_MANY = "too many"  # 1060: smaller batches
    REFUSED = "refused"  # credentials or permission: the run stops, the row has not failed


class Ruling(msgspec.Struct, frozen=True, gc=False):
    """A verdict with the server's code, message and warnings."""

    verdict: Verdict
    code: str = ""
    message: str = ""
    warnings: tuple[str, ...] = ()


_BY_CLASS = {
    Next.ROW: Verdict.FAILED,
    Next.WARNING: Verdict.FAILED,
    Next.AGAIN: Verdict.AGAIN,
    Next.ALONE: Verdict.ALONE,
    Next.HALVE: Verdict.TOO_MANY,
    Next.REFUSED: Verdict.REFUSED,
    Next.SUCCESS: Verdict.CONTRADICTION,
}

_NOTHING = Ruling(Verdict.UNATTRIBUTED)


def reconcile(customers: Sequence[Customer], items: Sequence[ItemStatus]) -> list[Ruling]:
    """One ruling per customer, in the order of `customers`."""
    if len(items) == len(customers) and _in_order(customers, items):
        return [rule(item) for item in items]
    return [_NOTHING if item is None else rule(item) for item in _by_identifier(customers, items)]


def rule(item: ItemStatus) -> Ruling:
    """The verdict of an item, for the customer to which it belongs."""
    entry = ITEM_CODES.get(item.code)
    if item.success is True:
        sound = entry is None or entry.klass in (Next.SUCCESS, Next.WARNING)
        verdict = Verdict.SUCCEEDED if sound else Verdict.CONTRADICTION
    elif item.success is False:
        verdict = Verdict.FAILED if entry is None else _BY_CLASS[entry.klass]
    else:
        verdict = Verdict.UNATTRIBUTED
    return Ruling(verdict, item.code, item.message, item.warnings)


def _in_order(customers: Sequence[Customer], items: Sequence[ItemStatus]) -> bool:
    """Whether each item may belong to the customer at its position: no echoed identifier contradicts."""
    changed = [index for index, item in enumerate(items) if not _as_sent(customers[index], item)]
    if not changed:
        return True
    # An identifier that came back changed, or that was not sent (the stored customer's), and that fits another customer
    # of this batch: the items may be in another order.
    positions = _Positions(customers)
    return all(
        _may_be(customers[index], items[index]) and positions.fitting(items[index]) <= {index} for index in changed
    )


def _as_sent(customer: Customer, item: ItemStatus) -> bool:
    """Whether the echo equals what was sent. Nearly every item does, so this needs no index."""
    return (
        item.mobile in ("", customer.mobile)
        and item.email in ("", customer.email)
        and item.external_id in ("", customer.external_id)
        and item.user_id in ("", customer.user_id)
    )


def _may_be(customer: Customer, item: ItemStatus) -> bool:
    """Whether no identifier that was sent comes back as another one."""
    return (
        (not (item.mobile and customer.mobile) or same_mobile(customer.mobile, item.mobile))
        and (not (item.email and customer.email) or customer.email.lower() == item.email.lower())
        and (not (item.external_id and customer.external_id) or customer.external_id == item.external_id)
        and (not (item.user_id and customer.user_id) or customer.user_id == item.user_id)
    )


def _by_identifier(customers: Sequence[Customer], items: Sequence[ItemStatus]) -> list[ItemStatus | None]:
    """For each customer the one item that fits only it; None if there is none, or more than one."""
    positions = _Positions(customers)
    found: list[ItemStatus | None] = [None] * len(customers)
    ambiguous: set[int] = set()
    for item in items:
        fitting = positions.fitting(item)
        for index in fitting:
            # An item that fits two customers belongs to neither, and neither is certain any more.
            if len(fitting) > 1 or found[index] is not None:
                ambiguous.add(index)
            found[index] = item
    return [None if index in ambiguous else item for index, item in enumerate(found)]


class _Positions:
    """Finds the customers of a batch that an item's identifiers fit."""

    def __init__(self, customers: Sequence[Customer]) -> None:
        self._ids: dict[tuple[str, str], set[int]] = {}
        self._tails: dict[str, list[tuple[int, str]]] = {}
        for index, customer in enumerate(customers):
            if customer.mobile:
                self._tails.setdefault(customer.mobile[-_SHORTEST_NUMBER:], []).append((index, customer.mobile))
            for kind, value in customer.identifiers:
                self._ids.setdefault((kind, value), set()).add(index)

    def fitting(self, item: ItemStatus) -> set[int]:
        """The positions of customers with an identifier of the item."""
        near = self._tails.get(_digits(item.mobile)[-_SHORTEST_NUMBER:], [])
        found = {index for index, mobile in near if same_mobile(mobile, item.mobile)}
        found |= self._ids.get(("email", item.email.lower()), _NONE)
        found |= self._ids.get(("external_id", item.external_id), _NONE)
        found |= self._ids.get(("user_id", item.user_id), _NONE)
        return found


_NONE: set[int] = set()


def same_mobile(sent: str, echoed: str) -> bool:
    """Equal, or one is the other with a country code before it."""
    shorter, longer = sorted((_digits(sent), _digits(echoed)), key=len)
    return shorter == longer or (
        len(shorter) >= _SHORTEST_NUMBER
        and len(longer) - len(shorter) <= _LONGEST_COUNTRY_CODE
        and longer.endswith(shorter)
    )


def _digits(text: str) -> str:
    return "".join(filter(str.isdecimal, text))
