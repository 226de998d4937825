"""Whether a host of an address is this machine. Pure: no name is looked up."""

from __future__ import annotations

import ipaddress


def is_this_machine(host: str) -> bool:
    """Whether what is sent to this host never leaves the machine: `localhost`, or an address of the loopback."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost":
        return True
    try:
        found = ipaddress.ip_address(name)
    except ValueError:
        return False
    inner = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (inner or found).is_loopback
