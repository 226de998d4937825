"""What commands print: data and JSON documents on stdout, errors on stderr."""

from __future__ import annotations

import errno

import click

from importer.errors import EXIT_MEANINGS, ExitCode, ImporterError
from importer.system.streams import drop_stdout
from importer.system.text import escaped, visible

EXIT_CODES = "\b\nExit codes:\n" + "\n".join(f"  {code.value:>3}  {EXIT_MEANINGS[code]}" for code in ExitCode)

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


def print_error(error: ImporterError) -> None:
    """Print an error and its advice on stderr."""
    print_note(f"importer: {error}")


def print_note(text: str) -> None:
    """Print a line on stderr."""
    click.echo(visible(text), err=True)
