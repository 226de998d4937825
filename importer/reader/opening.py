"""The one way in: whatever is named, judged by its content, as a Source or a SourceError."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.reader.archive import digest, judge
from importer.reader.source import Source, SourceOptions
from importer.reader.text import open_text
from importer.reader.workbook import open_workbook
from importer.system.late import late

if TYPE_CHECKING:
    import pandas as pd

    from importer.reader.frame import FrameSource

_FIND_OUT = SourceOptions()


def open_source(where: Path | str | pd.DataFrame, options: SourceOptions = _FIND_OUT) -> Source:
    """Open a file or take a frame. Nothing is sent, nothing is written, nothing is guessed silently."""
    if not isinstance(where, Path | str):
        take: type[FrameSource] = late("importer.reader.frame", "FrameSource")
        return take(where)
    path = Path(where)
    content = judge(path, options.password)
    known = _digest(path) if options.sha256 else None
    source: Source
    if content.opener is not None:
        if options.sheet is not None:
            raise SourceError(
                f"{path.name} is text and has no sheets.",
                "Leave --sheet away for this file.",
                on_page="Leave the sheet empty under “How the file is read”.",
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
        source.tell(content.note)
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
        raise SourceError(f"{path.name} cannot be read: {error.strerror}.", "Check its disk.") from None
