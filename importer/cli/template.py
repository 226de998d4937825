"""`importer template`: a workbook to fill in, made for the organisation's preferences."""

from __future__ import annotations

import os
import sys
import time

import click
import msgspec

from importer.cli.printing import EXIT_CODES, print_data, print_note
from importer.cli.shared import config_option, json_option, settings_of, table_options, write_new
from importer.model import to_json
from importer.settings.commands import command
from importer.system.text import counted
from importer.telemetry.progress import Progress
from importer.template.template import Template, make_template
from importer.world import World


@click.command("template", epilog=EXIT_CODES)
@click.option("--output", "-o", metavar="FILE", default="template.xlsx", show_default=True, help="file to write")
@click.option(
    "--preference",
    "preferences",
    multiple=True,
    metavar="NAME",
    help="a column for this preference only, also if the organisation's preferences are not available; repeatable",
)
@table_options("template")
@config_option
@json_option
def template_command(
    output: str, preferences: tuple[str, ...], config: str | None, as_json: bool, **given: str | None
) -> None:
    """Write a workbook to fill in, made for the organisation.

    It has text columns for the identifiers and a column for each preference, with drop-down lists, checks and
    instructions. With --country, mobiles are checked by the numbers of that country.
    """
    settings = settings_of(given, config)
    world = World(os.environ, Progress(sys.stderr, time.monotonic))
    made, content = make_template(settings, world, preferences, output)
    write_new(output, content)
    if as_json:
        print_data(to_json(made))
        return
    print_note(_written(made))
    following = command(msgspec.structs.replace(settings, online=not made.missing), "check", output, also=("online",))
    print_note(f"Fill in the sheet “Customers”, then: {following}")


def _written(made: Template) -> str:
    """What was written, and what it lacks."""
    text = f"Wrote {made.path}: {counted(made.preferences, 'preference')}"
    if made.left_out:
        text += f", {len(made.left_out):,} left out (the sheet “How to fill in” says why)"
    return f"{text}." + (f"\n{made.missing}" if made.missing else "")
