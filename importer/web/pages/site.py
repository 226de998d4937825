"""What every page needs: storage, journal, runs in progress, rendering, and who may see or control what."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Awaitable, Callable
from secrets import token_hex
from typing import Any
from weakref import WeakValueDictionary

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from importer.journal import Run
from importer.settings.options import Settings
from importer.web import run_views, views
from importer.web.forms import settings_for
from importer.web.guard import check_form, visitor_of
from importer.web.journal_view import JournalView
from importer.web.live_run import LiveRun
from importer.web.messages import RESULT_FILES, Readability
from importer.web.notices import own_address, recipient
from importer.web.options import WebOptions
from importer.web.receiving import form
from importer.web.refusals import Moved, RequestRefused
from importer.web.rendering import Renderer
from importer.web.storage import Storage, Upload, Wish
from importer.web.supervisor import Supervisor
from importer.web.users import User

Handler = Callable[[Request], Awaitable[Response]]
#: A page that is nearly ready is awaited this long, seconds.
WAIT_FOR_PAGE = 1.5
ACCEPT = ".xlsx,.xlsm,.xlsb,.xls,.ods,.fods,.xml,.html,.htm,.csv,.tsv,.txt,.gz,.zip"


class Site:
    """One for the life of the server. Every page asks it for uploads and runs, so each access is checked."""

    def __init__(
        self, options: WebOptions, storage: Storage, journal: JournalView, runs: Supervisor, renderer: Renderer
    ) -> None:
        self.options = options
        self.storage = storage
        self.journal = journal
        self.runs = runs
        self.t = renderer.t
        self._renderer = renderer
        #: Runs of other processes that were asked to stop.
        self.asked: set[str] = set()
        #: A lock lives as long as a request holds or awaits it.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    # ------------------------------------------------------------------------------------------------ answers

    def show(self, request: Request, page: str, status: int = 200, /, **values: Any) -> Response:
        upload = values.get("upload")
        values.setdefault("queue", self.queue(upload) if upload is not None else None)
        return self._renderer.page(request.scope, page, status, **values)

    def piece(self, name: str, /, **values: Any) -> str:
        return self._renderer.piece(name, **values)

    def waiting(self, request: Request, step: str, words: str, name: str) -> Response:
        return self.show(request, "wait", step=step, words=self.t(words, name=name))

    def mail_form(self, request: Request, wish: Wish | None = None) -> dict[str, Any]:
        """What the choice of a mail needs. `mail_offered`: the page may write to this user."""
        options, own = self.options, own_address(self.options, user_of(request))
        return {
            "mail_offered": bool(own or (options.mail and options.mail_domains)),
            "mail_own": own,
            "mail_domains": ", ".join(options.mail_domains),
            "mail_to": wish.mail if wish is not None else "",
        }

    def with_mail(self, request: Request, wish: Wish, fields: dict[str, str]) -> Wish:
        """The wish with the chosen recipient. Raises `RequestRefused` for an address that the user may not name."""
        to = ""
        if fields.get("mail") == "1":
            to = recipient(self.options, user_of(request), fields.get("address", ""))
            if not to:
                raise RequestRefused(422, "refused.address")
        # The guard has checked the name.
        page = f"{'https' if self.options.secure else 'http'}://{request.headers['host']}"
        return msgspec.structs.replace(wish, mail=to, page=page)

    def upload_form(self) -> dict[str, Any]:
        """What the form for a file needs."""
        most = self.options.max_upload
        return {"most": most, "most_shown": views.size_words(most), "accept": ACCEPT, "new_queue": token_hex(8)}

    def queue(self, upload: Upload | None) -> dict[str, Any] | None:
        """The place of a file among those that were chosen together with it, and the next one to open."""
        files = self.storage.queue_of(upload) if upload is not None else []
        if upload is None or len(files) < 2:
            return None
        place = [file.id for file in files].index(upload.id)
        following = next((file for file in (*files[place + 1 :], *files[:place]) if self._leads_on(file)), None)
        return {"place": place + 1, "count": len(files), "upload": upload, "next": following}

    def _leads_on(self, upload: Upload) -> bool:
        """Whether a file is open and was not found to be unreadable."""
        if not self.is_open(upload):
            return False
        try:
            found = (upload.own_folder / RESULT_FILES["inspect"]).read_bytes()
            return not msgspec.json.decode(found, type=Readability).is_unreadable
        except (OSError, msgspec.MsgspecError):
            return True  # it was not read yet

    def is_open(self, upload: Upload) -> bool:
        """Whether a file is not imported yet."""
        wish = self.storage.wish_of_path(upload.path)
        return upload.kept and (wish is None or (wish.wanted != "running" and not wish.run_id))

    # ------------------------------------------------------------------------------------------------ access

    def known_upload(self, request: Request) -> Upload:
        """The upload that the address names, also once its file is deleted. Raises `RequestRefused`."""
        upload = self.storage.upload(request.path_params["upload"])
        if upload is None or not user_of(request).may_see(upload.owner):
            raise _not_there(request)
        return upload

    def upload(self, request: Request) -> Upload:
        """The upload that the address names. Raises `RequestRefused`, or `Moved` where only its run is left."""
        upload = self.known_upload(request)
        if not upload.kept:
            wish = self.storage.wish_of_path(upload.path)
            if wish is None or not wish.run_id:
                raise RequestRefused(404, "refused.gone")
            raise Moved(f"/runs/{wish.run_id}")
        return upload

    async def run(self, request: Request) -> Run:
        """The run that the address names. Raises `RequestRefused`."""
        run = await self.journal.run(request.path_params["run"])
        if run is None or not user_of(request).may_see(self.owner(run)):
            raise _not_there(request)
        return run

    def upload_to_fix(self, request: Request) -> Upload:
        """The upload of a user who may fix it: its cells are shown as they are."""
        upload = self.upload(request)
        require_control(request, upload.owner)
        return upload

    async def controlled_upload(self, request: Request) -> tuple[Upload, dict[str, str]]:
        """The upload of a user who may control it, and the submitted form."""
        upload = self.upload(request)
        return upload, await self._form(request, upload.owner)

    async def controlled_run(self, request: Request) -> tuple[Run, dict[str, str]]:
        """The run of a user who may control it, and the submitted form."""
        run = await self.run(request)
        return run, await self._form(request, self.owner(run))

    async def _form(self, request: Request, owner: str) -> dict[str, str]:
        require_control(request, owner)
        fields = await form(request)
        check_form(visitor_of(request.scope), fields)
        return fields

    def audit(self, request: Request, action: str, subject: str = "") -> None:
        visitor = visitor_of(request.scope)
        self.storage.audit(visitor.user.name if visitor.user else "", visitor.address, action, subject)

    # ------------------------------------------------------------------------------------------------ facts

    def turn(self, upload: Upload) -> asyncio.Lock:
        """One request at a time works on the edits and rules of an upload."""
        return self._locks.setdefault(upload.id, asyncio.Lock())

    def settings(self, upload: Upload) -> Settings:
        mapping = upload.own_folder / "mapping.toml"
        return settings_for(upload, self.options.settings, mapping if upload.mapped else None)

    def live_of(self, upload: Upload) -> LiveRun | None:
        """The run in progress of this file."""
        return next((live for live in self.runs.lives() if live.wish.path == upload.path), None)

    def needs_password(self, source: str, upload: Upload | None, wish: Wish | None = None) -> bool:
        """Whether the password of a protected file must be typed: it is not, or no longer, in memory."""
        protected = (upload is not None and upload.locked) or (wish is not None and wish.locked)
        return protected and not self.runs.passwords.of(source)

    def opens(self, run: Run, wish: Wish | None, fields: dict[str, str]) -> bool:
        """Whether the source of a run can be opened: it is not protected, or its password is now in memory."""
        source = run.record.source
        self.runs.passwords.keep_typed(source, fields)
        return not self.needs_password(source, self.storage.upload_of(source), wish)

    def wanted(self, run_id: str, wish: Wish | None) -> str:
        if run_id in self.asked:
            return run_views.ASKED
        return wish.wanted if wish is not None else ""

    def owner(self, run: Run) -> str:
        """The user who began the run here; "" for the command line."""
        wish = self.storage.wish_of_run(run.record.run_id)
        return wish.owner if wish is not None else ""


def get(path: str, page: Handler) -> Route:
    return Route(path, page, methods=["GET"])


def post(path: str, page: Handler) -> Route:
    return Route(path, page, methods=["POST"])


def user_of(request: Request) -> User:
    user = visitor_of(request.scope).user
    assert user is not None  # the guard admits signed-in users only
    return user


def require_control(request: Request, owner: str) -> None:
    if not user_of(request).may_control(owner):
        raise RequestRefused(403, "refused.403")


def _not_there(request: Request) -> RequestRefused:
    """The same answer for what does not exist and what belongs to others, for users who see only their own: the id of
    a run contains a file's name and could be guessed."""
    return RequestRefused(404, "refused.404" if user_of(request).sees_all else "refused.403")


def iso(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now_ms() -> int:
    return time.time_ns() // 1_000_000
