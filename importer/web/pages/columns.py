"""The columns of a file: how it is read, and what each column becomes."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from importer.errors import ImporterError
from importer.normaliser.mapping import ColumnSamples, Mapping, fit
from importer.normaliser.mapping_file import load, to_toml
from importer.system.files import write_whole
from importer.web import views
from importer.web.forms import CHOICES, HOW_READ, HOW_SENT, SEPARATORS, mapping_from, reading_from
from importer.web.messages import RESULT_FILES, Inspection, words_of
from importer.web.pages.results import inspection_of
from importer.web.pages.site import Site, get, post, user_of
from importer.web.pages.uploads import remove
from importer.web.storage import Upload


class ColumnPages:
    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        return [
            get("/uploads/{upload}", self.columns),
            post("/uploads/{upload}/reading", self.read_again),
            post("/uploads/{upload}/mapping", self.map),
        ]

    async def columns(self, request: Request) -> Response:
        upload = self._site.upload(request)
        inspection = await inspection_of(self._site, upload)
        if inspection is None:
            return self._site.waiting(request, "columns", "wait.inspect", upload.name)
        mapping = inspection.mapping
        if upload.mapped and not inspection.fault[0]:
            with contextlib.suppress(ImporterError):
                mapping = fit(load(upload.own_folder / "mapping.toml"), _names(inspection))
        return self._show(request, upload, inspection, mapping, [] if upload.mapped else self._header_below(inspection))

    def _header_below(self, inspection: Inspection) -> list[str]:
        row, better = inspection.header_row, inspection.better_row
        return [self._site.t("columns.better_row", row=row, better=better)] if better else []

    def _show(
        self,
        request: Request,
        upload: Upload,
        inspection: Inspection,
        mapping: Mapping,
        faults: list[str],
        status: int = 200,
    ) -> Response:
        t = self._site.t
        base = self._site.options.settings
        return self._site.show(
            request,
            "columns",
            status,
            upload=upload,
            facts=views.facts(t, inspection),
            reading=_reading(upload, inspection),
            may_be_short=inspection.kind != "workbook",
            sheets=inspection.sheets or upload.sheets,
            unreadable=[" ".join(inspection.fault)] if inspection.fault[0] else [],
            locked=inspection.locked or self._site.needs_password(upload.path, upload),
            faults=faults,
            rows=views.column_rows(t, inspection, mapping) if inspection.columns else [],
            groups=views.USES,
            separators=tuple(SEPARATORS),
            field_names=[field.name for field in inspection.fields or () if not field.is_disabled],
            fields_words=views.fields_words(t, inspection),
            country=upload.reading.country or base.country,
            choices=CHOICES,
            chosen={name: getattr(upload.reading, name) or getattr(base, name) for name in CHOICES},
            restricted=inspection.fields != (),
            store=dict(mapping.constants).get("store.code", ""),
            notes=inspection.notes,
            controls=user_of(request).may_control(upload.owner),
        )

    async def read_again(self, request: Request) -> Response:
        """Reads the same file in the way that the form says."""
        upload, fields = await self._site.controlled_upload(request)
        names = tuple(name for name in HOW_READ if name in fields)
        reading, faults = reading_from(fields, names, upload.reading)
        before = await inspection_of(self._site, upload)
        if faults:
            inspection = before or Inspection()
            return self._show(request, upload, inspection, inspection.mapping, faults, 422)
        sheets = (before.sheets if before is not None else ()) or upload.sheets
        upload = msgspec.structs.replace(upload, reading=reading, mapped=False, sheets=sheets)
        self._site.storage.keep_upload(upload)
        self._site.runs.cancel_inspections(upload)
        remove(upload, *RESULT_FILES.values(), "mapping.toml", "problems.csv")
        self._site.runs.inspect(upload, self._site.settings(upload))
        return RedirectResponse(f"/uploads/{upload.id}", 303)

    async def map(self, request: Request) -> Response:
        """Takes what each column becomes, judged like a mapping file of the command line, and checks every row."""
        upload, fields = await self._site.controlled_upload(request)
        inspection = await inspection_of(self._site, upload)
        if inspection is None or inspection.fault[0]:
            return RedirectResponse(f"/uploads/{upload.id}", 303)
        mapping = mapping_from(fields, inspection)
        reading, faults = reading_from(fields, HOW_SENT, upload.reading)
        both = [use.column for use in mapping.columns if use.is_list and use.is_date]
        faults += [self._site.t("columns.list_or_date", column=column) for column in both]
        try:
            fit(mapping, _names(inspection))
        except ImporterError as error:
            faults.append(words_of(error))
        upload = msgspec.structs.replace(upload, reading=reading)
        if not faults and self._site.settings(upload).unknown_columns == "refuse":
            faults = views.unknown_words(self._site.t, inspection, mapping)
        if faults:
            faults = [*self._header_below(inspection), *faults]
            return self._show(request, upload, inspection, mapping, faults, 422)
        samples = {c.column: ColumnSamples(c.samples, c.cells, c.list_like, c.separator) for c in inspection.columns}
        text = to_toml(mapping, samples, source=upload.name)
        await asyncio.to_thread(write_whole, upload.own_folder / "mapping.toml", text.encode())
        upload = msgspec.structs.replace(upload, mapped=True)
        self._site.storage.keep_upload(upload)
        self._site.runs.cancel_inspections(upload)
        remove(upload, RESULT_FILES["check"], "problems.csv")
        self._site.runs.check(upload, self._site.settings(upload))
        return RedirectResponse(f"/uploads/{upload.id}/check", 303)


def _names(inspection: Inspection) -> list[str]:
    return [column.column for column in inspection.columns]


def _reading(upload: Upload, inspection: Inspection) -> list[tuple[str, str, str]]:
    """(setting, what was chosen, what was found) of each setting of how the file is read."""
    found = {"sheet": inspection.sheet, "header_row": str(inspection.header_row or "")}
    names = {"sheet", "header_row"}
    if inspection.takes_encoding:
        names.add("encoding")
    if inspection.kind != "workbook":
        names.add("delimiter")
    return [(name, str(getattr(upload.reading, name) or ""), found.get(name, "")) for name in HOW_READ if name in names]
