"""Open a source: the file's content, not its name, decides how it is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from importer.errors import SourceChanged, SourceError
from importer.reader.archive import check_file, detect, digest
from importer.reader.private_copy import PrivateCopy
from importer.reader.source import Source, SourceOptions
from importer.reader.text import open_text
from importer.reader.workbook import open_workbook

_DETECT = SourceOptions()


def open_source(where: Path | str, options: SourceOptions = _DETECT) -> Source:
    """Open a file and find its header. Raises `SourceError`. The source's notes report everything that was guessed.

    With `options.copies`, everything is read from a private copy."""
    path = Path(where)
    check_file(path)
    if not options.copies:
        return _opened(str(where), path, options, *_digest(path))
    copy = PrivateCopy(path, Path(options.copies))
    try:
        check_file(copy.path)
        source = _opened(str(where), copy.path, options, copy.sha256, copy.size)
    except BaseException:
        copy.close()
        raise
    source.copy = copy
    return source


@contextmanager
def open_unchanged(where: Path | str, options: SourceOptions = _DETECT) -> Iterator[Source]:
    """Open a file that is read where it is. Raises `SourceChanged` at the end where it is not what was opened."""
    with open_source(where, options) as source:
        try:
            yield source
        except Exception:
            # A file that changes can fail in any way.
            _check_unchanged(source)
            raise
        _check_unchanged(source)


def _check_unchanged(source: Source) -> None:
    try:
        same = _digest(source.file)[0] == source.sha256
    except SourceError:
        same = False
    if not same:
        raise SourceChanged(f"{source.name} was changed or deleted while it was read.", "Start again.")


def _opened(where: str, path: Path, options: SourceOptions, sha256: str, size: int) -> Source:
    """`path`: what is read of the file `where`, with this hash and size."""
    content = detect(path, options.password)
    source: Source
    if content.opener is not None:
        if options.sheet is not None:
            raise SourceError(
                f"{path.name} is text and has no sheets.",
                "Remove --sheet for this file.",
                on_page="Leave the sheet empty under “How the file is read”.",
                code="sheet",
            )
        source = open_text(
            path=where,
            name=path.name,
            opener=content.opener,
            options=options,
            proven=sha256 == options.sha256,
        )
    else:
        source = open_workbook(where, path, content, options)
    if content.note:
        source.add_note(content.note)
    source.file, source.sha256, source.size = path, sha256, size
    return source


def _digest(path: Path) -> tuple[str, int]:
    try:
        return digest(path)
    except OSError as error:
        raise SourceError(
            f"{path.name} cannot be read: {error.strerror}.", "Check its disk.", code="not_readable"
        ) from None
