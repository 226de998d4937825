"""Profiles: every mistake of a file of settings at once, each with its line and what to do.

The settings' table knows what a value may be; here is what values must be to each other and to this machine.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from importer.errors import ImporterError
from importer.nightly.location import expanded
from importer.nightly.notices import is_valid_address
from importer.normaliser.mapping import load as load_mapping
from importer.settings.options import Nightly, Reading, Settings, read_all

#: What each kind of address needs besides, by the module that opens it.
_NEEDS = {"sftp": "paramiko", "s3": "s3fs", "gs": "gcsfs", "abfs": "adlfs"}
_PLACES = ("inbox", "done", "failed", "outbox")


def check_profile(
    given: Mapping[str, str | None], environ: Mapping[str, str], file: Path | None = None
) -> tuple[Settings | None, list[str]]:
    """The settings, None where they cannot be built, and every mistake."""
    reading = read_all(given, environ, file)
    mistakes = [str(mistake) for mistake in reading.mistakes]
    if not _wrong(reading, "profile"):
        # Else it would be the rest of the file that is looked at, and its lacks are not the mistake.
        mistakes += _between(reading, environ)
    return (reading.settings() if not reading.mistakes else None), mistakes


def _between(reading: Reading, environ: Mapping[str, str]) -> Iterator[str]:
    """Mistakes of values that are well each by itself."""
    values = reading.values

    def at(*fields: str) -> str:
        """Where the last of these stands."""
        found = [reading.origins[field] for field in fields if field in reading.origins]
        return str(found[-1] if found else reading.origins.get("profiles", "the settings"))

    if not values.get("base_url") and not values.get("sandbox") and not _wrong(reading, "base_url", "cluster"):
        yield f"{at()}: no target is given. Add base-url or cluster, or sandbox = true to try it without."
    if mapping := values.get("mapping"):
        yield from _raised(at("mapping"), lambda: load_mapping(Path(mapping)))
    for field, end in (("log_file", ""), ("metrics_file", ".prom")):
        if path := values.get(field):
            if not Path(path).parent.is_dir():
                yield f"{at(field)}: there is no folder {Path(path).parent}. Make it, or correct the path."
            if not path.endswith(end):
                yield f"{at(field)}: the collector reads only names that end with {end}. Rename {Path(path).name}."
    yield from _files(values, at)
    if not _wrong(reading, "inbox"):
        yield from _places(values, at, environ)
    yield from _nights(values, at)
    for address in values.get("notices", ()):
        yield from _notice(address, at("notices"), environ)


def _wrong(reading: Reading, *fields: str) -> bool:
    """Whether one of these already has a mistake."""
    return any(mistake.field in fields for mistake in reading.mistakes)


def _raised(where: str, work: Callable[[], object]) -> Iterator[str]:
    try:
        work()
    except ImporterError as error:
        yield f"{where}: {error}"


def _files(values: Mapping[str, str], at: Callable[..., str]) -> Iterator[str]:
    for field in ("key_file", "known_hosts"):
        path = values.get(field)
        if path and not Path(path).expanduser().is_file():
            yield f"{at(field)}: there is no file {path}. Correct the path."


def _places(values: Mapping[str, str], at: Callable[..., str], environ: Mapping[str, str]) -> Iterator[str]:
    inbox = values.get("inbox")
    if not inbox:
        for field in ("done", "failed", "outbox", "expect_by", "marker", "not_before", "notices"):
            if values.get(field):
                yield f"{at(field)}: there is no inbox that it could belong to. Add inbox."
                return
        return
    for field in _PLACES:
        place = values.get(field, "")
        scheme = place.partition("://")[0] if "://" in place else ""
        if scheme in _NEEDS and importlib.util.find_spec(_NEEDS[scheme]) is None:
            yield f"{at(field)}: {scheme}:// needs an extra. Type: pip install 'capillary-importer[{scheme}]'"
        yield from _raised(at(field), lambda place=place: expanded(place, environ))  # type: ignore[misc]
    # The others may be away: their turn comes when rows have been sent, and they are tried again later.
    folder = inbox.removeprefix("file://")
    if "://" not in folder and "${" not in folder and not Path(folder).is_dir():
        yield f"{at('inbox')}: there is no folder {folder}. Make it, or correct the path."
    for one, other in (("inbox", "done"), ("inbox", "failed"), ("inbox", "outbox")):
        if values.get(other) and values[one].rstrip("/") == values[other].rstrip("/"):
            yield f"{at(other)}: {other} is the inbox itself: its files would be taken again. Choose another place."


def _nights(values: Mapping[str, float], at: Callable[..., str]) -> Iterator[str]:
    default = Nightly()
    warning, critical = values.get("warning", default.warning), values.get("critical", default.critical)
    if warning > critical:
        yield (
            f"{at('warning', 'critical')}: warning ({warning:.0%}) is above critical ({critical:.0%}). "
            "Let it be the smaller share."
        )
    if values.get("not_before") and values.get("not_before") == values.get("until"):
        yield f"{at('not_before')}: not-before is until itself, so no run could begin. Choose an earlier time."


def _notice(address: str, where: str, environ: Mapping[str, str]) -> Iterator[str]:
    try:
        if not is_valid_address(address, environ):
            yield f"{where}: a notice's address is not understood. See apprise's documentation for how to write it."
    except ImporterError as error:
        yield f"{where}: {error}"
