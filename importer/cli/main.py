"""The command `importer`: finds the module of a verb by name and turns the end of its work into an exit code."""

from __future__ import annotations

import functools
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple, NoReturn

import click

from importer._version import __version__
from importer.cli.printing import DISK_ERRORS, EXIT_CODES, print_error, print_note
from importer.errors import ExitCode, ImporterError, JournalError, SettingsError, internal_error
from importer.system.garbage import collection_paused
from importer.system.streams import close_streams, open_streams
from importer.system.text import is_utf8


class Verb(NamedTuple):
    """The module that holds a command, and the first sentence of the command's help."""

    module: str
    summary: str


#: Every command. `--help` prints this table, so that it loads none of the modules.
VERBS = {
    "run": Verb("run", "Import SOURCE and write reports."),
    "check": Verb("check", "Check SOURCE without sending anything."),
    "map": Verb("check", "Propose a mapping for SOURCE and write it as TOML."),
    "template": Verb("template", "Write a workbook to fill in, made for the organisation."),
    "resume": Verb("run", "Resume an unfinished run."),
    "retry": Verb("run", "Send the open rows of RUN again, as a new run."),
    "runs": Verb("runs", "List the runs with their counts, newest first."),
    "report": Verb("reports", "Write the reports of a run again, or compare two runs."),
    "verify": Verb("reports", "Compare a run with the preferences on the server."),
    "purge": Verb("runs", "Delete personal data of old runs."),
    "codes": Verb("codes", "List the codes of rows and requests, with advice for each."),
    "nightly": Verb("nightly", "Import every complete file of the inbox."),
    "doctor": Verb("nightly", "Check settings, credentials, rate, clock, disk, journal and locations."),
    "serve": Verb("serve", "Serve the web page until stopped."),
    "sandbox": Verb("sandbox", "Serve the sandbox, a test server for the API, until stopped."),
    "manual": Verb("manual", "Show the manual, or one topic of it."),
}


class _Verbs(click.Group):
    """The commands of `VERBS`, each loaded when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's interface
        return load_command(cmd_name) if cmd_name in VERBS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's interface
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.summary.removesuffix(".")) for name, verb in VERBS.items()])


@functools.cache
def load_command(name: str) -> click.Command:
    """The command of a verb; loads its module."""
    # Loading makes many objects that live as long as the process.
    with collection_paused():
        command: Any = getattr(import_module(f"importer.cli.{VERBS[name].module}"), f"{name}_command")
    assert isinstance(command, click.Command)
    work = command.callback
    assert work is not None

    def checked(**given: Any) -> Any:
        _refuse_other_bytes(command, click.get_current_context())
        return work(**given)

    command.callback = checked
    return command


def _refuse_other_bytes(command: click.Command, context: click.Context) -> None:
    """Raise `SettingsError` for a value that is not UTF-8: neither journal nor reports can hold it. A source is refused
    by the reader, as its other names are."""
    for parameter in command.params:
        name = parameter.name or ""
        value = context.params.get(name)
        texts = value if isinstance(value, tuple) else (value,)
        if name.startswith("source") or all(is_utf8(text) for text in texts if isinstance(text, str)):
            continue
        word = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.make_metavar(context)
        raise SettingsError(f"{word}: the value is not UTF-8 text.", "Correct it.")
    for variable, text in os.environ.items():
        if variable.startswith("IMPORTER_") and not is_utf8(text):
            raise SettingsError(f"{variable}: the value is not UTF-8 text.", "Correct it.")


@click.group(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_CODES,
)
@click.version_option(__version__, prog_name="importer")
def cli() -> None:
    """Import spreadsheets of customer preferences into Capillary's loyalty platform, with a result for every row.

    \b
    Set credentials in the environment; no option takes a secret:
      IMPORTER_USERNAME and IMPORTER_PASSWORD (Basic), or
      IMPORTER_CLIENT_KEY and IMPORTER_CLIENT_SECRET (OAuth).
    Each name also works with _FILE or _COMMAND appended.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point. Exits with a code of `ExitCode`."""
    os.umask(0o077)
    open_streams()
    try:
        _main(arguments)
    finally:
        close_streams()


def _main(arguments: Sequence[str] | None) -> NoReturn:
    try:
        cli.main(args=None if arguments is None else list(arguments), standalone_mode=False)
    except ImporterError as error:
        print_error(error)
        sys.exit(error.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt):
        sys.exit(ExitCode.INTERRUPTED)
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        print_note(shown.getvalue().rstrip("\n"))
        sys.exit(ExitCode.SETTINGS)
    except BrokenPipeError:
        os._exit(ExitCode.OK)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            advice = "Free some space or repair the disk, then type `importer resume`."
            print_error(JournalError(f"The disk failed: {error.strerror}.", advice))
            sys.exit(ExitCode.JOURNAL)
        print_error(internal_error(error, "Report it with the command you typed. `importer resume` resumes a run."))
        sys.exit(ExitCode.INTERNAL)
    sys.exit(ExitCode.OK)
