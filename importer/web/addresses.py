"""Addresses: where a request comes from, behind a proxy too, and what counts as one place."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
#: The most proxies between a client and the page.
_MOST_PROXIES = 20


def client_of(peer: str, forwarded: Sequence[str], proxies: Iterable[str]) -> str:
    """The client's address: what the last trusted proxy says, as that saw it. `forwarded`: the headers
    `X-Forwarded-For`, to which each proxy appends; whatever a client wrote into them comes first and is not read."""
    trusted = {plain(address) for address in proxies}
    found = plain(peer)
    for text in reversed(",".join(forwarded).split(",")[-_MOST_PROXIES:]):
        address = _parsed(text)
        if found not in trusted or address is None:
            break
        found = str(address)
    return found


def plain(text: str) -> str:
    """An address as it is compared: an IPv4 address mapped to IPv6 is one of IPv4. Other text is unchanged."""
    address = _parsed(text)
    return text if address is None else str(address)


def place_of(text: str) -> str:
    """What attempts are counted by: one customer of a provider has a whole network of IPv6 addresses."""
    address = _parsed(text)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(address), 64), strict=False))
    return text if address is None else str(address)


def _parsed(text: str) -> _Address | None:
    """An address, with or without a port."""
    bare = text.strip()
    if found := re.fullmatch(r"\[([^]]+)\](?::\d+)?|([\d.]+):\d+", bare):
        bare = found[1] or found[2]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
