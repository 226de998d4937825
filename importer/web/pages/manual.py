"""The manual: its topics, and one of them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from importer.web.manual import Manual
from importer.web.pages.site import Site, get
from importer.web.refusals import RequestRefused


class ManualPages:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._manual = Manual()

    def routes(self) -> list[Route]:
        return [get("/manual", self.list), get("/manual/{topic}", self.topic)]

    async def list(self, request: Request) -> Response:
        return self._site.show(request, "manual", here="manual", topics=self._manual.topics.values(), topic=None)

    async def topic(self, request: Request) -> Response:
        topic = self._manual.topics.get(request.path_params["topic"])
        if topic is None:
            raise RequestRefused(404, "refused.404")
        return self._site.show(request, "manual", here="manual", topic=topic)
