"""The names of encodings that a sheet may be said to be in: every one of texts that this machine knows. Pure."""

from __future__ import annotations

import codecs

#: Python's codecs that are none of a whole text: made for host names and source code, or for nothing at all.
_NO_TEXTS = ("idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined")


def text_encoding(given: str) -> str | None:
    """The usual name of an encoding however it was written; None where none of texts is called so."""
    try:
        name = codecs.lookup(given).name
        # Codecs of bytes, such as base64, are found, too, and refuse only this.
        "".encode(name)
    except (LookupError, TypeError, ValueError):
        return None
    return None if name in _NO_TEXTS else name
