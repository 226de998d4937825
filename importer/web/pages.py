"""The pages: each asks the journal, the jobs and the storage, and shows the answer. Wishes are passed on."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response, StreamingResponse

from importer.checker.text import duration
from importer.errors import ImporterError
from importer.journal import Run
from importer.model import Status
from importer.normaliser.mapping import ColumnLook, Mapping, fit, load, to_toml
from importer.runs.record import mapping_of
from importer.settings.options import Settings
from importer.system.files import write_whole
from importer.system.process import stop
from importer.web import views
from importer.web.forms import HOW_READ, SEPARATORS, mapping_from, reading_from, settings_for
from importer.web.guard import Guard, Visitor, check_form, visitor_of
from importer.web.jobs import Jobs, Live
from importer.web.ledger import Ledger, Line, ended_well
from importer.web.messages import Checked, Look, words_of
from importer.web.options import WebOptions
from importer.web.passwords import LONGEST
from importer.web.receiving import Admit, Elsewhere, Received, Refused, form, receive
from importer.web.rendering import Renderer
from importer.web.storage import Reading, Storage, Upload, Wish
from importer.web.texts import Texts
from importer.web.users import Tries, User, Users

#: Runs and files that the first page shows.
_MOST_RUNS = 50
#: Causes that a report shows at once.
_MOST_CAUSES = 6
#: A page that is nearly ready waits for it this long, seconds.
_PATIENCE = 1.5
#: A file that was never imported goes after so many days.
_KEPT_DAYS = 7
#: States of a run that somebody can still stop.
_STOPPABLE = ("waiting", "starting", "running", "elsewhere")
ACCEPT = ".xlsx,.xlsm,.xlsb,.xls,.ods,.csv,.tsv,.txt,.gz,.zip"


class Pages:
    """The handlers of every route. One of each for the life of the server."""

    def __init__(
        self,
        options: WebOptions,
        storage: Storage,
        users: Users | None,
        ledger: Ledger,
        jobs: Jobs,
        renderer: Renderer,
    ) -> None:
        self._options = options
        self._storage = storage
        self._users = users
        self._ledger = ledger
        self._jobs = jobs
        self._renderer = renderer
        self._t: Texts = renderer.t
        self._tries_of_name = Tries(5, 300)
        self._tries_of_address = Tries(30, 300)
        self._tries_to_upload = Tries(60, 600)
        self._hashing = asyncio.Semaphore(2)
        #: Runs of other processes that were asked to stop.
        self._asked: set[str] = set()
        self.guard: Guard | None = None

    # ------------------------------------------------------------------------------------------------ the first page

    async def home(self, request: Request) -> Response:
        user = _user(request)
        seen = [run for run in await self._ledger.runs() if user.may_see(self._owner(run))]
        shown = seen[:_MOST_RUNS]
        rows = []
        for line in await self._ledger.lines(shown):
            run_id = line.run.record.run_id
            wish = self._storage.wish_of_run(run_id)
            live = self._jobs.live(run_id)
            counted = wish.rows if wish is not None else 0
            wanted = self._wanted(run_id, wish)
            rows.append(views.run_row(self._t, line, live, wanted, self._owner(line.run), counted))
        used = {run.record.source for run in await self._ledger.runs()}
        files = [
            {
                "id": upload.id,
                "name": upload.name,
                "size": views.size_words(upload.size),
                "at": views.moment(upload.at),
                "at_iso": _iso(upload.at),
                "owner": upload.owner,
                "steers": user.may_steer(upload.owner),
            }
            for upload in self._storage.uploads(None if user.sees_all else user.name)
            if upload.path not in used and upload.kept
        ]
        return self._show(
            request,
            "home",
            here="home",
            runs=rows,
            more=len(seen) > len(shown),
            files=files[:_MOST_RUNS],
            by_shown=any(not row.by for row in rows),
            **self._dropping(),
        )

    async def audit(self, request: Request) -> Response:
        if _user(request).role.value != "operator":
            raise Refused(403, "refused.403")
        lines = [
            {
                "at": _iso(line.at).replace("T", " ").rstrip("Z"),
                "user": line.user,
                "address": line.address,
                "action": self._t(f"action.{line.action}"),
                "subject": line.subject,
            }
            for line in self._storage.trail()
        ]
        return self._show(request, "audit", here="audit", lines=lines)

    # ------------------------------------------------------------------------------------------------ the door

    async def sign_in_page(self, request: Request) -> Response:
        return self._show(request, "sign_in", **_door(request.query_params.get("next", "/")))

    async def sign_in(self, request: Request) -> Response:
        visitor = visitor_of(request.scope)
        fields = await form(request)
        check_form(visitor, fields)
        name, onward = fields.get("name", "").strip()[:64], _local(fields.get("next", "/"))
        if self._users is None or self._options.proxy_header:
            return RedirectResponse(onward, 303)
        keys = (f"name {name.lower()}", f"address {visitor.address}")
        if not (self._tries_of_name.allowed(keys[0]) and self._tries_of_address.allowed(keys[1])):
            return self._show(request, "sign_in", 429, fault=self._t("sign_in.often"), tried=name, **_door(onward))
        # Counted before the answer is known, so that tries at the same time count too.
        self._tries_of_name.count(keys[0])
        self._tries_of_address.count(keys[1])
        async with self._hashing:
            user = await asyncio.to_thread(self._users.check, name, fields.get("password", "")[:500])
        if user is None:
            # What is no user's name may be a password in the wrong field.
            self._storage.audit(name if self._users.find(name) else "", visitor.address, "sign_in_refused")
            return self._show(request, "sign_in", 401, fault=self._t("sign_in.wrong"), tried=name, **_door(onward))
        self._tries_of_name.forget(keys[0])
        assert self.guard is not None
        token, cookie = self.guard.new_cookie()
        self._storage.begin_session(token, self._users.signed(user.name))
        self._storage.audit(user.name, visitor.address, "signed_in")
        return RedirectResponse(onward, 303, {"set-cookie": cookie})

    async def sign_out(self, request: Request) -> Response:
        visitor = visitor_of(request.scope)
        check_form(visitor, await form(request))
        self._storage.end_session(visitor.token)
        self._audit(request, "signed_out")
        assert self.guard is not None
        return RedirectResponse("/sign-in", 303, {"set-cookie": self.guard.new_cookie()[1]})

    # ------------------------------------------------------------------------------------------------ a file comes in

    async def receive(self, request: Request) -> Response:
        received = await self._received(request)
        upload = self._kept(request, received, Upload(received.id, "", "", "", 0, 0.0))
        self._audit(request, "uploaded", upload.name)
        self._jobs.look(upload, self._settings(upload))
        return RedirectResponse(f"/uploads/{upload.id}", 303)

    async def receive_mended(self, request: Request) -> Response:
        """The mended rows of a run: columns and settings are its own, so they are checked at once."""
        run = await self._run(request)
        self._steer(request, self._owner(run))
        received = await self._received(request)
        own = msgspec.convert(run.record.settings, Settings)
        # A text has no sheets; a workbook without that one says which it has.
        sheet = own.sheet if await asyncio.to_thread(_is_workbook, received.path) else ""
        reading = Reading(sheet=sheet, country=own.country, blank=own.blank)
        mends = Upload(received.id, "", "", "", 0, 0.0, reading=reading, mends=run.record.run_id)
        upload = self._kept(request, received, mends)
        mapping = upload.folder / "mapping.toml"
        await asyncio.to_thread(write_whole, mapping, to_toml(mapping_of(run), source=upload.name).encode())
        self._audit(request, "uploaded_mended", f"{upload.name} ({run.record.run_id})")
        self._jobs.look(upload, self._settings(upload), str(mapping))
        return RedirectResponse(f"/uploads/{upload.id}/check", 303)

    async def _received(self, request: Request) -> Received:
        user, visitor = _user(request), visitor_of(request.scope)
        if not user.begins:
            raise Refused(403, "refused.403")
        if not self._tries_to_upload.allowed(user.name):
            raise Refused(429, "refused.often")
        self._tries_to_upload.count(user.name)
        return await receive(request, self._options.folder / "uploads", self._options.max_upload, _Token(visitor))

    def _kept(self, request: Request, received: Received, upload: Upload) -> Upload:
        kept = msgspec.structs.replace(
            upload,
            owner=_user(request).name,
            name=received.name,
            path=str(received.path),
            size=received.size,
            at=time.time(),
        )
        self._storage.keep_upload(kept)
        return kept

    async def discard(self, request: Request) -> Response:
        upload = self._upload(request)
        self._steer(request, upload.owner)
        check_form(visitor_of(request.scope), await form(request))
        if await self._ledger.run_of(upload.path, 0, "") or self._running(upload):
            raise Refused(409, "refused.busy")
        await self._forget(upload)
        self._audit(request, "discarded", upload.name)
        return RedirectResponse("/", 303)

    async def _forget(self, upload: Upload) -> None:
        self._jobs.stop_looking(upload)
        self._jobs.passwords.forget(upload.path)
        self._storage.forget_upload(upload.id)
        await asyncio.to_thread(shutil.rmtree, upload.folder, ignore_errors=True)

    async def clear_away(self) -> None:
        """Files that nobody imported do not stay: they hold customers' data."""
        self._jobs.passwords.forget_gone()
        used = {run.record.source for run in await self._ledger.runs()}
        done = {run.record.source for run in await self._ledger.runs() if ended_well(run)}
        for upload in self._storage.uploads():
            if upload.path in done and upload.kept and not self._running(upload):
                # Gone on with by the command line, or by a server that died at that moment.
                await asyncio.to_thread(shutil.rmtree, upload.folder, ignore_errors=True)
            if upload.at < time.time() - _KEPT_DAYS * 86400 and upload.path not in used and not self._running(upload):
                await self._forget(upload)

    # ------------------------------------------------------------------------------------------------ its columns

    async def columns(self, request: Request) -> Response:
        upload = self._upload(request)
        look = await self._looked(upload)
        if look is None:
            return self._waiting(request, "columns", "wait.look", upload.name)
        mapping = look.mapping
        if upload.mapped and not look.fault[0]:
            mapping = self._mapping_of(upload, look)
        return self._columns_page(request, upload, look, mapping, [])

    def _mapping_of(self, upload: Upload, look: Look) -> Mapping:
        with contextlib.suppress(ImporterError):
            return fit(load(upload.folder / "mapping.toml"), [sight.column for sight in look.columns])
        return look.mapping

    def _columns_page(
        self, request: Request, upload: Upload, look: Look, mapping: Mapping, faults: list[str], status: int = 200
    ) -> Response:
        t = self._t
        found = {"sheet": look.sheet, "header_row": str(look.header_row or ""), "encoding": "", "delimiter": ""}
        reading = [
            (name, getattr(upload.reading, name) or "", found[name])
            for name in HOW_READ
            if name in (("sheet", "header_row") if look.kind == "workbook" else HOW_READ)
        ]
        facts = [t("columns.sheet", sheet=look.sheet)] if look.sheet else []
        if look.columns:
            facts.append(t("columns.header", row=look.header_row))
            key = "columns.rows" if look.whole else "columns.rows_more"
            facts.append(t.n(key, look.rows))
        store = dict(mapping.constants).get("store.code", "")
        return self._show(
            request,
            "columns",
            status,
            upload=upload,
            facts=facts,
            reading=reading,
            sheets=look.sheets or upload.sheets,
            unreadable=[" ".join(look.fault)] if look.fault[0] else [],
            locked=look.locked or self._locked(upload.path, upload),
            faults=faults,
            rows=views.column_rows(t, look, mapping) if look.columns else [],
            groups=views.USES,
            separators=tuple(SEPARATORS),
            field_names=[field.name for field in look.fields or () if not field.is_disabled],
            fields_words=views.fields_words(t, look),
            country=upload.reading.country or self._options.settings.country,
            blank=upload.reading.blank or self._options.settings.blank,
            store=store,
            notes=look.notes,
            steers=_user(request).may_steer(upload.owner),
        )

    async def read_again(self, request: Request) -> Response:
        """The same file, read the way somebody says."""
        upload = self._upload(request)
        self._steer(request, upload.owner)
        fields = await form(request)
        check_form(visitor_of(request.scope), fields)
        names = tuple(name for name in HOW_READ if name in fields)
        reading, faults = reading_from(fields, names, upload.reading)
        if faults:
            look = await self._looked(upload) or Look()
            return self._columns_page(request, upload, look, look.mapping, faults, 422)
        before = await self._looked(upload)
        sheets = (before.sheets if before is not None else ()) or upload.sheets
        upload = msgspec.structs.replace(upload, reading=reading, mapped=False, sheets=sheets)
        self._storage.keep_upload(upload)
        self._jobs.stop_looking(upload)
        _remove(upload, "look.json", "check.json", "mapping.toml", "problems.csv")
        self._jobs.look(upload, self._settings(upload))
        return RedirectResponse(f"/uploads/{upload.id}", 303)

    async def unlock(self, request: Request) -> Response:
        """The password of a protected file, which is looked at, or checked, with it; asked for again if it is wrong."""
        upload = self._upload(request)
        self._steer(request, upload.owner)
        fields = await form(request)
        check_form(visitor_of(request.scope), fields)
        if password := fields.get("password", "")[:LONGEST]:
            self._jobs.passwords.keep(upload.path, password)
            upload = msgspec.structs.replace(upload, locked=True)
            self._storage.keep_upload(upload)
            self._jobs.stop_looking(upload)
            _remove(upload, "check.json", "problems.csv", *(() if upload.mapped else ("look.json",)))
        return RedirectResponse(f"/uploads/{upload.id}{'/check' if upload.mapped or upload.mends else ''}", 303)

    def _locked(self, source: str, upload: Upload | None, wish: Wish | None = None) -> bool:
        """Whether a file's password must be typed: it has one, and it is not, or not any more, in memory."""
        protected = (upload is not None and upload.locked) or (wish is not None and wish.locked)
        return protected and not self._jobs.passwords.of(source)

    async def map(self, request: Request) -> Response:
        """What each column becomes, judged as the command line judges a mapping file; then every row is checked."""
        upload = self._upload(request)
        self._steer(request, upload.owner)
        fields = await form(request)
        check_form(visitor_of(request.scope), fields)
        look = await self._looked(upload)
        if look is None or look.fault[0]:
            return RedirectResponse(f"/uploads/{upload.id}", 303)
        mapping = mapping_from(fields, look)
        reading, faults = reading_from(fields, ("country", "blank"), upload.reading)
        try:
            fit(mapping, [sight.column for sight in look.columns])
        except ImporterError as error:
            faults.append(words_of(error))
        upload = msgspec.structs.replace(upload, reading=reading)
        if faults:
            return self._columns_page(request, upload, look, mapping, faults, 422)
        looks = {s.column: ColumnLook(s.samples, s.cells, s.list_like, s.separator) for s in look.columns}
        text = to_toml(mapping, looks, source=upload.name)
        await asyncio.to_thread(write_whole, upload.folder / "mapping.toml", text.encode())
        upload = msgspec.structs.replace(upload, mapped=True)
        self._storage.keep_upload(upload)
        self._jobs.stop_looking(upload)
        _remove(upload, "check.json", "problems.csv")
        self._jobs.check(upload, self._settings(upload))
        return RedirectResponse(f"/uploads/{upload.id}/check", 303)

    async def _looked(self, upload: Upload) -> Look | None:
        """What the file is, as soon as it is known; begun again where a server went in the middle of it."""
        found = await self._result(upload, "look")
        look = msgspec.json.decode(found, type=Look) if found is not None else None
        if look is not None and look.locked:
            self._jobs.passwords.forget(upload.path)
        return look

    async def _result(self, upload: Upload, kind: Literal["look", "check"]) -> bytes | None:
        path = upload.folder / f"{kind}.json"
        if not path.exists() and not self._jobs.is_looking(upload, kind):
            if kind == "look":
                begun = upload.folder / "mapping.toml"
                self._jobs.look(upload, self._settings(upload), str(begun) if upload.mends and begun.exists() else "")
            else:
                self._jobs.check(upload, self._settings(upload))
        await self._jobs.looked(upload, kind, _PATIENCE)
        if self._jobs.is_looking(upload, kind) or not path.exists():
            return None
        return await asyncio.to_thread(path.read_bytes)

    # ------------------------------------------------------------------------------------------------ its check

    async def check(self, request: Request) -> Response:
        upload = self._upload(request)
        if not upload.mapped:
            if not upload.mends:
                return RedirectResponse(f"/uploads/{upload.id}", 303)
            look = await self._looked(upload)
            if look is None:
                return self._waiting(request, "check", "wait.look", upload.name)
            try:
                fit(load(upload.folder / "mapping.toml"), [sight.column for sight in look.columns])
            except ImporterError:
                return RedirectResponse(f"/uploads/{upload.id}", 303)
            upload = msgspec.structs.replace(upload, mapped=True)
            self._storage.keep_upload(upload)
        content = await self._result(upload, "check")
        if content is None:
            return self._waiting(request, "check", "wait.check", upload.name)
        checked = msgspec.json.decode(content, type=Checked)
        found = checked.findings
        steers = _user(request).may_steer(upload.owner)
        if found is None:
            if checked.locked:
                self._jobs.passwords.forget(upload.path)
            impossible = [" ".join(checked.fault)]
            return self._show(
                request, "check", upload=upload, impossible=impossible, locked=checked.locked, steers=steers
            )
        t = self._t
        wish = self._storage.wish_of_path(upload.path)
        run = await self._ledger.run_of(upload.path, 0, "")
        trouble = wish.trouble if wish is not None and not wish.run_id and wish.wanted != "running" else ()
        look = await self._looked(upload)
        target = self._options.settings.base_url
        start_words = t.n("check.trial_words", found.customers)
        if not self._options.settings.sandbox:
            start_words = t.n("check.start_words", found.customers, target=target)
        counts = {"succeeded": found.sendable_rows, "rejected": found.rejected_rows}
        return self._show(
            request,
            "check",
            upload=upload,
            found=found,
            trouble=trouble,
            split=views.parts(t, counts),
            time=duration(found.seconds),
            ends=views.clock(found.ends_at),
            problems=views.problem_views(checked, found),
            notes=list(dict.fromkeys(views.check_notes(t, checked, found))),
            start_words=start_words,
            under_way=self._running(upload) is not None,
            unfinished=run.record.run_id if run is not None and not run.finished else "",
            before=run.record.run_id if run is not None else "",
            known=await self._known(look),
            locked=self._locked(upload.path, upload),
            steers=steers,
        )

    async def _known(self, look: Look | None) -> str:
        """The run that imported the same content whole, if one did."""
        if look is None or not look.sha256:
            return ""
        name = "sandbox" if self._options.settings.sandbox else self._options.settings.base_url
        run = await self._ledger.imported_whole(name, look.sha256)
        return run.record.run_id if run is not None else ""

    async def problems(self, request: Request) -> Response:
        upload = self._upload(request)
        path = upload.folder / "problems.csv"
        if not path.is_file():
            raise Refused(404, "refused.404")
        self._audit(request, "downloaded", f"problems.csv ({upload.name})")
        return FileResponse(path, filename=f"{Path(upload.name).stem}-problems.csv", media_type="text/csv")

    async def start(self, request: Request) -> Response:
        upload = self._upload(request)
        self._steer(request, upload.owner)
        fields = await form(request)
        check_form(visitor_of(request.scope), fields)
        newest = await self._ledger.run_of(upload.path, 0, "")
        if self._running(upload) or fields.get("after", "") != (newest.record.run_id if newest is not None else ""):
            # A second click, another tab, or a page of before that came back: it has begun already.
            return RedirectResponse(f"/uploads/{upload.id}/run", 303)
        content = await self._result(upload, "check") if upload.mapped else None
        found = msgspec.json.decode(content, type=Checked).findings if content is not None else None
        if found is None or self._locked(upload.path, upload):
            return RedirectResponse(f"/uploads/{upload.id}/check", 303)
        self._audit(request, "started", upload.name)
        settings = msgspec.to_builtins(self._settings(upload))
        self._jobs.begin(Wish(0, _user(request).name, upload.path, settings, _now_ms(), rows=found.rows))
        return RedirectResponse(f"/uploads/{upload.id}/run", 303)

    async def started(self, request: Request) -> Response:
        """From a file to its run, once that is in the journal."""
        upload = self._upload(request)
        live = self._running(upload)
        if live is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(live.known.wait(), _PATIENCE)
        wish = live.wish if live is not None else self._storage.wish_of_path(upload.path)
        if wish is not None and wish.run_id:
            return RedirectResponse(f"/runs/{wish.run_id}", 303)
        if live is not None and live.state != "ended":
            return self._waiting(request, "import", "wait.start", upload.name)
        return RedirectResponse(f"/uploads/{upload.id}/check", 303)

    # ------------------------------------------------------------------------------------------------ a run

    async def run(self, request: Request) -> Response:
        run = await self._run(request)
        run_id = run.record.run_id
        line, live = await self._ledger.line(run), self._jobs.live(run_id)
        wish = self._storage.wish_of_run(run_id)
        state = views.state_of(line, live, self._wanted(run_id, wish))
        owner = self._owner(run)
        steers = _user(request).may_steer(owner)
        if views.is_going(state):
            here = live is not None or await self._ledger.holder_here(run) is not None
            return self._show(
                request,
                "run",
                view=views.live_view(self._t, line, live, wish.rows if wish else 0, self._wanted(run_id, wish)),
                name=views.name_of(run),
                run_id=run_id,
                run_target=run.record.base_url,
                began=views.moment(run.record.started_at / 1000),
                by=owner,
                pausable=steers and live is not None and state in _STOPPABLE,
                stoppable=steers and here and state in _STOPPABLE,
                elsewhere=live is None,
                here=here,
            )
        return await self._report(request, line, state, wish, steers)

    async def _report(
        self, request: Request, line: Line, state: str, wish: Wish | None, steers: bool, status: int = 200
    ) -> Response:
        t, run = self._t, line.run
        run_id = run.record.run_id
        summary = await self._ledger.summary(run_id)
        # Of a run that broke off, the reports (if any) are those of an earlier stop: the journal knows more.
        if summary is not None and state == "broken":
            summary = None
        counts = msgspec.to_builtins(summary.rows) if summary is not None else dict(line.counts)
        counts.pop("read", None)
        tiles = views.parts(t, counts, always=("succeeded", "failed", "rejected"))
        upload = self._storage.upload_of(run.record.source)
        again = await self._ledger.retry_of(run_id)
        open_rows = sum(counts.get(s.value, 0) for s in (Status.FAILED, Status.REJECTED, Status.UNKNOWN))
        askable = sum(counts.get(s.value, 0) for s in (Status.FAILED, Status.UNKNOWN))
        files = views.file_views(t, self._ledger.reports / run_id)
        causes = views.cause_views(t, summary.causes) if summary is not None else []
        return self._show(
            request,
            "report",
            status,
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
            codes=views.code_views(summary.codes) if summary is not None else [],
            details=views.details(t, run, summary, self._owner(run)),
            notes=views.report_notes(run.progress, summary.notes) if summary is not None else [],
            resumable=not run.finished,
            locked=self._locked(run.record.source, upload, wish),
            mendable=open_rows > 0 and bool(files),
            marked=any(file.name == "annotated.xlsx" for file in files),
            retriable=run.finished and askable > 0 and again is None and Path(run.record.source).exists(),
            tried_again=again.record.run_id if again is not None else "",
            mends=upload.mends if upload is not None else "",
            retry_of=run.record.retry_of,
            steers=steers,
            **self._dropping(),
        )

    async def events(self, request: Request) -> Response:
        """The changing part of a run's page, whenever it has changed."""
        run = await self._run(request)
        return StreamingResponse(self._beats(run), media_type="text/event-stream", headers={"x-accel-buffering": "no"})

    async def _beats(self, run: Run) -> AsyncIterator[str]:
        run_id = run.record.run_id
        before = ""
        # The browser asks again after that, and the guard looks again whether it may.
        end = time.monotonic() + self._options.watch
        yield "retry: 300\n\n"
        while not self._jobs.closing.is_set() and time.monotonic() < end:
            current = await self._ledger.run(run_id) or run
            line, live = await self._ledger.line(current), self._jobs.live(run_id)
            wish = self._storage.wish_of_run(run_id)
            if not views.is_going(views.state_of(line, live, "")):
                yield "event: over\ndata: {}\n\n"
                return
            view = views.live_view(self._t, line, live, wish.rows if wish else 0, self._wanted(run_id, wish))
            html = self._renderer.piece("live", view=view)
            if html != before:
                before = html
                percent = view.percent or 0
                said = self._t("run.said", percent=percent, wrong=f"{views.wrong_rows(view):,}")
                told = {"html": html, "step": f"{view.state} {percent // 10}", "said": said}
                yield f"event: live\ndata: {msgspec.json.encode(told).decode()}\n\n"
            else:
                yield ": still here\n\n"
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._jobs.closing.wait(), self._options.beat)

    async def pause(self, request: Request) -> Response:
        return await self._halt(request, "paused")

    async def stop(self, request: Request) -> Response:
        return await self._halt(request, "stopped")

    async def _halt(self, request: Request, wanted: Literal["paused", "stopped"]) -> Response:
        run, _ = await self._steered(request)
        live = self._jobs.live(run.record.run_id)
        if live is not None:
            self._audit(request, wanted, run.record.run_id)
            self._jobs.stop(live, wanted)
        elif wanted == "stopped" and (holder := await self._ledger.holder_here(run)) is not None:
            # Begun on the command line: asked in the way in which a terminal would ask.
            if not await asyncio.to_thread(stop, holder.pid, holder.birth):
                raise Refused(409, "refused.not_ours")
            self._audit(request, wanted, run.record.run_id)
            self._asked.add(run.record.run_id)
        return RedirectResponse(f"/runs/{run.record.run_id}", 303)

    async def resume(self, request: Request) -> Response:
        """Goes on with a run, whoever began it; on the page or on the command line."""
        run, fields = await self._steered(request)
        run_id = run.record.run_id
        line = await self._ledger.line(run)
        wish = self._storage.wish_of_run(run_id)
        opens = self._opens(run, wish, fields)
        if opens and self._jobs.live(run_id) is None and not run.finished and not line.held:
            self._audit(request, "resumed", run_id)
            self._asked.discard(run_id)
            wish = wish or Wish(
                0, "", run.record.source, msgspec.to_builtins(self._options.settings), run.record.started_at, run_id
            )
            self._jobs.begin(msgspec.structs.replace(wish, wanted="running", trouble=("", "")))
        return RedirectResponse(f"/runs/{run_id}", 303)

    async def retry(self, request: Request) -> Response:
        """A new run with only the rows that failed, are unknown or unprocessed."""
        run, fields = await self._steered(request)
        record = run.record
        begun = next((live for live in self._jobs.lives() if live.wish.retry_of == record.run_id), None)
        if begun is None and (tried := await self._ledger.retry_of(record.run_id)) is not None:
            return RedirectResponse(f"/runs/{tried.record.run_id}", 303)
        if begun is not None:  # a second click
            return await self._to_run(begun, record.run_id)
        known = self._storage.wish_of_run(record.run_id)
        if not self._opens(run, known, fields):
            return RedirectResponse(f"/runs/{record.run_id}", 303)
        self._audit(request, "retried", record.run_id)
        settings = msgspec.to_builtins(self._options.settings)
        rows = known.rows if known is not None else 0
        wish = Wish(0, _user(request).name, record.source, settings, _now_ms(), retry_of=record.run_id, rows=rows)
        live = self._jobs.begin(wish)
        answer = await self._to_run(live, record.run_id)
        if live.run_id or not live.wish.trouble[0]:
            return answer
        # It did not begin, as with a wrong password: told where it was asked for.
        line = await self._ledger.line(run)
        return await self._report(request, line, views.state_of(line, None, ""), live.wish, True, 422)

    def _opens(self, run: Run, wish: Wish | None, fields: dict[str, str]) -> bool:
        """Whether the source can be opened as far as we know: it is not protected, or its password is at hand now."""
        source = run.record.source
        if password := fields.get("password", "")[:LONGEST]:
            self._jobs.passwords.keep(source, password)
        return not self._locked(source, self._storage.upload_of(source), wish)

    async def _to_run(self, live: Live, otherwise: str) -> Response:
        """To a run's page as soon as it has one."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(live.known.wait(), 10)
        return RedirectResponse(f"/runs/{live.run_id or otherwise}", 303)

    async def file(self, request: Request) -> Response:
        """A report. Its name is one of ours, its folder the journal's: nothing of the address becomes a path."""
        run = await self._run(request)
        name = request.path_params["name"]
        if name not in views.FILES:
            raise Refused(404, "refused.404")
        path = self._ledger.reports / run.record.run_id / name
        if not path.is_file():
            raise Refused(404, "refused.404")
        self._audit(request, "downloaded", f"{name} ({run.record.run_id})")
        if name == "summary.html":
            # Our own page with its own styles; it runs nothing and reaches nothing.
            policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
            return FileResponse(path, media_type="text/html", headers={"content-security-policy": policy})
        stem = Path(views.name_of(run)).stem
        return FileResponse(path, filename=f"{stem}-{name}")

    # ------------------------------------------------------------------------------------------------ their parts

    def _show(self, request: Request, page: str, status: int = 200, /, **values: Any) -> Response:
        return self._renderer.page(request.scope, page, status, **values)

    def _waiting(self, request: Request, step: str, words: str, name: str) -> Response:
        return self._show(request, "wait", step=step, words=self._t(words, name=name))

    def _dropping(self) -> dict[str, Any]:
        most = self._options.max_upload
        return {"most": most, "most_shown": views.size_words(most), "accept": ACCEPT}

    def _settings(self, upload: Upload) -> Settings:
        mapping = upload.folder / "mapping.toml"
        return settings_for(upload, self._options.settings, mapping if upload.mapped else None)

    def _running(self, upload: Upload) -> Live | None:
        return next((live for live in self._jobs.lives() if live.wish.path == upload.path), None)

    def _upload(self, request: Request) -> Upload:
        upload = self._storage.upload(request.path_params["upload"])
        if upload is None:
            raise _not_there(request)
        if not _user(request).may_see(upload.owner):
            raise Refused(403, "refused.403")
        if not upload.kept:
            wish = self._storage.wish_of_path(upload.path)
            if wish is None or not wish.run_id:
                raise Refused(404, "refused.gone")
            raise Elsewhere(f"/runs/{wish.run_id}")
        return upload

    async def _run(self, request: Request) -> Run:
        run = await self._ledger.run(request.path_params["run"])
        if run is None:
            raise _not_there(request)
        if not _user(request).may_see(self._owner(run)):
            raise Refused(403, "refused.403")
        return run

    async def _steered(self, request: Request) -> tuple[Run, dict[str, str]]:
        """The run, of somebody who may steer it, and the form."""
        run = await self._run(request)
        self._steer(request, self._owner(run))
        fields = await form(request)
        check_form(visitor_of(request.scope), fields)
        return run, fields

    def _steer(self, request: Request, owner: str) -> None:
        if not _user(request).may_steer(owner):
            raise Refused(403, "refused.403")

    def _wanted(self, run_id: str, wish: Wish | None) -> str:
        if run_id in self._asked:
            return views.ASKED
        return wish.wanted if wish is not None else ""

    def _owner(self, run: Run) -> str:
        """Who began it here; "" for the command line."""
        wish = self._storage.wish_of_run(run.record.run_id)
        return wish.owner if wish is not None else ""

    def _audit(self, request: Request, action: str, subject: str = "") -> None:
        visitor = visitor_of(request.scope)
        self._storage.audit(visitor.user.name if visitor.user else "", visitor.address, action, subject)


class _Token(Admit):
    """The form's token must come before its file."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor

    def __call__(self, fields: dict[str, str]) -> None:
        check_form(self._visitor, fields)


def _not_there(request: Request) -> Refused:
    """To somebody who sees only what is theirs, what is not there and what is not theirs look alike: the id of a run
    tells a file's name, and could be guessed."""
    return Refused(404, "refused.404") if _user(request).sees_all else Refused(403, "refused.403")


def _user(request: Request) -> User:
    user = visitor_of(request.scope).user
    assert user is not None  # the guard lets nobody else in
    return user


def _door(onward: str) -> dict[str, Any]:
    return {"next": _local(onward)}


def _local(path: str) -> str:
    """A path of ours, and nothing that a browser takes for another place."""
    is_ours = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if is_ours and len(path) < 500 else "/"


def _is_workbook(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


def _remove(upload: Upload, *names: str) -> None:
    for name in names:
        (upload.folder / name).unlink(missing_ok=True)


def _iso(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
