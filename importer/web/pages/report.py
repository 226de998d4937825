"""The report of a run that has ended or stopped, and its files."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from importer.journal import Run
from importer.masking import masked
from importer.model import IDENTIFIERS, RunSummary, Status
from importer.reporter.cause_words import codes_without_cause, retry_words
from importer.runs.record import mapping_of
from importer.web import views
from importer.web.examples import Cell, example_cells
from importer.web.journal_view import Counts, RunSnapshot
from importer.web.pages.site import Site, get
from importer.web.refusals import RequestRefused
from importer.web.storage import Upload, Wish
from importer.web.texts import Texts

#: Causes that a report shows at once.
_MOST_CAUSES = 6


class ReportPage:
    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        return [get("/runs/{run}/files/{name}", self.file)]

    async def show(
        self,
        request: Request,
        snapshot: RunSnapshot,
        state: str,
        wish: Wish | None,
        controls: bool,
        status: int = 200,
    ) -> Response:
        t, run = self._site.t, snapshot.run
        run_id, source = run.record.run_id, run.record.source
        summary = await self._site.journal.summary(run_id)
        # The reports (if any) of an interrupted run are those of an earlier stop: the journal knows more.
        if summary is not None and state == "broken":
            summary = None
        counts = msgspec.to_builtins(summary.rows) if summary is not None else dict(snapshot.counts)
        counts.pop("read", None)
        tiles = views.parts(t, counts, always=("succeeded", "failed", "rejected"))
        upload = self._site.storage.upload_of(source)
        retried = await self._site.journal.retry_of(run_id)
        open_rows = sum(counts.get(s.value, 0) for s in (Status.FAILED, Status.REJECTED, Status.UNKNOWN))
        retriable = sum(counts.get(s.value, 0) for s in (Status.FAILED, Status.UNKNOWN))
        files = views.file_views(t, self._site.journal.reports / run_id)
        cells = await self._cells(run, summary, controls) if summary is not None else {}
        causes = views.cause_views(t, summary.causes, cells) if summary is not None else []
        return self._site.show(
            request,
            "report",
            status,
            queue=self._site.queue(upload),
            state=state,
            name=views.name_of(run),
            run_id=run_id,
            headline=views.headline_of(t, run, summary, state),
            trouble=wish.trouble if wish is not None and wish.trouble[0] else (),
            split=[part for part in tiles if part.count],
            tiles=tiles,
            files=files,
            causes=causes[:_MOST_CAUSES],
            more_causes=causes[_MOST_CAUSES:],
            codes=views.code_views(codes_without_cause(summary)) if summary is not None else [],
            plain_retry=retry_words(summary) if summary is not None else "",
            details=views.details(t, run, summary, self._site.owner(run)),
            notes=views.report_notes(run.progress, summary.notes) if summary is not None else [],
            resumable=not run.finished,
            locked=self._site.needs_password(source, upload, wish),
            fixable=open_rows > 0 and bool(files),
            here=f"/uploads/{upload.id}" if _is_fixed_here(run, counts, upload, retried) and upload is not None else "",
            marked=any(file.name == "annotated.xlsx" for file in files),
            retriable=run.finished and retriable > 0 and retried is None and Path(source).exists(),
            retried_in=retried.record.run_id if retried is not None else "",
            fixes=upload.fixes if upload is not None else "",
            retry_of=run.record.retry_of,
            mail_words=_mail_words(t, wish),
            controls=controls,
            **self._site.upload_form(),
        )

    async def _cells(self, run: Run, summary: RunSummary, controls: bool) -> dict[int, tuple[Cell, ...]]:
        """Cells of the example rows: as they are for who may fix them, masked like the summary for others."""
        rows = sorted({row for cause in summary.causes for row in cause.example_rows})
        columns = await self._site.journal.problem_columns(run, rows)
        identifiers = [use.column for use in mapping_of(run).columns if use.field in IDENTIFIERS]
        shown = str if controls or self._site.options.settings.show_identifiers else masked
        results = self._site.journal.reports / run.record.run_id / "results.csv"
        return await asyncio.to_thread(example_cells, results, columns, identifiers, shown)

    async def file(self, request: Request) -> Response:
        """A report. Its name is one of a fixed list, its folder the journal's: no part of the address is a path."""
        run = await self._site.run(request)
        name = request.path_params["name"]
        path = self._site.journal.reports / run.record.run_id / name
        if name not in views.FILES or not path.is_file():
            raise RequestRefused(404, "refused.404")
        self._site.audit(request, "downloaded", f"{name} ({run.record.run_id})")
        if name == "summary.html":
            # A page with its own styles; it runs and loads nothing.
            policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
            return FileResponse(path, media_type="text/html", headers={"content-security-policy": policy})
        stem = Path(views.name_of(run)).stem
        return FileResponse(path, filename=f"{stem}-{name}")


def _is_fixed_here(run: Run, counts: Counts, upload: Upload | None, retried: Run | None) -> bool:
    """Whether its rows can be fixed on the page: the file is still here, and no newer run has its rows."""
    wrong = counts.get(Status.REJECTED.value, 0) + counts.get(Status.FAILED.value, 0) > 0
    return wrong and run.finished and retried is None and upload is not None and upload.mapped and upload.kept


def _mail_words(t: Texts, wish: Wish | None) -> str:
    """Whether the notice was sent; "" where none was asked for."""
    if wish is None or not wish.mailed:
        return ""
    if wish.mail_fault:
        return t("notify.failed", address=wish.mailed, why=wish.mail_fault)
    return t("notify.sent", address=wish.mailed)
