"""The check of a file: what would be sent, every problem, and the start of the import."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from importer.checker.findings import Findings
from importer.errors import ImporterError
from importer.journal import Run
from importer.model import Status
from importer.runs.record import mapping_of
from importer.runs.target import organisation_in
from importer.system.text import duration
from importer.web import views
from importer.web.messages import Checked, Inspection
from importer.web.pages.mapped import mapping_in
from importer.web.pages.results import check_of, inspection_of
from importer.web.pages.site import WAIT_FOR_PAGE, Site, get, now_ms, post, user_of
from importer.web.refusals import RequestRefused
from importer.web.storage import Upload, Wish

#: Outcomes of rows that are sent again once they are fixed.
_NOT_DONE = (Status.FAILED, Status.REJECTED, Status.UNKNOWN, Status.UNPROCESSED)


class CheckPages:
    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        return [
            get("/uploads/{upload}/check", self.check),
            get("/uploads/{upload}/problems.csv", self.problems),
            post("/uploads/{upload}/start", self.start),
            get("/uploads/{upload}/run", self.started),
        ]

    async def check(self, request: Request) -> Response:
        upload = self._site.upload(request)
        if not upload.mapped:
            if not upload.fixes:
                return RedirectResponse(f"/uploads/{upload.id}", 303)
            inspection = await inspection_of(self._site, upload)
            if inspection is None:
                return self._site.waiting(request, "check", "wait.inspect", upload.name)
            try:
                mapping_in(upload, inspection)
            except ImporterError:
                return RedirectResponse(f"/uploads/{upload.id}", 303)
            upload = msgspec.structs.replace(upload, mapped=True)
            self._site.storage.keep_upload(upload)
        checked = await check_of(self._site, upload)
        if checked is None:
            return self._site.waiting(request, "check", "wait.check", upload.name)
        if checked.findings is None:
            if checked.locked:
                self._site.runs.passwords.forget(upload.path)
            return self._site.show(
                request,
                "check",
                upload=upload,
                impossible=[" ".join(checked.fault)],
                locked=checked.locked,
                controls=user_of(request).may_control(upload.owner),
            )
        return await self._show(request, upload, checked, checked.findings)

    async def _show(self, request: Request, upload: Upload, checked: Checked, found: Findings) -> Response:
        t = self._site.t
        wish = self._site.storage.wish_of_path(upload.path)
        run = await self._site.journal.run_of(upload.path, 0, "")
        newest = await self._site.journal.newest_of(upload.path)
        inspection = await inspection_of(self._site, upload)
        rest = await self._rest_of(newest, inspection)
        counts = {"succeeded": found.sendable_rows, "rejected": found.rejected_rows, "skipped": found.left_out_rows}
        return self._site.show(
            request,
            "check",
            upload=upload,
            found=found,
            trouble=_trouble_of(wish, upload),
            split=views.parts(t, counts),
            time=duration(found.seconds),
            ends=views.clock(found.ends_at),
            problems=views.problem_views(checked, found),
            notes=list(dict.fromkeys(views.check_notes(t, checked, found))),
            refused=views.refused_words(t, found),
            start_words="" if rest else self._start_words(found),
            under_way=self._site.live_of(upload) is not None,
            unfinished=newest.record.run_id if newest is not None and not newest.finished else "",
            rest=rest,
            before=run.record.run_id if run is not None else "",
            known=await self._known(inspection),
            locked=self._site.needs_password(upload.path, upload),
            controls=user_of(request).may_control(upload.owner),
            **self._site.mail_form(request),
        )

    def _start_words(self, found: Findings) -> str:
        settings = self._site.options.settings
        if settings.sandbox:
            return self._site.t.n("check.trial_words", found.customers)
        return self._site.t.n("check.start_words", found.customers, target=settings.base_url)

    async def _known(self, inspection: Inspection | None) -> str:
        """The run that imported the same content completely, "" if none did."""
        if inspection is None or not inspection.sha256:
            return ""
        organisation = organisation_in(self._site.options.settings, os.environ)
        run = await self._site.journal.imported_whole(organisation, inspection.sha256)
        return run.record.run_id if run is not None else ""

    async def problems(self, request: Request) -> Response:
        upload = self._site.upload(request)
        path = upload.own_folder / "problems.csv"
        if not path.is_file():
            raise RequestRefused(404, "refused.404")
        self._site.audit(request, "downloaded", f"problems.csv ({upload.name})")
        return FileResponse(path, filename=f"{Path(upload.name).stem}-problems.csv", media_type="text/csv")

    async def _rest_of(self, newest: Run | None, inspection: Inspection | None) -> str:
        """The run that has ended with rows to send, "" without one, and where it read the file in another way."""
        if newest is None or not newest.finished or newest.progress.purged is not None:
            return ""
        if inspection is None or not _is_read_alike(newest, inspection):
            return ""
        counts = await self._site.journal.counts(newest.record.run_id)
        return newest.record.run_id if any(counts.get(status.value) for status in _NOT_DONE) else ""

    async def start(self, request: Request) -> Response:
        upload, fields = await self._site.controlled_upload(request)
        newest = await self._site.journal.run_of(upload.path, 0, "")
        seen = newest.record.run_id if newest is not None else ""
        rest = ""
        if "rest" in fields:
            inspection = await inspection_of(self._site, upload)
            rest = await self._rest_of(await self._site.journal.newest_of(upload.path), inspection)
        if self._site.live_of(upload) or fields.get("after", "") != seen or fields.get("rest", "") != rest:
            # A second click, another tab, or an old page: the import has already begun.
            return RedirectResponse(f"/uploads/{upload.id}/run", 303)
        checked = await check_of(self._site, upload) if upload.mapped else None
        if (
            checked is None
            or checked.findings is None
            or checked.findings.refused
            or self._site.needs_password(upload.path, upload)
        ):
            return RedirectResponse(f"/uploads/{upload.id}/check", 303)
        wish = self._site.with_mail(request, Wish(0, user_of(request).name, upload.path, {}, 0), fields)
        self._site.audit(request, "started", upload.name)
        settings = msgspec.to_builtins(self._site.settings(upload))
        rows = checked.findings.rows
        made = {"settings": settings, "since": now_ms(), "rows": rows, "retry_of": rest, "fixed": bool(rest)}
        self._site.runs.begin(msgspec.structs.replace(wish, **made))
        return RedirectResponse(f"/uploads/{upload.id}/run", 303)

    async def started(self, request: Request) -> Response:
        """Leads from a file to its run, once that is in the journal."""
        upload = self._site.upload(request)
        live = self._site.live_of(upload)
        if live is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(live.known.wait(), WAIT_FOR_PAGE)
        wish = live.wish if live is not None else self._site.storage.wish_of_path(upload.path)
        if wish is not None and wish.run_id:
            return RedirectResponse(f"/runs/{wish.run_id}", 303)
        if live is not None and live.state != "ended":
            words = "wait.queued" if live.state == "waiting" else "wait.start"
            return self._site.waiting(request, "import", words, upload.name)
        return RedirectResponse(f"/uploads/{upload.id}/check", 303)


def _is_read_alike(run: Run, inspection: Inspection) -> bool:
    """Whether a run read the sheet, header row and columns that are read now: its rows are these rows."""
    row = str(inspection.header_row)
    names = {name for name in inspection.column_names if name}
    return (
        run.record.sheet == inspection.sheet
        and run.record.parser.get("header_row", row) == row
        and {use.column for use in mapping_of(run).columns if use.column} == names
    )


def _trouble_of(wish: Wish | None, upload: Upload) -> tuple[str, ...]:
    """Why the last import of these columns did not start. Columns that were chosen since may have no such trouble."""
    if wish is None or wish.run_id or wish.wanted == "running":
        return ()
    mapping = upload.own_folder / "mapping.toml"
    changed = mapping.stat().st_mtime * 1000 if mapping.exists() else 0.0
    return wish.trouble if changed <= wish.since else ()
