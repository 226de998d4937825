"""Passwords of protected files: in memory only, for as long as the file needs them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

#: The longest password that is accepted: Excel allows 255 characters.
LONGEST = 500


class Passwords:
    """By the path of the file."""

    def __init__(self) -> None:
        self._by_path: dict[str, str] = {}

    def keep(self, path: str, password: str) -> None:
        self._by_path[path] = password

    def keep_typed(self, path: str, fields: Mapping[str, str]) -> bool:
        """Keeps the password that a form holds; False where it holds none."""
        password = fields.get("password", "")[:LONGEST]
        if password:
            self.keep(path, password)
        return bool(password)

    def of(self, path: str) -> str:
        return self._by_path.get(path, "")

    def forget(self, path: str) -> None:
        self._by_path.pop(path, None)

    def forget_gone(self) -> None:
        """Forgets the passwords of deleted files."""
        for path in [path for path in self._by_path if not Path(path).exists()]:
            self.forget(path)
