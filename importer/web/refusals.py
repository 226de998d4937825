"""Refusals: what a request raises instead of an answer."""

from __future__ import annotations


class RequestRefused(Exception):
    """A refused request. `text`: a key of the table of texts."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Moved(Exception):
    """The requested page has moved to this path."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path
