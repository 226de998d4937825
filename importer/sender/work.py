"""What the stages of sending take: portions of the sheet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

import msgspec

from importer.model import Customer, Outcome


class Feed(Protocol):
    """Customers in the sheet's order, in bounded portions; rows that are not sent come as outcomes."""

    def __aiter__(self) -> AsyncIterator[Portion]: ...


class Portion(msgspec.Struct, frozen=True):
    """`links`: the lanes' keys of each row that is not sent but may link others to one customer. `repairs`: how many
    there were in all rows up to and including the row `repaired_to` (0: not counted)."""

    customers: list[Customer]
    outcomes: list[Outcome]
    links: list[list[int]] = []
    repairs: dict[str, int] = {}
    repaired_to: int = 0
    #: Row number → fingerprint of a customer that is not sent because the server has the same.
    unchanged: dict[int, bytes] = {}
