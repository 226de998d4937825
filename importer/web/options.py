"""Options of the page, and the checks that it is not open to others without sign-in."""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Mapping
from pathlib import Path

import msgspec

from importer.errors import SettingsError
from importer.runs.spool import PAGE
from importer.settings.options import Settings

MEBIBYTE = 1024 * 1024


class WebOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`settings`: those of every run of the page. Comments name the environment variables."""

    settings: Settings
    host: str = "127.0.0.1"
    port: int = 8765
    #: IMPORTER_WEB_USERS_FILE: names, roles and argon2 hashes; None: the page has no sign-in.
    users_file: Path | None = None
    #: IMPORTER_WEB_PROXY_HEADER: the header in which a trusted proxy sends the user.
    proxy_header: str = ""
    #: IMPORTER_WEB_PROXY_ADDRESSES: the addresses of that proxy.
    proxy_addresses: tuple[str, ...] = ("127.0.0.1", "::1")
    #: The addresses were set: requests of theirs come from the client in `X-Forwarded-For`.
    behind_proxy: bool = False
    #: IMPORTER_WEB_NAMES: host names of the page, in addition to the loopback.
    names: tuple[str, ...] = ()
    #: IMPORTER_WEB_MAIL: the mail server for notices to users, an address of apprise. "": no mails.
    mail: str = ""
    #: IMPORTER_WEB_MAIL_DOMAINS: where users may have notices sent to, in addition to a user name that is an address.
    mail_domains: tuple[str, ...] = ()
    max_upload: int = 512 * MEBIBYTE
    #: Bytes of uploads that a user may store; 0: ten times `max_upload`.
    user_quota: int = 0
    tls_certificate: str = ""
    tls_key: str = ""
    #: Browsers use HTTPS through a proxy.
    https: bool = False
    #: Runs at the same time; more are queued.
    most_runs: int = 8
    #: Seconds between two updates of a run in progress.
    beat: float = 0.7
    #: Seconds after which an event stream ends and the browser reconnects.
    watch: float = 60.0

    @property
    def signs_in(self) -> bool:
        return self.users_file is not None or bool(self.proxy_header)

    @property
    def secure(self) -> bool:
        """Whether browsers use HTTPS."""
        return self.https or bool(self.tls_certificate)

    @property
    def quota(self) -> int:
        return self.user_quota or 10 * self.max_upload

    @property
    def trusts_forwarded(self) -> bool:
        """Whether there is a proxy that says where a request comes from."""
        return self.behind_proxy or self.https or bool(self.proxy_header)

    @property
    def folder(self) -> Path:
        """The folder of uploads, sessions and the audit trail, beside the runs."""
        return Path(self.settings.reports_dir) / PAGE


def from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The options set in the environment; "" where one is not set."""
    return {
        name: environ.get(f"IMPORTER_WEB_{name.upper()}", "")
        for name in ("users_file", "proxy_header", "proxy_addresses", "names", "mail", "mail_domains")
    }


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_unsafe(options: WebOptions) -> None:
    """Raises `SettingsError` where others could see customers' data without sign-in."""
    if not is_loopback(options.host) and not options.signs_in:
        raise SettingsError(
            f"Other machines can reach {options.host}, but the page has no sign-in.",
            "Set IMPORTER_WEB_USERS_FILE and add users with --add-user (`importer manual page`).",
        )
    if bool(options.tls_certificate) != bool(options.tls_key):
        raise SettingsError(
            "TLS needs a certificate and its key.", "Give --tls-certificate and --tls-key together, or neither."
        )
    if options.proxy_header and not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", options.proxy_header):
        raise SettingsError(
            f"{options.proxy_header!r} is not a valid header name.", "Use a name like X-Forwarded-User."
        )
    if options.mail_domains and not options.mail:
        raise SettingsError("Users cannot name an address without a mail server.", "Set --mail with --mail-domain.")
    for domain in options.mail_domains:
        if not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", domain):
            raise SettingsError(f"{domain!r} is not a mail domain.", "Set --mail-domain to a domain like example.com.")
    if options.tls_certificate:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
                options.tls_certificate, options.tls_key
            )
        except OSError as error:
            why = "not a certificate and its key" if isinstance(error, ssl.SSLError) else error.strerror
            raise SettingsError(
                f"Cannot use the certificate {options.tls_certificate} with the key {options.tls_key} ({why}).",
                "Give --tls-certificate and --tls-key as PEM files that belong together.",
            ) from None


def read_addresses(texts: tuple[str, ...]) -> tuple[str, ...]:
    """IP addresses, unchanged. Raises `SettingsError` for anything else, which would never match."""
    for text in texts:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise SettingsError(
                f"{text!r} is not a valid IP address.", "Set --proxy-address to an address like 10.0.0.7."
            ) from None
    return texts


def read_size(text: str, option: str = "--max-upload") -> int:
    """`512M`, `2G`, `1048576`. Raises `SettingsError`."""
    match = re.fullmatch(r"(\d{1,12})\s*([KMG]?)i?B?", text.strip(), re.IGNORECASE)
    if match is None or not int(match[1]):
        raise SettingsError(f"{text!r} is not a valid size.", f"Set {option} to a size like 512M or 2G.")
    units = {"": 1, "K": 1024, "M": MEBIBYTE, "G": 1024 * MEBIBYTE}
    return int(match[1]) * units[match[2].upper()]
