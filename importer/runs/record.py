"""The record of a run: what it stores when it begins, and how it is found and read again."""

from __future__ import annotations

import datetime
import re
import secrets
from collections import abc
from pathlib import Path
from typing import Any

import msgspec

from importer._version import __version__
from importer.errors import Busy, SettingsError, SourceChanged, SourceError
from importer.journal import Journal, Run, RunRecord
from importer.journal.records import stored
from importer.normaliser.mapping import MAP_COMMAND, Mapping, fit, one_line, propose
from importer.normaliser.mapping_file import load
from importer.normaliser.synonyms import field_of
from importer.reader import Source, SourceOptions
from importer.runs.spool import FRAME, PIPED, STANDARD_INPUT, copied_word
from importer.settings.commands import command, of_report
from importer.settings.options import PACE, Found, Nightly, Settings
from importer.system.files import near

_USUAL = Settings()


def choose_mapping(source: Source, settings: Settings) -> Mapping:
    """Return the mapping of the settings, else one proposed from the header. Raises `SourceError`."""
    sheet, command = name_and_command(source, settings)
    if settings.mapping:
        mapping = load(Path(settings.mapping), source.columns)
        return fit(mapping, source.columns, sheet=sheet, command=command)
    if source.header.better_row:
        raise _second_header_row(source, sheet)
    if source.kind == "text" and (delimiter := _other_delimiter(source.columns)):
        raise SourceError(
            f"{sheet}: the header has one column, “{one_line(source.columns[0])}”.",
            f"If {delimiter} separates the columns, pass --delimiter '{delimiter}'.",
            code="columns",
            on_page=f"If {delimiter} separates the columns, set the delimiter under “How the file is read”.",
        )
    return propose(source.columns, sheet=sheet, command=command)


def _other_delimiter(columns: abc.Sequence[str]) -> str:
    """The character that may separate the names in the only column, "" if they are one name."""
    if len(columns) > 1 or field_of(columns[0]):
        return ""
    parts = {mark: columns[0].split(mark) for mark in "^~:" if mark in columns[0]}
    return next((mark for mark, names in parts.items() if any(map(field_of, names))), "")


def _second_header_row(source: Source, sheet: str) -> SourceError:
    row, better = source.header.row, source.header.better_row
    return SourceError(
        f"{sheet}: no column name in row {row} identifies the customer, but row {better} has such names.",
        f"If row {better} is the header, pass --header-row {better}.",
        on_page=f"If row {better} is the header, set it under “How the file is read”.",
        code="second_header",
    )


def name_and_command(source: Source, settings: Settings) -> tuple[str, str]:
    """Return how messages name a source, and the command that writes a mapping for it."""
    copies = {PIPED: ("standard input", STANDARD_INPUT), FRAME: ("the DataFrame", "")}
    word = copied_word(source.path, Path(settings.reports_dir))
    sheet, path = copies.get(word, (source.name, source.path))
    return sheet, _map_command(path, settings)


def _map_command(path: str, settings: Settings) -> str:
    """Return the command that writes a mapping for a source which is opened with these settings."""
    if not path:
        return MAP_COMMAND  # a DataFrame has no file
    return command(settings, "map", path)


def check_resubmit(source: Source, settings: Settings) -> None:
    """Raise `SourceError` for `--resubmit` of a sheet without results of an earlier run: all of it would be sent."""
    if settings.resubmit and source.header.status is None:
        name, _ = name_and_command(source, settings)
        raise SourceError(
            f"There is no column _status in {name}: it says which rows are still open.",
            "Import annotated.xlsx or results.csv of the earlier run, or omit --resubmit.",
            on_page="Fix one of the files that the report offers, or upload this one on the first page.",
            code="no_results",
        )


def source_options(settings: Settings, environ: abc.Mapping[str, str]) -> SourceOptions:
    """How a source is opened. The password of a protected file comes from the environment."""
    return SourceOptions(
        sheet=settings.sheet or None,
        encoding=settings.encoding or None,
        delimiter=settings.delimiter or None,
        header_row=settings.header_row or None,
        password=environ.get("IMPORTER_SOURCE_PASSWORD") or None,
        short_rows=settings.short_rows,
    )


def identity_of(source: Source, organisation: tuple[str, str], spooled: bool) -> str:
    """Return what two runs of the same work share: path of the file (its content if piped), sheet and organisation."""
    where = source.sha256 if spooled else str(Path(source.path).resolve())
    return _identity(where, source.sheet, organisation)


def identity_of_record(record: RunRecord) -> str:
    """Return the identity of an earlier run, without opening its source."""
    where = record.source_sha256 if record.spooled else record.source
    return _identity(where, record.sheet, record.organisation)


def _identity(where: str, sheet: str, organisation: tuple[str, str]) -> str:
    return " · ".join((where, sheet, *organisation))


def new_record(
    source: Source,
    mapping: Mapping,
    settings: Settings,
    *,
    base_url: str,
    key_name: str,
    at: int,
    spooled: bool = False,
    retry_of: str = "",
    fixed: bool = False,
) -> RunRecord:
    """Return the record of a new run. Its id has the minute, the file and four random hex digits."""
    moment = datetime.datetime.fromtimestamp(at / 1000, datetime.UTC)
    word = re.sub(r"[^a-z0-9]+", "-", Path(source.name).name.split(".")[0].lower()).strip("-")[:40] or "rows"
    return RunRecord(
        run_id=f"{moment:%Y%m%d-%H%M}-{word}-{secrets.token_hex(2)}",
        source=str(Path(source.path).resolve()) if source.path else source.name,
        source_sha256=source.sha256,
        source_size=source.size,
        sheet=source.sheet,
        base_url=base_url,
        key_name=key_name,
        started_at=at,
        # The locations and recipients of the nightly load are not part of the run; a resume reads its own file.
        stored_settings=stored(_kept(settings)),
        parser=dict(source.settings),
        mapping=msgspec.msgpack.encode(mapping),
        version=__version__,
        spooled=spooled,
        retry_of=retry_of,
        fixed=fixed,
    )


def _kept(settings: Settings) -> Settings:
    """The settings as a run stores them: a later command may begin in another folder."""
    mapping = str(Path(settings.mapping).absolute()) if settings.mapping else ""
    return msgspec.structs.replace(settings, mapping=mapping, nightly=Nightly(), settings_file="", found=Found())


def refuse_unfinished(journal: Journal, identity: str, sha256: str, settings: Settings, restart: bool) -> Run | None:
    """Raise `Busy` where the source and target have an unfinished run. With `restart`, return it: a new run replaces
    it."""
    unfinished = journal.unfinished(identity)
    if unfinished is None or restart:
        return unfinished
    run_id = unfinished.record.run_id
    changed = "" if unfinished.record.source_sha256 == sha256 else ", and the file has changed since"
    raise Busy(
        f"Run {run_id} of this source and target is not finished{changed}.",
        f"Resume it with `{command(settings, 'resume', run_id)}`, or start a new run with --restart.",
        on_page="Resume that import.",
    )


def find(journal: Journal, run_id: str | None, *, unfinished: bool = False) -> Run:
    """Return the named run, else the newest (`unfinished`: an unfinished one first). Raises `SettingsError`."""
    if run_id:
        found = journal.run(run_id)
        if found is None:
            raise SettingsError(f"There is no run {run_id}.", "List the runs with `importer runs`.", on_page="")
        if found.progress.purged is not None:
            raise SettingsError(
                f"The rows of run {run_id} were purged.", "Its counts are in `importer runs`.", on_page=""
            )
        return found
    every = journal.runs()
    runs = [run for run in every if run.progress.purged is None]
    if not runs:
        message = "The rows of every run were purged." if every else "There is no run yet."
        raise SettingsError(message, "Import a file first.", on_page="Upload a file.")
    return next((run for run in runs if unfinished and not run.finished), runs[0])


def settings_of(run: Run, given: dict[str, Any]) -> Settings:
    """Return the run's own settings, changed by those of `given` that may change."""
    may_change = {name: value for name, value in given.items() if name in PACE}
    return msgspec.structs.replace(run.record.settings, **may_change)


def mapping_of(run: Run) -> Mapping:
    return msgspec.msgpack.decode(run.record.mapping, type=Mapping)


def check_unchanged(run: Run, source: Source, settings: Settings = _USUAL) -> None:
    """Raise `SourceChanged` where the content differs. `settings`: those of the command."""
    if source.sha256 != run.record.source_sha256:
        own = msgspec.structs.replace(at_home(run.record.settings, settings), restart=not run.finished)
        again = command(own, "run", near(run.record.source), also=("restart",))
        raise SourceChanged(
            f"{source.name} has changed since run {run.record.run_id} began.",
            f"Put the old file back, or import the new one with `{again}`."
            if run.finished
            else f"Put the old file back and resume with `{command(settings, 'resume', run.record.run_id)}`, "
            f"or import the new one with `{again}`.",
            on_page="Put the old file back, or upload the new one.",
        )


def at_home(own: Settings, asked: Settings) -> Settings:
    """A run's settings, with the folder and journal in which it was found."""
    mapping = near(own.mapping) if own.mapping else ""
    if asked.mapping and Path(asked.mapping).absolute() == Path(own.mapping):
        mapping = asked.mapping  # as it was typed or is found
    return msgspec.structs.replace(
        own,
        mapping=mapping,
        reports_dir=asked.reports_dir,
        database=asked.database,
        show_identifiers=asked.show_identifiers,
        settings_file=asked.settings_file,
        found=asked.found,
    )


def typed_for(own: Settings, asked: Settings) -> abc.Callable[[str, str], str]:
    """The command of (verb, run or report), as one types it after a command with the settings `asked`. `own`: those of
    the run."""
    settings = at_home(own, asked)
    return lambda verb, word: of_report(settings, word) if verb == "run" else command(settings, verb, word)


def typed_of(run_id: str, asked: Settings) -> abc.Callable[[str, str], str]:
    """The same for a run in the journal of these settings."""
    with Journal.open(Path(asked.reports_dir), asked.database or None) as journal:
        return typed_for(find(journal, run_id).record.settings, asked)


def forget_spool(journal: Journal, run: Run) -> None:
    """Delete the copy of a piped source once no run can be resumed from it."""
    if run.record.spooled and not journal.in_use(run.record.source):
        Path(run.record.source).unlink(missing_ok=True)
