"""The doctor: whether everything that a night needs is there, line by line, each well or with what to do."""

from __future__ import annotations

import asyncio
import email.utils
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from importer.capillary.credentials import from_environment
from importer.checker.check import greet
from importer.chunker.shared_rate import glance
from importer.errors import ExitCode, ImporterError, worse
from importer.journal import Journal
from importer.nightly.locations import Access, Unreachable, open_place
from importer.nightly.profile import check_profile
from importer.runs.target import target_of
from importer.settings.options import Settings
from importer.world import World

#: Free space below which a night may not find room for its copies and reports.
LEAST_FREE = 512 * 1024 * 1024
#: Seconds that the clock may differ from the server's, whose Date is cut to the second.
MOST_DRIFT = 30.0


class Line(msgspec.Struct, frozen=True):
    """One thing that was looked at. `exit_code` 0: well."""

    name: str
    text: str
    exit_code: int = 0

    @property
    def well(self) -> bool:
        return self.exit_code == ExitCode.OK


def examine(given: Mapping[str, str | None], file: Path | None, world: World) -> Iterator[Line]:
    """Looks at one thing after the other, each told as soon as it is known. Nothing is sent but a question."""
    settings, mistakes = check_profile(given, world.environ, file)
    for mistake in mistakes:
        yield Line("settings", mistake, int(ExitCode.SETTINGS))
    if not mistakes:
        yield Line("settings", "no mistake")
    if settings is None:
        return
    rate = _rate(settings, world)  # before our own question takes a slot
    yield from _server(settings, world)
    yield rate
    yield _disk(Path(settings.reports_dir))
    yield _told("journal", lambda: _journal(settings))
    yield from _places(settings, world)
    if settings.nightly.notices:
        yield Line("notices", f"{len(settings.nightly.notices)} set; told when the state changes")


def worst_of(lines: list[Line]) -> int:
    worst = 0
    for line in lines:
        worst = worse(worst, line.exit_code)
    return worst


def line_text(line: Line) -> str:
    return f"{'ok ' if line.well else 'NOT'}  {line.name:<12} {line.text}\n"


def _told(name: str, work: Callable[[], str]) -> Line:
    try:
        return Line(name, work())
    except ImporterError as error:
        return Line(name, str(error), int(error.exit_code))


def _server(settings: Settings, world: World) -> Iterator[Line]:
    if settings.sandbox:
        yield Line("credentials", "the stand-in's own")
        return
    try:
        with target_of(settings, world) as target:
            asked = world.wall()
            greeting = asyncio.run(greet(target, settings, world))
            answered = world.wall()
    except ImporterError as error:
        yield Line("credentials", str(error), int(error.exit_code))
        return
    yield Line("credentials", f"{target.base_url} takes those of {target.credentials.name}")
    yield _clock(greeting.server_date, asked, answered)


def _clock(server_date: str, asked: int, answered: int) -> Line:
    moment = email.utils.parsedate_tz(server_date)
    if moment is None:
        return Line("clock", "the server does not tell its time")
    theirs = email.utils.mktime_tz(moment) * 1000
    # Their time was cut to the second somewhere between our question and their answer.
    early, late = (asked - theirs - 1000) / 1000, (answered - theirs) / 1000
    drift = early if early > 0 else min(late, 0.0)
    if abs(drift) <= MOST_DRIFT:
        return Line("clock", "agrees with the server's")
    return Line(
        "clock",
        f"is {abs(drift):.0f} s {'ahead of' if drift > 0 else 'behind'} the server's. Let NTP set it: until, "
        "not-before and the stamps of the reports follow it.",
        int(ExitCode.SETTINGS),
    )


def _rate(settings: Settings, world: World) -> Line:
    word = settings.rate.word
    if settings.sandbox:
        return Line("rate", f"{word}, the stand-in's alone")
    try:
        name = from_environment(world.environ, settings.credentials).name
    except ImporterError:
        return Line("rate", f"{word}; who shares it is known once the credentials are")
    state = glance(world.environ, f"{settings.base_url} {name}")
    now = world.clock()
    if state is None or state.slot <= now:
        return Line("rate", f"{word}; no other process of this machine uses the key now")
    slowed = "" if state.share >= 1 else f", slowed to {state.share:.0%} by the server's 429"
    return Line("rate", f"{word}, shared with another process of this machine that sends now{slowed}")


def _disk(reports: Path) -> Line:
    there = reports.resolve()
    while not there.exists():
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Line(
            "disk",
            f"{there} cannot be written. Give it to this user, or choose another reports-dir.",
            int(ExitCode.JOURNAL),
        )
    free = shutil.disk_usage(there).free
    text = f"{free / 1024**3:,.1f} GiB free at {there}"
    if free >= LEAST_FREE:
        return Line("disk", text)
    return Line("disk", f"{text}. Make room: copies, reports and the journal need it.", int(ExitCode.JOURNAL))


def _journal(settings: Settings) -> str:
    reports = Path(settings.reports_dir)
    if not settings.database and not (reports / "journal.db").exists():
        return f"is made in {reports} by the first run"
    with Journal.open(reports, settings.database or None) as journal:
        journal.check()
        return f"{journal.where} is whole"


def _places(settings: Settings, world: World) -> Iterator[Line]:
    nightly = settings.nightly
    access = Access(world.environ, nightly.key_file, nightly.known_hosts)

    def reached(word: str, address: str) -> str:
        place = open_place(address, access)
        try:
            count = len(place.list())
        except Unreachable as error:
            if word == "inbox" or not isinstance(error.__cause__, FileNotFoundError):
                raise
            return f"{place.shown} is made when something is put there"
        finally:
            place.close()
        return f"{place.shown} is reached, {count} file{'' if count == 1 else 's'} in it"

    for word in ("inbox", "done", "failed", "outbox"):
        if address := getattr(nightly, word):
            yield _told(word, lambda word=word, address=address: reached(word, address))  # type: ignore[misc]
