"""`check`: reads and normalises every row, and sends nothing."""

from __future__ import annotations

import asyncio
import csv
import datetime
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from importer.capillary.client import Client
from importer.capillary.codes import Next
from importer.capillary.triage import RequestFailed, refused, unusable
from importer.checker.findings import PROBLEM_COLUMNS, Findings, Gatherer, problem_row
from importer.errors import ExitCode, SettingsError, Stop
from importer.model import FieldDefinition, Problem
from importer.normaliser.mapping import Mapping
from importer.reader import Source, open_source
from importer.reader.survey import Survey
from importer.row_block import RowBlock
from importer.runs.record import check_resubmit, choose_mapping, source_options
from importer.runs.stages import admission_of, client_options_of, normaliser_of, pacer_of
from importer.runs.target import Target, target_of
from importer.sender.feed import Selection, skip_codes
from importer.settings.options import Settings
from importer.world import World

#: Large blocks are fast, and no sender waits for the first one.
ROWS_AT_ONCE = 10_000
#: The longest wait for a free request, in seconds.
LONGEST_WAIT = 20.0


def check(path: str, settings: Settings, world: World) -> Findings:
    """Check a source. Raises `ImporterError` where it cannot be read or mapped."""
    fields = organisation_fields(settings, world) if settings.online else None
    with open_source(path, source_options(settings, world.environ)) as source:
        check_resubmit(source, settings)
        mapping = choose_mapping(source, settings)
        findings, found = _check_rows(path, source, mapping, settings, world, fields)
        if found.facts != mapping.facts:
            # Few sheets have what only the whole of one shows: the others are read once.
            findings, _ = _check_rows(path, source, found, settings, world, fields)
        return findings


def _check_rows(
    path: str,
    source: Source,
    mapping: Mapping,
    settings: Settings,
    world: World,
    fields: tuple[FieldDefinition, ...] | None,
) -> tuple[Findings, Mapping]:
    """The findings of one reading, and the mapping with the facts of the sheet."""
    with _problems_file(settings.output, path) as write:
        # An organisation without defined fields does not restrict the columns.
        normaliser = normaliser_of(mapping, settings, fields or None)
        survey = Survey(source, mapping)
        gatherer = Gatherer(mapping, blank=settings.blank)
        for block in _chosen(source.blocks(ROWS_AT_ONCE), settings):
            survey.add(block)
            normalised = normaliser(block)
            gatherer.add(block, normalised)
            write(normalised.problems)
        gatherer.add(None, normaliser.finish())
        findings = gatherer.findings(
            source=source.name,
            sheet=source.sheet,
            batch_size=settings.batch_size,
            rate=settings.rate,
            now=datetime.datetime.fromtimestamp(world.wall() / 1000, datetime.UTC),
            fields=fields or None,
            notes=(*source.notes, *mapping.facts.notes, *_about(fields)),
        )
        return findings, survey.mapping()


def _about(fields: tuple[FieldDefinition, ...] | None) -> tuple[str, ...]:
    if fields is None or fields:
        return ()
    return ("Column names were not checked: the organisation has no preferences defined.",)


def _chosen(blocks: Iterator[RowBlock], settings: Settings) -> Iterator[RowBlock]:
    """Yield the rows that a run with the same --skip-rows, --limit and --resubmit would read."""
    selection = Selection(settings.skip_rows, settings.limit, resubmit=settings.resubmit)
    seen = 0
    for block in blocks:
        keep = [not code for code in skip_codes(selection, block.row_numbers, seen, block.closed)]
        seen += len(block)
        if all(keep):
            yield block
        elif any(keep):
            yield block.only(keep)
        if settings.limit and seen >= settings.skip_rows + settings.limit:
            return


def organisation_fields(settings: Settings, world: World) -> tuple[FieldDefinition, ...]:
    """Return the preferences that the organisation has defined. Raises `ImporterError`."""
    with target_of(settings, world) as target:
        return asyncio.run(greet(target, settings, world)).fields


class Greeting(msgspec.Struct, frozen=True):
    """The answer of a server that accepts the credentials. `server_date`: its Date header."""

    fields: tuple[FieldDefinition, ...]
    server_date: str


async def greet(target: Target, settings: Settings, world: World) -> Greeting:
    """Fetch the organisation's fields, which also tries the credentials: one request, with OAuth two. It counts towards
    the rate of the key, which a run may be using."""
    admission = admission_of(pacer_of(target, settings, world), settings, world)
    if (wait := admission.wait()) > LONGEST_WAIT:
        raise Stop(
            ExitCode.TEMPORARY,
            f"The field list is not available: the rate leaves no request free for {wait:.0f} s.",
            "Try again when the runs with these credentials have ended.",
        )
    options = client_options_of(target, settings, world)
    async with Client(options, target.credentials, world.clock, target.transport) as client:
        asked = await admission.ask(lambda _: client.fields())
        if not isinstance(asked.reply, RequestFailed):
            return Greeting(asked.reply, client.server_date)
    trouble = asked.reply.trouble
    if trouble.next in (Next.RENEW, Next.REFUSED):
        raise refused(trouble.code, trouble.message, target.credentials.variables)
    if trouble.next in (Next.AGAIN, Next.SLOW):
        raise Stop(ExitCode.TEMPORARY, f"The field list is not available: {trouble.message}.", "Try again later.")
    raise unusable(trouble, "The field list is not available")


@contextmanager
def _problems_file(output: str, source: str) -> Iterator[Any]:
    """Yield a function that writes problems to a private CSV file, or does nothing without `output`."""
    if not output:
        yield lambda _: None
        return
    if Path(output).exists() and Path(output).samefile(source):
        raise SettingsError(
            f"{output} is the source itself.", "Choose another file for --output.", on_page="Choose another file."
        )
    try:
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise SettingsError(
            f"{output} cannot be written ({error.strerror}).",
            "Choose another file for --output.",
            on_page="Free space on the disk.",
        ) from None
    with os.fdopen(file, "w", encoding="utf-8-sig", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(PROBLEM_COLUMNS)

        def write(problems: Sequence[Problem]) -> None:
            table.writerows(problem_row(problem) for problem in problems)

        yield write
        stream.flush()
        Path(output).chmod(0o600)
