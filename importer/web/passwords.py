"""Passwords of protected files: in this process's memory, as long as a file needs its own, and nowhere else."""

from __future__ import annotations

from pathlib import Path

#: What a person may type: Excel takes 255 characters.
LONGEST = 500


class Passwords:
    """By the path of the file that each opens."""

    def __init__(self) -> None:
        self._by_path: dict[str, str] = {}

    def keep(self, path: str, password: str) -> None:
        self._by_path[path] = password

    def of(self, path: str) -> str:
        return self._by_path.get(path, "")

    def forget(self, path: str) -> None:
        self._by_path.pop(path, None)

    def forget_gone(self) -> None:
        """Those of files that are not there any more."""
        for path in [path for path in self._by_path if not Path(path).exists()]:
            self.forget(path)
