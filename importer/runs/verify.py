"""`verify`: reads preferences back from the server and compares them with what a run sent."""

from __future__ import annotations

import asyncio
import csv
import io
import random
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

import msgspec

from importer.capillary.client import Client
from importer.capillary.codes import Next
from importer.capillary.triage import RequestFailed, refused, unusable
from importer.errors import ExitCode, SettingsError, Stop
from importer.journal import Journal, Run
from importer.journal.edits import edits_of
from importer.masking import Scrubber, masked, masked_mobile
from importer.model import MAX_ATTEMPTS, Customer, Status
from importer.observer import Extent
from importer.reader import Source
from importer.runs.asking import Session
from importer.runs.record import check_unchanged, find, mapping_of, settings_of
from importer.runs.sources import fix, opened
from importer.runs.stages import normaliser_of
from importer.runs.target import target_of
from importer.sender.admission import Admission, Stopping
from importer.sender.feed import Selection, SheetFeed
from importer.sender.unchanged import UNCHANGED
from importer.settings.options import Settings
from importer.system.files import private_folder, write_whole
from importer.system.formula_guard import guard
from importer.system.text import counted, harmless
from importer.world import World

FILE = "differences.csv"
_COLUMNS = ("_row", "field", "sent", "found", "difference")
#: The most differences on a console. The file has all.
_MOST_SHOWN = 10


class Difference(msgspec.Struct, frozen=True):
    """`field` "" where the server does not know the customer. Values are only in the file."""

    row_number: int
    customer: str
    field: str
    what: str


class Verified(msgspec.Struct, frozen=True):
    """The result of `verify`. `report`: the path of `differences.csv`."""

    run_id: str
    rows: int
    customers: int
    agree: int
    differences: tuple[Difference, ...]
    report: str

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.ROWS if self.differences else ExitCode.OK


class _Expected:
    """A customer to ask for. `fields`: preference → (last sent value, its row)."""

    def __init__(self, customer: Customer) -> None:
        self.customer = customer
        self.row_number = customer.row_number
        self.kind, self.value = customer.identifiers[0]
        self.fields: dict[str, tuple[str, int]] = {}

    def sent(self, customer: Customer) -> None:
        for name, value in customer.custom_fields:
            self.fields[name] = (value, customer.row_number)


def verify(
    run_id: str | None, settings: Settings, given: Mapping[str, object], world: World, sample: int | None = None
) -> Verified:
    """Verify the rows of a run that succeeded or were unchanged, all or a sample. Raises `ImporterError`."""
    reports = Path(settings.reports_dir)
    with Journal.open(reports, settings.database or None) as journal:
        run = find(journal, run_id)
        own = msgspec.structs.replace(settings_of(run, dict(given)), settings_file=settings.settings_file)
        if own.sandbox:
            raise SettingsError(
                f"Run {run.record.run_id} used a sandbox, which ended with the run.", "Verify a run against the API."
            )
        edits = edits_of(journal, run)
        succeeded = journal.decided(run.key, (Status.SUCCEEDED,))
        # What was not sent, because the server has it, is what the run says of the server too.
        for row, unchanged in enumerate(journal.decided(run.key, codes=(UNCHANGED,))):
            succeeded[row] |= unchanged
    chosen = _chosen(succeeded, run, sample)
    with opened(run.record.source, own, world) as source, target_of(own, world) as target:
        check_unchanged(run, source, settings)
        fix(source, mapping_of(run), own, edits)
        expected = _expected(source, run, own, succeeded, chosen, world)
        world.observer.begin(_extent(source, expected, own))
        try:
            with Session(target, own, world) as session:
                found = session.run(_ask_all(expected, session, own.concurrency, world))
        finally:
            world.observer.end()
    return _compared(run, expected, found, reports)


def _extent(source: Source, expected: list[_Expected], settings: Settings) -> Extent:
    """How much there is to ask: a request for each customer."""
    number, rate = len(expected), settings.rate
    return Extent(source.name, number, {}, number, rate.count / rate.unit, "customer")


def _chosen(succeeded: bytearray, run: Run, sample: int | None) -> set[int] | None:
    if sample is None:
        return None
    rows = [row for row, mark in enumerate(succeeded) if mark]
    # Seeded with the sheet's content: the same rows each time, also after a retry.
    return set(random.Random(run.record.source_sha256).sample(rows, min(sample, len(rows))))  # noqa: S311 - no secret


def _expected(
    source: Source, run: Run, settings: Settings, succeeded: bytearray, chosen: set[int] | None, world: World
) -> list[_Expected]:
    """Return what the chosen customers must have. Later rows of such a customer count too, chosen or not."""
    found: list[_Expected] = []
    by_name: dict[tuple[str, str], _Expected] = {}
    for customer in _customers(source, run, settings, succeeded, world):
        known = next((by_name[name] for name in customer.identifiers if name in by_name), None)
        if known is None:
            if chosen is not None and chosen.isdisjoint(customer.row_numbers):
                continue
            known = _Expected(customer)
            found.append(known)
        known.sent(customer)
        for name in customer.identifiers:
            by_name.setdefault(name, known)
    return found


def _customers(source: Source, run: Run, settings: Settings, succeeded: bytearray, world: World) -> Iterator[Customer]:
    """Yield the customers of the rows that succeeded, in the order of the sheet."""
    normaliser = normaliser_of(mapping_of(run), settings)
    others = bytearray(1 - mark for mark in succeeded)
    for portion in SheetFeed(source, normaliser, Selection(decided=others), world.wall).portions():
        for customer in portion.customers:
            if customer.row_number < len(succeeded) and succeeded[customer.row_number]:
                yield customer


# ---------------------------------------------------------------------------------------------------- asking


async def _ask_all(
    expected: list[_Expected], session: Session, concurrency: int, world: World
) -> list[dict[str, str] | None]:
    """Return what the server has for each customer; None where it does not know the customer."""
    found: list[dict[str, str] | None] = [None] * len(expected)
    waiting = iter(range(len(expected)))
    admission = session.admission()
    loop = asyncio.get_running_loop()
    world.stopper.listen(
        lambda: loop.call_soon_threadsafe(admission.stopping.set), in_flight=lambda: admission.in_flight
    )

    async def work(most: int | None = None) -> None:
        for number in islice(waiting, most):
            found[number] = await _ask(session.client, admission, expected[number])
            world.observer.verified(1)

    try:
        # One request first: wrong credentials cost one request, not one per connection.
        await work(1)
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(work())
    except* Stopping:
        raise Stop(
            ExitCode.INTERRUPTED,
            "The check was interrupted.",
            "Verify again, perhaps with --sample.",
            on_page="Verify again.",
        ) from None
    except* Stop as stops:
        raise stops.exceptions[0] from None
    return found


async def _ask(client: Client, admission: Admission, expected: _Expected) -> dict[str, str] | None:
    """Ask for one customer until the server answers. Raises `Stop` and `Stopping`."""
    attempts = 0
    while True:
        asked = await admission.ask(lambda written: client.preferences(expected.kind, expected.value, written))
        if not isinstance(asked.reply, RequestFailed):
            admission.answered()
            return asked.reply
        trouble = asked.reply.trouble
        message = Scrubber((expected.customer,), only_known=True)(trouble.message)
        match trouble.next:
            case Next.SLOW:
                if (stop := admission.throttled(asked.sent_at, asked.reply.retry_after)) is not None:
                    raise stop
                continue
            case Next.REFUSED:
                raise refused(trouble.code, message, client.variables, ", then verify again", ", then verify again")
            case Next.SETTINGS:
                raise unusable(msgspec.structs.replace(trouble, message=message))
            case Next.FOREIGN:
                trouble = msgspec.structs.replace(trouble, message=message)
                if (stop := admission.refused_on_the_way(asked.sent_at, trouble)) is not None:
                    raise stop
        attempts += 1
        if attempts >= MAX_ATTEMPTS:
            raise Stop(ExitCode.TEMPORARY, f"The server does not answer: {message}.", "Verify again later.")
        await admission.pause(admission.back_off(attempts))


# ---------------------------------------------------------------------------------------------------- comparing


def _compared(run: Run, expected: list[_Expected], found: list[dict[str, str] | None], reports: Path) -> Verified:
    """Compare, and write `differences.csv`."""
    by_customer = [_lines(customer, has) for customer, has in zip(expected, found, strict=True)]
    lines = [line for lines in by_customer for line in lines]
    folder = reports / run.record.run_id
    private_folder(folder)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for difference, sent, value in lines:
        cells = (str(difference.row_number), difference.field, sent, harmless(value), difference.what)
        writer.writerow([guard(cell) for cell in cells])
    write_whole(folder / FILE, b"\xef\xbb\xbf" + text.getvalue().encode())
    rows = len({row for customer in expected for _, row in customer.fields.values()})
    agree = by_customer.count([])
    return Verified(
        run.record.run_id, rows, len(expected), agree, tuple(difference for difference, *_ in lines), str(folder / FILE)
    )


def _lines(customer: _Expected, has: dict[str, str] | None) -> list[tuple[Difference, str, str]]:
    """Return (difference, sent value, found value) for a customer. `has`: what the server has."""
    name = (masked_mobile if customer.kind == "mobile" else masked)(customer.value)
    if has is None:
        return [(Difference(customer.row_number, name, "", "the server does not know the customer"), "", "")]
    # The server may change the case of preference names.
    values = {key.casefold(): value for key, value in has.items()}
    lines = []
    for field, (sent, row_number) in customer.fields.items():
        value = values.get(field.casefold(), "")
        if value.strip() != sent.strip():
            what = "another value" if value else "no value"
            lines.append((Difference(row_number, name, field, what), sent, value))
    return lines


def verified_text(verified: Verified) -> str:
    """Return the result for a console: rows and fields, without values."""
    lines = [
        f"Verified {counted(verified.customers, 'customer')} of run {verified.run_id}: "
        f"{counted(verified.agree, 'matches', 'match')}, "
        f"{counted(verified.customers - verified.agree, 'differs', 'differ')}."
    ]
    for found in verified.differences[:_MOST_SHOWN]:
        field = f"“{found.field}”: " if found.field else ""
        lines.append(f"  row {found.row_number:,}, {found.customer}: {field}{found.what}")
    left = len(verified.differences) - _MOST_SHOWN
    if left > 0:
        lines.append(f"  and {left:,} more")
    if verified.differences:
        lines.append(f"All differences with sent and found values: {verified.report}")
    return "\n".join(lines) + "\n"
