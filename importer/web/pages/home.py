"""The first page: a form for a file, files not imported yet, and the history of the imports that the user may see."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from importer.journal import Run
from importer.system.text import shortened
from importer.web import column_views, history, run_views, views
from importer.web.messages import RESULT_FILES, Inspection
from importer.web.pages.site import Site, get, iso, user_of
from importer.web.storage import Upload
from importer.web.texts import Texts
from importer.web.users import User

#: Files that the page shows, and the columns of each.
_MOST_FILES, _MOST_COLUMNS = 50, 6


class HomePage:
    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        return [get("/", self.home)]

    async def home(self, request: Request) -> Response:
        user, wanted = user_of(request), history.wanted_from(request.query_params)
        all_runs, owners = await self._site.journal.runs(), self._site.storage.owners()
        seen = [run for run in all_runs if user.may_see(owners.get(run.record.run_id, ""))]
        found = await self._found(seen, owners, wanted)
        cut = history.cut(found, wanted)
        rows = await self._rows(found[cut.first - 1 : cut.last])
        used = {run.record.source for run in all_runs}
        files = [
            upload
            for upload in self._site.storage.uploads(None if user.sees_all else user.name)
            if upload.path not in used and upload.kept
        ]
        return self._site.show(
            request,
            "home",
            here="home",
            runs=rows,
            any_runs=bool(seen),
            wanted=wanted,
            results=history.RESULTS,
            cut=cut,
            files=await asyncio.to_thread(self._files, files[:_MOST_FILES], user),
            count_of_files=len(files),
            by_shown=any(not row.by for row in rows),
            **self._site.upload_form(),
        )

    async def _found(self, runs: list[Run], owners: dict[str, str], wanted: history.Wanted) -> list[Run]:
        if not wanted.filters:
            return runs
        states = await self._states(runs) if wanted.result else {}
        by_command = self._site.t("runs.command_line")

        def entry(run: Run) -> history.Entry:
            record = run.record
            owner, state = owners.get(record.run_id) or by_command, states.get(run.key, "")
            return history.Entry(views.name_of(run), record.run_id, owner, state, record.started_at / 1000)

        return [run for run in runs if history.matches(entry(run), wanted)]

    async def _states(self, runs: list[Run]) -> dict[int, str]:
        """The state of each run, by key. Only those of unfinished runs need the journal."""
        states = {run.key: run_views.finished_state(run) for run in runs if run.finished}
        for snapshot in await self._site.journal.snapshots([run for run in runs if not run.finished]):
            run_id = snapshot.run.record.run_id
            wish, live = self._site.storage.wish_of_run(run_id), self._site.runs.live(run_id)
            states[snapshot.run.key] = run_views.state_of(snapshot, live, self._site.wanted(run_id, wish))
        return states

    async def _rows(self, runs: Sequence[Run]) -> list[run_views.RunRow]:
        rows = []
        for snapshot in await self._site.journal.snapshots(list(runs)):
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
        return rows

    def _files(self, uploads: Sequence[Upload], user: User) -> list[dict[str, object]]:
        return [
            {
                "id": upload.id,
                "name": upload.name,
                "size": views.size_words(upload.size),
                "at": views.moment(upload.at),
                "at_iso": iso(upload.at),
                "owner": upload.owner,
                "fixes": upload.fixes,
                "content": _content(self._site.t, upload),
                "controls": user.may_control(upload.owner),
            }
            for upload in uploads
        ]


def _content(t: Texts, upload: Upload) -> list[str]:
    """What is in a file: sheet, rows and the names of its columns, as the inspection found them."""
    try:
        content = (upload.own_folder / RESULT_FILES["inspect"]).read_bytes()
        inspection = msgspec.json.decode(content, type=Inspection)
    except (OSError, msgspec.MsgspecError):
        return []  # it was not read yet
    if not inspection.columns:
        return [line for line in inspection.fault if line]
    names = [name for name in inspection.column_names if name]
    shown = ", ".join(shortened(name, 30) for name in names[:_MOST_COLUMNS])
    more = f" {t('files.more_columns', n=len(names) - _MOST_COLUMNS)}" if len(names) > _MOST_COLUMNS else ""
    return [*column_views.facts(t, inspection), f"{t('files.columns', names=shown)}{more}"]
