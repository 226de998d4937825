"""Progress on stderr: a bar on a terminal, otherwise a line per minute. The only module that loads tqdm."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from importer.model import Outcome
from importer.observer import LINE_EVERY, Extent, Observer, target_text
from importer.system.late import late
from importer.system.streams import columns_of, for_stream
from importer.system.text import counted, duration, visible
from importer.telemetry.pace import Pace

#: Seconds between two updates of the bar while no reply arrives.
_TICK = 1.0
#: The fewest columns of a bar, and those of the space and the two strokes around it.
_BAR, _AROUND = 8, 3


class Progress(Observer):
    """Shows the rows done of the whole sheet, how many did not succeed, the speed and the time left."""

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._clock = clock
        self._bar: Any = None
        self._over = threading.Event()
        self._pace = Pace(clock)
        self._shown_at = clock()
        self._extent = Extent("")

    def of_target(self, base_url: str, credentials: str, settings_file: str) -> None:
        self._line(target_text(base_url, credentials, settings_file))

    def begin(self, extent: Extent) -> None:
        self._extent = extent
        self._pace.begin(extent)
        self._shown_at = self._clock()
        if self._stream.isatty():
            self._bar = late("tqdm", "tqdm")(
                file=self._stream, leave=False, bar_format="{desc}", desc=visible(extent.name)
            )
            self._over.clear()
            threading.Thread(target=self._tick, args=(self._bar,), name="progress", daemon=True).start()

    def rows_read(self, rows: int) -> None:
        self._pace.rows_read(rows)

    def decided(self, outcomes: list[Outcome]) -> None:
        self._pace.decided(outcomes)
        self._moved()

    def verified(self, customers: int) -> None:
        self._pace.verified(customers)
        self._moved()

    def _moved(self) -> None:
        if self._bar is not None:
            self._show(self._bar)
        elif self._clock() - self._shown_at >= LINE_EVERY:
            self._shown_at = self._clock()
            self._line(f"{self._extent.name}: {next(self._texts())}")

    # ------------------------------------------------------------------------------------------------ words

    def _done(self) -> str:
        done, rows, noun = self._pace.done, self._pace.rows, self._extent.noun
        return f"{done:,} of {counted(rows, noun)} done" if rows else f"{counted(done, noun)} done"

    def _so_far(self) -> str:
        wrong, succeeded = self._pace.wrong, self._pace.succeeded
        return f" ({succeeded:,} succeeded, {wrong:,} not)" if succeeded or wrong else ""

    def _left(self) -> list[str]:
        left = self._pace.left()
        return [] if left is None or self._pace.done >= self._pace.rows else [f"about {duration(left)} left"]

    def _speed(self) -> list[str]:
        speed = self._pace.speed() * 60
        return [f"sending {speed:,.0f} {self._extent.noun}s/min"] if speed >= 1 else []

    def _texts(self) -> Iterator[str]:
        """The texts beside the bar, the longest first."""
        done, so_far, left, speed = self._done(), self._so_far(), self._left(), self._speed()
        yield ", ".join([done + so_far, *left, *speed])
        yield ", ".join([done + so_far, *left])
        if self._pace.wrong:
            yield ", ".join([done, *left, f"{self._pace.wrong:,} not succeeded"])
        yield ", ".join([done, *left])
        yield ", ".join([f"{self._pace.done:,}/{self._pace.rows:,}", *left])
        yield done

    # ------------------------------------------------------------------------------------------------ the bar

    def _tick(self, bar: Any) -> None:
        while not self._over.wait(_TICK):
            self._show(bar)

    def _show(self, bar: Any) -> None:
        columns = columns_of(self._stream)
        name, rows = visible(self._extent.name), self._pace.rows
        name = name if len(name) <= 24 else name[:23] + "…"
        if rows:
            # Rounded down: 100 % is all of it.
            head = f"{name} {100 * self._pace.done // rows:3d} %"
            room = columns - len(head) - _AROUND - _BAR - 1
        else:
            head, room = name, columns - len(name) - 2
        text = next((text for text in self._texts() if len(text) <= room), "")
        line = f"{_plain(head)} |{{bar}}| {_plain(text)}" if rows else _plain(f"{head} {text}")
        with bar.get_lock():
            bar.n, bar.total, bar.ncols, bar.bar_format = self._pace.done, rows or None, columns - 1, line
            if not self._over.is_set():
                bar.refresh()

    def paused(self, seconds: float, why: str) -> None:
        self._pace.paused(seconds)
        self._line(f"Pausing {seconds:.0f} s: {why}.")

    def waits(self, seconds: float) -> None:
        self._pace.waits(seconds)

    def noted(self, text: str) -> None:
        self._line(text)

    def _line(self, text: str) -> None:
        text = for_stream(visible(text), self._stream)
        if self._bar is not None:
            self._bar.write(text, file=self._stream)
        else:
            self._stream.write(text + "\n")
            self._stream.flush()

    def end(self) -> None:
        if self._bar is not None:
            self._over.set()
            self._bar.close()
            self._bar = None


def _plain(text: str) -> str:
    """Text that tqdm's format leaves as it is."""
    return text.replace("{", "{{").replace("}", "}}")
