"""The observer of a run: progress bars, logs and the page implement it. This one does nothing."""

from __future__ import annotations

from importer.model import Outcome

#: Seconds between two lines of progress where there is no terminal.
LINE_EVERY = 60.0


class Observer:
    """An observer that does nothing, and the interface of all others."""

    def of_target(self, base_url: str, credentials: str, settings_file: str) -> None:
        """Before the first request: where to, with whose credentials, and the settings file, if there is one."""

    def of_run(self, run_id: str) -> None: ...
    def begin(self, name: str, rows: int) -> None: ...
    def rows_read(self, rows: int) -> None: ...
    def decided(self, outcomes: list[Outcome]) -> None: ...
    def paused(self, seconds: float, why: str) -> None: ...
    def noted(self, text: str) -> None: ...
    def end(self) -> None: ...


def target_text(base_url: str, credentials: str, settings_file: str) -> str:
    file = f" (settings: {settings_file})" if settings_file else ""
    return f"Connecting to {base_url} as {credentials}{file}."
