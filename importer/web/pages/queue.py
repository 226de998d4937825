"""Files that were chosen together: each with its state and its next step."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from importer.web import views
from importer.web.messages import RESULT_FILES, Inspection
from importer.web.pages.site import Site, get
from importer.web.storage import Upload

#: States in which the server works on a file.
_BUSY = ("reading", "checking")
#: A file in this state is not the next one of its queue.
_UNREADABLE = "unreadable"


class QueuedFile(msgspec.Struct, frozen=True):
    """`state`: what is to be done, as a key of the table of texts. `address`: where; "" for nowhere."""

    name: str
    size: str
    state: str
    address: str
    is_open: bool = False


class QueuePage:
    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        return [get("/uploads/{upload}/queue", self.queue)]

    async def queue(self, request: Request) -> Response:
        upload = self._site.known_upload(request)
        files = [await self._file(file) for file in self._site.storage.queue_of(upload)]
        return self._site.show(
            request,
            "queue",
            files=files,
            following=next((file for file in files if file.is_open and file.state not in (*_BUSY, _UNREADABLE)), None),
            busy=any(file.state in _BUSY for file in files),
            done=not any(file.is_open and file.state != _UNREADABLE for file in files),
            unreadable=any(file.state == _UNREADABLE for file in files),
        )

    async def _file(self, upload: Upload) -> QueuedFile:
        size, address = views.size_words(upload.size), f"/uploads/{upload.id}"
        if self._site.is_open(upload):
            state = await self._step(upload)
            place = f"{address}/check" if state in ("checking", "check") else address
            return QueuedFile(upload.name, size, state, place, is_open=True)
        wish = self._site.storage.wish_of_path(upload.path)
        if wish is None:
            return QueuedFile(upload.name, size, "gone", "")
        return QueuedFile(upload.name, size, "started", f"/runs/{wish.run_id}" if wish.run_id else f"{address}/run")

    async def _step(self, upload: Upload) -> str:
        runs = self._site.runs
        path = upload.own_folder / RESULT_FILES["inspect"]
        if not path.exists() and not runs.is_inspecting(upload, "inspect"):
            runs.inspect(upload, self._site.settings(upload))
        if not path.exists() or runs.is_inspecting(upload, "inspect"):
            return "reading"
        inspection = msgspec.json.decode(await asyncio.to_thread(path.read_bytes), type=Inspection)
        if inspection.locked or inspection.sheets:
            return "password" if inspection.locked else "sheet"
        if inspection.is_unreadable:
            return _UNREADABLE
        if not upload.mapped:
            return "columns"
        return "checking" if runs.is_inspecting(upload, "check") else "check"
