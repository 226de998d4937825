"""The first page: a form for a file, files not imported yet, and the imports that the user may see."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from importer.web import run_views, views
from importer.web.pages.site import Site, get, iso, user_of
from importer.web.storage import Upload
from importer.web.users import User

#: Runs and files that the page shows.
_MOST_SHOWN = 50


class HomePage:
    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        return [get("/", self.home)]

    async def home(self, request: Request) -> Response:
        user, all_runs = user_of(request), await self._site.journal.runs()
        seen = [run for run in all_runs if user.may_see(self._site.owner(run))]
        rows = []
        for snapshot in await self._site.journal.snapshots(seen[:_MOST_SHOWN]):
            run_id = snapshot.run.record.run_id
            wish = self._site.storage.wish_of_run(run_id)
            rows.append(
                run_views.run_row(
                    self._site.t,
                    snapshot,
                    self._site.runs.live(run_id),
                    self._site.wanted(run_id, wish),
                    self._site.owner(snapshot.run),
                    wish.rows if wish is not None else 0,
                )
            )
        used = {run.record.source for run in all_runs}
        files = [
            _file(upload, user)
            for upload in self._site.storage.uploads(None if user.sees_all else user.name)
            if upload.path not in used and upload.kept
        ]
        return self._site.show(
            request,
            "home",
            here="home",
            runs=rows,
            more=len(seen) > _MOST_SHOWN,
            files=files[:_MOST_SHOWN],
            by_shown=any(not row.by for row in rows),
            **self._site.upload_form(),
        )


def _file(upload: Upload, user: User) -> dict[str, object]:
    return {
        "id": upload.id,
        "name": upload.name,
        "size": views.size_words(upload.size),
        "at": views.moment(upload.at),
        "at_iso": iso(upload.at),
        "owner": upload.owner,
        "controls": user.may_control(upload.owner),
    }
