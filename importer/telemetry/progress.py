"""Progress on stderr: a bar on a terminal, otherwise a line per minute. The only module that loads tqdm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, TextIO

from importer.model import Outcome, Status
from importer.observer import LINE_EVERY, Observer, target_text
from importer.system.late import late
from importer.system.text import counted, visible


class Progress(Observer):
    """Shows rows done, succeeded and failed, the rate and the time left."""

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._clock = clock
        self._bar: Any = None
        self._counts: Counter[Status] = Counter()
        self._read = self._before = 0
        self._began = self._shown_at = clock()
        self._name = ""

    def of_target(self, base_url: str, credentials: str, settings_file: str) -> None:
        self._line(target_text(base_url, credentials, settings_file))

    def begin(self, name: str, rows: int) -> None:
        """`rows`: how many already have their outcome."""
        self._name = name
        self._read = 0
        self._before = rows
        self._counts.clear()
        self._began = self._shown_at = self._clock()
        if self._stream.isatty():
            self._bar = late("tqdm", "tqdm")(
                initial=rows,
                total=rows,
                unit=" rows",
                desc=visible(name[:24]),
                file=self._stream,
                leave=False,
                dynamic_ncols=True,
            )

    def rows_read(self, rows: int) -> None:
        self._read += rows
        if self._bar is not None:
            self._bar.total = self._read
            self._bar.refresh()

    def decided(self, outcomes: list[Outcome]) -> None:
        self._counts.update(outcome.status for outcome in outcomes)
        if self._bar is not None:
            self._bar.set_postfix_str(self._so_far(), refresh=False)
            self._bar.update(len(outcomes))
        elif self._clock() - self._shown_at >= LINE_EVERY:
            self._shown_at = self._clock()
            done = self._counts.total()
            rate = done / max(self._clock() - self._began, 1e-9) * 60
            line = (
                f"{self._name}: {counted(self._before + done, 'row')} done ({self._so_far()}), {rate:,.0f} rows/minute"
            )
            self._line(line + self._left(done, rate))

    def _left(self, done: int, rate: float) -> str:
        left = self._read - self._before - done
        return f", {left:,} waiting, about {max(left / rate, 1):.0f} min left" if left > 0 and rate > 0 else ""

    def _so_far(self) -> str:
        wrong = sum(self._counts[s] for s in (Status.FAILED, Status.REJECTED, Status.UNKNOWN))
        return f"{self._counts[Status.SUCCEEDED]:,} succeeded, {wrong:,} not"

    def paused(self, seconds: float, why: str) -> None:
        self._line(f"Pausing {seconds:.0f} s: {why}.")

    def noted(self, text: str) -> None:
        self._line(text)

    def _line(self, text: str) -> None:
        text = visible(text)
        if self._bar is not None:
            self._bar.write(text, file=self._stream)
        else:
            self._stream.write(text + "\n")
            self._stream.flush()

    def end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
