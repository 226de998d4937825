"""What would send credentials or customers over a network without encryption. Only --insecure allows it."""

from __future__ import annotations

from collections.abc import Mapping

from importer.capillary.paths import scheme_and_host
from importer.capillary.proxies import proxy_for
from importer.errors import SettingsError
from importer.system.hosts import is_this_machine

_ON_PAGE = "Ask the administrator of this page to use an https:// address."


def refuse_unencrypted(base_url: str, proxies: Mapping[str, str]) -> None:
    """Raise `SettingsError` where others on the way to the API could read what is sent.

    A proxy's own password is not checked: most companies have such proxies, and with --insecure for one nothing else
    would be checked.
    """
    scheme, host = scheme_and_host(base_url)
    variable, proxy = proxy_for(scheme, host, proxies)
    _, proxy_host = scheme_and_host(proxy if "://" in proxy else f"http://{proxy}")
    by_proxy = bool(proxy) and not is_this_machine(proxy_host)
    if scheme == "http" and by_proxy:
        raise SettingsError(
            f"The proxy {proxy_host} ({variable}) would get credentials and customers unencrypted.",
            f"Use an https:// address, add {host} to NO_PROXY, or pass --insecure.",
            on_page=_ON_PAGE,
        )
    if scheme == "http" and not is_this_machine(host):
        raise SettingsError(
            f"{base_url} is not encrypted: others could read credentials and customers on the way.",
            "Use an https:// address, or pass --insecure.",
            on_page=_ON_PAGE,
        )
