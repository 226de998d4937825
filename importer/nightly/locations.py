"""The locations of one profile: inbox, done, failed and outbox, opened when first used."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from importer.nightly.local import LocalFolder
from importer.nightly.location import Location
from importer.nightly.remote import LocationAccess, RemoteFolder
from importer.settings.options import Nightly
from importer.settings.variables import expanded

LocationName = Literal["inbox", "done", "failed", "outbox"]


def open_location(address: str, access: LocationAccess, sibling: Location | None = None) -> Location:
    """Open a folder or an address. With `sibling` on the same server, both share a connection, so a move is a rename.

    Raises `SettingsError` for an invalid address, `LocationUnreachable` when the server does not answer.
    """
    match = re.match(r"([a-z0-9]+)://", address)
    if match is None or match[1] == "file":
        return LocalFolder(Path(expanded(address.removeprefix("file://"), access.environ)))
    shared = sibling.system_for(address) if isinstance(sibling, RemoteFolder) else None
    return RemoteFolder(match[1], address, access, system=shared)


class Locations:
    """Opens a location once and keeps it until `close`."""

    def __init__(self, nightly: Nightly, access: LocationAccess) -> None:
        self._nightly = nightly
        self._access = access
        self._open: dict[LocationName, Location] = {}

    def get(self, name: LocationName) -> Location:
        """done and failed are folders in the inbox where the settings do not name them."""
        if name not in self._open:
            address: str = getattr(self._nightly, name)
            self._open[name] = (
                open_location(address, self._access, self._open.get("inbox"))
                if address
                else self.get("inbox").sub(name)
            )
        return self._open[name]

    def is_open(self, name: LocationName) -> bool:
        return name in self._open

    def close(self) -> None:
        """Close the connections; `get` opens them again."""
        for location in self._open.values():
            location.close()
        self._open.clear()
