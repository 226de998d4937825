"""The application: routes to pages, refusals to words, and what lives as long as the server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Scope

from importer.errors import ImporterError
from importer.web.guard import Guard
from importer.web.jobs import Jobs
from importer.web.ledger import Ledger
from importer.web.messages import words_of
from importer.web.options import WebOptions, refuse_unsafe
from importer.web.pages import Pages
from importer.web.receiving import Elsewhere, Refused
from importer.web.rendering import Renderer
from importer.web.storage import Storage
from importer.web.texts import Texts
from importer.web.users import Users

Handler = Callable[[Request], Awaitable[Response]]
_CLEAR_EVERY = 6 * 3600.0


def create_app(options: WebOptions) -> Starlette:
    """Raises `SettingsError` for what would not be safe. `app.state.jobs` stops what goes on."""
    refuse_unsafe(options)
    renderer = Renderer(options, Texts())
    storage = Storage(options.folder)
    users = Users(options.users_file) if options.users_file is not None else None
    ledger = Ledger(options.settings)
    jobs = Jobs(options.settings, storage, ledger, options.most_runs)
    pages = Pages(options, storage, users, ledger, jobs, renderer)

    @contextlib.asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        await jobs.start()
        clearing = asyncio.create_task(_clear_away(pages))
        try:
            yield
        finally:
            clearing.cancel()
            await jobs.close()
            await ledger.close()
            storage.close()

    def refuse(scope: Scope, status: int, text: str) -> ASGIApp:
        """The page for who was turned away: the door, where signing in is what lacks."""
        if text == "refused.sign_in":
            onward = scope["path"] if scope["method"] == "GET" else "/"
            return renderer.page(scope, "sign_in", status, next=onward)
        return renderer.page(scope, "error", status, text=renderer.t(text))

    def guard(app: ASGIApp) -> ASGIApp:
        pages.guard = Guard(app, options, storage, users, refuse)
        return pages.guard

    async def static(request: Request) -> Response:
        found = renderer.files.get(request.path_params["name"])
        if found is None:
            raise Refused(404, "refused.404")
        body, kind = found
        return Response(body, media_type=kind, headers={"cache-control": "public, max-age=86400"})

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return _refusal(renderer, request, error.status, error.text)

    async def elsewhere(_: Request, error: Exception) -> Response:
        assert isinstance(error, Elsewhere)
        return RedirectResponse(error.path, HTTPStatus.SEE_OTHER)

    async def not_taken(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        text = f"refused.{error.status_code}"
        return _refusal(renderer, request, error.status_code, text if renderer.t.has(text) else "refused.400")

    async def not_readable(request: Request, error: Exception) -> Response:
        assert isinstance(error, ImporterError)
        text = renderer.t("refused.503")
        return renderer.page(request.scope, "error", HTTPStatus.SERVICE_UNAVAILABLE, text=text, more=words_of(error))

    app = Starlette(
        routes=[*_routes(pages), Route("/static/{name}", static, name="static")],
        middleware=[Middleware(guard)],
        exception_handlers={
            Refused: refused,
            Elsewhere: elsewhere,
            HTTPException: not_taken,
            ImporterError: not_readable,
        },
        lifespan=life,
    )
    app.state.jobs = jobs
    return app


def _routes(pages: Pages) -> list[Route]:
    def get(path: str, page: Handler) -> Route:
        return Route(path, page, methods=["GET"])

    def post(path: str, page: Handler) -> Route:
        return Route(path, page, methods=["POST"])

    return [
        get("/", pages.home),
        get("/audit", pages.audit),
        get("/sign-in", pages.sign_in_page),
        post("/sign-in", pages.sign_in),
        post("/sign-out", pages.sign_out),
        post("/uploads", pages.receive),
        get("/uploads/{upload}", pages.columns),
        post("/uploads/{upload}/reading", pages.read_again),
        post("/uploads/{upload}/password", pages.unlock),
        post("/uploads/{upload}/mapping", pages.map),
        get("/uploads/{upload}/check", pages.check),
        get("/uploads/{upload}/problems.csv", pages.problems),
        post("/uploads/{upload}/start", pages.start),
        get("/uploads/{upload}/run", pages.started),
        post("/uploads/{upload}/discard", pages.discard),
        get("/runs/{run}", pages.run),
        get("/runs/{run}/events", pages.events),
        post("/runs/{run}/pause", pages.pause),
        post("/runs/{run}/stop", pages.stop),
        post("/runs/{run}/resume", pages.resume),
        post("/runs/{run}/retry", pages.retry),
        post("/runs/{run}/mended", pages.receive_mended),
        get("/runs/{run}/files/{name}", pages.file),
    ]


def _refusal(renderer: Renderer, request: Request, status: int, text: str) -> Response:
    return renderer.page(request.scope, "error", status, text=renderer.t(text))


async def _clear_away(pages: Pages) -> None:
    while True:
        with contextlib.suppress(ImporterError, OSError):
            await pages.clear_away()
        await asyncio.sleep(_CLEAR_EVERY)
