"""The sheet with a person's fixes, made by a worker and downloaded. The upload itself is never given out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from importer.web.fixing.fixed_copy import FixedCopy, stamp_of
from importer.web.messages import RESULT_FILES
from importer.web.pages.results import check_of
from importer.web.pages.site import WAIT_FOR_PAGE, Site, get
from importer.web.refusals import RequestRefused
from importer.web.storage import Upload


class FixedPages:
    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        return [get("/uploads/{upload}/fixed", self.show), get("/uploads/{upload}/fixed/file", self.file)]

    async def show(self, request: Request) -> Response:
        """Makes the copy where there is none of these fixes, then leads to it."""
        upload = self._site.upload_to_fix(request)
        if not upload.mapped:
            return RedirectResponse(f"/uploads/{upload.id}", 303)
        if await check_of(self._site, upload) is None:
            return self._site.waiting(request, "check", "wait.check", upload.name)
        copy = await self._copy(upload)
        if copy is None:
            return self._site.waiting(request, "check", "wait.fixed", upload.name)
        return self._site.show(request, "fixed", upload=upload, copy=copy, name=_name(upload, copy))

    async def _copy(self, upload: Upload) -> FixedCopy | None:
        """The copy of the fixes as they are now; None while it is being made."""
        runs, folder = self._site.runs, upload.own_folder
        if not runs.is_inspecting(upload, "fixed"):
            copy = await asyncio.to_thread(_made, folder)
            if copy is not None and copy.stamp in ("", await asyncio.to_thread(stamp_of, folder)):
                if copy.fault[0]:  # shown once
                    (folder / RESULT_FILES["fixed"]).unlink(missing_ok=True)
                return copy
            (folder / RESULT_FILES["fixed"]).unlink(missing_ok=True)
            runs.make_copy(upload, self._site.settings(upload))
        await runs.wait_for_inspection(upload, "fixed", WAIT_FOR_PAGE)
        return None if runs.is_inspecting(upload, "fixed") else await asyncio.to_thread(_made, folder)

    async def file(self, request: Request) -> Response:
        upload = self._site.upload_to_fix(request)
        copy = await asyncio.to_thread(_made, upload.own_folder)
        if copy is None or not copy.name or not (upload.own_folder / copy.name).is_file():
            raise RequestRefused(404, "refused.404")
        self._site.audit(request, "downloaded", f"{copy.name} ({upload.name})")
        return FileResponse(upload.own_folder / copy.name, filename=_name(upload, copy))


def _made(folder: Path) -> FixedCopy | None:
    path = folder / RESULT_FILES["fixed"]
    return msgspec.json.decode(path.read_bytes(), type=FixedCopy) if path.is_file() else None


def _name(upload: Upload, copy: FixedCopy) -> str:
    return f"{Path(upload.name).stem}-{copy.name}"
