"""The page gives a workbook to fill in, for its organisation."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest

from importer.sandbox import EmbeddedSandbox, SandboxOptions
from importer.sandbox.options import PreferenceField
from tests.support.page import PACE, Visitor, WarmServer

pytestmark = pytest.mark.process

FIELDS = (
    PreferenceField(name="Favourite Colour", options=("Blue", "Red")),
    PreferenceField(name="Old", is_disabled=True),
)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[Visitor, EmbeddedSandbox]]:
    with EmbeddedSandbox(SandboxOptions(fields=FIELDS)) as sandbox:
        environ = {"IMPORTER_USERNAME": sandbox.username, "IMPORTER_PASSWORD": sandbox.password}
        words = ("--base-url", sandbox.base_url, "--country", "IN", *PACE)
        with WarmServer(tmp_path, *words, **environ) as server:
            yield Visitor.at(server.url), sandbox


def test_the_first_page_gives_a_template_that_passes_its_check(shop: tuple[Visitor, EmbeddedSandbox]) -> None:
    """A workbook with the organisation's columns and options; filled in and uploaded, it has nothing to ask."""
    visitor, _ = shop
    assert 'href="/template"' in visitor.get("/").text
    answer = visitor.get("/template")
    assert answer.status_code == 200
    assert 'filename="template.xlsx"' in answer.headers["content-disposition"]
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    sheet = book["Customers"]
    names = [cell.value for cell in sheet[1]]
    assert names == ["Mobile", "Email", "External ID", "User ID", "Favourite Colour"]
    sheet["A2"], sheet["E2"] = "9774487641", "Blue"
    content = io.BytesIO()
    book.save(content)
    page = visitor.settled(visitor.upload("template.xlsx", content.getvalue()).url.path)
    assert 'role="alert"' not in page.text
    assert "Favourite Colour" in page.text


def test_a_template_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    """Refused credentials are an error page, not a workbook without columns."""
    with EmbeddedSandbox(SandboxOptions(fields=FIELDS)) as sandbox:
        environ = {"IMPORTER_USERNAME": sandbox.username, "IMPORTER_PASSWORD": "wrong"}
        with WarmServer(tmp_path, "--base-url", sandbox.base_url, *PACE, **environ) as server:
            answer = Visitor.at(server.url).get("/template")
    assert answer.status_code == 503
    assert "content-disposition" not in answer.headers
    assert 'role="alert"' in answer.text


def test_templates_of_a_user_are_limited(shop: tuple[Visitor, EmbeddedSandbox]) -> None:
    """Each costs a request of the key, at the rate of the imports."""
    visitor, _ = shop
    codes = [visitor.get("/template").status_code for _ in range(21)]
    assert codes == [*[200] * 20, 429]
    assert visitor.get("/").status_code == 200
