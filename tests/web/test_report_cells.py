"""The report shows cells: the column and the value of each example row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from importer.journal import Journal
from importer.journal.problem_columns import problem_columns
from importer.web.examples import Cell, example_cells
from importer.web.users import add_user
from tests.support.page import PACE, Server, Visitor, WarmServer, ended, import_file

pytestmark = [pytest.mark.process]

PASSWORD = "a long enough password"
SHEET = (
    b"Mobile,E-mail,Brand\n"
    b"919876501001,asha@example.com,Puma\n"
    b"12-34,,Puma\n"
    b",asha@@example.com,Bata\n"
    b",code-1012+ravi@sandbox.test,Bata\n"
    b",,Bata\n"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("cells")
    for name, role in (("asha", "uploader"), ("vera", "viewer")):
        add_user(folder / "users", name, role, PASSWORD)
    with WarmServer(folder, "--sandbox", *PACE, IMPORTER_WEB_USERS_FILE=str(folder / "users")) as running:
        yield running


def signed_in(server: Server, name: str) -> Visitor:
    visitor = Visitor.at(server.url)
    visitor.sign_in(name, PASSWORD)
    return visitor


def cells_in(text: str) -> dict[int, list[str]]:
    """What stands beside each example row."""
    found = {}
    for item in re.findall(r"<li><span class=\"soft\">row (\d+)</span>(.*?)</li>", text, re.S):
        found[int(item[0])] = re.sub(r"<[^>]+>", "|", unescape(item[1])).replace("|", " ").split()
    return found


def test_the_report_shows_the_problem_cells(server: Server) -> None:
    """For a rejected row its problem cell, for a refused one what identifies the customer; who cannot fix the rows sees
    masked cells; a purged run shows none."""
    asha, vera = signed_in(server, "asha"), signed_in(server, "vera")
    run = import_file(asha, "cells.csv", SHEET)
    cells = cells_in(ended(asha, run).text)
    assert cells[3] == ["Mobile", "12-34"]
    assert cells[4] == ["E-mail", "asha@@example.com"]
    assert cells[6] == ["Mobile", "(empty)", "E-mail", "(empty)"]
    assert cells[5] == ["E-mail", "code-1012+ravi@sandbox.test"]
    masked = cells_in(vera.get(run).text)
    assert masked[3] == ["Mobile", "1***4"]
    assert "asha@@" not in vera.get(run).text
    with Journal.open(server.reports) as journal:
        found = journal.run(run.removeprefix("/runs/"))
        assert found is not None
        assert problem_columns(journal, found.key, [2, 3, 4, 5]) == {2: (), 3: ("Mobile",), 4: ("E-mail",), 5: ()}
    for file in (server.reports / run.removeprefix("/runs/")).glob("results.csv"):
        file.unlink()
    assert cells_in(asha.get(run).text) == {}


def test_cells_of_the_results(tmp_path: Path) -> None:
    """A guarded cell is shown as it is in the file; a column of the same name counts once; an unreadable line ends the
    search."""
    results = tmp_path / "results.csv"
    results.write_text("\ufeffMobile,Note,Note,_row\n'=1+1,a,b,2\n,x,y,3\n", encoding="utf-8")
    asked = {2: ("Mobile",), 3: (), 4: ("Note",)}
    assert example_cells(results, asked, ["Mobile", "Note"], str) == {
        2: (Cell("Mobile", "=1+1"),),
        3: (Cell("Note", "x"),),
    }
    results.write_text("Mobile,_row\n1,two\n\n2\n3,3\n", encoding="utf-8")
    assert example_cells(results, {3: ("Mobile", "gone")}, [], str) == {3: (Cell("Mobile", "3"),)}
    results.write_bytes(b"Mobile,_row\n\xff,2\n")
    assert example_cells(results, {2: ("Mobile",)}, [], str) == {}
    assert example_cells(tmp_path / "none.csv", {2: ("Mobile",)}, [], str) == {}
