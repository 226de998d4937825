"""Which proxy leads to a host: the variables that all programs share, in an environment that is passed in."""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Mapping

_END = "_proxy"
#: These systems also keep proxies in their settings, which count where the environment names none.
_HAS_SETTINGS = sys.platform in ("darwin", "win32")


def proxies_of(environ: Mapping[str, str]) -> dict[str, str]:
    """Scheme → address, from variables like `https_proxy`, `ALL_PROXY` and `NO_PROXY`. The lower-case name wins, also
    where it is empty."""
    upper_first = sorted(name for name in environ if name.lower().endswith(_END))
    found = {name.lower().removesuffix(_END): environ[name].strip() for name in upper_first}
    found = {scheme: address for scheme, address in found.items() if address}
    return urllib.request.getproxies() if _HAS_SETTINGS and not found else found


def proxy_for(scheme: str, host: str, proxies: Mapping[str, str]) -> tuple[str, str]:
    """The variable that names the proxy for a host, and its value; both empty where the host is called directly."""
    is_listed: bool = urllib.request.proxy_bypass_environment(host, dict(proxies))  # type: ignore[attr-defined]
    if is_listed or (_HAS_SETTINGS and urllib.request.proxy_bypass(host)):
        return "", ""
    name = scheme if proxies.get(scheme) else "all"
    address = proxies.get(name, "")
    return (f"{name.upper()}_PROXY", address) if address else ("", "")
