"""`importer serve`: options and environment variables as options of the page; also adds users."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from getpass import getpass
from pathlib import Path
from typing import Any

from importer.capillary.credentials import from_environment as credentials_of
from importer.capillary.proxies import proxies_of
from importer.capillary.unencrypted import refuse_unencrypted
from importer.errors import SettingsError
from importer.observer import target_text
from importer.runs.target import no_target
from importer.settings.options import Settings
from importer.telemetry.notices import mail_service
from importer.web.options import WebOptions, from_environment, read_addresses, read_size
from importer.web.server import serve
from importer.web.users import add_user


def serve_page(
    settings: Callable[[], Settings], given: dict[str, Any], environ: Mapping[str, str], say: Callable[[str], None]
) -> None:
    """Serves until stopped, or adds a user. Raises `ImporterError`."""
    usual = from_environment(environ)
    users_file = given["users_file"] or usual["users_file"]
    if given["add_user"]:
        if not users_file:
            raise SettingsError("The users file is not set.", "Name it with --users-file.")
        add_user(Path(users_file), given["add_user"], given["role"], _password())
        say(f"Added {given['add_user']} as {given['role']} to {users_file}")
        return
    own = settings()
    if not own.sandbox and not own.base_url:
        raise no_target()
    if not own.sandbox:
        # Fail now, not when a user starts the first import.
        if not own.insecure:
            refuse_unencrypted(own.base_url, proxies_of(environ))
        say(target_text(own.base_url, credentials_of(environ, own.credentials).name, own.settings_file))
    proxies = tuple(given["proxy_addresses"]) or _words(usual["proxy_addresses"])
    quota = given.get("user_quota")
    mail = given.get("mail") or usual["mail"]
    if mail:
        mail_service(mail, environ)
    options = WebOptions(
        settings=own,
        host=given["host"],
        port=given["port"],
        users_file=Path(users_file) if users_file else None,
        proxy_header=given["proxy_header"] or usual["proxy_header"],
        names=tuple(given["names"] or _words(usual["names"])),
        mail=mail,
        mail_domains=tuple(name.lower() for name in given.get("mail_domains") or _words(usual["mail_domains"])),
        https=given["https"],
        tls_certificate=given["tls_certificate"] or "",
        tls_key=given["tls_key"] or "",
        max_upload=read_size(given["max_upload"]),
        user_quota=read_size(quota, "--user-quota") if quota else 0,
        proxy_addresses=read_addresses(proxies or ("127.0.0.1", "::1")),
        behind_proxy=bool(proxies),
    )
    serve(options, say)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _password() -> str:
    """Asks on a terminal, else reads a line of standard input. Not an option: others could read that."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass("Password: ")
    if getpass("Again: ") != password:
        raise SettingsError("The two passwords differ.", "Try again.")
    return password
