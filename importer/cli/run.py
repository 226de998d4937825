"""`importer run`, `resume`, `retry`: what sends rows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click
import msgspec

from importer.cli.printing import EXIT_CODES, print_data, print_error
from importer.cli.sending import Sending, measured, pace_of, refuse_sources
from importer.cli.shared import (
    config_option,
    documents,
    expanded,
    json_option,
    quiet_option,
    settings_of,
    table_options,
)
from importer.errors import EXIT_MEANINGS, SHARED_ENDS, ExitCode, ImporterError, worse
from importer.model import RunSummary
from importer.pipeline import resume, retry, run
from importer.reporter.console import console_text
from importer.runs.record import typed_of
from importer.runs.spool import spooled
from importer.runs.stages import deadline_of
from importer.settings.commands import command
from importer.settings.options import Settings
from importer.system.streams import width_of
from importer.system.text import counted


@click.command("run", epilog=EXIT_CODES)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE…")
@table_options("run")
@config_option
@quiet_option
@json_option
def run_command(sources: tuple[str, ...], config: str | None, as_json: bool, quiet: bool, **given: str | None) -> None:
    """Import SOURCE and write reports.

    SOURCE is a file (CSV, Excel, OpenDocument), a pattern like 'inbox/*.xlsx', or - for standard input. Each file is
    a run. What would stop the next one too, like refused credentials or --until, ends the call. The exit code is the
    worst of all runs.
    """
    settings = settings_of(given, config)
    files = expanded(sources)
    refuse_sources(files, settings)
    with Sending(quiet, settings) as world, documents(as_json, len(files) > 1) as show:
        deadline = deadline_of(settings, world)
        world = msgspec.structs.replace(world, deadline=deadline)
        worst = 0
        for number, source in enumerate(files):
            if number and deadline is not None and world.clock() >= deadline.at:
                worst = worse(worst, ExitCode.TIME)
                _left(files[number:], ExitCode.TIME, settings)
                break
            with spooled(source, Path(settings.reports_dir)) as (path, was_spooled):
                work = measured(settings, world, partial(run, path, settings, world, spooled=was_spooled))
                code = _end(len(files) > 1, work, show, None if quiet else settings)
            worst = worse(worst, code)
            if world.stopper.asked or code in SHARED_ENDS:
                _left(files[number + 1 :], code, settings)
                break
    sys.exit(worst)


def _left(files: Sequence[str], code: int, settings: Settings) -> None:
    """Name the files of a call that were not begun, because of a run that ended with this code."""
    if files:
        names = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
        meaning = EXIT_MEANINGS[ExitCode(code)].partition(";")[0].partition(" (")[0].replace("`", "")
        text = f"{counted(len(files), 'file')} not imported after exit code {int(code)} ({meaning}): {names}."
        first = "" if code in (ExitCode.TIME, ExitCode.INTERRUPTED) else "Fix the cause first. "
        print_error(ImporterError(text, f"{first}Import them with `{command(settings, 'run', *files)}`."))


@click.command("resume", epilog=EXIT_CODES)
@click.argument("run_id", required=False, metavar="[RUN]")
@table_options("resume")
@config_option
@quiet_option
@json_option
def resume_command(run_id: str | None, config: str | None, as_json: bool, quiet: bool, **given: str | None) -> None:
    """Resume an unfinished run.

    Without RUN: the newest unfinished run. Rows that have an outcome are not sent again. The run keeps its settings,
    except for the options below.
    """
    settings = settings_of(given, config)
    with Sending(quiet, settings) as world:
        work = measured(settings, world, lambda: resume(run_id, settings, pace_of(given, settings), world))
        with documents(as_json, False) as show:
            code = _end(False, work, show, None if quiet else settings)
    sys.exit(code)


@click.command("retry", epilog=EXIT_CODES)
@click.argument("run_id", metavar="RUN")
@table_options("retry")
@config_option
@quiet_option
@json_option
def retry_command(run_id: str, config: str | None, as_json: bool, quiet: bool, **given: str | None) -> None:
    """Send the open rows of RUN again, as a new run.

    Open rows are those that failed, are unknown or unprocessed. The new run keeps the settings of RUN, except for the
    options below.
    """
    settings = settings_of(given, config)
    with Sending(quiet, settings) as world:
        work = measured(settings, world, lambda: retry(run_id, settings, pace_of(given, settings), world))
        with documents(as_json, False) as show:
            code = _end(False, work, show, None if quiet else settings, retry_of=run_id)
    sys.exit(code)


def _end(
    several: bool,
    work: Callable[[], RunSummary],
    show: Callable[[object], None] | None,
    settings: Settings | None,
    retry_of: str = "",
) -> int:
    """Carry out one run and return its exit code. `show` takes the summary; without it, `settings` print it.

    Of several runs, an error is returned and not raised. `retry_of`: the run whose open rows are sent.
    """
    try:
        summary = work()
    except ImporterError as error:
        if not several:
            raise
        print_error(error)
        return error.exit_code
    if show is not None:
        show(summary)
    elif settings is not None:
        if summary.run_id == retry_of:
            print_data(f"Nothing to do: run {retry_of} has no rows to retry.\n")
        else:
            print_data(console_text(summary, typed_of(summary.run_id, settings), width_of(sys.stdout)))
    return summary.exit_code
