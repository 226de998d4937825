"""The names of text encodings that Python knows. Pure."""

from __future__ import annotations

import codecs

#: Codecs of Python that are not for whole texts, but for host names and source code.
_NO_TEXTS = ("idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined")


def text_encoding(given: str) -> str | None:
    """The usual name of a text encoding in any spelling; None if there is none with this name."""
    try:
        name = codecs.lookup(given).name
        # Codecs of bytes, like base64, fail only here.
        "".encode(name)
    except (LookupError, TypeError, ValueError):
        return None
    return None if name in _NO_TEXTS else name
