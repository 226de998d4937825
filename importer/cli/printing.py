"""What commands print: data and JSON documents on stdout, errors on stderr."""

from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING

import click

from importer.errors import EXIT_MEANINGS, ExitCode, ImporterError
from importer.system.late import late
from importer.system.streams import drop_stdout, for_stream
from importer.system.text import escaped, visible

if TYPE_CHECKING:
    from importer.settings.options import Settings

EXIT_CODES = "\b\nExit codes:\n" + "\n".join(f"  {code.value:>3}  {EXIT_MEANINGS[code]}" for code in ExitCode)

#: The settings of the command that runs; they are loaded by it.
_known: list[Settings] = []

#: What a full, broken or read-only disk answers.
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG)


def print_data(text: str | bytes) -> None:
    """Print text on stdout, or a JSON or TOML document as bytes.

    Where its reader has gone (`| head`), the rest is dropped: the exit code still holds.
    """
    try:
        click.echo(escaped(text.decode()).encode() if isinstance(text, bytes) else visible(text), nl=False)
    except BrokenPipeError:
        drop_stdout()


def settings_are(settings: Settings | None) -> None:
    """Commands in the messages of this process are completed with these settings, once they are known."""
    _known[:] = [] if settings is None else [settings]


def with_commands(text: str) -> str:
    """The text with its commands as they work when pasted."""
    if not _known:
        return text
    done: str = late("importer.settings.commands", "completed")(text, _known[0])
    return done


def print_text(text: str) -> None:
    """Print sentences on stdout."""
    print_data(for_stream(with_commands(text), sys.stdout))


def print_error(error: ImporterError) -> None:
    """Print an error and its advice on stderr."""
    print_note(f"importer: {with_commands(str(error))}")


def print_note(text: str) -> None:
    """Print a line on stderr."""
    click.echo(for_stream(visible(text), sys.stderr), err=True)
