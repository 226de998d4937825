"""When a run stops because of its outcomes and replies, before it does more harm. Pure.

The canary, `--max-errors`, the first batches refused down to every row, replies that do not come from the API. Each
method takes an event and returns the stop that it means, or None.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from importer.capillary.codes import Next
from importer.capillary.triage import RequestFailed, no_longer
from importer.errors import ExitCode, Stop
from importer.masking import Scrubber
from importer.model import Batch, Customer, MaxErrors, Outcome, Reply, Status, Work
from importer.system.text import counted

#: So many unreadable replies in a row, to more than one batch, do not come from the API.
UNREADABLE_ANSWERS = 5
#: So many batches refused down to every row, with nothing accepted: every row has the same problem.
REFUSED_BATCHES = 3

_ADVICE = "Check the report, fix the cause and resume with `importer resume`."
_ON_PAGE = "Check the report, fix the cause and resume the import."
#: Replies without items that have their own rule.
_HANDLED = (
    *(Next.SLOW, Next.RENEW, Next.REFUSED, Next.SETTINGS),
    *(Next.FOREIGN, Next.HALVE, Next.AGAIN, Next.ALONE),
)


class _Root(msgspec.Struct):
    """A first batch, followed through its splits. `parts`: its batches that are not settled yet."""

    customers: int
    parts: int = 1
    refused: int = 0


class StopRules:
    """Follows the batches and outcomes of one run."""

    def __init__(self, max_errors: MaxErrors | None, canary: int) -> None:
        self._max_errors = max_errors
        self._failed = self._decided = self._known = 0
        self._all_known = False
        self._canary_to_take = canary
        self._canary: set[int] = set()
        self._canary_succeeded = False
        self._roots: dict[int, _Root] = {}
        self._begun = self._refused_roots = 0
        #: The server has answered for single rows: it understands the requests.
        self._sound = False
        self._unreadable: list[int] = []

    # ------------------------------------------------------------------------------------------------ before

    def may_begin(self) -> bool:
        """Whether a new batch may be sent. The canary must have come back first; until an item was answered, only as
        many batches are sent as it takes to see that every row has the same problem."""
        if self._canary and not self._canary_to_take:
            return False
        return self._sound or self._begun < REFUSED_BATCHES

    @property
    def at_most(self) -> int | None:
        """How many customers the next batch may hold: the canary has its own batch."""
        return self._canary_to_take or None

    def fed(self, customers: Iterable[Customer]) -> None:
        """Further rows of the sheet that will be sent. Only a share needs their number."""
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
        """A batch of an earlier process: its outcome says nothing about the rows of this run."""
        self._roots[root] = _Root(0)

    # ------------------------------------------------------------------------------------------------ after

    def learn(self, work: Work, reply: Reply | RequestFailed) -> Stop | None:
        """A reply that lists customers shows that the API answers; several unreadable ones show that it does not."""
        if isinstance(reply, Reply):
            self._sound = True
            self._unreadable.clear()
            return None
        trouble = reply.trouble
        if trouble.next in _HANDLED:
            return None
        if trouble.foreign or not self._sound:
            self._unreadable.append(work.root)
        everywhere = len(self._unreadable) >= UNREADABLE_ANSWERS and len(set(self._unreadable)) > 1
        if not everywhere and (len(self._unreadable) < 2 or self._sound):
            return None
        message = Scrubber(work.batch.customers, only_known=True)(trouble.message)
        if self._sound:
            return no_longer(msgspec.structs.replace(trouble, message=message))
        return Stop(
            ExitCode.SETTINGS,
            f"The replies do not come from the API: {message}.",
            "Check --base-url; it may lead to a login or maintenance page.",
            on_page="Ask the administrator of this page to check the address of the API.",
        )

    def settled(self, root: int, parts: int, outcomes: Sequence[Outcome], refused: bool) -> Stop | None:
        """A batch of this root is settled. `parts`: how many more of the root are being sent now (-1: one fewer);
        `refused`: the server refused its one customer without an item."""
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
            "They share a problem: check the failed rows, then resume with `importer resume`.",
            on_page="They share a problem: check the failed rows, then resume the import.",
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
        return Stop(ExitCode.TOO_MANY_ERRORS, "None of the canary's rows succeeded.", _ADVICE, on_page=_ON_PAGE)

    def _counted(self, outcomes: Iterable[Outcome]) -> Stop | None:
        if self._max_errors is None:
            return None
        for outcome in outcomes:
            self._decided += 1
            self._failed += outcome.status is not Status.SUCCEEDED
        return self._limited()

    def _limited(self) -> Stop | None:
        """The stop that `--max-errors` means, also where the last row reaches the limit: the exit code must not depend
        on which requests were in flight."""
        total = self._known if self._all_known else None
        if self._max_errors is None or not self._max_errors.reached(self._failed, self._decided, total):
            return None
        return Stop(
            ExitCode.TOO_MANY_ERRORS,
            f"{counted(self._failed, 'row')} failed or unknown: the limit that was set is reached.",
            f"--max-errors set the limit. {_ADVICE}",
            on_page=_ON_PAGE,
        )
