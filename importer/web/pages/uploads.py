"""Files: received, unlocked, discarded, and deleted when they are not imported."""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
import time
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from importer.normaliser.mapping_file import to_toml
from importer.runs.record import mapping_of
from importer.system.files import write_whole
from importer.web.forms import CHOICES
from importer.web.guard import Visitor, check_form, visitor_of
from importer.web.journal_view import ended_well
from importer.web.messages import RESULT_FILES
from importer.web.pages.site import Site, post, require_control, user_of
from importer.web.receiving import Admit, Received, receive
from importer.web.refusals import RequestRefused
from importer.web.room import Grow, Room
from importer.web.storage import OWN, ReadingChoices, Upload
from importer.web.users import Tries

#: A file that was not imported is deleted after so many days.
_KEPT_DAYS = 7
#: Files in one form.
MOST_FILES = 50


class UploadPages:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._tries = Tries(60, 600)
        options = site.options
        self._room = Room(options.folder, site.storage, options.quota)

    def routes(self) -> list[Route]:
        return [
            post("/uploads", self.receive),
            post("/uploads/{upload}/password", self.unlock),
            post("/uploads/{upload}/discard", self.discard),
            post("/runs/{run}/fixed", self.receive_fixed),
        ]

    async def receive(self, request: Request) -> Response:
        """Receives one file or several, which become a queue. `more`: further files of it come with a next form."""
        with self._room.of(user_of(request).name) as grow:
            files = await self._received(request, grow, MOST_FILES)
            fields = files[0].fields
            queue = _own_queue(fields.get("queue", ""))
            uploads = [self._store(request, file, Upload(file.id, "", "", "", 0, 0.0, queue=queue)) for file in files]
        for upload in uploads:
            self._site.audit(request, "uploaded", upload.name)
            self._site.runs.inspect(upload, self._site.settings(upload))
        if fields.get("more"):
            return Response(status_code=204)
        several = len(self._site.storage.queue_of(uploads[0])) > 1
        return RedirectResponse(f"/uploads/{uploads[0].id}{'/queue' if several else ''}", 303)

    async def receive_fixed(self, request: Request) -> Response:
        """Receives the fixed rows of a run and checks them at once, with the run's own columns and settings."""
        run = await self._site.run(request)
        require_control(request, self._site.owner(run))
        with self._room.of(user_of(request).name) as grow:
            (received,) = await self._received(request, grow)
            own = run.record.settings
            # A text file has no sheets. A workbook without that sheet is refused with the names it has.
            sheet = own.sheet if await asyncio.to_thread(_is_workbook, received.path) else ""
            chosen = {name: getattr(own, name) for name in CHOICES}
            reading = ReadingChoices(sheet=sheet, country=own.country, **chosen)
            fixed = Upload(received.id, "", "", "", 0, 0.0, reading=reading, fixes=run.record.run_id)
            upload = self._store(request, received, fixed)
        mapping = upload.own_folder / "mapping.toml"
        await asyncio.to_thread(write_whole, mapping, to_toml(mapping_of(run), source=upload.name).encode())
        self._site.audit(request, "uploaded_mended", f"{upload.name} ({run.record.run_id})")
        self._site.runs.inspect(upload, self._site.settings(upload), str(mapping))
        return RedirectResponse(f"/uploads/{upload.id}/check", 303)

    async def _received(self, request: Request, grow: Grow, most_files: int = 1) -> list[Received]:
        user, visitor = user_of(request), visitor_of(request.scope)
        if not user.begins:
            raise RequestRefused(403, "refused.403")
        folder, most = self._site.options.folder / "uploads", self._site.options.max_upload
        admission = _Admission(visitor, self._tries, user.name)
        most_bytes = self._site.options.quota if most_files > 1 else 0
        return await receive(request, folder, most, admission, grow, most_files=most_files, most_bytes=most_bytes)

    def _store(self, request: Request, received: Received, upload: Upload) -> Upload:
        stored = msgspec.structs.replace(
            upload,
            owner=user_of(request).name,
            name=received.name,
            path=str(received.path),
            size=received.size,
            own=OWN,
            at=time.time(),
        )
        self._site.storage.keep_upload(stored)
        return stored

    async def unlock(self, request: Request) -> Response:
        """Keeps the typed password of a protected file in memory, and inspects or checks the file again."""
        upload, fields = await self._site.controlled_upload(request)
        if self._site.runs.passwords.keep_typed(upload.path, fields):
            upload = msgspec.structs.replace(upload, locked=True)
            self._site.storage.keep_upload(upload)
            self._site.runs.cancel_inspections(upload)
            inspection = () if upload.mapped else (RESULT_FILES["inspect"],)
            remove(upload, RESULT_FILES["check"], "problems.csv", *inspection)
        return RedirectResponse(f"/uploads/{upload.id}{'/check' if upload.mapped or upload.fixes else ''}", 303)

    async def discard(self, request: Request) -> Response:
        upload, _ = await self._site.controlled_upload(request)
        if await self._site.journal.run_of(upload.path, 0, "") or self._site.live_of(upload):
            raise RequestRefused(409, "refused.busy")
        await self._delete(upload)
        self._site.audit(request, "discarded", upload.name)
        return RedirectResponse("/", 303)

    async def _delete(self, upload: Upload) -> None:
        self._site.runs.cancel_inspections(upload)
        self._site.runs.passwords.forget(upload.path)
        self._site.storage.forget_upload(upload.id)
        await asyncio.to_thread(shutil.rmtree, upload.folder, ignore_errors=True)

    async def delete_old(self) -> None:
        """Deletes files that are done or were not imported: they contain customers' data."""
        self._site.runs.passwords.forget_gone()
        self._site.storage.forget_old_mappings()
        runs = await self._site.journal.runs()
        used = {run.record.source for run in runs}
        done = {run.record.source for run in runs if ended_well(run)}
        for upload in self._site.storage.uploads():
            if self._site.live_of(upload):
                continue
            if upload.path in done and upload.kept:
                # Resumed by the command line, or by a server that was killed at that moment.
                await asyncio.to_thread(shutil.rmtree, upload.folder, ignore_errors=True)
            if upload.at < time.time() - _KEPT_DAYS * 86400 and upload.path not in used:
                await self._delete(upload)
        known = {Path(path).parent.name for path in used} | {upload.id for upload in self._site.storage.uploads()}
        await asyncio.to_thread(_delete_parts, self._site.options.folder / "uploads", known)


def _delete_parts(folder: Path, known: set[str]) -> None:
    """Deletes the old folders of uploads that were never complete: the server was killed meanwhile."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in known and path.stat().st_mtime < time.time() - _KEPT_DAYS * 86400:
            shutil.rmtree(path, ignore_errors=True)


class _Admission(Admit):
    """Checks the form's token, which stands before its files, and counts each file."""

    def __init__(self, visitor: Visitor, tries: Tries, user: str) -> None:
        self._visitor, self._tries, self._user = visitor, tries, user

    def __call__(self, fields: dict[str, str]) -> None:
        check_form(self._visitor, fields)
        if not self._tries.allowed(self._user):
            raise RequestRefused(429, "refused.often")
        self._tries.count(self._user)


def _own_queue(text: str) -> str:
    """The id of a queue that a form holds, else a new one."""
    return text if re.fullmatch("[0-9a-f]{16}", text) else secrets.token_hex(8)


def _is_workbook(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


def remove(upload: Upload, *names: str) -> None:
    for name in names:
        (upload.own_folder / name).unlink(missing_ok=True)
