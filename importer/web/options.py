"""What the page is told before it starts, and the refusal to stand open to others without sign-in."""

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
    """`settings`: what every run of the page begins with. Environment names stand beside what they set."""

    settings: Settings
    host: str = "127.0.0.1"
    port: int = 8765
    #: IMPORTER_WEB_USERS_FILE: names, roles and argon2 hashes; None: no sign-in of our own.
    users_file: Path | None = None
    #: IMPORTER_WEB_PROXY_HEADER: the header in which a trusted proxy names who is signed in.
    proxy_header: str = ""
    #: IMPORTER_WEB_PROXY_ADDRESSES: from where that header is believed.
    proxy_addresses: tuple[str, ...] = ("127.0.0.1", "::1")
    #: IMPORTER_WEB_NAMES: names by which browsers reach the page, besides this machine's loopback.
    names: tuple[str, ...] = ()
    max_upload: int = 512 * MEBIBYTE
    tls_certificate: str = ""
    tls_key: str = ""
    #: Whether browsers come over HTTPS though this server does not speak it: a proxy does.
    https: bool = False
    #: Runs that go on at the same time; further ones wait for their turn.
    most_runs: int = 8
    #: Seconds between two looks at a run that goes on.
    beat: float = 0.7
    #: Seconds after which somebody who watches must ask anew.
    watch: float = 60.0

    @property
    def signs_in(self) -> bool:
        return self.users_file is not None or bool(self.proxy_header)

    @property
    def secure(self) -> bool:
        """Whether browsers use HTTPS."""
        return self.https or bool(self.tls_certificate)

    @property
    def folder(self) -> Path:
        """Where uploads, sessions and the audit trail are kept: beside the runs, out of their way."""
        return Path(self.settings.reports_dir) / PAGE


def from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What the environment says, by option; "" where it says nothing."""
    return {
        name: environ.get(f"IMPORTER_WEB_{name.upper()}", "")
        for name in ("users_file", "proxy_header", "proxy_addresses", "names")
    }


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_unsafe(options: WebOptions) -> None:
    """Customers' data are not shown to whoever comes by. Raises `SettingsError`."""
    if not is_loopback(options.host) and not options.signs_in:
        raise SettingsError(
            f"--host {options.host} can be reached by others, and nobody has to sign in.",
            "Make users with `importer serve --add-user NAME --users-file FILE` and name that file in"
            " IMPORTER_WEB_USERS_FILE, or name a trusted proxy's header in IMPORTER_WEB_PROXY_HEADER.",
        )
    if bool(options.tls_certificate) != bool(options.tls_key):
        raise SettingsError("--tls-certificate and --tls-key go together.", "Give both or neither.")
    if options.proxy_header and not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", options.proxy_header):
        raise SettingsError(f"{options.proxy_header!r} is no name of a header.", "Such as X-Forwarded-User.")
    if options.tls_certificate:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
                options.tls_certificate, options.tls_key
            )
        except OSError as error:
            why = "they are no certificate and its key" if isinstance(error, ssl.SSLError) else error.strerror
            raise SettingsError(
                f"--tls-certificate {options.tls_certificate} and --tls-key {options.tls_key} cannot be used ({why}).",
                "Name files in PEM form that belong together.",
            ) from None


def read_addresses(texts: tuple[str, ...]) -> tuple[str, ...]:
    """IP addresses, as they are. Raises `SettingsError`: by another word nobody would ever be believed."""
    for text in texts:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise SettingsError(f"--proxy-address {text!r} is no IP address.", "Such as 10.0.0.7.") from None
    return texts


def read_size(text: str) -> int:
    """`512M`, `2G`, `1048576`. Raises `SettingsError`."""
    match = re.fullmatch(r"(\d{1,12})\s*([KMG]?)i?B?", text.strip(), re.IGNORECASE)
    if match is None or not int(match[1]):
        raise SettingsError(f"--max-upload {text!r} is no size.", "Such as 512M or 2G.")
    units = {"": 1, "K": 1024, "M": MEBIBYTE, "G": 1024 * MEBIBYTE}
    return int(match[1]) * units[match[2].upper()]
