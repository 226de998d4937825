"""Notices: a title and a text to addresses of apprise. The only door to apprise; needs the extra `notify`."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from importer.errors import SettingsError
from importer.nightly.locations import expanded


class Sent(msgspec.Struct, frozen=True):
    """How many addresses took a notice, and what is told of those that did not: never the address, it holds keys."""

    taken: int = 0
    failures: tuple[str, ...] = ()


def send(addresses: Sequence[str], title: str, text: str, environ: Mapping[str, str]) -> Sent:
    """Tries every address; raises nothing."""
    taken = 0
    failures = []
    for number, address in enumerate(addresses, start=1):
        name = f"notice {number} ({_kind(address)})"
        try:
            found = _apprise()
            parts = expanded(address, environ).split()
            failures += [f"{name}: the address is not understood" for part in parts if not found.add(part)]
        except SettingsError as error:
            failures.append(f"{name}: {error}")
            continue
        if not len(found):
            continue
        try:
            well = bool(found.notify(body=text, title=title, body_format="text"))
        except Exception as error:
            # Each service fails in its own way; what it says may hold the address.
            failures.append(f"{name}: {type(error).__name__}")
            continue
        if well:
            taken += 1
        else:
            failures.append(f"{name}: it was not taken")
    return Sent(taken, tuple(failures))


def understood(address: str, environ: Mapping[str, str]) -> bool:
    """Whether every address in the text is one that apprise knows. Raises `SettingsError`."""
    found = _apprise()
    return all(found.add(one) for one in expanded(address, environ).split())


def _apprise() -> Any:
    try:
        # An extra: most installations tell nobody.
        import apprise
    except ImportError:
        raise SettingsError(
            "Notices need more than is installed.", "Type: pip install 'capillary-importer[notify]'"
        ) from None
    # It logs addresses with their keys.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    return apprise.Apprise()


def _kind(address: str) -> str:
    match = re.match(r"([a-z0-9]+)://", address)
    return match[1] if match else "from the environment"
