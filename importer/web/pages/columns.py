"""The columns of a file: how it is read, and what each column becomes."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from importer.errors import ImporterError
from importer.normaliser.mapping import fit
from importer.web import column_views
from importer.web.fixing import edits as edit_store
from importer.web.fixing import problem_rows
from importer.web.forms import CHOICES, HOW_READ, HOW_SENT, SEPARATORS, chosen_word, mapping_from, reading_from
from importer.web.messages import RESULT_FILES, Inspection, words_of
from importer.web.pages.mapped import kept_of, mapping_in, take_mapping
from importer.web.pages.results import inspection_of
from importer.web.pages.site import Site, get, post, user_of
from importer.web.pages.uploads import remove
from importer.web.preview import Preview, preview
from importer.web.remembered import Shown, recalled
from importer.web.storage import Upload


class ColumnPages:
    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        return [
            get("/uploads/{upload}", self.columns),
            post("/uploads/{upload}/reading", self.read_again),
            post("/uploads/{upload}/mapping", self.map),
            post("/uploads/{upload}/preview", self.preview),
            post("/uploads/{upload}/proposal", self.propose),
            post("/uploads/{upload}/forget", self.forget),
        ]

    async def columns(self, request: Request) -> Response:
        upload = self._site.upload(request)
        inspection = await inspection_of(self._site, upload)
        if inspection is None:
            return self._site.waiting(request, "columns", "wait.inspect", upload.name)
        if inspection.locked or inspection.sheets:
            return self._open(request, upload, inspection)
        shown = await self._shown(upload, inspection)
        return await self._show(request, shown, inspection, [] if upload.mapped else self._header_below(inspection))

    def _open(self, request: Request, upload: Upload, inspection: Inspection) -> Response:
        """The step before the columns of a file that needs its password, or has several sheets."""
        tried = upload.locked if inspection.locked else upload.reading.sheet
        fault = " ".join(inspection.fault)
        return self._site.show(
            request,
            "open",
            upload=upload,
            locked=inspection.locked,
            words="" if tried else fault if inspection.locked else inspection.fault[0],
            faults=[fault] if tried else [],
            sheets=column_views.sheet_choices(self._site.t, inspection),
            controls=user_of(request).may_control(upload.owner),
        )

    def _header_below(self, inspection: Inspection) -> list[str]:
        row, better = inspection.header_row, inspection.better_row
        return [self._site.t("columns.better_row", row=row, better=better)] if better else []

    async def _shown(self, upload: Upload, inspection: Inspection) -> Shown:
        """What the columns page shows: what was chosen, else what is remembered of such a file, else a proposal."""
        found = await kept_of(self._site, upload, inspection)
        kept = found[1] if found is not None else None
        if upload.mapped and not inspection.fault[0]:
            with contextlib.suppress(ImporterError):
                return Shown(upload, mapping_in(upload, inspection), kept)
        usual = Shown(upload, inspection.mapping, kept)
        if kept is None or upload.again or upload.fixes:
            return usual
        return recalled(upload, inspection, kept) or usual

    async def _show(
        self, request: Request, shown: Shown, inspection: Inspection, faults: list[str], status: int = 200
    ) -> Response:
        t = self._site.t
        upload, mapping = shown.upload, shown.mapping
        base = self._site.options.settings
        # What a person has chosen may be no country.
        country = upload.reading.country or ("" if shown.used or upload.mapped or shown.typed else base.country)
        return self._site.show(
            request,
            "columns",
            status,
            upload=upload,
            facts=column_views.facts(t, inspection),
            reading=_reading(upload, inspection),
            may_be_short=inspection.kind != "workbook",
            sheets=inspection.sheets or upload.sheets,
            unreadable=[" ".join(inspection.fault)] if inspection.fault[0] else [],
            locked=inspection.locked or self._site.needs_password(upload.path, upload),
            faults=faults,
            shown=shown,
            remembered=column_views.remembered_words(t, shown),
            kept_day=column_views.day(shown.kept.at) if shown.kept is not None else "",
            rows=column_views.column_rows(t, inspection, mapping) if inspection.columns else [],
            groups=column_views.USES,
            separators=tuple(SEPARATORS),
            field_names=[field.name for field in inspection.fields or () if not field.is_disabled],
            fields_words=column_views.fields_words(t, inspection),
            country=country,
            choices=CHOICES,
            chosen={name: chosen_word(upload.reading, base, name) for name in CHOICES},
            restricted=inspection.fields != (),
            store=dict(mapping.constants).get("store.code", ""),
            notes=inspection.notes,
            preview=await self._preview(shown, inspection) if inspection.columns else None,
            controls=user_of(request).may_control(upload.owner),
        )

    async def _preview(self, shown: Shown, inspection: Inspection) -> Preview:
        settings = self._site.settings(shown.upload)
        return await asyncio.to_thread(preview, self._site.t, inspection, shown.mapping, settings)

    async def preview(self, request: Request) -> Response:
        """Shows the first rows by what the form holds, and keeps nothing of it: the part of the page for the script,
        else the page."""
        upload, fields = await self._site.controlled_upload(request)
        inspection = await inspection_of(self._site, upload)
        if inspection is None or inspection.fault[0]:
            return RedirectResponse(f"/uploads/{upload.id}", 303)
        shown = await self._shown(upload, inspection)
        reading, faults = reading_from(fields, HOW_SENT, shown.upload.reading)
        shown = msgspec.structs.replace(
            shown,
            upload=msgspec.structs.replace(upload, reading=shown.upload.reading if faults else reading),
            mapping=mapping_from(fields, inspection, shown.mapping),
            typed=True,
        )
        if "application/json" not in request.headers.get("accept", ""):
            return await self._show(request, shown, inspection, faults, 422 if faults else 200)
        found = await self._preview(shown, inspection)
        return JSONResponse({"html": self._site.piece("preview", preview=found), "words": found.words})

    async def propose(self, request: Request) -> Response:
        """Shows the columns as their names propose them, or again as the last such file was mapped."""
        upload, fields = await self._site.controlled_upload(request)
        self._start_over(msgspec.structs.replace(upload, again=fields.get("as") != "before"))
        return RedirectResponse(f"/uploads/{upload.id}", 303)

    async def forget(self, request: Request) -> Response:
        """Forgets what is remembered of files with this header. The columns stay as they were chosen for this file."""
        upload, _ = await self._site.controlled_upload(request)
        inspection = await inspection_of(self._site, upload)
        found = await kept_of(self._site, upload, inspection) if inspection is not None else None
        if found is not None:
            self._site.storage.forget_mapping(found[0])
        return RedirectResponse(f"/uploads/{upload.id}", 303)

    def _start_over(self, upload: Upload, *more: str) -> None:
        """Keeps the upload without the columns that were chosen. `more`: files that are removed too."""
        self._site.storage.keep_upload(msgspec.structs.replace(upload, mapped=False))
        self._site.runs.cancel_inspections(upload)
        remove(upload, RESULT_FILES["check"], "mapping.toml", "problems.csv", *more)

    async def read_again(self, request: Request) -> Response:
        """Reads the same file in the way that the form says."""
        upload, fields = await self._site.controlled_upload(request)
        names = tuple(name for name in HOW_READ if name in fields)
        reading, faults = reading_from(fields, names, upload.reading)
        before = await inspection_of(self._site, upload)
        if faults:
            inspection = before or Inspection()
            return await self._show(request, await self._shown(upload, inspection), inspection, faults, 422)
        sheets = (before.sheets if before is not None else ()) or upload.sheets
        # Edits are of rows and columns as they were read.
        edits = (edit_store.FILE, problem_rows.FILE, RESULT_FILES["fixed"]) if reading != upload.reading else ()
        upload = msgspec.structs.replace(upload, reading=reading, mapped=False, sheets=sheets)
        self._start_over(upload, RESULT_FILES["inspect"], *edits)
        self._site.runs.inspect(upload, self._site.settings(upload))
        return RedirectResponse(f"/uploads/{upload.id}", 303)

    async def map(self, request: Request) -> Response:
        """Takes what each column becomes, judged like a mapping file of the command line, and checks every row."""
        upload, fields = await self._site.controlled_upload(request)
        inspection = await inspection_of(self._site, upload)
        if inspection is None or inspection.fault[0]:
            return RedirectResponse(f"/uploads/{upload.id}", 303)
        shown = await self._shown(upload, inspection)
        mapping = mapping_from(fields, inspection, shown.mapping)
        reading, faults = reading_from(fields, HOW_SENT, shown.upload.reading)
        both = [use.column for use in mapping.columns if use.is_list and use.is_date]
        faults += [self._site.t("columns.list_or_date", column=column) for column in both]
        try:
            fit(mapping, inspection.column_names)
        except ImporterError as error:
            faults.append(words_of(error))
        upload = msgspec.structs.replace(upload, reading=reading)
        if not faults and self._site.settings(upload).unknown_columns == "refuse":
            faults = column_views.unknown_words(self._site.t, inspection, mapping)
        if faults:
            faults = [*self._header_below(inspection), *faults]
            shown = msgspec.structs.replace(shown, upload=upload, mapping=mapping, used=False, typed=True)
            return await self._show(request, shown, inspection, faults, 422)
        await take_mapping(self._site, upload, inspection, mapping)
        return RedirectResponse(f"/uploads/{upload.id}/check", 303)


def _reading(upload: Upload, inspection: Inspection) -> list[tuple[str, str, str]]:
    """(setting, what was chosen, what was found) of each setting of how the file is read."""
    found = {"sheet": inspection.sheet, "header_row": str(inspection.header_row or "")}
    names = {"sheet", "header_row"}
    if inspection.takes_encoding:
        names.add("encoding")
    if inspection.kind != "workbook":
        names.add("delimiter")
    return [(name, str(getattr(upload.reading, name) or ""), found.get(name, "")) for name in HOW_READ if name in names]
