"""Runs: how one begins, which one goes on, and what it remembers of its settings. Nothing is sent here."""

from __future__ import annotations

import datetime
import re
import secrets
from pathlib import Path
from typing import Any

import msgspec

from importer._version import __version__
from importer.errors import Busy, SettingsError, SourceChanged, SourceError
from importer.journal import Journal, Run, RunRecord
from importer.normaliser.mapping import Mapping, fit, load, propose
from importer.reader import Source, SourceOptions
from importer.settings.options import Nightly, Settings
from importer.system.text import typed_place

_USUAL = Settings()

#: What may be given anew when a run goes on: its pace and when it stops; for a retry, also how it begins and on whose
#: behalf.
PACE = (
    *("rate", "burst", "concurrency", "max_errors", "max_outage", "until", "max_duration", "time_zone"),
    *("canary", "gzip", "attribution_type", "attribution_code"),
)


def choose_mapping(source: Source, settings: Settings) -> Mapping:
    """The mapping that the user wrote, else the one that the header names say. Raises `SourceError`."""
    if settings.mapping:
        return fit(load(Path(settings.mapping)), source.columns)
    return propose(source.columns)


def check_resubmit(source: Source, settings: Settings) -> None:
    """`--resubmit` for a sheet that says nothing of an earlier run would send all of it. Raises `SourceError`."""
    if settings.resubmit and source.header.status is None:
        raise SourceError(
            f"{source.name} has no column _status, so it does not say which rows are still open.",
            "Give annotated.xlsx or results.csv of the earlier run, or leave out --resubmit.",
            on_page="Fix one of the files that the report offers, or upload this one on the first page.",
        )


def source_options(settings: Settings, password: str | None) -> SourceOptions:
    return SourceOptions(
        sheet=settings.sheet or None,
        encoding=settings.encoding or None,
        delimiter=settings.delimiter or None,
        header_row=settings.header_row or None,
        password=password,
    )


def identity_of(source: Source, base_url: str, spooled: bool) -> str:
    """What makes two runs the same work: the file by its place (by its content if piped), the sheet, the target."""
    where = source.sha256 if spooled else str(Path(source.path).resolve())
    return f"{where} · {source.sheet} · {base_url}"


def identity_of_record(record: RunRecord) -> str:
    """The same for a run that began before, without opening its source."""
    where = record.source_sha256 if record.spooled else record.source
    return f"{where} · {record.sheet} · {record.base_url}"


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
) -> RunRecord:
    """What a new run remembers. Its id tells day, minute and file; four hex digits keep two of a minute apart."""
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
        # Where the nightly load takes its files from and whom it tells is no part of the run.
        settings=msgspec.to_builtins(msgspec.structs.replace(settings, nightly=Nightly())),
        parser=dict(source.settings),
        mapping=msgspec.msgpack.encode(mapping),
        version=__version__,
        spooled=spooled,
        retry_of=retry_of,
    )


def refuse_unfinished(journal: Journal, identity: str, sha256: str, settings: Settings, restart: bool) -> None:
    """An unfinished run of the same source and target is resumed, not begun again. Raises `Busy`."""
    unfinished = journal.unfinished(identity)
    if unfinished is None:
        return
    if restart:
        journal.abandon(unfinished.key)
        return
    run_id = unfinished.record.run_id
    changed = "" if unfinished.record.source_sha256 == sha256 else " (the file has changed since)"
    raise Busy(
        f"The run {run_id} of this source and target is not finished{changed}.",
        f"Type `importer resume {run_id}{_place(settings)}` to go on with it, or add --restart to begin anew.",
        on_page="Resume that import.",
    )


def find(journal: Journal, run_id: str | None, *, unfinished: bool = False) -> Run:
    """The named run, else the newest (`unfinished`: rather one that is not finished). Raises `SettingsError`."""
    if run_id:
        found = journal.run(run_id)
        if found is None:
            raise SettingsError(f"There is no run {run_id}.", "`importer runs` lists them.", on_page="")
        if found.progress.purged is not None:
            raise SettingsError(
                f"The rows of the run {run_id} were purged.", "`importer runs` has its counts.", on_page=""
            )
        return found
    runs = [run for run in journal.runs() if run.progress.purged is None]
    if not runs:
        raise SettingsError("There is no run yet.", "Begin with `importer run FILE`.", on_page="Upload a file.")
    return next((run for run in runs if unfinished and not run.finished), runs[0])


def settings_of(run: Run, given: dict[str, Any]) -> Settings:
    """The run's own settings, with what was given anew. Raises `SettingsError` for what cannot be changed."""
    settings = msgspec.convert(run.record.settings, Settings)
    return msgspec.structs.replace(settings, **{name: value for name, value in given.items() if name in PACE})


def mapping_of(run: Run) -> Mapping:
    return msgspec.msgpack.decode(run.record.mapping, type=Mapping)


def check_unchanged(run: Run, source: Source, settings: Settings = _USUAL) -> None:
    """By content, never by date. `settings`: with what was typed of where the run lies. Raises `SourceChanged`."""
    if source.sha256 != run.record.source_sha256:
        raise SourceChanged(
            f"{source.name} is not the file that the run {run.record.run_id} began with.",
            f"Put the old file back and type `importer resume {run.record.run_id}{_place(settings)}`, "
            "or run the new one with --restart.",
            on_page="Put the old file back and resume the import, or upload the new one.",
        )


def _place(settings: Settings) -> str:
    return typed_place(settings.reports_dir, settings.database)


def forget_spool(journal: Journal, run: Run) -> None:
    """What came by a pipe goes once nobody can resume from it."""
    if run.record.spooled and not journal.in_use(run.record.source):
        Path(run.record.source).unlink(missing_ok=True)
