"""Later rows of the sheet that succeeded: an older row of their customer that a retry sends must not overwrite them.

A retry, or the rest of a run that was fixed, sends a row after later rows of the same sheet. It leaves out a row if a
later one of the same customer, sent by any run of these rows and not sent again by this one, set one of its preferences
to another value. Later rows that this retry sends too follow in their order, as in every run. Where one of them is left
out itself, what it set before counts.

The journal knows the rows only by hashes, which do not tell whether two rows set the same preferences. So:

1. The rows that this run is about to send are read, for the hashes of their identifiers.
2. The journal is asked which customers with one of these identifiers succeeded, and in which rows.
3. These rows are read again. Where the hash of a row is still the same, its cells are what was sent, and preferences
   are compared one by one. Where it is not (a rule or a person has changed it since, or the server answered with a
   warning), every other value counts as newer. Of several rows of a long sheet that had their outcome together, the
   others count as they read now where some are sent again: their hash has changed with those.

A normal run does none of this. Memory grows with the rows that are sent again, not with the sheet. Rows are compared
that share an identifier; those that only a third row links are not. A customer of several rows in a long sheet is as
old as the first of its rows, and as new as the last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice, zip_longest
from typing import TYPE_CHECKING

from importer.journal import Journal
from importer.journal.ledger import SentRows, rows_sent
from importer.model import Status
from importer.runs.job import Job
from importer.runs.newer import same_sheet
from importer.sender.feed import SheetFeed
from importer.sender.later import LaterRows, by_preference
from importer.sender.siphash import HASH_BYTES
from importer.sender.unchanged import Hasher
from importer.system.late import late

if TYPE_CHECKING:
    from importer.sender.fingerprints import Fingerprints

#: Customers of the journal that are compared at once.
_AT_ONCE = 20_000


def later_rows(job: Job, hasher: Hasher, feed: SheetFeed) -> LaterRows | None:
    """Return what later rows have set, for a retry; None where no row to be sent has any. `feed`: reads the source."""
    assert job.left_out is not None  # what a retry has
    closed = bytearray(job.left_out)
    runs = [run.key for run in same_sheet(job.journal, job.run) if run.key != job.run.key]
    waiting = _waiting(job, closed, runs)
    opened: list[bytes] = []
    for customers in feed.marked(waiting):
        opened += hasher(customers)
        if job.world.stopper.asked:
            return None  # nothing is sent
    every = _sent(job.journal, runs, opened)
    while every:
        found = _compared(closed, every, hasher, feed)
        # Rows that succeeded, were edited since and are overtaken themselves: what they set stands.
        stands = bytearray(len(closed))
        for one in every:
            stands[one.first : one.last + 1] = bytes(not shut for shut in closed[one.first : one.last + 1])
        for customers in feed.marked(waiting) if any(stands) else ():
            for customer, overtaken in zip(customers, found(customers, hasher(customers)), strict=True):
                for row in () if overtaken else customer.row_numbers:
                    stands[row] = 0
        if not any(stands) or job.world.stopper.asked:
            return found
        closed = bytearray(map(max, closed, stands))
    return None


def _waiting(job: Job, closed: bytearray, runs: Sequence[int]) -> bytearray:
    """A byte per row number: 1 where this run may send the row, up to the last that succeeded in one of the others."""
    succeeded = (job.journal.decided(key, (Status.SUCCEEDED,)).rfind(1) for key in runs)
    last = max(closed.rfind(1), *succeeded, 0)
    decided = job.journal.decided(job.run.key)[:last]
    open_rows = zip_longest(closed[: last + 1], decided, fillvalue=0)
    return bytearray(not (shut or done) for shut, done in open_rows)


def _sent(journal: Journal, runs: Iterable[int], opened: Sequence[bytes]) -> list[SentRows]:
    """The customers who share an identifier with one that is sent now, by their rows. Of one row only what was sent
    last."""
    if not opened:
        return []
    make: type[Fingerprints] = late("importer.sender.fingerprints", "Fingerprints")
    known = make(opened)
    found: dict[tuple[int, ...], SentRows] = {}
    for run in runs:
        rows = rows_sent(journal, run)
        while some := list(islice(rows, _AT_ONCE)):
            shares = known.shares([one.fingerprint for one in some])
            for one, shared in zip(some, shares, strict=True):
                if shared:
                    found[(one.first,) if one.first == one.last else (one.first, len(found))] = one
    return sorted(found.values(), key=lambda one: one.last)


def _compared(closed: bytearray, every: Sequence[SentRows], hasher: Hasher, feed: SheetFeed) -> LaterRows:
    """Read the rows that are not sent now again. What they no longer say counts as a whole."""
    wanted = bytearray(len(closed))
    by_names: defaultdict[bytes, list[SentRows]] = defaultdict(list)
    for one in every:
        wanted[one.first : one.last + 1] = closed[one.first : one.last + 1]
        by_names[one.fingerprint[HASH_BYTES:]].append(one)
    # Also those of which this run sends every row: they are not read, and do not count.
    partly = {one for one in every if closed.find(0, one.first, one.last + 1) >= 0}
    seen: set[SentRows] = set()
    preferences: list[tuple[int, bytes]] = []
    for customers in feed.marked(wanted):
        same = []
        for customer, entry in zip(customers, hasher(customers), strict=True):
            known = {
                one
                for one in by_names.get(entry[HASH_BYTES:], ())
                if one.first <= customer.row_number <= one.last and (one.fingerprint == entry or one in partly)
            }
            if known:
                seen |= known
                same.append(customer)
        entries, owners = by_preference(same, hasher)
        preferences += zip([same[owner].row_numbers[-1] for owner in owners], entries, strict=True)
    preferences.sort(key=lambda preference: preference[0])
    make: type[Fingerprints] = late("importer.sender.fingerprints", "Fingerprints")
    left = [one for one in every if one not in seen and one not in partly]
    single = make((entry for _, entry in preferences), [row for row, _ in preferences])
    return LaterRows(hasher, single, make((one.fingerprint for one in left), [one.last for one in left]))
