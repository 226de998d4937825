"""Mails to users: the addresses that the page may write to, and the notice that an import is done."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import msgspec

from importer.errors import ImporterError
from importer.telemetry.notices import mail
from importer.web.journal_view import JournalView
from importer.web.options import WebOptions
from importer.web.run_views import state_of
from importer.web.storage import Storage, Wish
from importer.web.texts import Texts
from importer.web.users import User
from importer.web.views import headline_of, parts

#: One address: no list, no name, no line break.
_ADDRESS = re.compile(r"[^\s@<>\"(),:;\\\[\]\x00-\x1f]{1,64}@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)")
#: Seconds before a mail is tried again, and those that the end of the server waits for mails.
_AGAIN = (5.0, 60.0)
_AT_THE_END = 3.0


def own_address(options: WebOptions, user: User) -> str:
    """The address that the operator gave a user: a name that is one. "" for none, or without a mail server."""
    return user.name if options.mail and _ADDRESS.fullmatch(user.name) else ""


def recipient(options: WebOptions, user: User, typed: str) -> str:
    """The address that a user may have a notice sent to, their own or one in an allowed domain; "" if there is none."""
    typed = typed.strip()
    found = _ADDRESS.fullmatch(typed)
    if options.mail and found is not None and found[1].lower() in options.mail_domains:
        return typed
    return own_address(options, user) if typed in ("", own_address(options, user)) else ""


class Notifier:
    """Sends the notice of a run that is done, if a user asked for one. A failure changes no run."""

    def __init__(self, options: WebOptions, storage: Storage, journal: JournalView, texts: Texts) -> None:
        self._options = options
        self._storage = storage
        self._journal = journal
        self._t = texts
        self._tasks: set[asyncio.Task[None]] = set()

    def ended(self, wish: Wish) -> None:
        """A paused or stopped run is not done: its notice is sent when it is resumed and done."""
        if wish.mail and wish.wanted == "ended" and self._options.mail:
            task = asyncio.create_task(self._send(wish))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """What is not sent now is sent by the next server."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_AT_THE_END)
        for task in self._tasks:
            task.cancel()

    async def _send(self, wish: Wish) -> None:
        try:
            subject, body = await self._text(wish)
        except ImporterError:
            return  # the journal: the next server tries again
        fault = ""
        for pause in (*_AGAIN, None):
            server, environ = self._options.mail, os.environ
            fault = await asyncio.to_thread(mail, server, wish.mail, subject, body, environ)
            if not fault or pause is None:
                break
            await asyncio.sleep(pause)
        if fault:
            sys.stderr.write(f"importer serve: a notice could not be sent: {fault}.\n")
        # A resumed run may have replaced the wish meanwhile.
        now = next((kept for kept in self._storage.wishes() if kept.id == wish.id), wish)
        self._storage.wish(msgspec.structs.replace(now, mail="", mailed=wish.mail, mail_fault=fault))

    async def _text(self, wish: Wish) -> tuple[str, str]:
        """Subject and text. No cell of the file is in it."""
        t, name = self._t, Path(wish.path).name
        run = await self._journal.run(wish.run_id) if wish.run_id else None
        if run is None:
            headline, lines = wish.trouble[0] or t("mail.not_started"), [wish.trouble[1]]
            path = f"/runs/{wish.retry_of}" if wish.retry_of else f"/uploads/{Path(wish.path).parent.name}/check"
        else:
            snapshot, summary = await self._journal.snapshot(run), await self._journal.summary(wish.run_id)
            headline = headline_of(t, run, summary, state_of(snapshot, None, wish.wanted))
            lines = [part.words for part in parts(t, snapshot.counts)]
            path = f"/runs/{wish.run_id}"
        body = [headline, "", *lines, "", t("mail.report", link=f"{wish.page}{path}"), t("mail.why", name=name)]
        return t("mail.subject", name=name, headline=headline), "\n".join(body)
