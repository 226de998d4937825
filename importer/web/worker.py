"""A child process of the page: takes one job from its standard input, does it as the command line would, and tells.

A process of its own, so that a sheet can neither slow the page down nor take it along when it dies. When the server
dies, the child's input ends: it stops the run well, and the next server goes on with it.
"""

from __future__ import annotations

import csv
import os
import signal
import sys
import threading
import traceback
from collections import Counter
from pathlib import Path
from typing import BinaryIO

import msgspec

from importer.checker.check import check, organisation_fields
from importer.errors import ExitCode, ImporterError, SourceError
from importer.model import FieldDefinition, Outcome, Status
from importer.normaliser.mapping import PREFERENCE, ColumnUse, Mapping, fit, load, sketch
from importer.normaliser.samples import Looks
from importer.observer import Silent
from importer.pipeline import resume, retry, run
from importer.reader import open_source
from importer.runs.record import PACE, source_options
from importer.settings.options import Settings
from importer.system.files import write_whole
from importer.system.formula_guard import unguard
from importer.web.messages import (
    Begun,
    Checked,
    Ended,
    Example,
    Job,
    Look,
    Message,
    Noted,
    Paused,
    Reporting,
    Sight,
    Told,
    example_key,
    words_of,
)
from importer.world import Stopper, World

#: Rows that a look reads: enough to see what columns hold, and soon done.
ROWS_LOOKED_AT = 20_000
_EXAMPLES = 3
_LONGEST_EXAMPLE = 80
_TELL_EVERY = 0.25


class Pipe:
    """The way back. When nobody listens any more, the work goes on to its end in silence."""

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


class Teller(Silent):
    """An observer that tells what it sees a few times a second. No cell passes here."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self._read = 0
        self._statuses: Counter[str] = Counter()
        self._codes: Counter[str] = Counter()
        self._changed = threading.Event()
        threading.Thread(target=self._tell, name="teller", daemon=True).start()

    def begin(self, name: str, rows: int) -> None:  # noqa: ARG002 - the server knows the name
        self._pipe.send(Begun(rows))

    def rows_read(self, rows: int) -> None:
        with self._lock:
            self._read += rows
        self._changed.set()

    def decided(self, outcomes: list[Outcome]) -> None:
        with self._lock:
            for outcome in outcomes:
                self._statuses[outcome.status.value] += 1
                if outcome.status not in (Status.SUCCEEDED, Status.SKIPPED):
                    self._codes[outcome.code] += 1
        self._changed.set()

    def paused(self, seconds: float, why: str) -> None:
        self._pipe.send(Paused(seconds, why))

    def noted(self, text: str) -> None:
        self._pipe.send(Noted(text))

    def end(self) -> None:
        self.flush()
        self._pipe.send(Reporting())

    def flush(self) -> None:
        with self._lock:
            told = Told(self._read, dict(self._statuses), dict(self._codes.most_common(200)))
        self._pipe.send(told)

    def _tell(self) -> None:
        pause = threading.Event()
        while self._changed.wait():
            self._changed.clear()
            self.flush()
            pause.wait(_TELL_EVERY)


# ---------------------------------------------------------------------------------------------------- the jobs


def look(job: Job, world: World) -> Look:
    """What the columns are and hold, and what they propose to become. Never raises for what a file does."""
    fields, fields_fault = _fields(job.settings, world)
    try:
        with open_source(
            job.path, source_options(job.settings, world.environ.get("IMPORTER_SOURCE_PASSWORD"))
        ) as source:
            mapping = _first_mapping(job, source.columns)
            # Every column is looked at as if it were a preference, for it may become one.
            looks = Looks(Mapping(tuple(ColumnUse(column, PREFERENCE, column) for column in source.columns)))
            filled: Counter[str] = Counter()
            rows = 0
            whole = True
            for block in source.blocks(5000):
                if rows >= ROWS_LOOKED_AT:
                    whole = False
                    break
                rows += len(block.frame)
                looks.add(block)
                for column in source.columns:
                    filled[column] += sum(1 for cell in block.frame[column].tolist() if cell.strip())
            seen = looks.looks()
            return Look(
                name=source.name,
                kind=source.kind,
                sha256=source.sha256,
                sheet=source.sheet,
                header_row=source.header_row,
                notes=source.notes,
                rows=rows,
                whole=whole,
                columns=tuple(
                    Sight(
                        column,
                        tuple(_short(sample) for sample in seen[column].samples),
                        rows,
                        filled[column],
                        seen[column].list_like,
                        seen[column].separator,
                    )
                    for column in source.columns
                ),
                mapping=mapping,
                fields=fields,
                fields_fault=fields_fault,
            )
    except ImporterError as error:
        sheets = error.sheets if isinstance(error, SourceError) else ()
        fault = (error.message, error.on_page)
        return Look(fault=fault, sheets=sheets, locked=_locked(error), fields=fields, fields_fault=fields_fault)


def _locked(error: ImporterError) -> bool:
    return isinstance(error, SourceError) and error.locked


def _first_mapping(job: Job, columns: tuple[str, ...]) -> Mapping:
    if job.mapping:
        try:
            return fit(load(Path(job.mapping)), columns)
        except ImporterError:
            return sketch(columns)
    return sketch(columns)


def _fields(settings: Settings, world: World) -> tuple[tuple[FieldDefinition, ...] | None, str]:
    """The organisation's fields; a server that cannot be asked is no reason not to look at the file."""
    try:
        return organisation_fields(settings, world), ""
    except ImporterError as error:
        return None, words_of(error)


def checked(job: Job, world: World) -> Checked:
    """The check of the command line, with cells to show beside each problem."""
    problems = Path(job.folder) / "problems.csv"
    settings = msgspec.structs.replace(job.settings, output=str(problems), online=True)
    fields_fault = ""
    try:
        try:
            found = check(job.path, settings, world)
        except ImporterError as error:
            if error.exit_code not in (ExitCode.SETTINGS, ExitCode.REFUSED, ExitCode.TROUBLE):
                raise
            fields_fault = words_of(error)
            found = check(job.path, msgspec.structs.replace(settings, online=False), world)
    except ImporterError as error:
        return Checked(fault=(error.message, error.on_page), fields_fault=fields_fault, locked=_locked(error))
    return Checked(found, _examples(problems), fields_fault)


def _examples(problems: Path) -> dict[str, tuple[Example, ...]]:
    found: dict[str, tuple[Example, ...]] = {}
    with problems.open(encoding="utf-8-sig", newline="") as file:
        for line in csv.DictReader(file):
            key = example_key(line["code"], line["column"])
            if len(found.get(key, ())) < _EXAMPLES:
                example = Example(int(line["row"]), _short(unguard(line["value"])))
                found[key] = (*found.get(key, ()), example)
    return found


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_EXAMPLE else text[: _LONGEST_EXAMPLE - 1] + "…"


def carry_out(job: Job, world: World) -> int:
    """The job's exit code. Raises `ImporterError` where nothing came of it."""
    if job.kind == "look":
        write_whole(Path(job.folder) / "look.json", msgspec.json.encode(look(job, world)))
        return 0
    if job.kind == "check":
        write_whole(Path(job.folder) / "check.json", msgspec.json.encode(checked(job, world)))
        return 0
    if job.kind == "run":
        return run(job.path, job.settings, world).exit_code
    # Pace and stop are the page's, also of a run that the command line began with others.
    pace = {name: getattr(job.settings, name) for name in PACE}
    if job.kind == "retry":
        return retry(job.run_id, job.settings, pace, world).exit_code
    return resume(job.run_id, job.settings, pace, world).exit_code


# ---------------------------------------------------------------------------------------------------- the process


def _environ(job: Job) -> dict[str, str]:
    """Ours, with the file's password where the reader looks for it: a copy, so that no further process inherits it."""
    return {**os.environ, **({"IMPORTER_SOURCE_PASSWORD": job.password} if job.password else {})}


def _obey(stream: BinaryIO, stopper: Stopper, kind: str) -> None:
    """Waits for a word to stop, or for the end of the server."""
    stream.readline()
    if kind in ("look", "check"):
        # Nothing of theirs is worth the wait.
        os.kill(os.getpid(), signal.SIGTERM)
    try:
        stopper.ask()
    except RuntimeError:
        return  # the sending is over already


def main() -> None:
    os.umask(0o077)
    os.nice(5)  # the page answers first
    commands = os.fdopen(os.dup(0), "rb", buffering=0)
    pipe = Pipe(os.fdopen(os.dup(1), "wb"))
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(silence, stream)
    line = commands.readline()
    if not line.strip():
        return
    job = msgspec.json.decode(line, type=Job)
    stopper = Stopper()
    threading.Thread(target=_obey, args=(commands, stopper, job.kind), name="obey", daemon=True).start()
    if job.kind not in ("look", "check"):
        signal.signal(signal.SIGTERM, lambda *_: stopper.ask())
    teller = Teller(pipe)
    try:
        ended = Ended(carry_out(job, World(_environ(job), teller, stopper=stopper)))
    except ImporterError as error:
        ended = Ended(int(error.exit_code), error.message, error.on_page, _locked(error))
    except Exception:
        # As on the command line: the place is told, the values are not.
        kind, _, trace = sys.exc_info()
        where = traceback.extract_tb(trace)[-1]
        name = kind.__name__ if kind else "Exception"
        ended = Ended(
            ExitCode.OURS, f"An error of ours: {name} in {Path(where.filename).name}, line {where.lineno}.", ""
        )
    pipe.send(ended)


if __name__ == "__main__":
    main()
