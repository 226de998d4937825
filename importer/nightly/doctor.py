"""The doctor: checks what a nightly load needs, and says how to fix what fails."""

from __future__ import annotations

import email.utils
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from importer.capillary.credentials import from_environment
from importer.chunker.shared_rate import current_pace
from importer.errors import ExitCode, ImporterError, SettingsError, worse
from importer.journal import Journal
from importer.nightly.location import LocationUnreachable
from importer.nightly.locations import LocationName, open_location
from importer.nightly.profile import check_profile
from importer.nightly.remote import LocationAccess
from importer.runs.fields import greet
from importer.runs.target import rate_key, target_of
from importer.settings.options import Settings
from importer.system.text import counted
from importer.telemetry.notices import unreachable
from importer.world import World

#: Bytes of free disk space below which copies and reports of a load may not fit.
LEAST_FREE = 512 * 1024 * 1024
#: Seconds by which the clock may differ from the server's Date header, which has no fraction.
MOST_DRIFT = 30.0


class DoctorCheck(msgspec.Struct, frozen=True):
    """One check and its result. `exit_code` 0: OK."""

    name: str
    text: str
    exit_code: int = 0

    @property
    def ok(self) -> bool:
        return self.exit_code == ExitCode.OK


def examine(given: Mapping[str, str | None], file: Path | None, world: World) -> Iterator[DoctorCheck]:
    """Make the checks one by one. Nothing is changed: the server gets one question, or two with OAuth."""
    settings, mistakes = check_profile(given, world.environ, file)
    for mistake in mistakes:
        yield DoctorCheck("settings", mistake, int(ExitCode.SETTINGS))
    if not mistakes:
        yield DoctorCheck("settings", _valid(settings, world))
    if settings is None:
        return
    rate = _rate(settings, world)  # before the question to the server, which uses the rate too
    yield from _server(settings, world)
    yield rate
    yield _disk(Path(settings.reports_dir))
    yield _checked("journal", lambda: _journal(settings))
    yield from _locations(settings, world)
    if settings.nightly.notices:
        yield _checked("notices", lambda: _notices(settings, world))


def _valid(settings: Settings | None, world: World) -> str:
    """The text of valid settings: before the first request, it names their file, the server and the credentials."""
    if settings is None or settings.sandbox:
        return "valid"
    file = f" ({settings.settings_file})" if settings.settings_file else ""
    try:
        name = from_environment(world.environ, settings.credentials).name
    except ImporterError:
        return f"valid{file}"
    return f"valid{file}: {settings.base_url} with the credentials of {name}"


def worst_of(checks: list[DoctorCheck]) -> int:
    worst = 0
    for check in checks:
        worst = worse(worst, check.exit_code)
    return worst


def check_text(check: DoctorCheck) -> str:
    return f"{'OK' if check.ok else 'FAIL':<5}{check.name:<12} {check.text}\n"


def _checked(name: str, work: Callable[[], str]) -> DoctorCheck:
    try:
        return DoctorCheck(name, work())
    except ImporterError as error:
        return DoctorCheck(name, str(error), int(error.exit_code))


def _server(settings: Settings, world: World) -> Iterator[DoctorCheck]:
    if settings.sandbox:
        yield DoctorCheck("credentials", "those of the sandbox")
        return
    try:
        with target_of(settings, world) as target:
            asked = world.wall()
            greeting = greet(target, settings, world)
            answered = world.wall()
    except ImporterError as error:
        yield DoctorCheck("credentials", str(error), int(error.exit_code))
        return
    yield DoctorCheck("credentials", f"{target.base_url} accepts those of {target.credentials.name}")
    yield clock_check(greeting.server_date, asked, answered)


def clock_check(server_date: str, asked: int, answered: int) -> DoctorCheck:
    """Compare the clocks by the Date header of an answer, and when it was asked and answered (milliseconds)."""
    moment = email.utils.parsedate_tz(server_date)
    if moment is None:
        return DoctorCheck("clock", "not compared: the server sends no date")
    theirs = email.utils.mktime_tz(moment) * 1000
    # The server read its clock between question and answer, and cut the time to the second.
    early, late = (asked - theirs - 1000) / 1000, (answered - theirs) / 1000
    drift = early if early > 0 else min(late, 0.0)
    if abs(drift) <= MOST_DRIFT:
        return DoctorCheck("clock", "agrees with the server's")
    return DoctorCheck(
        "clock",
        f"{abs(drift):.0f} s {'ahead of' if drift > 0 else 'behind'} the server's. Set it by NTP: until, not-before "
        "and the times in reports depend on it.",
        int(ExitCode.SETTINGS),
    )


def _rate(settings: Settings, world: World) -> DoctorCheck:
    word = settings.rate.word
    if settings.sandbox:
        return DoctorCheck("rate", f"{word}, used by the sandbox only")
    try:
        name = from_environment(world.environ, settings.credentials).name
    except ImporterError:
        return DoctorCheck("rate", f"{word}; not known whether it is shared, because the credentials are missing")
    state = current_pace(world.environ, rate_key(settings.base_url, name))
    now = world.clock()
    if state is None or state.slot <= now:
        return DoctorCheck("rate", f"{word}; no other process of this machine is using it")
    slowed = "" if state.share >= 1 else f", reduced to {state.share:.0%} after 429 answers"
    return DoctorCheck("rate", f"{word}, shared with another process of this machine that is sending{slowed}")


def _disk(reports: Path) -> DoctorCheck:
    existing = reports.resolve()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return DoctorCheck(
            "disk",
            f"cannot write to {existing}. Make it a directory that this user may write to, or choose another "
            "reports-dir.",
            int(ExitCode.JOURNAL),
        )
    free = shutil.disk_usage(existing).free
    text = f"{free / 1024**3:,.1f} GiB free at {existing}"
    if free >= LEAST_FREE:
        return DoctorCheck("disk", text)
    return DoctorCheck("disk", f"{text}. Make room for copies, reports and the journal.", int(ExitCode.JOURNAL))


def _journal(settings: Settings) -> str:
    reports = Path(settings.reports_dir)
    if not settings.database and not (reports / "journal.db").exists():
        return f"the first run creates it in {reports}"
    with Journal.open(reports, settings.database or None) as journal:
        journal.check()
        return f"{journal.where} is intact"


def _notices(settings: Settings, world: World) -> str:
    if wrong := unreachable(settings.nightly.notices, world.environ):
        raise SettingsError("; ".join(wrong) + ".", "Correct the address, or start its server.")
    count = counted(len(settings.nightly.notices), "address", "addresses")
    return f"{count}, reachable; a notice is sent when the state changes"


def _locations(settings: Settings, world: World) -> Iterator[DoctorCheck]:
    nightly = settings.nightly
    access = LocationAccess(world.environ, nightly.key_file, nightly.known_hosts)
    names: tuple[LocationName, ...] = ("inbox", "done", "failed", "outbox")
    for name in names:
        if address := getattr(nightly, name):
            yield _location(name, address, access)


def _location(name: LocationName, address: str, access: LocationAccess) -> DoctorCheck:
    def reach() -> str:
        location = open_location(address, access)
        try:
            files = counted(len(location.list()), "file")
        except LocationUnreachable as error:
            if name == "inbox" or not isinstance(error.__cause__, FileNotFoundError):
                raise
            return f"{location.shown} is created with its first file"
        finally:
            location.close()
        return f"{location.shown} is reachable; {files}"

    return _checked(name, reach)
