"""Check a profile: every mistake of its settings at once, each with its line and how to fix it.

`settings.options` checks each value; this module checks values against each other and against this machine.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from importer.capillary.proxies import proxies_of
from importer.capillary.unencrypted import refuse_unencrypted
from importer.errors import ImporterError
from importer.normaliser.mapping_file import load as load_mapping
from importer.settings.loading import Mistake, Origin, Reading, read_all
from importer.settings.options import Nightly, Settings
from importer.settings.variables import expanded
from importer.system.files import with_home
from importer.telemetry.notices import is_valid_address

#: Scheme of an address → the module of its extra.
_EXTRAS = {"sftp": "paramiko", "s3": "s3fs", "gs": "gcsfs", "abfs": "adlfs"}
#: Settings that have no effect without an inbox.
_OF_THE_INBOX = ("done", "failed", "outbox", "expect_by", "marker", "not_before", "notices")


def check_profile(
    given: Mapping[str, str | None], environ: Mapping[str, str], file: Path | None = None
) -> tuple[Settings | None, list[str]]:
    """(the settings, None when a value is not valid; every mistake)."""
    reading = read_all(given, environ, file)
    mistakes = list(reading.mistakes)
    if not _has_mistake(reading, "profile"):
        # Else these would be the settings outside the profile, and what they lack is not the mistake.
        mistakes += _Checks(reading, environ).mistakes()
    return (reading.settings() if not reading.mistakes else None), [str(mistake) for mistake in mistakes]


def _has_mistake(reading: Reading, *fields: str) -> bool:
    return any(mistake.field in fields for mistake in reading.mistakes)


class _Checks:
    """Mistakes among values that are valid one by one."""

    def __init__(self, reading: Reading, environ: Mapping[str, str]) -> None:
        self._reading = reading
        self._values: dict[str, Any] = reading.values
        self._environ = environ

    def mistakes(self) -> Iterator[Mistake]:
        yield from self._target()
        yield from self._files()
        if not _has_mistake(self._reading, "inbox"):
            yield from self._locations()
        yield from self._limits()
        for address in self._values.get("notices", ()):
            yield from self._notice(address)

    def _mistake(self, text: str, *fields: str) -> Mistake:
        """`fields`: the mistake gets the line of the last one that is set, else that of the profile."""
        origins = self._reading.origins
        given = [field for field in fields if field in origins]
        where = origins[given[-1]] if given else origins.get("profiles", Origin("the settings"))
        return Mistake(given[-1] if given else "", where, text)

    def _raised(self, field: str, work: Callable[[], object]) -> Iterator[Mistake]:
        try:
            work()
        except ImporterError as error:
            yield self._mistake(str(error), field)

    def _target(self) -> Iterator[Mistake]:
        given = self._values.get("base_url") or self._values.get("sandbox")
        if not given and not _has_mistake(self._reading, "base_url", "cluster"):
            yield self._mistake("there is no target. Add base-url or cluster, or sandbox = true to use the sandbox.")
        base_url = self._values.get("base_url", "")
        if base_url and not self._values.get("insecure"):
            yield from self._raised("base_url", lambda: refuse_unencrypted(base_url, proxies_of(self._environ)))

    def _files(self) -> Iterator[Mistake]:
        if mapping := self._values.get("mapping"):
            yield from self._raised("mapping", lambda: load_mapping(Path(mapping)))
        for field, end in (("log_file", ""), ("metrics_file", ".prom")):
            if path := self._values.get(field):
                if not Path(path).parent.is_dir():
                    text = f"there is no folder {Path(path).parent}. Create it, or correct the path."
                    yield self._mistake(text, field)
                if not path.endswith(end):
                    text = f"the collector reads only files that end with {end}. Rename {Path(path).name}."
                    yield self._mistake(text, field)
        for field in ("key_file", "known_hosts"):
            path = self._values.get(field)
            if path and not with_home(path).is_file():
                yield self._mistake(f"there is no file {path}. Correct the path.", field)

    def _locations(self) -> Iterator[Mistake]:
        inbox: str = self._values.get("inbox", "")
        if not inbox:
            useless = next((field for field in _OF_THE_INBOX if self._values.get(field)), "")
            if useless:
                yield self._mistake("it has no effect without an inbox. Add inbox.", useless)
            return
        for field in ("inbox", "done", "failed", "outbox"):
            yield from self._address(field, self._values.get(field, ""))
        # Only the inbox must exist: the others are used after a run, and again by the next load.
        folder = inbox.removeprefix("file://")
        if "://" not in folder and "${" not in folder and not Path(folder).is_dir():
            yield self._mistake(f"there is no folder {folder}. Create it, or correct the path.", "inbox")
        for field in ("done", "failed", "outbox"):
            if self._values.get(field, "").rstrip("/") == inbox.rstrip("/"):
                text = f"{field} is the inbox itself: its files would be taken again. Choose another location."
                yield self._mistake(text, field)

    def _address(self, field: str, address: str) -> Iterator[Mistake]:
        scheme = address.partition("://")[0] if "://" in address else ""
        if scheme in _EXTRAS and importlib.util.find_spec(_EXTRAS[scheme]) is None:
            text = f"{scheme}:// needs an extra. Run: pip install 'capillary-importer[{scheme}]'"
            yield self._mistake(text, field)
        yield from self._raised(field, lambda: expanded(address, self._environ))

    def _limits(self) -> Iterator[Mistake]:
        default = Nightly()
        warning: float = self._values.get("warning", default.warning)
        critical: float = self._values.get("critical", default.critical)
        if warning > critical:
            text = f"warning ({warning:.0%}) is above critical ({critical:.0%}). Choose a smaller share for warning."
            yield self._mistake(text, "warning", "critical")
        not_before = self._values.get("not_before")
        if not_before and not_before == self._values.get("until"):
            yield self._mistake("not-before equals until, so no run could begin. Choose an earlier time.", "not_before")

    def _notice(self, address: str) -> Iterator[Mistake]:
        try:
            if not is_valid_address(address, self._environ, insecure=self._values.get("insecure", False)):
                text = "an address is not valid. See apprise's documentation for the format."
                yield self._mistake(text, "notices")
        except ImporterError as error:
            yield self._mistake(str(error), "notices")
