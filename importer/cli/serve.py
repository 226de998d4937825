"""`importer serve`: the web page."""

from __future__ import annotations

import os
import signal
from typing import Any

import click

from importer.cli.printing import print_note
from importer.cli.shared import config_option, settings_of, table_options
from importer.errors import SettingsError
from importer.system.late import late
from importer.system.overdue import LATEST, Overdue

#: Options of `run` that mean one file; the page asks for them.
_OF_ONE_RUN = ("mapping", "sheet", "encoding", "delimiter", "header-row", "limit", "skip-rows", "restart", "resubmit")
#: Options of the page itself; the others are the settings of its runs.
_OF_THE_PAGE = (
    *("host", "port", "users_file", "add_user", "role", "proxy_header", "proxy_addresses", "names", "https"),
    *("tls_certificate", "tls_key", "max_upload", "user_quota", "mail", "mail_domains"),
)


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="HOST", help="address to listen on")
@click.option(
    "--port", default=8765, show_default=True, type=click.IntRange(0, 65535), metavar="PORT", help="port to listen on"
)
@click.option(
    "--users-file",
    metavar="FILE",
    help="file of users who may sign in [default: IMPORTER_WEB_USERS_FILE, otherwise no sign-in]",
)
@click.option("--add-user", metavar="NAME", help="add a user to the users file, ask for the password, and exit")
@click.option(
    "--role", default="uploader", show_default=True, metavar="ROLE", help="for --add-user: uploader, operator or viewer"
)
@click.option("--proxy-header", metavar="HEADER", help="header in which a trusted proxy names the user [default: none]")
@click.option(
    "--proxy-address",
    "proxy_addresses",
    multiple=True,
    metavar="IP",
    help="address of a trusted proxy, which also names the client in X-Forwarded-For [default: this machine]",
)
@click.option("--name", "names", multiple=True, metavar="HOST", help="host name under which browsers reach the page")
@click.option("--https", is_flag=True, help="browsers reach the page over HTTPS, through a proxy")
@click.option("--tls-certificate", metavar="FILE", help="serve HTTPS with this certificate")
@click.option("--tls-key", metavar="FILE", help="private key of the certificate")
@click.option(
    "--max-upload", default="512M", show_default=True, metavar="SIZE", help="maximum size of an uploaded file"
)
@click.option(
    "--user-quota",
    metavar="SIZE",
    help="maximum size of all stored uploads of a user [default: ten times --max-upload]",
)
@click.option(
    "--mail",
    metavar="ADDRESS",
    help="mail server for notices to users: an apprise URL like mailtos://…, with ${NAME} for a secret "
    "[default: IMPORTER_WEB_MAIL, otherwise no mails]",
)
@click.option(
    "--mail-domain",
    "mail_domains",
    multiple=True,
    metavar="DOMAIN",
    help="domain in which users may name an address [default: only user names that are addresses]",
)
@table_options("run", without=_OF_ONE_RUN)
@config_option
def serve_command(config: str | None, **given: Any) -> None:
    """Serve the web page until stopped.

    People drop a file on the page, check it, import it and download the reports. The options of `run` apply to every
    run of the page.
    """
    try:
        serve_page = late("importer.web.command", "serve_page")
    except ModuleNotFoundError as error:
        raise SettingsError(f"The page needs {error.name}.", "pip install 'capillary-importer[web]'") from None
    own = {name: given.pop(name) for name in _OF_THE_PAGE}
    with Overdue((signal.SIGTERM, signal.SIGINT), LATEST, lambda number: os._exit(128 + number)):
        serve_page(lambda: settings_of(given, config), own, os.environ, print_note)
