"""A worker process of the page: reads one task from standard input, does it like the command line, reports back.

A separate process, so a sheet can neither slow the page down nor crash it. When the server dies, the worker's input
ends: the worker stops the run cleanly, and the next server resumes it; one that only reads a file ends at once.
"""

from __future__ import annotations

import csv
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from importer.checker.check import check
from importer.checker.findings import Findings
from importer.errors import ExitCode, ImporterError, SourceError, internal_error
from importer.model import FieldDefinition, Outcome, Status
from importer.normaliser.fixing import Edits
from importer.normaliser.mapping import PREFERENCE, ColumnUse, Mapping, fit, sketch
from importer.normaliser.mapping_file import load
from importer.normaliser.normaliser import Normalised
from importer.normaliser.samples import Sampler
from importer.observer import Extent, Observer
from importer.pipeline import resume, retry, run
from importer.reader import open_source
from importer.row_block import Cells, RowBlock
from importer.runs.fields import organisation_fields
from importer.runs.record import source_options
from importer.settings.options import PACE, Settings
from importer.system.files import write_whole
from importer.system.formula_guard import unguard
from importer.system.late import late
from importer.system.process import end_with_parent
from importer.system.text import shortened
from importer.telemetry.pace import Pace
from importer.web.fixing.edits import edition_in, edits_in
from importer.web.fixing.problem_rows import JudgedAs, ProblemWriter
from importer.web.fixing.refused_rows import RefusedRows, refused_in
from importer.web.head import Head
from importer.web.messages import (
    RESULT_FILES,
    Begun,
    Checked,
    Example,
    InspectedColumn,
    Inspection,
    Message,
    Noted,
    Paused,
    Reporting,
    Retrying,
    RowsCounted,
    SheetSeen,
    Waits,
    WorkerEnded,
    WorkerTask,
    example_key,
    words_of,
)
from importer.world import Stopper, World

#: Rows that an inspection reads: enough to show what columns hold, and quick.
ROWS_INSPECTED = 20_000
_EXAMPLES = 3
#: For a look into the sheets to choose from, and the column names that it keeps of each.
_SECONDS_FOR_SHEETS, _NAMES_SHOWN = 20.0, 6
_LONGEST_EXAMPLE = 80
#: Seconds between two counts.
_COUNT_EVERY = 0.25
#: Seconds until the same counts are sent again, with the time left as it is then.
_COUNT_AGAIN = 2.0


class Pipe:
    """The way back to the server. When the server is gone, messages are dropped and the work is finished."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        with self._lock:
            try:
                self._stream.write(msgspec.json.encode(message) + b"\n")
                self._stream.flush()
            except (OSError, ValueError):
                return


class PipeObserver(Observer):
    """Sends counts to the server a few times a second. No cell passes here."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self._pace = Pace(time.monotonic)
        self._codes: Counter[str] = Counter()
        self._changed = threading.Event()
        threading.Thread(target=self._send_counts, name="counts", daemon=True).start()

    def begin(self, extent: Extent) -> None:
        with self._lock:
            self._pace.begin(extent)
        self._pipe.send(Begun(extent.done))

    def rows_read(self, rows: int) -> None:
        with self._lock:
            self._pace.rows_read(rows)
        self._changed.set()

    def decided(self, outcomes: list[Outcome]) -> None:
        with self._lock:
            self._pace.decided(outcomes)
            for outcome in outcomes:
                if outcome.status not in (Status.SUCCEEDED, Status.SKIPPED):
                    self._codes[outcome.code] += 1
        self._changed.set()

    def paused(self, seconds: float, why: str) -> None:
        with self._lock:
            self._pace.paused(seconds)
        self._pipe.send(Paused(seconds, why))

    def waits(self, seconds: float) -> None:
        with self._lock:
            self._pace.waits(seconds)
        self._pipe.send(Waits(seconds))

    def retrying(self, why: str, *, lost: bool) -> None:
        self._pipe.send(Retrying(why, lost))

    def noted(self, text: str) -> None:
        self._pipe.send(Noted(text))

    def end(self) -> None:
        self.flush()
        self._pipe.send(Reporting())

    def flush(self) -> None:
        with self._lock:
            pace = self._pace
            counted = RowsCounted(
                pace.read,
                {status.value: count for status, count in pace.counts.items()},
                dict(self._codes.most_common(200)),
                pace.rows,
                pace.speed(),
                pace.left(),
            )
        self._pipe.send(counted)

    def _send_counts(self) -> None:
        pause = threading.Event()
        self._changed.wait()
        while True:
            # Also while nothing changes: that costs time too.
            self._changed.wait(_COUNT_AGAIN)
            self._changed.clear()
            self.flush()
            pause.wait(_COUNT_EVERY)


# ---------------------------------------------------------------------------------------------------- the tasks


def inspect(task: WorkerTask, world: World) -> Inspection:
    """The columns with samples, and the mapping their names propose. A fault of the file is part of the result."""
    fields, fields_fault = _fields(task.settings, world)
    try:
        with open_source(task.path, source_options(task.settings, world.environ)) as source:
            mapping = _first_mapping(task, source.columns)
            # Sample every column as a preference: it may become one. Names may occur twice, positions do not.
            places = [str(place) for place in range(len(source.columns))]
            sampler = Sampler(Mapping(tuple(ColumnUse(place, PREFERENCE, place) for place in places)))
            filled: Counter[str] = Counter()
            head = Head(source, mapping)
            rows = 0
            whole = True
            for block in source.blocks(5000):
                if rows >= ROWS_INSPECTED:
                    whole = False
                    break
                rows += len(block)
                head.add(block)
                block = RowBlock(Cells(block.cells.columns, places, block.cells.row_numbers))
                sampler.add(block)
                for place in places:
                    filled[place] += sum(1 for cell in block.column(place) if cell.strip())
            seen = sampler.by_column()
            return Inspection(
                name=source.name,
                kind=source.kind,
                sha256=source.sha256,
                sheet=source.sheet,
                header_row=source.header_row,
                better_row=source.header.better_row,
                takes_encoding=source.takes_encoding,
                notes=source.notes,
                rows=rows,
                whole=whole,
                columns=tuple(
                    InspectedColumn(
                        column,
                        tuple(shortened(sample, _LONGEST_EXAMPLE) for sample in seen[place].samples),
                        rows,
                        filled[place],
                        seen[place].list_like,
                        seen[place].separator,
                    )
                    for place, column in zip(places, source.columns, strict=True)
                ),
                first=head.rows(),
                mapping=mapping,
                fields=fields,
                fields_fault=fields_fault,
            )
    except ImporterError as error:
        sheets = error.sheets if isinstance(error, SourceError) else ()
        fault = (error.message, error.on_page)
        choices = tuple(_seen(task, sheets, world))
        return Inspection(
            fault=fault, sheets=sheets, seen=choices, locked=_locked(error), fields=fields, fields_fault=fields_fault
        )


def _seen(task: WorkerTask, sheets: tuple[str, ...], world: World) -> Iterator[SheetSeen]:
    """What is in each of the sheets to choose from. After some seconds only their names: a workbook may have many."""
    end = world.clock() + _SECONDS_FOR_SHEETS
    for name in sheets:
        if world.clock() > end:
            yield SheetSeen(name)
            continue
        options = msgspec.structs.replace(source_options(task.settings, world.environ), sheet=name)
        try:
            with open_source(task.path, options) as source:
                rows = 0
                for block in source.blocks():
                    rows += len(block)
                    if rows >= ROWS_INSPECTED:
                        break
                names = tuple(shortened(column, _LONGEST_EXAMPLE) for column in source.columns if column)
                yield SheetSeen(name, rows, rows < ROWS_INSPECTED, names[:_NAMES_SHOWN])
        except ImporterError as error:
            yield SheetSeen(name, fault=error.message)


def _locked(error: ImporterError) -> bool:
    return isinstance(error, SourceError) and error.locked


def _first_mapping(task: WorkerTask, columns: tuple[str, ...]) -> Mapping:
    if task.mapping:
        try:
            return fit(load(Path(task.mapping)), columns)
        except ImporterError:
            return sketch(columns)
    return sketch(columns)


def _fields(settings: Settings, world: World) -> tuple[tuple[FieldDefinition, ...] | None, str]:
    """The organisation's fields, or None and why they are not available: the file can be inspected without."""
    try:
        return organisation_fields(settings, world), ""
    except ImporterError as error:
        return None, words_of(error)


def checked(task: WorkerTask, world: World) -> Checked:
    """The check of the command line, with example cells for each problem."""
    folder = Path(task.folder)
    problems = folder / "problems.csv"
    settings = msgspec.structs.replace(task.settings, output=str(problems), online=True)
    fields_fault = ""
    edition = edition_in(folder)  # before the edits: what is edited from now on is checked again
    edits = edits_in(folder)
    rows = _ProblemRows(folder, settings, edits or Edits(), edition, refused_in(task.path, settings))
    try:
        try:
            found = check(task.path, settings, world, edits, rows)
        except ImporterError as error:
            if error.exit_code not in (ExitCode.SETTINGS, ExitCode.REFUSED, ExitCode.TEMPORARY):
                raise
            fields_fault = words_of(error)
            found = check(task.path, msgspec.structs.replace(settings, online=False), world, edits, rows)
    except ImporterError as error:
        rows.discard()
        return Checked(fault=(error.message, error.on_page), fields_fault=fields_fault, locked=_locked(error))
    rows.close(found)
    return Checked(found, _examples(problems), fields_fault)


class _ProblemRows:
    """Keeps the rows that need a decision, of the last reading."""

    def __init__(
        self, folder: Path, settings: Settings, edits: Edits, edition: int, refused: RefusedRows | None
    ) -> None:
        self._folder, self._settings, self._edits, self._edition = folder, settings, edits, edition
        self._refused = refused
        self._writer: ProblemWriter | None = None
        self._judged: JudgedAs | None = None

    def __call__(
        self, mapping: Mapping, fields: tuple[FieldDefinition, ...] | None
    ) -> Callable[[RowBlock, Normalised], None]:
        self.discard()
        own = self._settings
        self._judged = JudgedAs(mapping, fields, own.country, own.blank, own.invalid_identifiers)
        self._writer = ProblemWriter(self._folder, self._edits, self._refused)
        return self._writer.add

    def close(self, found: Findings) -> None:
        if self._writer is not None and self._judged is not None:
            countries = [proposal.rule.country for proposal in found.proposals if proposal.rule.country]
            countries += [name.split()[0] for name in found.mobiles_by_country]
            made = {"countries": tuple(dict.fromkeys(countries)), "edition": self._edition}
            self._writer.close(msgspec.structs.replace(self._judged, **made))

    def discard(self) -> None:
        if self._writer is not None:
            self._writer.discard()
            self._writer = None


def _examples(problems: Path) -> dict[str, tuple[Example, ...]]:
    found: dict[str, tuple[Example, ...]] = {}
    with problems.open(encoding="utf-8-sig", newline="") as file:
        for line in csv.DictReader(file):
            key = example_key(line["code"], line["column"])
            if len(found.get(key, ())) < _EXAMPLES:
                example = Example(int(line["row"]), shortened(unguard(line["value"]), _LONGEST_EXAMPLE))
                found[key] = (*found.get(key, ()), example)
    return found


def carry_out(task: WorkerTask, world: World) -> int:
    """Does the task and returns its exit code. Raises `ImporterError` when it has no result."""
    if task.kind in RESULT_FILES:
        if task.kind == "template":
            content: bytes = late("importer.template.template", "make_template")(task.settings, world)[1]
        elif task.kind == "fixed":
            make_copy = late("importer.web.fixing.fixed_copy", "make_copy")
            content = msgspec.json.encode(make_copy(task.path, Path(task.folder), task.settings, world))
        else:
            content = msgspec.json.encode(inspect(task, world) if task.kind == "inspect" else checked(task, world))
        write_whole(Path(task.folder) / RESULT_FILES[task.kind], content)
        return 0
    if task.kind == "run":
        edits = edits_in(Path(task.folder)) if task.folder else None
        return run(task.path, task.settings, world, edits=edits, rest_of=task.run_id).exit_code
    # Pace and limits are those of the page, even for a run that the command line began.
    pace = {name: getattr(task.settings, name) for name in PACE}
    if task.kind == "retry":
        return retry(task.run_id, task.settings, pace, world).exit_code
    return resume(task.run_id, task.settings, pace, world).exit_code


# ---------------------------------------------------------------------------------------------------- the process


def _environ(task: WorkerTask) -> dict[str, str]:
    """This environment plus the file's password, as a copy: no further process inherits the password."""
    return {**os.environ, **({"IMPORTER_SOURCE_PASSWORD": task.password} if task.password else {})}


def _obey(stream: BinaryIO, stopper: Stopper) -> None:
    """Waits for the request to stop, or for the end of the server."""
    stream.readline()
    try:
        stopper.ask()
    except RuntimeError:
        return  # the sending has ended


def main() -> None:
    os.umask(0o077)
    os.nice(5)  # the page has priority
    commands = os.fdopen(os.dup(0), "rb", buffering=0)
    pipe = Pipe(os.fdopen(os.dup(1), "wb"))
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(silence, stream)
    line = commands.readline()
    if not line.strip():
        return
    task = msgspec.json.decode(line, type=WorkerTask)
    stopper = Stopper()
    if task.kind in RESULT_FILES:
        # Nothing to finish.
        end_with_parent(commands.fileno())
    else:
        threading.Thread(target=_obey, args=(commands, stopper), name="obey", daemon=True).start()
        signal.signal(signal.SIGTERM, lambda *_: stopper.ask())
    observer = PipeObserver(pipe)
    try:
        ended = WorkerEnded(carry_out(task, World(_environ(task), observer, stopper=stopper)))
    except ImporterError as error:
        ended = WorkerEnded(int(error.exit_code), error.message, error.on_page, _locked(error))
    except Exception as error:
        ended = WorkerEnded(ExitCode.INTERNAL, internal_error(error).message, "")
    pipe.send(ended)


if __name__ == "__main__":
    main()
