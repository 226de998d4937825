"""Canaries in every cell: only the files and pages that show rows to their owner contain them."""

from __future__ import annotations

import csv
import io
import re
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.canaries import CANARY, HEADER, ROWS, Parrot, check_files, parroting, silent
from tests.support.page import Server, Visitor, WarmServer, ended, import_file, until

pytestmark = pytest.mark.process

#: Derived from an upload for the pages that show sample cells; deleted with the upload.
OF_UPLOADS = ("inspection.json", "check.json", "problems.csv", "mapping.toml", "problem-rows.db", "edits.db")
LOGGED = ("--log-file", "run.log", "--log-format", "json", "--metrics-file", "figures.prom")
SMALL = ("--batch-size", "10", "--concurrency", "1", "--rate", "1000/second")


def sheet(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue().encode()


def said_by(server: Server) -> str:
    """Everything that a server wrote to standard error by its end."""
    assert server.process is not None and server.process.stderr is not None
    server.process.send_signal(signal.SIGTERM)
    said = server.process.stderr.read()
    server.stop()
    return said


@pytest.mark.parametrize("mode", ["items", "401"])
def test_pages_logs_and_stored_files_hold_no_cell(tmp_path: Path, mode: str) -> None:
    """List, report pages (but for the examples), audit trail, log, metrics and stored files hold no cell, for runs that
    end and runs that are retried or resumed."""
    with parroting() as address:
        Parrot.mode = mode
        environ = {"IMPORTER_USERNAME": "till", "IMPORTER_PASSWORD": "till"}
        server = WarmServer(tmp_path, "--base-url", address, *SMALL, *LOGGED, **environ).start()
        visitor = Visitor.at(server.url)
        run = import_file(visitor, "sheet.csv", sheet(HEADER, ROWS))
        pages = [ended(visitor, run).text]
        if mode == "items":
            assert CANARY.search(visitor.get(f"{run}/files/results.csv").text)
            again = visitor.post(f"{run}/retry").url.path
            assert again != run
        else:
            Parrot.mode = "items"
            again = visitor.post(f"{run}/resume").url.path
        pages += [ended(visitor, again).text, visitor.get(f"{run}/files/summary.html").text]
        pages += [visitor.get(path).text for path in ("/", "/audit", run)]
        assert "sheet.csv" in pages[-2]
        # The report shows the cells of its examples to whoever may fix them.
        pages = [re.sub(r'(?s)<ul class="cells">.*?</ul>', "", page) for page in pages]
        silent(*pages, said_by(server))
    check_files(tmp_path, *OF_UPLOADS)


@pytest.mark.parametrize("asked", [True, False])
def test_a_report_shows_a_cell_only_on_request(tmp_path: Path, asked: bool) -> None:
    """The page shows a cell that all failed rows share only with `serve --show-identifiers`; the log never does."""
    wrong = [(f"code-816+{n}", "kanari yellow") for n in range(12)]
    content = sheet(("External id", "Colour"), [*wrong, *[(f"A{n}", f"Blue {n}") for n in range(40)]])
    more = ("--show-identifiers",) if asked else ()
    server = WarmServer(tmp_path, "--sandbox", "--rate", "1000/second", *LOGGED, *more).start()
    visitor = Visitor.at(server.url)
    run = import_file(visitor, "sheet.csv", content)
    page = until(lambda: visitor.get(run).text, lambda text: "12 need attention" in text)
    assert ("kanari yellow" in page) == asked
    silent(said_by(server), *(path.read_text(encoding="utf-8") for path in tmp_path.glob("run.log")))
    if not asked:
        check_files(tmp_path, *OF_UPLOADS)
