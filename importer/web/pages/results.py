"""Results of inspections and checks, once they are there, and the forms that depend on them."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Literal

import msgspec
from starlette.requests import Request

from importer.web.fixing.edited_rows import is_stale
from importer.web.messages import RESULT_FILES, Checked, Inspection
from importer.web.pages.site import WAIT_FOR_PAGE, Site
from importer.web.refusals import RequestRefused
from importer.web.storage import Upload


async def inspection_of(site: Site, upload: Upload) -> Inspection | None:
    """What the file is; None while it is being read. Starts over where a server was killed in between."""
    content = await _result(site, upload, "inspect")
    inspection = msgspec.json.decode(content, type=Inspection) if content is not None else None
    if inspection is not None and inspection.locked:
        site.runs.passwords.forget(upload.path)
    return inspection


async def check_of(site: Site, upload: Upload) -> Checked | None:
    """The findings; None while the file is being checked. Checks again what was edited since."""
    if not site.runs.is_inspecting(upload, "check") and await asyncio.to_thread(is_stale, upload.own_folder):
        (upload.own_folder / RESULT_FILES["check"]).unlink(missing_ok=True)
    content = await _result(site, upload, "check")
    return msgspec.json.decode(content, type=Checked) if content is not None else None


async def form_to_fix(site: Site, request: Request) -> tuple[Upload, dict[str, str]]:
    """The upload, and the submitted form that changes its rows or rules. Raises `RequestRefused`, also during an import
    or a check, and where the file is read in another way than when the form was shown."""
    upload, fields = await site.controlled_upload(request)
    if site.live_of(upload):
        raise RequestRefused(409, "refused.busy")
    if site.runs.is_inspecting(upload, "check"):
        raise RequestRefused(409, "refused.checking")
    inspection = await inspection_of(site, upload)
    if inspection is None or fields.get("reading", "") != reading_of(inspection):
        raise RequestRefused(409, "refused.read_again")
    return upload, fields


def reading_of(inspection: Inspection) -> str:
    """What the numbers of rows and columns depend on: an old form must not change the rows of another sheet."""
    read = (inspection.sha256, inspection.sheet, inspection.header_row, tuple(inspection.column_names))
    return hashlib.sha256(msgspec.json.encode(read)).hexdigest()[:16]


async def _result(site: Site, upload: Upload, kind: Literal["inspect", "check"]) -> bytes | None:
    path = upload.own_folder / RESULT_FILES[kind]
    if not path.exists() and not site.runs.is_inspecting(upload, kind):
        if kind == "inspect":
            mapping = upload.own_folder / "mapping.toml"
            given = str(mapping) if upload.fixes and mapping.exists() else ""
            site.runs.inspect(upload, site.settings(upload), given)
        else:
            site.runs.check(upload, site.settings(upload))
    await site.runs.wait_for_inspection(upload, kind, WAIT_FOR_PAGE)
    if site.runs.is_inspecting(upload, kind) or not path.exists():
        return None
    return await asyncio.to_thread(path.read_bytes)
