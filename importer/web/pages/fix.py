"""The grid of problem rows: fixed in place, judged at once, with undo and redo."""

from __future__ import annotations

import asyncio
import hashlib
import re
import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from importer.web.fixing.edited_rows import LONGEST_CELL, EditedRows, EditedUploads
from importer.web.fixing.grid import ROWS, STATES, GridView, Query, RowView, Totals, in_order, page, rows_of, totals
from importer.web.messages import RESULT_FILES
from importer.web.pages.mapped import mapping_in, take_mapping
from importer.web.pages.results import check_of, form_to_fix, inspection_of, reading_of
from importer.web.pages.site import Site, get, post
from importer.web.refusals import RequestRefused
from importer.web.storage import Upload

T = TypeVar("T")
_CELL = re.compile(r"c-(\d{1,9})-(\d{1,5})")
#: Cells of one request.
_MOST_CELLS = 2_000


class Change(msgspec.Struct, frozen=True):
    """What a form asks for. `texts`: by (row, place of the column). `out`: whether these rows are left out. `uses`: a
    cell that takes its proposed value; `uses_all`: the rows whose cells do. `step`: undo or redo."""

    texts: dict[tuple[int, int], str]
    out: dict[int, bool]
    uses: tuple[int, int] | None = None
    step: str = ""
    uses_all: frozenset[int] = frozenset()


class FixPages:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._uploads = EditedUploads()

    def routes(self) -> list[Route]:
        return [get("/uploads/{upload}/fix", self.show), post("/uploads/{upload}/fix/cells", self.change)]

    async def show(self, request: Request) -> Response:
        upload = self._site.upload_to_fix(request)
        if not upload.mapped:
            return RedirectResponse(f"/uploads/{upload.id}", 303)
        if await self._is_unchecked(upload):
            return self._site.waiting(request, "check", "wait.check", upload.name)
        inspection = await inspection_of(self._site, upload)
        if inspection is None:
            return self._site.waiting(request, "check", "wait.inspect", upload.name)
        query = query_of(request.query_params)
        try:
            async with self._site.turn(upload):
                work = self._with_rows(upload, lambda edited: (page(edited, query), totals(edited, query)))
                grid, counts = await work
        except sqlite3.Error:
            return RedirectResponse(f"/uploads/{upload.id}/check", 303)  # it reports the reason
        return self._show(request, upload, query, grid, counts, reading_of(inspection))

    async def _is_unchecked(self, upload: Upload) -> bool:
        """Whether its rows are being checked. An upload that an earlier version checked has no problem rows yet."""
        if self._site.runs.is_inspecting(upload, "check"):
            await self._site.runs.wait_for_inspection(upload, "check", 1.5)
            return self._site.runs.is_inspecting(upload, "check")
        return not (upload.own_folder / RESULT_FILES["check"]).exists() and await check_of(self._site, upload) is None

    def _show(
        self, request: Request, upload: Upload, query: Query, grid: GridView, counts: Totals, reading: str
    ) -> Response:
        return self._site.show(
            request,
            "fix",
            upload=upload,
            query=query,
            address=address_of(upload, query),
            grid=grid,
            reading=reading,
            totals=counts,
            next_page=address_of(upload, query, after=grid.after) if grid.after else "",
            first_page=address_of(upload, query, after=0),
            link=lambda group: address_of(upload, Query(group.column, group.code)),
            before=msgspec.json.encode(
                {
                    f"c-{row.number}-{one.place}": digest(one.text)
                    for row in grid.rows
                    for one in row.cells
                    if one.editable
                }
            ).decode(),
            places=",".join([str(place) for place, _ in grid.columns]),
            **self._controls(upload),
        )

    def _controls(self, upload: Upload) -> dict[str, Any]:
        busy = self._site.live_of(upload) is not None
        return {"controls": not busy, "busy": busy}

    # ------------------------------------------------------------------------------------------------ changes

    async def change(self, request: Request) -> Response:
        """Takes what was typed. For the script: the rows that changed, as they are judged now, and the counts. Where
        rules changed, the page that shows the rows once all are checked again."""
        upload, fields = await form_to_fix(self._site, request)
        if not upload.mapped:
            return RedirectResponse(f"/uploads/{upload.id}", 303)
        asked, query = change_of(fields), query_of(request.query_params)
        onward = f"/uploads/{upload.id}/rules" if fields.get("back") == "rules" else address_of(upload, query)
        is_script = "application/json" in request.headers.get("accept", "")
        try:
            async with self._site.turn(upload):
                stepped = await self._step(request, upload, asked.step) if asked.step else set[int]()
                if stepped is None:
                    return JSONResponse({"moved": onward}) if is_script else RedirectResponse(onward, 303)
                work = self._with_rows(upload, lambda edited: _changed(edited, asked, stepped, query))
                changed, rows, counts = await work
        except sqlite3.Error:
            return RedirectResponse(f"/uploads/{upload.id}/check", 303)
        if not is_script:
            return RedirectResponse(onward, 303)
        order = [int(place) for place in fields.get("places", "").split(",") if place.isdecimal() and len(place) < 6]
        shown = [in_order(row, order) if order else row for row in rows]
        given = {"upload": upload, "controls": True, "query": query, "totals": counts}
        found = {
            "rows": {str(row.number): self._site.piece("fix_row", row=row, **given) for row in shown},
            "bar": self._site.piece("fix_bar", **given),
            "counts": [group.rows for group in counts.groups],
            "said": self._said(asked, changed, shown),
            "undo": counts.can_undo,
            "redo": counts.can_redo,
        }
        return JSONResponse(found)

    async def _step(self, request: Request, upload: Upload, word: str) -> set[int] | None:
        """Undoes or redoes one step. Returns the rows that changed, None where rules did: all are checked again."""
        inspection = await inspection_of(self._site, upload)
        assert inspection is not None  # the form was compared with it
        mapping = mapping_in(upload, inspection)
        rows, made = await self._with_rows(upload, lambda edited: edited.step(word, mapping))
        if made == mapping:
            return rows
        await take_mapping(self._site, upload, inspection, made)
        self._site.audit(request, "ruled", upload.name)
        return None

    def _said(self, asked: Change, changed: set[int], rows: list[RowView]) -> str:
        """What a screen reader says of a change."""
        t = self._site.t
        if not changed:
            return t("fix.said_nothing") if asked.step else ""
        row = next((row for row in rows if row.number in changed), None)
        if row is None or len(changed) > 1:
            return t.n("fix.said_rows", len(changed))
        words = {"ready": t("fix.said_ready"), "out": t("fix.said_out")}.get(row.state, row.first_reason)
        return t("fix.said_row", row=row.number, words=words)

    async def _with_rows(self, upload: Upload, work: Callable[[EditedRows], T]) -> T:
        """Does the work in a thread: requests of other uploads do not wait for it."""

        def with_rows() -> T:
            with self._uploads.open(upload.own_folder) as edited:
                return work(edited)

        return await asyncio.to_thread(with_rows)


def _changed(
    edited: EditedRows, asked: Change, stepped: set[int], query: Query
) -> tuple[set[int], list[RowView], Totals]:
    texts = dict(asked.texts)
    if asked.uses is not None:
        row, place = asked.uses
        cells = [cell for found in rows_of(edited, [row]) for cell in found.cells if cell.place == place]
        if cells and cells[0].proposed is not None:
            texts[asked.uses] = cells[0].proposed
    if asked.uses_all:
        found = [(row.number, cell) for row in rows_of(edited, sorted(asked.uses_all)) for cell in row.cells]
        proposed = {(row, cell.place): cell.proposed for row, cell in found if cell.proposed is not None}
        texts = {**proposed, **texts}  # what a person typed instead stays
    changed = stepped if asked.step else edited.change(texts, asked.out)
    touched = sorted({*changed, *[row for row, _ in texts], *asked.out})
    return changed, rows_of(edited, touched[:ROWS]), totals(edited, query)


def change_of(fields: dict[str, str]) -> Change:
    """The change that a form asks for. Raises `RequestRefused`."""
    texts, listed, before = {}, set[int](), _before(fields)
    for name, text in fields.items():
        if found := _CELL.fullmatch(name):
            if len(text) > LONGEST_CELL:
                raise RequestRefused(413, "refused.cell_long")
            text = text.replace("\r\n", "\n")
            listed.add(int(found[1]))
            # A form without scripts has all cells: what it does not change may have been changed in another tab.
            if before.get(name) != digest(text):
                texts[int(found[1]), int(found[2])] = text
    listed |= {int(row) for row in fields.get("rows", "").split(",") if row.isdecimal() and len(row) < 10}
    used = _CELL.fullmatch(f"c-{fields.get('use', '')}")
    rows = {name: int(fields[name]) for name in ("out", "in") if re.fullmatch(r"\d{1,9}", fields.get(name, ""))}
    out = {row: name == "out" for name, row in rows.items()}
    if len(texts) > _MOST_CELLS or len(listed) > ROWS:
        raise RequestRefused(413, "refused.form_large")
    step = fields.get("step", "")
    uses = (int(used[1]), int(used[2])) if used else None
    uses_all = frozenset(listed) if fields.get("use") == "all" else frozenset[int]()
    return Change(texts, out, uses, step if step in ("undo", "redo") else "", uses_all)


def _before(fields: dict[str, str]) -> dict[str, str]:
    """What the page of the form showed of each of its cells, as digests."""
    try:
        return msgspec.json.decode(fields.get("before", "{}"), type=dict[str, str])
    except (msgspec.DecodeError, msgspec.ValidationError):
        return {}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def query_of(params: Any) -> Query:
    """The rows that an address asks for."""
    after, state = params.get("after", ""), params.get("state", "open")
    return Query(
        params.get("column"),
        params.get("code"),
        state if state in STATES else "open",
        int(after) if after.isdecimal() and len(after) < 10 else 0,
    )


def address_of(upload: Upload, query: Query, *, after: int | None = None) -> str:
    found = {name: value for name in ("column", "code") if (value := getattr(query, name)) is not None}
    if query.state != "open":
        found["state"] = query.state
    if place := query.after if after is None else after:
        found["after"] = str(place)
    return f"/uploads/{upload.id}/fix" + (f"?{urlencode(found)}" if found else "")
