"""Notices to addresses of apprise. Only this module imports apprise. Needs the extra `notify`."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from importer.errors import SettingsError
from importer.settings.variables import expanded
from importer.system.hosts import is_this_machine

#: Seconds that the doctor waits for a connection.
_CONNECT_TIMEOUT = 5.0
#: Services of apprise whose address names the server.
_OWN_SERVER = frozenset({"NotifyJSON", "NotifyXML", "NotifyForm"})
_PROXIES = tuple(name for word in ("http_proxy", "https_proxy", "all_proxy") for name in (word, word.upper()))


class NoticeResult(msgspec.Struct, frozen=True):
    """How many addresses accepted a notice, and why others did not. An address may hold keys and is never shown."""

    accepted: int = 0
    failures: tuple[str, ...] = ()


#: As services show it: by a colour or an icon.
Kind = Literal["success", "warning", "failure"]


def send(
    addresses: Sequence[str],
    subject: str,
    body: str,
    environ: Mapping[str, str],
    kind: Kind = "failure",
    *,
    insecure: bool = False,
) -> NoticeResult:
    """Try every address. Raises nothing. `insecure`: a secret may travel unencrypted."""
    accepted = 0
    failures = []
    for number, address in enumerate(addresses, start=1):
        name = f"notice {number} ({_kind(address)})"
        try:
            service = _apprise()
            parts = expanded(address, environ).split()
            failures += [f"{name}: not a valid address" for part in parts if not service.add(part)]
            if not insecure:
                _refuse_unencrypted(service, address)
        except SettingsError as error:
            failures.append(f"{name}: {error}")
            continue
        if not len(service):
            continue
        try:
            is_accepted = bool(service.notify(body=body, title=subject, notify_type=kind, body_format="text"))
        except Exception as error:
            # Each service raises its own exceptions, and their text may hold the address.
            failures.append(f"{name}: {type(error).__name__}")
            continue
        if is_accepted:
            accepted += 1
        else:
            failures.append(f"{name}: the service did not accept it")
    return NoticeResult(accepted, tuple(failures))


def mail_service(server: str, environ: Mapping[str, str]) -> Any:
    """A mail server by one `mailto://` or `mailtos://` address. Raises `SettingsError` for anything else."""
    parts = expanded(server, environ).split()
    services = _apprise()
    if len(parts) != 1 or not re.match(r"mailtos?://", parts[0]) or not services.add(parts[0]):
        raise SettingsError(
            "The address of the mail server is not valid.",
            "Set --mail to an address like mailtos://USER:${IMPORTER_SMTP_PASSWORD}@smtp.example.com?from=you@example.com.",
        )
    return services


def mail(server: str, to: str, subject: str, body: str, environ: Mapping[str, str]) -> str:
    """Send a mail to this recipient only, and return why that failed, "" if it did not. Raises nothing."""
    try:
        services = mail_service(server, environ)
        for service in services:
            # Not by the address of the server: it would be read as a list.
            service.targets = [(False, to)]
        is_accepted = services.notify(body=body, title=subject, notify_type="info", body_format="text")
    except SettingsError as error:
        return error.message
    except Exception as error:
        # Its text may hold the address of the server.
        return type(error).__name__
    return "" if is_accepted else "the mail server did not accept it"


def is_valid_address(address: str, environ: Mapping[str, str], *, insecure: bool = False) -> bool:
    """Whether apprise knows every address in the text. Raises `SettingsError`. `insecure`: as in `send`."""
    service = _apprise()
    is_valid = all(service.add(one) for one in expanded(address, environ).split())
    if not insecure:
        _refuse_unencrypted(service, address)
    return is_valid


def _refuse_unencrypted(services: Any, address: str) -> None:
    """Raise `SettingsError` for a webhook that would carry a secret to another machine over http://.

    A secret is what apprise masks, a header or a parameter, and what comes from the environment.
    """
    for service in services:
        # A service of the Internet has one scheme, with its own https:// address. Mail is not sent over HTTP.
        has_both = isinstance(service.protocol, str) and service.secure_protocol and service.protocol != "mailto"
        if not has_both or service.secure or not service.host or is_this_machine(service.host):
            continue
        more = any(getattr(service, name, None) for name in ("headers", "params"))
        if more or "${" in address or service.url(privacy=True) != service.url(privacy=False):
            raise SettingsError(
                f"A {service.protocol}:// notice would send a secret to {service.host} unencrypted.",
                f"Use {service.protocol}s://, or pass --insecure.",
            )


def unreachable(addresses: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Why notices cannot work: for each address that is empty or whose server accepts no connection. Sends nothing.

    Raises `SettingsError`.
    """
    found = []
    for number, address in enumerate(addresses, start=1):
        service = _apprise()
        name = f"notice {number} ({_kind(address)})"
        parts = expanded(address, environ).split()
        if not parts or not all(service.add(part) for part in parts):
            found.append(f"{name}: not a valid address")
            continue
        for one in service:
            host, port = _server_of(one, environ)
            try:
                if host:
                    socket.create_connection((host, port), _CONNECT_TIMEOUT).close()
            except OSError as error:
                # The name of the host may be a key.
                found.append(f"{name}: its server cannot be reached ({error.strerror or type(error).__name__})")
    return found


def _server_of(service: Any, environ: Mapping[str, str]) -> tuple[str, int]:
    """Where a service sends its notices. "": not known, or by a proxy."""
    if mail := getattr(service, "smtp_host", None):
        return str(mail), int(service.port or 25)
    if any(environ.get(name) for name in _PROXIES):
        return "", 0
    if type(service).__name__ in _OWN_SERVER:
        return str(service.host), int(service.port or (443 if service.secure else 80))
    parts = urlsplit(str(getattr(service, "notify_url", None) or ""))
    is_web = parts.scheme in ("http", "https") and "{" not in parts.netloc
    return (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)) if is_web else ("", 0)


def _apprise() -> Any:
    try:
        # An extra: most installations send no notices.
        import apprise
    except ImportError:
        raise SettingsError(
            "Notices need an extra that is not installed.", "Run: pip install 'capillary-importer[notify]'"
        ) from None
    # It logs addresses with their keys.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    return apprise.Apprise()


def _kind(address: str) -> str:
    match = re.match(r"([a-z0-9]+)://", address)
    return match[1] if match else "from the environment"
