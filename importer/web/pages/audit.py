"""The audit trail, for operators."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from importer.web.pages.site import Site, get, iso, user_of
from importer.web.refusals import RequestRefused
from importer.web.users import Role


class AuditPage:
    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        return [get("/audit", self.audit)]

    async def audit(self, request: Request) -> Response:
        if user_of(request).role is not Role.OPERATOR:
            raise RequestRefused(403, "refused.403")
        lines = [
            {
                "at": iso(line.at).replace("T", " ").rstrip("Z"),
                "user": line.user,
                "address": line.address,
                "action": self._site.t(f"action.{line.action}"),
                "subject": line.subject,
            }
            for line in self._site.storage.trail()
        ]
        return self._site.show(request, "audit", here="audit", lines=lines)
