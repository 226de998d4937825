"""Open a source: the file's content, not its name, decides how it is read."""

from __future__ import annotations

from pathlib import Path

from importer.errors import SourceError
from importer.reader.archive import detect, digest
from importer.reader.source import Source, SourceOptions
from importer.reader.text import open_text
from importer.reader.workbook import open_workbook

_DETECT = SourceOptions()


def open_source(where: Path | str, options: SourceOptions = _DETECT) -> Source:
    """Open a file and find its header. Raises `SourceError`. The source's notes report everything that was guessed."""
    path = Path(where)
    content = detect(path, options.password)
    known = _digest(path) if options.sha256 else None
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
            path=str(where),
            name=path.name,
            opener=content.opener,
            options=options,
            proven=known is not None and known[0] == options.sha256,
        )
    else:
        source = open_workbook(str(where), path, content, options)
    if content.note:
        source.add_note(content.note)
    try:
        source.sha256, source.size = known or _digest(path)
    except SourceError:
        source.close()
        raise
    return source


def _digest(path: Path) -> tuple[str, int]:
    try:
        return digest(path)
    except OSError as error:
        raise SourceError(
            f"{path.name} cannot be read: {error.strerror}.", "Check its disk.", code="not_readable"
        ) from None
