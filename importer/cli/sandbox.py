"""`importer sandbox`: a test server for the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from importer.cli.printing import print_data
from importer.errors import SettingsError
from importer.sandbox import (
    FAULTS,
    MAGIC_TABLE,
    SHAPES,
    OptionsError,
    SandboxOptions,
    load_customers,
    load_fields,
    serve,
)

_Read = TypeVar("_Read")


@click.command("sandbox")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="HOST", help="address to listen on")
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(0, 65535), metavar="PORT", help="port to listen on"
)
@click.option("--database", metavar="FILE", help="keep the state in FILE [default: in memory]")
@click.option(
    "--customers", metavar="FILE", help="identifiers of existing customers, one per line [default: all exist]"
)
@click.option("--fields", metavar="FILE", help="preferences that are defined, one per line [default: any name]")
@click.option("--shape", default="", metavar="WORDS", help="shape of the answers (see --list) [default: as documented]")
@click.option("--rate-limit", metavar="N/UNIT", help="answer 429 to more requests per user [default: no limit]")
@click.option(
    "--retry-after",
    default="",
    metavar="TEXT",
    help="Retry-After header of a 429: seconds, a date, or auto [default: none]",
)
@click.option(
    "--batch-limit",
    type=click.IntRange(1),
    metavar="N",
    help="refuse more than N customers per request (code 1060) [default: no limit]",
)
@click.option(
    "--latency",
    multiple=True,
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="delay of each answer; if repeated, taken in turn [default: none]",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="LINE",
    help="what goes wrong with which request, like 3:503 for the third; repeatable (see --list)",
)
@click.option(
    "--list", "list_them", is_flag=True, help="list the identifiers, shapes and faults that change answers, and exit"
)
def sandbox_command(host: str, port: int, list_them: bool, **given: Any) -> None:
    """Serve the sandbox, a test server for the API, until stopped.

    To import into it, set IMPORTER_USERNAME to sandbox-till and IMPORTER_PASSWORD to sandbox, and pass --base-url with
    the address that is printed.
    """
    if list_them:
        _list_magic()
        return
    try:
        given["customers"] = _read("--customers", load_customers, given["customers"])
        given["fields"] = _read("--fields", load_fields, given["fields"])
        serve(SandboxOptions(**given), host, port, _print_address)
    except OptionsError as error:
        raise SettingsError(error.message, error.advice) from None
    except OSError as error:
        raise SettingsError(
            f"Cannot listen on {host}:{port} ({error.strerror}).", "Choose another --host or --port."
        ) from None


def _print_address(url: str) -> None:
    click.echo(f"Serving on {url} (user sandbox-till, password sandbox). Press Ctrl-C to stop.", err=True)


def _read(option: str, load: Callable[[str], _Read], path: str | None) -> _Read | None:
    """The content of a file that configures the sandbox. Raises `SettingsError`."""
    try:
        return load(path) if path else None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"Cannot read {option} {path} ({why}).", "Check the path.") from None


def _list_magic() -> None:
    """Print what changes the sandbox's answers: identifiers, shapes and faults."""
    print_data("Identifiers that cause an outcome (e-mail, external ID, mobile):\n\n")
    for entry in MAGIC_TABLE:
        print_data(f"  {entry.email:<30} {entry.external_id:<18} {entry.mobile}\n")
        print_data(click.wrap_text(entry.effect, 78, " " * 4, " " * 4) + "\n")
    print_data("\nWords for --shape, separated by commas:\n\n")
    for word, text in SHAPES.items():
        print_data(click.wrap_text(text, 78, f"  {word:<18} ", " " * 21) + "\n")
    print_data("\nFaults, --fault REQUESTS:KIND[-after][:setting=value], REQUESTS like 3, 3-5, 3- or */20:\n\n")
    for kind, (text, _) in FAULTS.items():
        print_data(click.wrap_text(text, 78, f"  {kind:<18} ", " " * 21) + "\n")
