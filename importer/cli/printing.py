"""What commands print: data and JSON documents on stdout, errors on stderr."""

from __future__ import annotations

import errno

import click

from importer.errors import EXIT_MEANINGS, ExitCode, ImporterError
from importer.system.streams import drop_stdout
from importer.system.text import visible

EXIT_CODES = "\b\nExit codes:\n" + "\n".join(f"  {code.value:>3}  {EXIT_MEANINGS[code]}" for code in ExitCode)

#: What a full, broken or read-only disk answers.
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG)


def print_data(text: str | bytes) -> None:
    """Print data on stdout. Where its reader has gone (`| head`), drop it: the exit code still holds."""
    try:
        click.echo(text if isinstance(text, bytes) else visible(text), nl=False)
    except BrokenPipeError:
        drop_stdout()


def print_error(error: ImporterError) -> None:
    """Print an error and its advice on stderr."""
    click.echo(visible(f"importer: {error}"), err=True)
