"""The observer of a run: progress bars, logs and the page implement it. This one does nothing."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from importer.model import Outcome, Status

#: Seconds between two lines of progress where there is no terminal.
LINE_EVERY = 60.0


class Extent(msgspec.Struct, frozen=True):
    """How much there is to do when the sending begins.

    `rows` of the whole sheet, 0 while that is not known. `before`: how many have which outcome from an earlier process.
    `to_send`: how many may be sent; those that the reader will reject are among them. `rows_a_second`: the most that
    the rate allows. `noun`: what is counted.
    """

    name: str
    rows: int = 0
    before: Mapping[Status, int] = {}
    to_send: int = 0
    rows_a_second: float = 0.0
    noun: str = "row"

    @property
    def done(self) -> int:
        return sum(self.before.values())


class Observer:
    """An observer that does nothing, and the interface of all others."""

    def of_target(self, base_url: str, credentials: str, settings_file: str) -> None:
        """Before the first request: where to, with whose credentials, and the settings file, if there is one."""

    def of_run(self, run_id: str) -> None: ...
    def begin(self, extent: Extent) -> None: ...
    def rows_read(self, rows: int) -> None: ...
    def decided(self, outcomes: list[Outcome]) -> None: ...
    def verified(self, customers: int) -> None: ...
    def paused(self, seconds: float, why: str) -> None: ...

    def waits(self, seconds: float) -> None:
        """The next request is sent in so many seconds: the rate is used up, or the server is down."""

    def retrying(self, why: str, *, lost: bool) -> None:
        """A request got no usable answer, and none has come since. `lost`: there was no connection. "": the server
        answers again."""

    def noted(self, text: str) -> None: ...
    def end(self) -> None: ...


def target_text(base_url: str, credentials: str, settings_file: str) -> str:
    file = f" (settings: {settings_file})" if settings_file else ""
    return f"Connecting to {base_url} as {credentials}{file}."
