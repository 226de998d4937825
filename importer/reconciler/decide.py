"""What happens next with a batch: its reply becomes outcomes, follow-up batches and lessons. Pure.

`decide` reads records and returns a record. The sender forms the batches, waits, and writes to the journal.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from importer.capillary.codes import Next, lookup
from importer.capillary.triage import RequestFailed, Trouble, refused, unusable
from importer.errors import Stop
from importer.masking import Scrubber
from importer.model import MAX_ATTEMPTS, Customer, Reply, Status, Work
from importer.reconciler.reconcile import Ruling, Verdict

#: How often a customer is asked again alone after 999999 or an answer that could not be attributed.
TRIES_ALONE = 2
#: How often a batch is sent that is refused on the way to the API.
TRIES_ON_THE_WAY = 2
#: A split batch has shown that its problem stays: fewer attempts for its parts.
ATTEMPTS_OF_A_PART = 2
#: Refusals of a whole batch that teach a limit.
_TOO_LARGE = ("1060", "413")


class Decided(msgspec.Struct, frozen=True, gc=False):
    """A customer that has its outcome, the same for each of its rows."""

    customer: Customer
    status: Status
    code: str = ""
    message: str = ""
    warnings: tuple[str, ...] = ()


class FollowUp(msgspec.Struct, frozen=True):
    """What is sent next for customers without an outcome.

    `same`: the batch again as it was, same id, same bytes. Else a new batch, or two with `halves`. `back_off`: the
    number of attempts after which it waits; 0: it is sent at once.
    """

    customers: tuple[Customer, ...]
    work: Work
    same: bool = False
    alone: bool = False
    halves: bool = False
    back_off: int = 0


class Decision(msgspec.Struct, frozen=True):
    """`attempts`: how often these customers were sent by now. `stays`: the batch remains open, for the run stops;
    `untouched`: the server has certainly not applied it. `too_large`: the server refused the batch for its size.
    `refused_alone`: the one customer of the batch was refused without an item."""

    attempts: int
    decided: Sequence[Decided] = ()
    follow_ups: Sequence[FollowUp] = ()
    stays: bool = False
    untouched: bool = False
    too_large: bool = False
    by_bytes: bool = False
    refused_alone: bool = False
    stop: Stop | None = None

    @property
    def goes_on(self) -> bool:
        """Whether the same batch is sent again or remains open."""
        return self.stays or any(follow_up.same for follow_up in self.follow_ups)


def decide(
    work: Work,
    reply: Reply | RequestFailed,
    rulings: Sequence[Ruling],
    *,
    server_down: bool = False,
    stop: Stop | None = None,
    variables: Sequence[str] = (),
) -> Decision:
    """`rulings`: one per customer, if the reply has items. `server_down`: the breaker is open, so no failure counts
    against the batch. `stop`: the reply ends the run, since it did not come from the API. `variables`: the names of
    those that hold the credentials."""
    if isinstance(reply, Reply):
        return _of_items(work, rulings, variables)
    # The server's words go to the journal, and as the reason of a stop to consoles and logs.
    message = Scrubber(work.batch.customers, only_known=True)(reply.trouble.message)
    trouble = msgspec.structs.replace(reply.trouble, message=message)
    if trouble.doubt:
        work = msgspec.structs.replace(work, doubt=True)
    match trouble.next:
        case Next.SLOW | Next.RENEW:
            return Decision(work.attempts, follow_ups=(_again(work),))
        case Next.REFUSED:
            return _stays(work, _refused(trouble.code, trouble.message, variables))
        case Next.SETTINGS:
            return _stays(work, unusable(trouble))
        case Next.HALVE:
            return _refused_whole(work, trouble)
        case Next.AGAIN | Next.ALONE:
            return _failed(work, trouble, server_down)
        case _ if stop is not None:
            return _stays(work, stop)
        case Next.FOREIGN:
            return _refused_on_the_way(work, trouble)
        case _:
            # 200 that cannot be read, or that mentions no customer.
            if work.batch.alone and not trouble.foreign:
                work = msgspec.structs.replace(work, most_tries=TRIES_ALONE)
            return _failed(work, trouble, server_down)


def halved(work: Work) -> Decision:
    """A batch that became too large since it was formed, before it is sent."""
    return Decision(work.attempts, follow_ups=(_halves(work, work.most_tries),))


# ---------------------------------------------------------------------------------------------------- with items


def _of_items(work: Work, rulings: Sequence[Ruling], variables: Sequence[str]) -> Decision:
    work = msgspec.structs.replace(work, attempts=work.attempts + 1, tries=work.tries + 1)
    decided: list[Decided] = []
    later: dict[Verdict, list[tuple[Customer, Ruling]]] = {}
    for customer, ruling in zip(work.batch.customers, rulings, strict=True):
        status = status_of(work, ruling.verdict)
        if status is None:
            later.setdefault(ruling.verdict, []).append((customer, ruling))
        else:
            decided.append(Decided(customer, status, *_words(status, ruling, customer)))
    stop = None
    if Verdict.REFUSED in later:
        ruling = later[Verdict.REFUSED][0][1]
        scrub = Scrubber(work.batch.customers, only_known=True)
        stop = _refused(ruling.code, scrub(ruling.message), variables)
    return Decision(
        work.attempts,
        decided,
        _follow_ups(work, {verdict: tuple(c for c, _ in found) for verdict, found in later.items()}) if later else (),
        too_large=Verdict.TOO_MANY in later,
        stop=stop,
    )


def status_of(work: Work, verdict: Verdict) -> Status | None:
    """The outcome that a verdict means now; None when the row is asked again."""
    match verdict:
        case Verdict.SUCCEEDED:
            return Status.SUCCEEDED
        case Verdict.FAILED:
            return Status.FAILED
        case Verdict.AGAIN:
            # Busy, and an earlier attempt had no answer: the server may be busy with that very attempt.
            last = Status.UNKNOWN if work.doubt else Status.FAILED
            return last if work.attempts >= MAX_ATTEMPTS else None
        case Verdict.ALONE:
            return Status.FAILED if work.batch.alone and work.tries >= TRIES_ALONE else None
        case Verdict.CONTRADICTION | Verdict.UNATTRIBUTED:
            return Status.UNKNOWN if work.batch.alone and work.tries >= TRIES_ALONE else None
        case Verdict.TOO_MANY:
            return Status.FAILED if len(work.batch.customers) == 1 else None
        case Verdict.REFUSED:
            return None


def _follow_ups(work: Work, later: dict[Verdict, tuple[Customer, ...]]) -> list[FollowUp]:
    """Customers that are asked again: the busy ones together, those in doubt alone."""
    part = Work(work.batch, work.root, attempts=work.attempts)
    found: list[FollowUp] = []
    if busy := later.get(Verdict.AGAIN):
        if len(busy) == len(work.batch.customers):
            found.append(_again(work, work.tries))
        else:
            doubtful = msgspec.structs.replace(part, doubt=work.doubt)
            found.append(FollowUp(busy, doubtful, back_off=work.attempts))
    for verdict in (Verdict.ALONE, Verdict.CONTRADICTION, Verdict.UNATTRIBUTED):
        for customer in later.get(verdict, ()):
            if work.batch.alone:
                again = msgspec.structs.replace(work, doubt=True)
                found.append(_again(again, work.tries if verdict is Verdict.ALONE else 0))
            else:
                found.append(FollowUp((customer,), msgspec.structs.replace(part, doubt=True), alone=True))
    if many := later.get(Verdict.TOO_MANY):
        found.append(FollowUp(many, part, halves=True))
    if open_rows := later.get(Verdict.REFUSED):
        # Neither sent again nor decided: the run stops, and a resume sends them.
        found.append(FollowUp(open_rows, part))
    return found


def _words(status: Status, ruling: Ruling, customer: Customer) -> tuple[str, str, tuple[str, ...]]:
    """Code, message and warnings of an outcome: the server's, except where it has none or contradicts itself.

    A plain success says the same in every row: the journal does not keep that text. It keeps no cell either, so what
    the server repeats of the row is masked.
    """
    plain = status is Status.SUCCEEDED and lookup(ruling.code).klass is Next.SUCCESS
    if plain and not ruling.warnings:
        return ruling.code, "", ()
    scrub = Scrubber((customer,), only_known=True)
    warnings = tuple(map(scrub, ruling.warnings))
    if plain:
        return ruling.code, "", warnings
    if status is not Status.UNKNOWN:
        return ruling.code, scrub(ruling.message), warnings
    code = "contradiction" if ruling.verdict is Verdict.CONTRADICTION else "no_answer"
    return code, lookup(code).meaning, warnings


# ---------------------------------------------------------------------------------------------------- without items


def _again(work: Work, back_off: int = 0) -> FollowUp:
    return FollowUp(work.batch.customers, work, same=True, back_off=back_off)


def _halves(work: Work, most_tries: int) -> FollowUp:
    part = Work(work.batch, work.root, attempts=work.attempts, doubt=work.doubt, most_tries=most_tries)
    return FollowUp(work.batch.customers, part, halves=True)


def _stays(work: Work, stop: Stop) -> Decision:
    return Decision(work.attempts, stays=True, untouched=not work.doubt, stop=stop)


def _refused_whole(work: Work, trouble: Trouble) -> Decision:
    """1060 and 413 teach a limit. Any other refusal of a whole batch is caused by one of its rows."""
    work = msgspec.structs.replace(work, attempts=work.attempts + 1)
    too_large = trouble.code in _TOO_LARGE
    by_bytes = trouble.code == "413"
    if len(work.batch.customers) > 1:
        halves = _halves(work, work.most_tries)
        return Decision(work.attempts, follow_ups=(halves,), too_large=too_large, by_bytes=by_bytes)
    decided = Decided(work.batch.customers[0], Status.FAILED, trouble.code, trouble.message)
    return Decision(work.attempts, (decided,), too_large=too_large, by_bytes=by_bytes, refused_alone=True)


def _refused_on_the_way(work: Work, trouble: Trouble) -> Decision:
    """A firewall may refuse one row's text while the API answers the other batches: in halves, down to that row. It has
    not failed: the API did not say so."""
    work = msgspec.structs.replace(work, attempts=work.attempts + 1, tries=work.tries + 1)
    if work.tries < TRIES_ON_THE_WAY:
        return Decision(work.attempts, follow_ups=(_again(work, work.tries),))
    if len(work.batch.customers) > 1:
        halves = _halves(work, work.most_tries)
        # A part is not tried twice.
        part = msgspec.structs.replace(halves.work, tries=TRIES_ON_THE_WAY - 1)
        return Decision(work.attempts, follow_ups=(msgspec.structs.replace(halves, work=part),))
    return _unknown(work, trouble)


def _failed(work: Work, trouble: Trouble, server_down: bool) -> Decision:
    """Again with back-off. Once the attempts are spent on a server that answers others: in halves, down to a row that
    stands alone and whose outcome is unknown. A batch that the server certainly has not seen is never given up: the
    breaker ends the run."""
    work = msgspec.structs.replace(work, attempts=work.attempts + 1, tries=work.tries + 1)
    if server_down or not work.doubt or work.tries < work.most_tries:
        return Decision(work.attempts, follow_ups=(_again(work, work.tries),))
    if len(work.batch.customers) > 1:
        return Decision(work.attempts, follow_ups=(_halves(work, ATTEMPTS_OF_A_PART),))
    return _unknown(work, trouble)


def _unknown(work: Work, trouble: Trouble) -> Decision:
    text = f"{lookup('no_answer').meaning}; the last: {trouble.message}"
    return Decision(work.attempts, (Decided(work.batch.customers[0], Status.UNKNOWN, "no_answer", text),))


def _refused(code: str, message: str, variables: Sequence[str]) -> Stop:
    return refused(code, message, variables, ", then resume with `importer resume`", ", then resume the import")
