"""Deletion of the personal data of old runs: reports, copies of piped input, uploads and outcomes. Counts stay."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from importer.errors import Busy
from importer.journal import Journal, Run
from importer.reader.private_copy import is_copy_of, is_in_use
from importer.runs.locks import hold
from importer.runs.record import mapping_of
from importer.runs.sources import forget_copies, needed_contents
from importer.runs.spool import SPOOL, UPLOADS
from importer.settings.options import Settings
from importer.system.files import deletion_errors
from importer.system.text import counted
from importer.world import World


class Purged(msgspec.Struct, frozen=True):
    """The purged runs, and the old runs that were kept, with the reason."""

    runs: tuple[str, ...]
    rows: int
    left: dict[str, str]


def purge(
    settings: Settings,
    older_than: float,
    world: World,
    chosen: Callable[[Run], bool] = lambda _: True,
    *,
    unfinished: bool = False,
    forget: Callable[[set[Path]], object] = lambda _: None,
) -> Purged:
    """Purge the chosen runs whose end, or start, is older than so many seconds; with `unfinished` also those that could
    be resumed. The next purge completes one that was interrupted: the files of a run are deleted before its rows in the
    journal. `forget` takes the folders of deleted uploads, whose names the page remembers."""
    reports = Path(settings.reports_dir)
    before = world.wall() - round(older_than * 1000)
    done: list[str] = []
    rows = 0
    left: dict[str, str] = {}
    with Journal.open(reports, settings.database or None) as journal:
        runs = journal.runs()
        needed = {run.record.retry_of for run in runs if not run.finished}
        for run in runs:
            if (
                run.progress.purged is not None
                or not chosen(run)
                or (run.finished_at or run.record.started_at) >= before
            ):
                continue
            if not run.finished and not unfinished:
                left[run.record.run_id] = "it can be resumed; pass --unfinished to purge it too"
                continue
            if run.record.run_id in needed:
                left[run.record.run_id] = "an unfinished retry needs its outcomes"
                continue
            try:
                with hold(journal, reports, journal.identity(run.key)):
                    rows += sum(journal.counts(run.key).values())
                    _purge(journal, run, reports)
            except Busy as error:
                left[run.record.run_id] = error.message
                continue
            done.append(run.record.run_id)
        _purge_spool(journal, reports, before)
        forget(_purge_uploads(journal, reports, before))
        if not journal.erase():
            left[f"the log of {journal.where}"] = "another process is reading it; purge again later"
    return Purged(tuple(done), rows, left)


def _purge(journal: Journal, run: Run, reports: Path) -> None:
    folder = reports / run.record.run_id
    with deletion_errors(folder):
        if folder.is_dir():
            shutil.rmtree(folder)
    mapping = mapping_of(run)
    if mapping.rules:
        # Their texts can be cells.
        bare = msgspec.msgpack.encode(msgspec.structs.replace(mapping, rules=()))
        journal.rewrite(run, msgspec.structs.replace(run.record, mapping=bare))
    journal.purge(run)
    forget_copies(journal, run, reports)
    if run.record.spooled and not journal.in_use(run.record.source):
        with deletion_errors(Path(run.record.source)):
            Path(run.record.source).unlink(missing_ok=True)


def _purge_spool(journal: Journal, reports: Path, before: int) -> None:
    """Delete old copies that no run needs: their process was killed."""
    folder = reports / SPOOL
    with deletion_errors(folder):
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.stat().st_mtime * 1000 >= before:
                continue
            if not path.is_dir():
                if not journal.in_use(str(path.resolve())):
                    path.unlink(missing_ok=True)
            elif not is_in_use(path) and not is_copy_of(path, needed_contents(journal)):
                shutil.rmtree(path)


def _purge_uploads(journal: Journal, reports: Path, before: int) -> set[Path]:
    """Delete uploads of the web page: those of purged runs, and old ones without a run, each with its folder. Returns
    the folders that are not needed any more."""
    folder = (reports / UPLOADS).resolve()
    needed: set[Path] = set()
    used: set[Path] = set()
    for run in journal.runs():
        source = Path(run.record.source)
        if folder in source.parents:
            place = folder / source.relative_to(folder).parts[0]
            (used if run.progress.purged is not None else needed).add(place)
    done = used - needed
    with deletion_errors(folder):
        for path in folder.iterdir() if folder.is_dir() else ():
            if path in done or (path not in needed and path.stat().st_mtime * 1000 < before):
                shutil.rmtree(path)
                done.add(path)
    return done


def purged_text(purged: Purged) -> str:
    """Return the result for a terminal."""
    what = f"{counted(len(purged.runs), 'run')} with {counted(purged.rows, 'row')}"
    lines = [f"Purged {what}. `importer runs` still shows their counts."]
    lines += [f"Kept {run_id}: {reason}." for run_id, reason in purged.left.items()]
    return "\n".join(lines) + "\n"
