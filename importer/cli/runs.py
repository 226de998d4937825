"""`importer runs`, `purge`: the runs of a journal."""

from __future__ import annotations

import os
from pathlib import Path

import click

from importer.cli.printing import print_data, print_text, with_commands
from importer.cli.shared import config_option, json_option, settings_of, table_options
from importer.errors import SettingsError
from importer.model import to_json
from importer.runs.listing import list_runs, runs_text
from importer.runs.purge import purge, purged_text
from importer.runs.spool import PAGE
from importer.settings.values import read_duration
from importer.system.late import late
from importer.world import World


@click.command("runs")
@table_options("runs")
@config_option
@json_option
def runs_command(config: str | None, as_json: bool, **given: str | None) -> None:
    """List the runs with their counts, newest first.

    The state of a run is open (running, or to be resumed), OK, with failures, or closed (it cannot be resumed). A code
    is the exit code of a run that stopped.
    """
    found = list_runs(settings_of(given, config))
    print_data(to_json(found) if as_json else with_commands(runs_text(found)))


@click.command("purge")
@click.option(
    "--older-than", required=True, metavar="TIME", help="purge runs that ended at least this long ago, like 90d"
)
@click.option("--unfinished", is_flag=True, help="also purge runs that could be resumed")
@table_options("purge")
@config_option
@json_option
def purge_command(older_than: str, unfinished: bool, config: str | None, as_json: bool, **given: str | None) -> None:
    """Delete personal data of old runs.

    Deletes reports, stored input, files from the web page, and the outcomes of rows. `importer runs` keeps the counts.
    Runs that can be resumed are kept and listed.
    """
    try:
        seconds = read_duration(older_than)
    except ValueError as error:
        raise SettingsError(f"--older-than: {older_than!r} is not {error}.", "Pass a time like 90d.") from None
    settings = settings_of(given, config)
    page = Path(settings.reports_dir) / PAGE

    def forget(uploads: set[Path]) -> None:
        if (page / "web.db").exists():
            late("importer.web.storage", "forget_uploads")(page, uploads)

    purged = purge(settings, seconds, World(os.environ), unfinished=unfinished, forget=forget)
    if as_json:
        print_data(to_json(purged))
    else:
        print_text(purged_text(purged))
