"""What commands that send share: signals that stop them, progress, log and metrics."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TextIO

import msgspec

from importer.cli.printing import print_note
from importer.errors import ExitCode, ImporterError, SettingsError
from importer.model import RunSummary
from importer.observer import Observer
from importer.sender.engine import GRACE
from importer.settings.commands import completed
from importer.settings.options import PACE, Settings
from importer.system.clock import stamp
from importer.system.late import late
from importer.system.overdue import LATEST, Overdue
from importer.system.streams import for_stream
from importer.system.text import counted
from importer.telemetry.log import Log
from importer.telemetry.log_observer import LogObserver
from importer.telemetry.metrics import record_run, refuse_unwritable
from importer.telemetry.progress import Progress
from importer.world import Stopper, World

#: Signals that someone sends on purpose.
_SENT = (signal.SIGINT, signal.SIGTERM)
#: With SIGHUP, which a closed terminal sends; Windows has none.
_STOPS = (*_SENT, *(signal.Signals[name] for name in ("SIGHUP",) if name in signal.Signals.__members__))


class Sending:
    """A context: the `World` of a run that a first signal stops and a second one ends at once."""

    def __init__(self, quiet: bool, settings: Settings, json_lines: bool = False) -> None:
        self._settings = settings
        self._json_lines = json_lines or settings.log_format == "json"
        refuse_unwritable(settings.metrics_file)
        shown = Observer() if quiet or settings.log_format else Progress(sys.stderr, time.monotonic)
        world = World(os.environ, shown, stopper=Stopper())
        self._log = Log()
        if settings.log_format or settings.log_file or settings.metrics_file:
            self._log = open_settings_log(settings, sys.stderr if settings.log_format else None, world)
            world = msgspec.structs.replace(world, observer=LogObserver(self._log, shown))
        self._world = world

    def __enter__(self) -> World:
        # SIGHUP stays ignored under nohup. A shell's `&` also ignores SIGINT, but only to shield the job from the
        # keyboard: one that arrives was sent on purpose.
        heard = [number for number in _STOPS if number in _SENT or signal.getsignal(number) is not signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._stop) for number in heard}
        self._watches = ExitStack()
        if os.name == "posix":
            self._watches.enter_context(Overdue(_SENT, LATEST, self._overdue))
        return self._world

    def __exit__(self, *_: object) -> None:
        self._watches.close()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._log.close()

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        again = self._world.stopper.asked
        if again and number not in _SENT:
            # Kernel and shell both send SIGHUP when a terminal closes.
            return
        if again:
            self._end_now("Stopped at once.")
        if not self._world.stopper.ask():
            # Temporary files are removed on the way out.
            self._print("interrupted", "Interrupted before the first request.")
            raise KeyboardInterrupt
        self._print("stopping", f"{self._awaited()} Press Ctrl-C again to stop at once.")

    def _awaited(self) -> str:
        """What a stop waits for, and how long."""
        stopper = self._world.stopper
        if stopper.reporting:
            return f"Stopping: waiting up to {LATEST:.0f} s for the reports."
        waits = stopper.in_flight
        what = f": waiting up to {GRACE:.0f} s for {counted(waits, 'in-flight request')}" if waits else ""
        if stopper.run_id:
            what = f"{what}, then for the reports" if what else ": no request is in flight; writing the reports"
        return f"Stopping{what}."

    def _overdue(self, number: int) -> None:
        name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
        self._end_now(f"Not ended {LATEST:.0f} s after {name}; ending now.")

    def _end_now(self, why: str) -> NoReturn:
        """End: the journal has every answer, and the next process continues from it."""
        run_id = self._world.stopper.run_id
        said = [why]
        if run_id and self._world.stopper.reporting:
            said.append(f"Write its reports with `importer report {run_id}`.")
        if run_id:
            said.append(f"Resume with `importer resume {run_id}`.")
        self._print("ended", completed(" ".join(said), self._settings))
        os._exit(ExitCode.INTERRUPTED)

    def _print(self, name: str, text: str) -> None:
        """Print a line from a signal handler, which must not use the log itself."""
        line = f"\n{for_stream(text, sys.stderr)}\n".encode()
        if self._json_lines:
            # A program reads each line.
            event = {"at": stamp(self._world.wall()), "text": text, "event": name, "level": "info"}
            line = msgspec.json.encode(event) + b"\n"
        with suppress(OSError):
            os.write(2, line)


def open_settings_log(settings: Settings, stream: TextIO | None, world: World) -> Log:
    """The log of these settings. Raises `SettingsError`."""
    open_log = late("importer.telemetry.log_lines", "open_log")
    log: Log = open_log(stream=stream, form=settings.log_format, file=settings.log_file, wall=world.wall)
    return log


def measured(settings: Settings, world: World, work: Callable[[], RunSummary]) -> Callable[[], RunSummary]:
    """The same run; its end also goes to the log and the metrics."""

    def run() -> RunSummary:
        watch = world.observer if isinstance(world.observer, LogObserver) else None
        try:
            summary = work()
        except ImporterError as error:
            if watch is not None:
                watch.failed(error)
            raise
        paused = watch.paused_seconds if watch is not None else 0.0
        if watch is not None:
            watch.ended(summary)
        wrong = record_run(settings.metrics_file, settings.profile, summary, paused, world.wall(), world.environ)
        if wrong:
            print_note(f"importer: {wrong}")
        return summary

    return run


def pace_of(given: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The pace and stop settings that were typed for a run that exists already."""
    return {name: getattr(settings, name) for name in PACE if given.get(name) is not None}


def refuse_sources(sources: Sequence[str], settings: Settings) -> None:
    """Refuse a log or metrics path that is a source file. Raises `SettingsError`."""
    for option, path in (("--log-file", settings.log_file), ("--metrics-file", settings.metrics_file)):
        if path and Path(path).exists() and any(Path(one).exists() and Path(path).samefile(one) for one in sources):
            raise SettingsError(f"{option} {path} is the source itself.", "Choose another file.")
