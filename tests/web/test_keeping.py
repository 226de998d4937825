"""Uploaded files hold customers' data: they are kept while they are needed, and then deleted."""

from __future__ import annotations

import os
import time

import pytest

from importer.runs.purge import purge
from importer.settings.options import Settings
from importer.web.storage import forget_uploads
from importer.world import World
from tests.support.page import SAMPLES, Server, Visitor, ended, import_file, prepare, until

pytestmark = pytest.mark.process

DAY = 86_400.0
GOOD = b"Mobile,Favourite brand\n" + b"".join(b"9198765%05d,Puma\n" % number for number in range(1, 31))


def uploads(server: Server) -> set[str]:
    return {path.name for path in (server.reports / ".web" / "uploads").iterdir()}


def test_a_file_is_deleted_when_its_run_has_succeeded(server: Server, visitor: Visitor) -> None:
    """The upload and what was derived from it are deleted; its addresses then lead to the run."""
    address = prepare(visitor, "good.csv", GOOD)
    visitor.post(f"{address}/start")
    run = until(lambda: visitor.get(f"{address}/run").url.path, lambda path: path.startswith("/runs/"))
    assert "All 30 rows succeeded." in ended(visitor, run).text
    until(lambda: uploads(server), lambda kept: address.rsplit("/", 1)[1] not in kept)
    for path in (address, f"{address}/check", f"{address}/run"):
        assert visitor.get(path).url.path == run
    assert visitor.post(f"{address}/start").url.path == run
    assert visitor.get(f"{run}/files/results.csv").status_code == 200


def test_a_file_is_kept_while_its_rows_can_be_retried(server: Server, visitor: Visitor) -> None:
    """A retry reads the uploaded file. Two clicks start one retry, and the report links to it."""
    run = import_file(visitor, "messy.xlsx", (SAMPLES / "messy.xlsx").read_bytes())
    assert f'action="{run}/retry"' in ended(visitor, run).text
    first = visitor.post(f"{run}/retry").url.path
    second = visitor.post(f"{run}/retry").url.path
    assert first == second != run
    ended(visitor, first)
    assert visitor.post(f"{run}/retry").url.path == first
    page = visitor.get(run).text
    assert first in page and f'action="{run}/retry"' not in page


def test_a_second_start_leads_to_the_same_run(server: Server, visitor: Visitor) -> None:
    """A second click, tab or old page leads to the run of the first start. To send the rows again, the user must
    confirm it."""
    address = prepare(visitor, "twice.csv", GOOD + b"12,Nike\n")
    for _ in range(3):
        visitor.post(f"{address}/start")
    run = until(lambda: visitor.get(f"{address}/run").url.path, lambda path: path.startswith("/runs/"))
    ended(visitor, run)
    assert visitor.post(f"{address}/start").url.path == run
    assert visitor.get("/").text.count(">twice.csv<") == 1
    page = visitor.settled(f"{address}/check")
    assert "Send every row again" in page.text
    visitor.post(f"{address}/start", {"after": run.rsplit("/", 1)[1]})
    until(lambda: visitor.get("/").text.count(">twice.csv<"), lambda count: count == 2)


def test_purge_deletes_uploads(server: Server, visitor: Visitor) -> None:
    """Purge deletes the uploads of purged runs and old uploads that were never imported, and keeps those of other runs.
    The page still shows the counts, and says that the rows were deleted."""
    run, other = (import_file(visitor, name, GOOD + b"13,Nike\n") for name in ("old.csv", "other.csv"))
    ended(visitor, run)
    ended(visitor, other)
    young, forgotten = (visitor.upload(name, GOOD).url.path for name in ("young.csv", "forgotten.csv"))
    visitor.settled(young)
    visitor.settled(forgotten)
    later = time.time() + 30 * DAY
    os.utime(server.reports / ".web" / young.lstrip("/"), (later, later))
    name = run.rsplit("/", 1)[1]
    world = World({}, wall=lambda: round(later * 1000))
    found = purge(Settings(reports_dir=str(server.reports)), DAY, world, lambda known: known.record.run_id == name)
    assert found.runs == (name,)
    names = {path.name for path in (server.reports / ".web" / "uploads").glob("*/*.csv")}
    assert {"young.csv", "other.csv"} <= names and not names & {"old.csv", "forgotten.csv"}
    page = visitor.get(run)
    assert "The results of the rows were deleted" in page.text and "<dd>30 " in page.text
    assert visitor.get(forgotten).status_code == 404 and "forgotten.csv" not in visitor.get("/").text


def test_a_purge_forgets_the_names_of_its_files(server: Server, visitor: Visitor) -> None:
    """In the page's own database too, while the page runs. Another file keeps its name."""
    run = import_file(visitor, "patients-of-dr-canary.csv", GOOD + b"12,Nike\n")
    ended(visitor, run)
    other = prepare(visitor, "other-file.csv", GOOD)
    folder = server.reports / ".web"
    later = time.time() + 60
    os.utime(folder / "uploads" / other.rsplit("/", 1)[1], (later, later))

    def kept() -> bytes:
        return b"".join(path.read_bytes() for path in folder.glob("web.db*"))

    assert b"patients-of-dr-canary.csv" in kept()
    world = World({}, wall=lambda: round((time.time() + 10) * 1000))
    settings = Settings(reports_dir=str(server.reports))
    found = purge(settings, 5.0, world, forget=lambda uploads: forget_uploads(folder, uploads))
    assert found.left == {}
    assert b"patients-of-dr-canary.csv" not in kept()
    assert b"other-file.csv" in kept()
    assert visitor.get(run).status_code == 200
