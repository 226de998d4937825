"""The customer of a long sheet, whose preferences stand in several rows, while its rows are read."""

from __future__ import annotations

from collections.abc import Callable

from importer.model import Customer, Problem, Store
from importer.normaliser.preferences import Pair

#: Most preferences of one customer. Further ones begin a new record; the lanes keep the order.
_MOST_PAIRS = 100


class OpenCustomer:
    """The customer of the last rows of a long sheet; further rows may follow."""

    def __init__(self, key: tuple[str | Store | None, ...], omitted: tuple[Problem, ...]) -> None:
        self._key = key
        self._omitted = omitted
        self._rows: list[int] = []
        self._pairs: dict[str, str] = {}

    def goes_on(self, key: tuple[str | Store | None, ...], omitted: tuple[Problem, ...]) -> bool:
        """Whether a row is of the same customer, with the same warnings."""
        return self._key == key and _messages(self._omitted) == _messages(omitted)

    def takes(self, pair: Pair) -> bool:
        # A repeated preference begins a new record: sent in order, the later row wins as in the sheet.
        return pair[0] not in self._pairs and len(self._pairs) < _MOST_PAIRS

    def add(self, row: int, pair: Pair) -> None:
        self._rows.append(row)
        self._pairs[pair[0]] = pair[1]

    def customer(self, constants: tuple[Pair, ...]) -> Customer:
        pairs = tuple(self._pairs.items()) + tuple([pair for pair in constants if pair[0] not in self._pairs])
        made: Callable[..., Customer] = Customer
        return made(self._rows[0], *self._key, pairs, tuple(self._rows[1:]), omitted=self._omitted)


def _messages(problems: tuple[Problem, ...]) -> list[str]:
    return [problem.message for problem in problems]
