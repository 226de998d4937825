"""A run: its progress while it is in progress, else its report; pause, stop, resume, retry."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from importer.journal import Run
from importer.system.process import stop
from importer.web import run_views, views
from importer.web.journal_view import RunSnapshot
from importer.web.live_run import LiveRun
from importer.web.pages.report import ReportPage
from importer.web.pages.site import Site, get, now_ms, post, user_of
from importer.web.refusals import RequestRefused
from importer.web.storage import Wish


class RunPages:
    def __init__(self, site: Site, report: ReportPage) -> None:
        self._site = site
        self._report = report

    def routes(self) -> list[Route]:
        return [
            get("/runs/{run}", self.run),
            get("/runs/{run}/events", self.events),
            post("/runs/{run}/pause", self.pause),
            post("/runs/{run}/stop", self.stop),
            post("/runs/{run}/resume", self.resume),
            post("/runs/{run}/retry", self.retry),
            post("/runs/{run}/notice", self.notice),
        ]

    async def run(self, request: Request) -> Response:
        run = await self._site.run(request)
        run_id = run.record.run_id
        snapshot, live = await self._site.journal.snapshot(run), self._site.runs.live(run_id)
        wish = self._site.storage.wish_of_run(run_id)
        state = run_views.state_of(snapshot, live, self._site.wanted(run_id, wish))
        owner = self._site.owner(run)
        controls = user_of(request).may_control(owner)
        if not run_views.in_progress(state):
            return await self._report.show(request, snapshot, state, wish, controls)
        here = live is not None or await self._site.journal.holder_here(run) is not None
        return self._site.show(
            request,
            "run",
            queue=self._site.queue(self._site.storage.upload_of(run.record.source)),
            view=self._view(snapshot, live, wish),
            name=views.name_of(run),
            run_id=run_id,
            run_target=run.record.base_url,
            began=views.moment(run.record.started_at / 1000),
            by=owner,
            pausable=controls and live is not None and state in run_views.STOPPABLE,
            stoppable=controls and here and state in run_views.STOPPABLE,
            elsewhere=live is None,
            **self._mail(request, live, controls),
            here=here,
        )

    def _view(self, snapshot: RunSnapshot, live: LiveRun | None, wish: Wish | None) -> run_views.LiveView:
        wanted = self._site.wanted(snapshot.run.record.run_id, wish)
        return run_views.live_view(self._site.t, snapshot, live, wish.rows if wish else 0, wanted)

    def _mail(self, request: Request, live: LiveRun | None, controls: bool) -> dict[str, object]:
        form = self._site.mail_form(request, live.wish if live is not None else None)
        # Only the process of this server knows when its own run ends.
        return form | {"mail_offered": form["mail_offered"] and controls and live is not None}

    async def notice(self, request: Request) -> Response:
        """Keeps who gets a mail when the run is done."""
        run, fields = await self._site.controlled_run(request)
        live = self._site.runs.live(run.record.run_id)
        if live is not None:
            live.wish = self._site.storage.wish(self._site.with_mail(request, live.wish, fields))
        return RedirectResponse(f"/runs/{run.record.run_id}", 303)

    async def events(self, request: Request) -> Response:
        """Streams the changing part of the page, whenever it has changed."""
        run = await self._site.run(request)
        return StreamingResponse(self._events(run), media_type="text/event-stream", headers={"x-accel-buffering": "no"})

    async def _events(self, run: Run) -> AsyncIterator[str]:
        run_id = run.record.run_id
        before = ""
        # Then the browser connects again, and the guard checks again whether the user may see the run.
        end = time.monotonic() + self._site.options.watch
        closing = self._site.runs.closing
        yield "retry: 300\n\n"
        while not closing.is_set() and time.monotonic() < end:
            current = await self._site.journal.run(run_id) or run
            snapshot, live = await self._site.journal.snapshot(current), self._site.runs.live(run_id)
            if not run_views.in_progress(run_views.state_of(snapshot, live, "")):
                yield "event: over\ndata: {}\n\n"
                return
            view = self._view(snapshot, live, self._site.storage.wish_of_run(run_id))
            html = self._site.piece("live", view=view)
            if html != before:
                before = html
                yield self._event(view, html)
            else:
                yield ": unchanged\n\n"
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(closing.wait(), self._site.options.beat)

    def _event(self, view: run_views.LiveView, html: str) -> str:
        step, announcement = run_views.announcement(self._site.t, view)
        data = {"html": html, "step": step, "announcement": announcement}
        return f"event: live\ndata: {msgspec.json.encode(data).decode()}\n\n"

    async def pause(self, request: Request) -> Response:
        return await self._halt(request, "paused")

    async def stop(self, request: Request) -> Response:
        return await self._halt(request, "stopped")

    async def _halt(self, request: Request, wanted: Literal["paused", "stopped"]) -> Response:
        run, _ = await self._site.controlled_run(request)
        run_id = run.record.run_id
        live = self._site.runs.live(run_id)
        if live is not None:
            self._site.audit(request, wanted, run_id)
            self._site.runs.stop(live, wanted, user_of(request).name if self._site.options.signs_in else "")
        elif wanted == "stopped" and (holder := await self._site.journal.holder_here(run)) is not None:
            # Begun on the command line: stop it like a terminal would.
            if not await asyncio.to_thread(stop, holder.pid, holder.birth):
                raise RequestRefused(409, "refused.not_ours")
            self._site.audit(request, wanted, run_id)
            self._site.asked.add(run_id)
        return RedirectResponse(f"/runs/{run_id}", 303)

    async def resume(self, request: Request) -> Response:
        """Resumes a run, whether it was begun on the page or on the command line."""
        run, fields = await self._site.controlled_run(request)
        run_id = run.record.run_id
        snapshot = await self._site.journal.snapshot(run)
        wish = self._site.storage.wish_of_run(run_id)
        opens = self._site.opens(run, wish, fields)
        if opens and self._site.runs.live(run_id) is None and not run.finished and not snapshot.held:
            self._site.audit(request, "resumed", run_id)
            self._site.asked.discard(run_id)
            settings = msgspec.to_builtins(self._site.options.settings)
            wish = wish or Wish(0, "", run.record.source, settings, run.record.started_at, run_id)
            self._site.runs.begin(msgspec.structs.replace(wish, wanted="running", trouble=("", "")))
        return RedirectResponse(f"/runs/{run_id}", 303)

    async def retry(self, request: Request) -> Response:
        """Starts a new run with only the rows that failed, are unknown or unprocessed."""
        run, fields = await self._site.controlled_run(request)
        record = run.record
        begun = next((live for live in self._site.runs.lives() if live.wish.retry_of == record.run_id), None)
        if begun is None and (retried := await self._site.journal.retry_of(record.run_id)) is not None:
            return RedirectResponse(f"/runs/{retried.record.run_id}", 303)
        if begun is not None:  # a second click
            return await self._to_run(begun, record.run_id)
        known = self._site.storage.wish_of_run(record.run_id)
        if not self._site.opens(run, known, fields):
            return RedirectResponse(f"/runs/{record.run_id}", 303)
        self._site.audit(request, "retried", record.run_id)
        settings = msgspec.to_builtins(self._site.options.settings)
        rows = known.rows if known is not None else 0
        user = user_of(request).name
        wish = Wish(0, user, record.source, settings, now_ms(), retry_of=record.run_id, rows=rows)
        live = self._site.runs.begin(wish)
        answer = await self._to_run(live, record.run_id)
        if live.run_id or not live.wish.trouble[0]:
            return answer
        # It did not begin, for example with a wrong password: say so on the page that asked for it.
        snapshot = await self._site.journal.snapshot(run)
        state = run_views.state_of(snapshot, None, "")
        return await self._report.show(request, snapshot, state, live.wish, True, 422)

    async def _to_run(self, live: LiveRun, otherwise: str) -> Response:
        """Redirects to the page of a run as soon as it has one."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(live.known.wait(), 10)
        return RedirectResponse(f"/runs/{live.run_id or otherwise}", 303)
