"""A workbook to fill in, made for the organisation of the page."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from importer.errors import ImporterError
from importer.web.messages import RESULT_FILES, words_of
from importer.web.pages.site import Site, get, user_of
from importer.web.refusals import RequestRefused
from importer.web.users import Tries

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class TemplatePage:
    def __init__(self, site: Site) -> None:
        self._site = site
        # Each asks the API once, at the rate of the runs.
        self._tries = Tries(20, 600)

    def routes(self) -> list[Route]:
        return [get("/template", self.template)]

    async def template(self, request: Request) -> Response:
        user = user_of(request)
        if not user.begins:
            raise RequestRefused(403, "refused.403")
        if not self._tries.allowed(user.name):
            raise RequestRefused(429, "refused.templates")
        self._tries.count(user.name)
        try:
            content = await self._site.runs.make_template(self._site.options.settings, user.name)
        except ImporterError as error:
            return self._site.show(request, "error", 503, text=self._site.t("template.none"), more=words_of(error))
        self._site.audit(request, "downloaded", RESULT_FILES["template"])
        name = f'attachment; filename="{RESULT_FILES["template"]}"'
        return Response(content, media_type=_XLSX, headers={"content-disposition": name})
