"""The application: its pages, its refusals, and what lives as long as the server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Scope

from importer.errors import ImporterError
from importer.web.guard import Cookies, Guard
from importer.web.journal_view import JournalView
from importer.web.messages import words_of
from importer.web.notices import Notifier
from importer.web.options import WebOptions, refuse_unsafe
from importer.web.pages.audit import AuditPage
from importer.web.pages.check import CheckPages
from importer.web.pages.columns import ColumnPages
from importer.web.pages.fix import FixPages
from importer.web.pages.fixed import FixedPages
from importer.web.pages.home import HomePage
from importer.web.pages.manual import ManualPages
from importer.web.pages.queue import QueuePage
from importer.web.pages.report import ReportPage
from importer.web.pages.rules import RulePages
from importer.web.pages.run import RunPages
from importer.web.pages.sign_in import SignInPages
from importer.web.pages.site import Site
from importer.web.pages.template import TemplatePage
from importer.web.pages.uploads import UploadPages
from importer.web.refusals import Moved, RequestRefused
from importer.web.rendering import Renderer
from importer.web.storage import Storage
from importer.web.supervisor import Supervisor
from importer.web.texts import Texts
from importer.web.users import Users, UsersUnreadable

_DELETE_OLD_EVERY = 6 * 3600.0


def create_app(options: WebOptions) -> Starlette:
    """Raises `SettingsError` for what would not be safe. `app.state.runs` stops the runs in progress."""
    refuse_unsafe(options)
    renderer = Renderer(options, Texts())
    storage = Storage(options.folder)
    users = Users(options.users_file, storage.forget_users) if options.users_file is not None else None
    journal = JournalView(options.settings)
    notifier = Notifier(options, storage, journal, renderer.t)
    runs = Supervisor(storage, journal, options.most_runs, notifier.ended)
    cookies = Cookies(storage.secret(), secure=options.secure)
    site = Site(options, storage, journal, runs, renderer)
    uploads, report = UploadPages(site), ReportPage(site)
    pages = (
        HomePage(site),
        AuditPage(site),
        SignInPages(site, users, cookies),
        uploads,
        ColumnPages(site),
        CheckPages(site),
        QueuePage(site),
        FixPages(site),
        RulePages(site),
        FixedPages(site),
        RunPages(site, report),
        report,
        ManualPages(site),
        TemplatePage(site),
    )

    @contextlib.asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        await runs.start()
        deleting = asyncio.create_task(_delete_old(uploads))
        try:
            yield
        finally:
            deleting.cancel()
            await runs.close()
            await notifier.close()
            await journal.close()
            storage.close()

    def refuse(scope: Scope, status: int, text: str) -> ASGIApp:
        """The page for a refused request: the form to sign in, where that is what it needs."""
        if text == "refused.sign_in":
            onward = scope["path"] if scope["method"] == "GET" else "/"
            return renderer.page(scope, "sign_in", status, next=onward)
        return renderer.page(scope, "error", status, text=renderer.t(text))

    def guard(app: ASGIApp) -> ASGIApp:
        return Guard(app, options, storage, users, cookies, refuse)

    async def static(request: Request) -> Response:
        found = renderer.files.get(request.path_params["name"])
        if found is None:
            raise RequestRefused(404, "refused.404")
        body, kind = found
        return Response(body, media_type=kind, headers={"cache-control": "public, max-age=86400"})

    app = Starlette(
        routes=[*(route for page in pages for route in page.routes()), Route("/static/{name}", static, name="static")],
        middleware=[Middleware(guard)],
        exception_handlers=_handlers(renderer),
        lifespan=life,
    )
    app.state.runs = runs
    return app


def _handlers(renderer: Renderer) -> dict[Any, Callable[[Request, Exception], Awaitable[Response]]]:
    """The answer to each exception that a page may raise."""

    def error_page(request: Request, status: int, text: str, **more: object) -> Response:
        return renderer.page(request.scope, "error", status, text=renderer.t(text), **more)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestRefused)
        return error_page(request, error.status, error.text)

    async def moved(_: Request, error: Exception) -> Response:
        assert isinstance(error, Moved)
        return RedirectResponse(error.path, HTTPStatus.SEE_OTHER)

    async def bad_request(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        text = f"refused.{error.status_code}"
        return error_page(request, error.status_code, text if renderer.t.has(text) else "refused.400")

    async def unavailable(request: Request, error: Exception) -> Response:
        assert isinstance(error, ImporterError)
        return error_page(request, HTTPStatus.SERVICE_UNAVAILABLE, "refused.503", more=words_of(error))

    async def passed_on(_: Request, error: Exception) -> Response:
        raise error  # to the guard, which logs it

    return {
        UsersUnreadable: passed_on,
        RequestRefused: refused,
        Moved: moved,
        HTTPException: bad_request,
        ImporterError: unavailable,
    }


async def _delete_old(uploads: UploadPages) -> None:
    while True:
        with contextlib.suppress(ImporterError, OSError):
            await uploads.delete_old()
        await asyncio.sleep(_DELETE_OLD_EVERY)
