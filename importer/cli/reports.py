"""`importer report`, `verify`: what a run did, from its journal, its source and the server."""

from __future__ import annotations

import os
import sys

import click

from importer.cli.printing import EXIT_CODES, print_data, print_text
from importer.cli.sending import Sending, pace_of
from importer.cli.shared import config_option, json_option, quiet_option, settings_of, table_options
from importer.model import to_json
from importer.pipeline import report
from importer.reporter.console import console_text
from importer.runs.record import typed_of
from importer.runs.verify import verified_text, verify
from importer.system.late import late
from importer.system.streams import width_of
from importer.world import World


@click.command("report")
@click.argument("run_id", required=False, metavar="[RUN]")
@click.option("--open", "open_it", is_flag=True, help="open the summary in the browser")
@click.option("--bundle", is_flag=True, help="also write bundle.zip for the vendor's support, without personal data")
@click.option("--against", metavar="RUN2", help="compare with another run: rows fixed, still failing, newly failing")
@table_options("report")
@config_option
@quiet_option
@json_option
def report_command(
    run_id: str | None,
    open_it: bool,
    bundle: bool,
    against: str | None,
    config: str | None,
    as_json: bool,
    quiet: bool,
    **given: str | None,
) -> None:
    """Write the reports of a run again, or compare two runs.

    Without RUN: the newest run. The reports are made from the journal and the source file. With --against, nothing is
    written; the older run is compared with the newer one.
    """
    settings = settings_of(given, config)
    world = World(os.environ)
    if against is not None:
        if bundle or open_it:
            raise click.UsageError("--against cannot be combined with --bundle or --open.")
        # Comparing takes arrays, which the reports do without.
        compare, comparison_text = (late("importer.runs.compare", name) for name in ("compare", "comparison_text"))
        comparison = compare(run_id, against, settings, world)
        print_data(to_json(comparison) if as_json else comparison_text(comparison))
        return
    summary = report(run_id, settings, world, bundle=bundle)
    if as_json:
        print_data(to_json(summary))
    elif not quiet:
        print_data(console_text(summary, typed_of(summary.run_id, settings), width_of(sys.stdout)))
    if open_it:
        click.launch(summary.reports.get("summary.html", summary.reports["results.csv"]))


@click.command("verify", epilog=EXIT_CODES)
@click.argument("run_id", required=False, metavar="[RUN]")
@click.option(
    "--sample", type=click.IntRange(1), metavar="N", help="only N rows, the same ones each time [default: all]"
)
@table_options("verify")
@config_option
@quiet_option
@json_option
def verify_command(
    run_id: str | None, sample: int | None, config: str | None, as_json: bool, quiet: bool, **given: str | None
) -> None:
    """Compare a run with the preferences on the server.

    Without RUN: the newest run. Sends one request per customer, at the rate of a run. The values are written to
    differences.csv only.
    """
    settings = settings_of(given, config)
    with Sending(quiet, settings) as world:
        verified = verify(run_id, settings, pace_of(given, settings), world, sample)
    if as_json:
        print_data(to_json(verified))
    elif not quiet:
        print_text(verified_text(verified))
    sys.exit(verified.exit_code)
