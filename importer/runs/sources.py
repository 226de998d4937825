"""The sources of runs: each reads a private copy, so its reports hold what was sent, even if the file changes."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from importer.errors import SourceChanged, SourceError
from importer.journal import Journal, Run
from importer.journal.edits import edits_of
from importer.normaliser.fixing import Edits, Fixing
from importer.normaliser.mapping import Mapping
from importer.reader import Source, open_source
from importer.reader.private_copy import copies_of, is_in_use
from importer.runs.record import check_unchanged, mapping_of, settings_of, source_options
from importer.runs.spool import SPOOL
from importer.settings.options import Settings
from importer.world import World


def opened(path: str | Path, settings: Settings, world: World, sha256: str | None = None) -> Source:
    """Open the source of a run. `sha256`: as in `SourceOptions`."""
    reports = Path(settings.reports_dir)
    copies = "" if _is_private(Path(path), reports) else str(reports / SPOOL)
    options = source_options(settings, world.environ)
    return open_source(path, msgspec.structs.replace(options, sha256=sha256, copies=copies))


def _is_private(path: Path, reports: Path) -> bool:
    """Whether it is in a hidden folder of the reports, like the copy of a piped source, an upload or a claim."""
    # RuntimeError: a link that leads in a circle.
    with contextlib.suppress(ValueError, OSError, RuntimeError):
        folder, *inner = path.resolve().relative_to(reports.resolve()).parts
        return bool(inner) and folder.startswith(".")
    return False


def fix(source: Source, mapping: Mapping, settings: Settings, edits: Edits | None = None) -> None:
    """Read a source as its mapping's rules and people's edits change it."""
    fixing = Fixing(mapping, edits, country=settings.country or None)
    if fixing:
        source.fixing = fixing
        source.may_be_fixed = source.may_be_fixed or fixing.changes_cells


def fix_as(journal: Journal, run: Run, source: Source) -> None:
    """Read a source as a run did."""
    fix(source, mapping_of(run), run.record.settings, edits_of(journal, run))


@contextlib.contextmanager
def source_of(journal: Journal, run: Run, world: World, reports: Path) -> Iterator[Source]:
    """What a run read, to be read again: the unchanged file, or the copy that a killed process left.

    Raises `SourceError`, `SourceChanged`."""
    with _source_of(run, world, reports) as source:
        fix_as(journal, run, source)
        yield source


def _source_of(run: Run, world: World, reports: Path) -> Source:
    try:
        return _unchanged(run, run.record.source, world, reports)
    except (SourceError, SourceChanged):
        for copy in copies_of(reports / SPOOL, run.record.source_sha256):
            with contextlib.suppress(SourceError, SourceChanged):
                return _unchanged(run, copy, world, reports)
        raise


def _unchanged(run: Run, path: str | Path, world: World, reports: Path) -> Source:
    settings = msgspec.structs.replace(settings_of(run, {}), reports_dir=str(reports))
    source = opened(path, settings, world, run.record.source_sha256)
    try:
        check_unchanged(run, source)
    except SourceChanged:
        source.close()
        raise
    return source


def has_copy(run: Run, reports: Path) -> bool:
    """Whether a killed process left a copy of what the run read."""
    return any(copies_of(reports / SPOOL, run.record.source_sha256))


def forget_copies(journal: Journal, run: Run, reports: Path) -> None:
    """Delete the copies that killed processes left of what a run read, unless another unfinished run needs them."""
    if not has_copy(run, reports) or run.record.source_sha256 in needed_contents(journal, run.key):
        return
    for path in copies_of(reports / SPOOL, run.record.source_sha256):
        if not is_in_use(path.parent):
            shutil.rmtree(path.parent, ignore_errors=True)


def needed_contents(journal: Journal, but: int | None = None) -> set[str]:
    """The contents that unfinished runs read, without the run of key `but`."""
    return {run.record.source_sha256 for run in journal.runs() if not run.finished and run.key != but}
