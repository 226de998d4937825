"""The guards: when a run stops because of what its rows and answers came to, before it does more harm. Pure.

The canary, `--max-errors`, the first batches refused down to every row, answers that nobody can read. Each method is
told what happened and returns the stop that it means, or None.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from importer.errors import ExitCode, Stop
from importer.model import Batch, Customer, MaxErrors, Outcome, Status
from importer.system.text import counted

#: So many answers in a row, to more than one batch, that cannot be read: something else than the API answers.
UNREADABLE_ANSWERS = 5
#: So many batches refused down to every row, with nothing accepted: something is wrong with all.
REFUSED_BATCHES = 3

_LOOK = "Look at the report; go on with `importer resume` once the reason is gone."


class _Root(msgspec.Struct):
    """A first batch, followed through its splits. `parts`: of it, still on their way."""

    customers: int
    parts: int = 1
    refused: int = 0


class Guards:
    """Watches the batches and outcomes of one run."""

    def __init__(self, max_errors: MaxErrors | None, canary: int) -> None:
        self._max_errors = max_errors
        self._failed = self._decided = self._known = 0
        self._all_known = False
        self._canary_to_take = canary
        self._canary: set[int] = set()
        self._canary_succeeded = False
        self._roots: dict[int, _Root] = {}
        self._begun = self._refused_roots = 0
        #: The server has judged rows one by one: it understands what we send.
        self._sound = False
        self._unreadable: list[int] = []

    # ------------------------------------------------------------------------------------------------ before

    def may_begin(self) -> bool:
        """Whether a new batch may begin: the canary must have come back, and while no item was ever answered only so
        many batches are risked as it takes to see that something is wrong with all."""
        if self._canary and not self._canary_to_take:
            return False
        return self._sound or self._begun < REFUSED_BATCHES

    @property
    def at_most(self) -> int | None:
        """The canary goes in a batch of its own: how many customers the next may hold."""
        return self._canary_to_take or None

    def fed(self, customers: Iterable[Customer]) -> None:
        """Further rows of the sheet are known, all of them to be sent. Only a share asks how many there are."""
        if self._max_errors is not None and self._max_errors.share:
            self._known += sum(len(customer.row_numbers) for customer in customers)

    def all_fed(self) -> Stop | None:
        """The sheet has no further rows."""
        self._all_known = True
        return self._limited()

    def begun(self, batch: Batch) -> None:
        if self._canary_to_take:
            self._canary_to_take -= min(len(batch.customers), self._canary_to_take)
            self._canary.update(customer.row_number for customer in batch.customers)
        self._roots[batch.batch_id] = _Root(len(batch.customers))
        self._begun += 1

    def inherited(self, root: int) -> None:
        """A batch of an earlier process is no first batch of ours: what becomes of it says nothing of all."""
        self._roots[root] = _Root(0)

    # ------------------------------------------------------------------------------------------------ after

    def answered(self) -> None:
        """An answer that lists customers."""
        self._sound = True
        self._unreadable.clear()

    def unreadable(self, root: int, foreign: bool, message: str) -> Stop | None:
        """200 that cannot be read, or that says nothing of any customer. `foreign`: nothing that the API says."""
        if foreign or not self._sound:
            self._unreadable.append(root)
        everywhere = len(self._unreadable) >= UNREADABLE_ANSWERS and len(set(self._unreadable)) > 1
        if everywhere or (len(self._unreadable) >= 2 and not self._sound):
            return Stop(
                ExitCode.SETTINGS,
                f"What answers is not the API: {message}.",
                "Check --base-url; a login or maintenance page may stand before it.",
            )
        return None

    def settled(self, root: int, parts: int, outcomes: Sequence[Outcome], refused: bool) -> Stop | None:
        """A batch of this root is written down. `parts`: how many more of the root are on their way now (-1: one
        fewer); `refused`: its one customer was, without an item."""
        return self._root_settled(root, parts, refused) or self._canary_settled(outcomes) or self._counted(outcomes)

    def _root_settled(self, number: int, parts: int, refused: bool) -> Stop | None:
        root = self._roots.get(number)
        if root is None:
            return None
        root.refused += refused
        root.parts += parts
        if root.parts:
            return None
        del self._roots[number]
        if not root.customers:
            return None
        if self._sound or root.customers < 2 or root.refused < root.customers:
            self._sound = True
            return None
        self._refused_roots += 1
        if self._refused_roots < REFUSED_BATCHES:
            return None
        return Stop(
            ExitCode.TOO_MANY_ERRORS,
            f"The server refused every row of the first {self._refused_roots} batches.",
            "Something is wrong with all: look at the failed rows, then `importer resume`.",
        )

    def _canary_settled(self, outcomes: Iterable[Outcome]) -> Stop | None:
        if not self._canary:
            return None
        for outcome in outcomes:
            if outcome.row_number in self._canary:
                self._canary.discard(outcome.row_number)
                self._canary_succeeded = self._canary_succeeded or outcome.status is Status.SUCCEEDED
        if self._canary or self._canary_to_take or self._canary_succeeded:
            return None
        return Stop(ExitCode.TOO_MANY_ERRORS, "None of the canary's rows succeeded.", _LOOK)

    def _counted(self, outcomes: Iterable[Outcome]) -> Stop | None:
        if self._max_errors is None:
            return None
        for outcome in outcomes:
            self._decided += 1
            self._failed += outcome.status is not Status.SUCCEEDED
        return self._limited()

    def _limited(self) -> Stop | None:
        """The stop that `--max-errors` means, also where the last row is what reached it: whoever sets a limit is told
        by the exit code that it was reached, and not by chance of what was in flight at the time."""
        total = self._known if self._all_known else None
        if self._max_errors is None or not self._max_errors.reached(self._failed, self._decided, total):
            return None
        return Stop(
            ExitCode.TOO_MANY_ERRORS,
            f"{counted(self._failed, 'row')} failed or unknown: the limit of --max-errors.",
            _LOOK,
        )
