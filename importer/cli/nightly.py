"""`importer nightly`, `doctor`: the unattended load, and whether it can run."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import TextIO

import click
import msgspec

from importer.cli.printing import EXIT_CODES, print_data, print_text, settings_are
from importer.cli.sending import Sending, open_settings_log
from importer.cli.shared import config_file, config_option, json_option, quiet_option, table_options, typed
from importer.errors import SettingsError
from importer.model import to_json
from importer.nightly.doctor import check_text, examine, worst_of
from importer.nightly.load import NightlyLoad
from importer.nightly.profile import check_profile
from importer.nightly.state import LoadReport
from importer.nightly.text import load_text
from importer.settings.loading import read_all
from importer.settings.options import Settings
from importer.telemetry.log import Log
from importer.world import World


@click.command("nightly", epilog=EXIT_CODES)
@table_options("nightly")
@config_option
@click.option(
    "--watch/--once",
    "stays",
    default=False,
    help="keep running and check the inbox every minute, or check it once [default: once]",
)
@quiet_option
@json_option
def nightly_command(stays: bool, config: str | None, as_json: bool, quiet: bool, **given: str | None) -> None:
    """Import every complete file of the inbox.

    Each file is a run. Then the file is moved to done or failed, and its reports go to the outbox. Unfinished runs are
    resumed first. A second `nightly` of the same profile exits with 11. The exit code is the worst of all files; an
    expected file that is missing counts as 8.
    """
    file = config_file(config)
    settings, mistakes = check_profile(typed(given), os.environ, file)
    if settings is None:
        settings = read_all(typed(given), os.environ, file).rest()
    settings_are(settings)
    if mistakes and not (settings.nightly.notices or settings.metrics_file):
        raise SettingsError("\n".join(mistakes))
    json_lines = settings.log_format == "json" or not (settings.log_format or sys.stderr.isatty())
    # The nightly load has its own log and metrics.
    plain = msgspec.structs.replace(settings, log_format="", log_file="", metrics_file="")
    with (
        Sending(True, plain, json_lines and not quiet) as world,
        closing(_nightly_log(settings, None if quiet else sys.stderr, world, mistakes)) as log,
    ):
        load = NightlyLoad(settings, world, log, mistakes=mistakes)

        def show(found: LoadReport) -> None:
            if as_json:
                print_data(to_json(found))
            elif not quiet:
                print_text(load_text(found))

        if stays and not mistakes:
            sys.exit(load.watch(show))
        found = load.once()
        show(found)
    sys.exit(found.exit_code)


def _nightly_log(settings: Settings, stream: TextIO | None, world: World, mistakes: Sequence[str]) -> Log:
    try:
        return open_settings_log(settings, stream, world)
    except SettingsError:
        if not mistakes:
            raise
        # The log file is one of the mistakes; report all of them.
        return open_settings_log(msgspec.structs.replace(settings, log_file=""), stream, world)


@click.command("doctor", epilog=EXIT_CODES)
@table_options("doctor")
@config_option
@json_option
def doctor_command(config: str | None, as_json: bool, **given: str | None) -> None:
    """Check settings, credentials, rate, clock, disk, journal and locations.

    Prints a line for each: OK, or how to fix it. Sends one request, which changes nothing.
    """
    lines = []
    for line in examine(typed(given), config_file(config), World(os.environ)):
        lines.append(line)
        if not as_json:
            print_text(check_text(line))
    if as_json:
        print_data(to_json(lines))
    sys.exit(worst_of(lines))
