"""`importer check`, `map`: what a source holds and which column feeds which field. Nothing is sent."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import NoReturn

import click
import msgspec

from importer.checker.check import check
from importer.checker.findings import for_terminals
from importer.checker.text import findings_text
from importer.cli.printing import EXIT_CODES, print_data, print_error, print_note, settings_are, with_commands
from importer.cli.shared import (
    config_file,
    config_option,
    documents,
    expanded,
    json_option,
    quiet_option,
    settings_of,
    table_options,
    typed,
    write_new,
)
from importer.errors import ExitCode, ImporterError, SettingsError, worse
from importer.model import to_json
from importer.nightly.profile import check_profile
from importer.normaliser.mapping import sketch
from importer.normaliser.mapping_file import to_toml
from importer.normaliser.samples import Sampler
from importer.observer import Observer
from importer.reader.opening import open_unchanged
from importer.runs.record import source_options
from importer.runs.spool import spooled
from importer.settings.commands import command
from importer.system.streams import width_of
from importer.telemetry.progress import Progress
from importer.world import World


@click.command("check", epilog=EXIT_CODES)
@click.argument("sources", nargs=-1, metavar="SOURCE…")
@table_options("check")
@config_option
@quiet_option
@json_option
def check_command(
    sources: tuple[str, ...], config: str | None, as_json: bool, quiet: bool, **given: str | None
) -> None:
    """Check SOURCE without sending anything.

    Reports the problems by row and column, what would be sent, the number of requests and the time at the rate.
    Without SOURCE but with --profile: checks the settings of that profile.
    """
    if not sources:
        _check_settings(given, config, as_json)
    settings = settings_of(given, config)
    files = expanded(sources)
    world = World(os.environ, Observer() if quiet else Progress(sys.stderr, time.monotonic))
    worst = 0
    with documents(as_json, len(files) > 1) as show:
        for source in files:
            with spooled(source, Path(settings.reports_dir), keep=False) as (path, _):
                try:
                    findings = check(path, settings, world)
                except ImporterError as error:
                    if len(files) == 1:
                        raise
                    print_error(error)
                    worst = worse(worst, error.exit_code)
                    continue
            findings = for_terminals(findings)
            if show is not None:
                show(findings)
            elif not quiet:
                print_data(findings_text(findings, width=width_of(sys.stdout)))
            worst = worse(worst, findings.exit_code)
    sys.exit(worst)


def _check_settings(given: dict[str, str | None], config: str | None, as_json: bool) -> NoReturn:
    if not (given.get("profile") or os.environ.get("IMPORTER_PROFILE")):
        raise SettingsError("There is nothing to check.", "Name a SOURCE, or pass --profile.")
    settings, mistakes = check_profile(typed(given), os.environ, config_file(config))
    settings_are(settings)
    if as_json:
        print_data(to_json({"mistakes": mistakes}))
    else:
        for mistake in mistakes:
            print_data(f"{mistake}\n")
        if not mistakes:
            print_data(with_commands("Settings are valid. `importer doctor` also checks credentials and locations.\n"))
    sys.exit(ExitCode.SETTINGS if mistakes else ExitCode.OK)


@click.command("map")
@click.argument("source", metavar="SOURCE")
@table_options("map")
@config_option
@click.option("--output", "-o", metavar="FILE", help="write the mapping to FILE [default: standard output]")
def map_command(source: str, config: str | None, output: str | None, **given: str | None) -> None:
    """Propose a mapping for SOURCE and write it as TOML.

    The mapping says which column feeds which field. Edit it, then pass it to `run` and `check` with --mapping.
    """
    settings = settings_of(given, config)
    with (
        spooled(source, Path(settings.reports_dir), keep=False) as (path, _),
        open_unchanged(path, source_options(settings, os.environ)) as opened,
    ):
        mapping = sketch(opened.columns)
        sampler = Sampler(mapping)
        for block in opened.blocks():
            sampler.add(block)
        text = to_toml(mapping, sampler.by_column(), source=opened.name)
    if output is None:
        print_data(text.encode())  # byte for byte as in a file
        return
    write_new(output, text.encode())
    following = command(msgspec.structs.replace(settings, mapping=output), "check", source)
    print_note(f"Wrote {output}. Edit it, then: {following}")
