"""`check`: reads and normalises every row, and sends nothing."""

from __future__ import annotations

import csv
import datetime
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from importer.checker.findings import PROBLEM_COLUMNS, Findings, Gatherer, problem_row
from importer.checker.requests import RequestCounter
from importer.errors import SettingsError, SourceChanged
from importer.model import FieldDefinition, Problem
from importer.normaliser.fixing import Edits
from importer.normaliser.mapping import Mapping
from importer.normaliser.normaliser import Normalised
from importer.normaliser.proposals import Proposer
from importer.reader import Source
from importer.reader.opening import open_unchanged
from importer.reader.survey import Survey, surveyed
from importer.row_block import RowBlock
from importer.runs.fields import Columns, fitted, not_checked, organisation_fields
from importer.runs.record import check_resubmit, choose_mapping, source_options
from importer.runs.sources import fix, with_sheet
from importer.runs.stages import normaliser_of
from importer.sender.feed import Selection, linking_rows, links_of, skip_codes
from importer.settings.options import Settings
from importer.system.garbage import collection_paused
from importer.world import World

#: Called where a reading of all rows begins, with the mapping and the organisation's fields; what it returns gets each
#: block with its normalised rows.
Each = Callable[[Mapping, tuple[FieldDefinition, ...] | None], Callable[[RowBlock, Normalised], None]]
_UNCHANGED = "Rows that are unchanged since an earlier run are counted too: with only-changed, a run leaves them out."


def check(
    path: str, settings: Settings, world: World, edits: Edits | None = None, each: Each | None = None
) -> Findings:
    """Check a source, as people edited it. Raises `ImporterError` where it cannot be read or mapped."""
    settings = with_sheet(path, settings, world)
    fields = organisation_fields(settings, world) if settings.online else None
    try:
        with open_unchanged(path, source_options(settings, world.environ)) as source:
            return _check(path, source, settings, world, fields, edits, each)
    except SourceChanged:
        if settings.output and Path(settings.output).is_file():
            # Its problems are of two contents.
            Path(settings.output).unlink()
        raise


def _check(
    path: str,
    source: Source,
    settings: Settings,
    world: World,
    fields: tuple[FieldDefinition, ...] | None,
    edits: Edits | None,
    each: Each | None,
) -> Findings:
    check_resubmit(source, settings)
    mapping = choose_mapping(source, settings)
    fix(source, mapping, settings, edits)
    # An organisation without defined fields does not restrict the columns.
    columns = fitted(mapping, fields, source, settings) if fields else Columns(mapping)
    findings, found = _check_rows(path, source, columns, settings, world, fields, each)
    if msgspec.structs.replace(found.facts, rows=0) != columns.mapping.facts:
        # Few sheets have what only the whole of one shows: the others are read once.
        found = fitted(found, fields, source, settings).mapping if fields else found
        columns = msgspec.structs.replace(columns, mapping=found)
        fix(source, found, settings, edits)
        findings, _ = _check_rows(path, source, columns, settings, world, fields, each)
    return findings


def _check_rows(
    path: str,
    source: Source,
    columns: Columns,
    settings: Settings,
    world: World,
    fields: tuple[FieldDefinition, ...] | None,
    each: Each | None,
) -> tuple[Findings, Mapping]:
    """The findings of one reading, and the mapping with the facts of the sheet."""
    with _problems_file(settings.output, path) as write, collection_paused():
        normaliser = normaliser_of(columns.mapping, settings, fields or None)
        survey = Survey(source, columns.mapping)
        requests = RequestCounter(settings.batch_size, settings.concurrency, settings.canary)
        gatherer = Gatherer(columns.mapping, requests, blank=settings.blank)
        proposer = Proposer(
            columns.mapping,
            country=settings.country or None,
            fields=fields,
            omits=settings.invalid_identifiers == "omit",
        )
        show = each(columns.mapping, fields) if each is not None else None
        selection = Selection(settings.skip_rows, settings.limit, resubmit=settings.resubmit)
        seen = 0
        for read in surveyed(source, survey):
            keep = [not code for code in skip_codes(selection, read.row_numbers, seen, read.closed)]
            block, links = read, []
            if not all(keep):
                block, links = read.only(keep), links_of(read.only(linking_rows(selection, seen, keep)), normaliser)
            seen += len(read)
            normalised = normaliser(block)
            gatherer.add(block, normalised, links)
            proposer.add(block, normalised.problems)
            write(normalised.problems)
            if show is not None:
                show(block, normalised)
            if settings.limit and seen >= settings.skip_rows + settings.limit:
                break
        gatherer.add(None, normaliser.finish())
        findings = gatherer.findings(
            source=source.name,
            sheet=source.sheet,
            has_rows=seen > 0,
            rate=settings.rate,
            now=datetime.datetime.fromtimestamp(world.wall() / 1000, datetime.UTC),
            fields=fields or None,
            notes=(
                *source.notes,
                *columns.mapping.facts.notes,
                *columns.notes,
                *((not_checked(),) if fields == () else ()),
                *((_UNCHANGED,) if settings.only_changed else ()),
            ),
            refused=str(columns.refusal or ""),
            proposer=proposer,
        )
        return findings, survey.mapping()


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
