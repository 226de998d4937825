"""The reconciler: a batch and its answer become one verdict per customer. Pure.

The rule: by position where the counts agree and no echoed identifier contradicts; else by an identifier that fits one
customer only; else the customer is asked again, alone. Only `item_status.success` decides, and only when its code does
not say the opposite. What cannot be attributed is never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec

from importer.codes import ITEM_CODES, Next
from importer.model import Customer, ItemStatus

#: A country code has one to three digits; a subscriber's number has at least seven.
_COUNTRY_CODE_DIGITS = range(1, 4)
_SHORTEST_NUMBER = 7


class Verdict(StrEnum):
    """What an answer means for one customer."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    AGAIN = "again"  # the server was busy with this customer: again later
    ALONE = "alone"  # 999999: again alone, twice, then it has failed
    CONTRADICTION = "contradiction"  # yes and no at once: again alone, then unknown
    UNATTRIBUTED = "unattributed"  # no answer that is surely this customer's: again alone, then unknown
    TOO_MANY = "too many"  # 1060: smaller batches
    REFUSED = "refused"  # credentials or permission: the run stops, the row has not failed


class Ruling(msgspec.Struct, frozen=True):
    """A verdict with the server's words for it."""

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
    """What an item says of the customer that it surely belongs to."""
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
    """Whether each item may be the customer's at its place: nothing it echoes says otherwise."""
    foreign: list[tuple[int, ItemStatus]] = []
    for index, (customer, item) in enumerate(zip(customers, items, strict=True)):
        if item.mobile and not _fits_or_absent(customer.mobile, item.mobile, same_mobile):
            return False
        if item.email and not _fits_or_absent(customer.email, item.email, same_email):
            return False
        if item.external_id and not _fits_or_absent(customer.external_id, item.external_id, same_id):
            return False
        if item.user_id and not _fits_or_absent(customer.user_id, item.user_id, same_id):
            return False
        if (
            (item.mobile and not customer.mobile)
            or (item.email and not customer.email)
            or (item.external_id and not customer.external_id)
            or (item.user_id and not customer.user_id)
        ):
            foreign.append((index, item))
    return not foreign or not _belongs_elsewhere(customers, foreign)


def _fits_or_absent(sent: str, echoed: str, same: Callable[[str, str], bool]) -> bool:
    return not sent or sent == echoed or same(sent, echoed)


def _belongs_elsewhere(customers: Sequence[Customer], foreign: list[tuple[int, ItemStatus]]) -> bool:
    """The stored customer's identifiers may come back unasked. Where they are those of another row of this batch, and
    this row did not send that kind, the items have changed places."""
    places = _Places(customers)
    for index, item in foreign:
        sent = customers[index]
        for kind in ("mobile", "email", "external_id", "user_id"):
            echoed = getattr(item, kind)
            if echoed and not getattr(sent, kind) and places.fitting(kind, echoed):
                return True
    return False


def _by_identifier(customers: Sequence[Customer], items: Sequence[ItemStatus]) -> list[ItemStatus | None]:
    """For each customer the one item that fits it and nobody else; None where there is none, or more than one."""
    places = _Places(customers)
    found: list[list[ItemStatus]] = [[] for _ in customers]
    for item in items:
        fitting: set[int] = set()
        for kind in ("mobile", "email", "external_id", "user_id"):
            echoed = getattr(item, kind)
            if echoed:
                fitting.update(places.fitting(kind, echoed))
        for index in fitting:
            # An item that fits two customers is nobody's, and spoils the certainty of both.
            found[index].append(item if len(fitting) == 1 else _NOBODYS)
    return [candidates[0] if len(candidates) == 1 and candidates[0] is not _NOBODYS else None for candidates in found]


_NOBODYS = ItemStatus()


class _Places:
    """Which customers of a batch an echoed identifier fits."""

    def __init__(self, customers: Sequence[Customer]) -> None:
        self._ids: dict[tuple[str, str], list[int]] = {}
        self._tails: dict[str, list[tuple[int, str]]] = {}
        for index, customer in enumerate(customers):
            if customer.mobile:
                self._tails.setdefault(customer.mobile[-_SHORTEST_NUMBER:], []).append((index, customer.mobile))
            if customer.email:
                self._ids.setdefault(("email", customer.email.lower()), []).append(index)
            if customer.external_id:
                self._ids.setdefault(("external_id", customer.external_id), []).append(index)
            if customer.user_id:
                self._ids.setdefault(("user_id", customer.user_id), []).append(index)

    def fitting(self, kind: str, echoed: str) -> list[int]:
        if kind == "mobile":
            near = self._tails.get(_digits(echoed)[-_SHORTEST_NUMBER:], [])
            return [index for index, mobile in near if same_mobile(mobile, echoed)]
        value = echoed.strip()
        return self._ids.get((kind, value.lower() if kind == "email" else value), [])


def same_mobile(sent: str, echoed: str) -> bool:
    """Equal, or one is the other with a country code before it."""
    ours, theirs = _digits(sent), _digits(echoed)
    if ours == theirs:
        return True
    shorter, longer = sorted((ours, theirs), key=len)
    return (
        len(shorter) >= _SHORTEST_NUMBER
        and len(longer) - len(shorter) in _COUNTRY_CODE_DIGITS
        and longer.endswith(shorter)
    )


def same_email(sent: str, echoed: str) -> bool:
    return sent.strip().lower() == echoed.strip().lower()


def same_id(sent: str, echoed: str) -> bool:
    return sent.strip() == echoed.strip()


def _digits(text: str) -> str:
    return text if text.isdecimal() else "".join(c for c in text if c.isdecimal())
