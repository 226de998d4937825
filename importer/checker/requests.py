"""How many requests a run of the same rows makes, where the server refuses none: counted by forming its batches."""

from __future__ import annotations

from collections.abc import Sequence

from importer.chunker.batches import Chunker
from importer.chunker.lanes import Lanes
from importer.chunker.schedule import Schedule
from importer.model import Customer
from importer.sender.stop_rules import StopRules


class RequestCounter:
    """`add` each portion of the sheet as the feed of a run has it, then `count`."""

    def __init__(self, batch_size: int, concurrency: int, canary: int) -> None:
        self._lanes = Lanes()
        self._schedule = Schedule(self._lanes, Chunker(batch_size), concurrency)
        self._rules = StopRules(None, canary)
        self._requests = 0

    def add(self, customers: Sequence[Customer], links: Sequence[list[int]] = ()) -> None:
        """`links`: the keys of each row that is not sent but may link others."""
        for keys in links:
            self._lanes.link(keys)
        self._schedule.add(customers)
        self._form(more=True)

    def count(self) -> int:
        self._form(more=False)
        return self._requests

    def _form(self, *, more: bool) -> None:
        while (batch := self._schedule.next(self._rules.at_most, more=more)) is not None:
            self._rules.begun(batch)
            self._requests += 1
            self._schedule.settled(batch.batch_id, batch.customers, again=False)
